"""All results of a run, a file an exploration: a table as CSV or Parquet, or an Optuna study."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deffe.errors import UsageError, counted
from deffe.operate.optuna_study import is_study, load_optuna, write_study
from deffe.operate.view import FAILED, Part, view_of
from deffe.tables.replacing import check_replaceable, header_of
from deffe.values import text

if TYPE_CHECKING:
    import pandas as pd

    from deffe.store import Store

DEFAULT_NAME = "deffe_results"
ENDINGS = {"optuna": "optuna.sqlite3"}
RESULTS = ("done", *FAILED)


def export(folder: Path, form: str, output: str, say: Callable[[str], None]) -> int:
    """Write every point with a result; the exit code.

    Args:
        form: ``csv``, ``parquet`` or ``optuna``.
        output: the file; for further explorations their names are added to it.
    Raises:
        UsageError: the file cannot be written, or is something else, or a library is not there.
        StoreError: the run directory cannot be read.
    """
    if form == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError("-export parquet needs pyarrow, which is not there", "pip install 'deffe[parquet]'")
    if form == "optuna":
        load_optuna()
    from deffe.store import Store

    with view_of(folder) as view:
        parts = view.parts
    with closing(Store.read(folder)) as store:
        paths = [_path(output or f"{DEFAULT_NAME}.{ENDINGS.get(form, form)}", part) for part in parts]
        for part, path in zip(parts, paths, strict=True):
            _check(path, form, store, part.index)
        for part, path in zip(parts, paths, strict=True):
            rows = _write(path, form, store, part)
            say(f"{path}: {counted(rows, 'point')} of {part.name}")
    return 0


def _path(output: str, part: Part) -> Path:
    path = Path(output)
    return path.with_name(f"{path.stem}_{part.name.replace('/', '_')}{path.suffix}") if part.index else path


def _check(path: Path, form: str, store: Store, exploration: int) -> None:
    """Refuse to replace a file that is no earlier export of this run."""
    if form == "optuna":
        return check_replaceable(path, "-output", bool, {}, is_study)
    names = list(next(_frames(store, exploration)).columns)
    header = header_of if form == "csv" else _parquet_names
    return check_replaceable(path, "-output", lambda found: found == names, {}, header)


def _parquet_names(path: Path) -> list[str]:
    """The columns of a Parquet file; none of another file."""
    import pyarrow
    import pyarrow.parquet

    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except (OSError, pyarrow.ArrowException):
        return []


def _write(path: Path, form: str, store: Store, part: Part) -> int:
    """Write a file, and put it in place when it is complete; its number of points."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if form == "optuna":
                rows = write_study(temporary, store, part.index, part.name)
            else:
                rows = _write_table(temporary, form, store, part.index)
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()
    return rows


def _write_table(path: Path, form: str, store: Store, exploration: int) -> int:
    rows = 0
    with closing(_Csv(path) if form == "csv" else _Parquet(path)) as writer:
        for frame in _frames(store, exploration):
            writer.write(frame)
            rows += len(frame)
    return rows


def _frames(store: Store, exploration: int) -> Iterator[pd.DataFrame]:
    """The results in pieces, under the names that the tables of a run have."""
    from deffe.tables.columns import bookkeeping, unique_names

    for frame in store.frames(exploration):
        names = store.names(exploration)
        theirs = bookkeeping(names)
        told = {
            "EvaluateTime": "evaluate_s",
            "ExtractTime": "extract_s",
            "RunDir": "folder",
            "Id": "id",
            "Step": "step",
            "State": "state",
            "Reason": "reason",
            "Source": "source",
        }
        shown = unique_names(told, names)
        kept = frame[frame[theirs["state"]].isin(RESULTS)]
        kept = kept[[*names, *(theirs[column] for column in told.values())]]
        yield kept.set_axis([*names, *shown], axis=1)


class _Csv:
    """CSV as the tables of a run have it: UTF-8, commas, empty where there is nothing."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        self._header = True

    def write(self, frame: pd.DataFrame) -> None:
        _as_texts(frame).to_csv(self._file, index=False, header=self._header)
        self._header = False

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """Parquet, a row group a piece."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def write(self, frame: pd.DataFrame) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            kinds = {"i": pa.int64(), "f": pa.float64(), "b": pa.bool_()}
            fields = [(name, kinds.get(frame[name].dtype.kind, pa.string())) for name in frame.columns]
            self._schema = pa.schema(fields)
            self._writer = pq.ParquetWriter(self._path, self._schema)
        table = pa.Table.from_pandas(_as_texts(frame), schema=self._schema, preserve_index=False)
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _as_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Mixed values as texts; None where a conditional knob has no meaning."""
    changed: Any = {
        name: [None if value is None or value != value else text(value) for value in frame[name].tolist()]
        for name in frame.columns
        if frame[name].dtype.kind not in "ifb"
    }
    made: pd.DataFrame = frame.assign(**changed)
    return made


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"-output: {path} cannot be written: {error.strerror or error}", "name a file where you may write"
        ) from error
