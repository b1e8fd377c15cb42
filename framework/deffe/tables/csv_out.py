"""The CSV tables of a run, derived from the store and the predictions, written in pieces and put in place whole."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import StoreError
from deffe.records import Costs, Levels, Prediction, State
from deffe.space import DesignSpace
from deffe.space.parameters import Parameter, as_objects
from deffe.tables.columns import PREDICTED, TABLE_COLUMNS, bookkeeping, id_texts, unique_names
from deffe.tables.replacing import header_of
from deffe.values import text

MICROSECONDS = 6
SPREADS = ("std", "lower", "upper")
"""What the tables tell of a prediction besides its mean: the deviation, and the ends of the 90 % interval."""
_WRITTEN = "tables"  # the store's note of the tables written: {path: [size, mtime_ns]}
_SPECIAL = frozenset(',"\r\n')
_RESULTS = tuple(state.text for state in State if state >= State.DONE)


class Source(Protocol):
    """What tables are made from: the store."""

    folder: Path

    def frames(self, exploration: int) -> Iterator[pd.DataFrame]:
        """The cost table in pieces."""

    def get_meta(self, key: str, default: Any = None) -> Any:
        """A note on the run."""

    def set_meta(self, key: str, value: Any) -> None:
        """Keep a note on the run."""


@dataclass(frozen=True)
class TablePaths:
    """Where the tables of one exploration go.

    Args:
        all: every point with a result, and the predictions.
        evaluation: the points that this run evaluated.
        ml_predict: the predictions.
        evaluation_predict: both.
        recommended: the best of both; None where it is not wanted.
    """

    all: Path
    evaluation: Path
    ml_predict: Path
    evaluation_predict: Path
    recommended: Path | None = None


def table_paths(folder: Path, explorations: Sequence[tuple[str, Sequence[str]]]) -> list[TablePaths]:
    """Give every table a path of its own: ``NAME.csv``, and ``NAME_EXPLORATION.csv`` where that is taken.

    Args:
        folder: what the names are relative to.
        explorations: of each, its name and those of its tables: all, evaluation, ml_predict, evaluation_predict, and
            recommended.
    """
    taken: set[str] = set()

    def free(name: str, exploration: str) -> Path:
        path = Path(os.path.normpath(folder / name))
        ending = f"_{exploration}" if str(path).lower() in taken else ""
        stem = path.stem + ending.replace("/", "_")
        candidate, number = path.with_name(stem + path.suffix), 1
        while str(candidate).lower() in taken:
            number += 1
            candidate = path.with_name(f"{stem}_{number}{path.suffix}")
        taken.add(str(candidate).lower())
        return candidate

    return [TablePaths(*(free(name, exploration) for name in names)) for exploration, names in explorations]


def write_tables(
    source: Source,
    exploration: int,
    space: DesignSpace,
    costs: Sequence[str],
    paths: TablePaths,
    *,
    predicted: Sequence[str] = (),
    predictions: Iterable[tuple[Levels, Prediction]] = (),
) -> list[Path]:
    """Write the tables of one exploration; those of predictions only if costs are predicted.

    A file that stands in the way and was not written by this run, or was edited since, is renamed to ``NAME.1.csv``.

    Args:
        costs: names of all costs.
        predicted: those of them that are predicted.
        predictions: pieces of (n, p) points with their predictions.
    Returns:
        the files written.
    Raises:
        StoreError: a file cannot be written.
    """
    with TableWriter(source, exploration, space, costs, paths, predicted) as tables:
        for levels, prediction in predictions:
            tables.write(levels, prediction)
    return tables.written


class TableWriter:
    """Writes the tables of one exploration; predictions may follow in pieces, in a ``with`` block.

    The points of the store are written when the block is entered. The files are put in place when it ends well,
    and nothing is changed when it does not. See ``write_tables`` for the arguments.
    """

    def __init__(
        self,
        source: Source,
        exploration: int,
        space: DesignSpace,
        costs: Sequence[str],
        paths: TablePaths,
        predicted: Sequence[str] = (),
    ) -> None:
        self.written: list[Path] = []
        self._source = source
        self._exploration = exploration
        self._points = PointTexts(space)
        self._costs = tuple(costs)
        self._predicted = tuple(predicted)
        own = [*space.names, *costs]
        plain = [*own, *unique_names(TABLE_COLUMNS, own)]
        spreads = [f"{cost}_{what}" for what in SPREADS for cost in predicted]
        spread = [*plain, *unique_names(spreads, plain)]
        self._all = _CsvFile(paths.all, spread)
        self._evaluation = _CsvFile(paths.evaluation, plain)
        self._predictions = (paths.ml_predict, paths.evaluation_predict)
        self._ml_predict = _CsvFile(paths.ml_predict, spread) if predicted else None
        self._both = _CsvFile(paths.evaluation_predict, spread) if predicted else None
        self._open = contextlib.ExitStack()

    @property
    def _files(self) -> list[_CsvFile]:
        return [file for file in (self._all, self._evaluation, self._ml_predict, self._both) if file is not None]

    def __enter__(self) -> TableWriter:
        with contextlib.ExitStack() as stack:
            for file in self._files:
                stack.callback(file.discard)
                file.open()
            for frame in self._source.frames(self._exploration):
                self._write_points(frame)
            self._open = stack.pop_all()
        return self

    def write(self, levels: Levels, prediction: Prediction) -> None:
        """Add (n, p) points with their predictions."""
        n = len(levels)
        blank = [""] * n
        mean = dict(zip(self._predicted, prediction.mean.T, strict=True))
        columns = [
            *self._points.columns(levels),
            *(_numbers(mean[cost]) if cost in mean else blank for cost in self._costs),
            *(blank, blank, blank),
            id_texts(self._points.space.ids(levels)),
            *(blank, [PREDICTED] * n, blank, [PREDICTED] * n),
            *(_numbers(column) for array in (prediction.std, prediction.lower, prediction.upper) for column in array.T),
        ]
        for file in (self._all, self._ml_predict, self._both):
            if file is not None:
                file.write(columns)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if kind is None:
                marks = dict(self._source.get_meta(_WRITTEN, {}))
                for file in self._files:
                    name = os.path.relpath(file.path, self._source.folder)
                    marks[name] = file.publish(marks.get(name))
                    self._source.set_meta(_WRITTEN, marks)
                    self.written.append(file.path)
                if not self._predicted:
                    self._put_away(marks)

    def _put_away(self, marks: dict[str, list[int]]) -> None:
        """Leave no earlier predictions beside these tables: those of this directory go, others are renamed."""
        for path in self._predictions:
            name = os.path.relpath(path, self._source.folder)
            mark = marks.pop(name, None)
            with _explained(path):
                if path.is_file() and _mark(path) == mark:
                    path.unlink()
                elif path.is_file() and _is_table_of_points(header_of(path)):
                    os.rename(path, _free(path))
        self._source.set_meta(_WRITTEN, marks)

    def _write_points(self, frame: pd.DataFrame) -> None:
        parameters = self._points.space.parameters
        names = bookkeeping([*self._points.space.names, *self._costs])
        frame = frame[frame[names["state"]].isin(_RESULTS)]
        own = frame[names["source"]].to_numpy() == "evaluated"
        columns = [
            *(_values(p, frame[p.name]) for p in parameters),
            *(_numbers(frame[cost].to_numpy()) for cost in self._costs),
            _numbers(frame[names["evaluate_s"]].to_numpy().round(MICROSECONDS)),
            _numbers(frame[names["extract_s"]].to_numpy().round(MICROSECONDS)),
            _quoted_all(frame[names["folder"]]),
            frame[names["id"]].tolist(),
            list(map(str, frame[names["step"]].tolist())),
            frame[names["state"]].tolist(),
            _quoted_all(frame[names["reason"]]),
            frame[names["source"]].tolist(),
        ]
        spread = [*columns, *([""] * len(frame) for _ in self._predicted for _ in SPREADS)]
        self._all.write(spread)
        self._evaluation.write(_where(columns, own))
        if self._both is not None:
            self._both.write(_where(spread, own))


def is_prediction_header(names: Sequence[str]) -> bool:
    """Whether a table of these columns is one that ``PredictionWriter`` wrote, of any costs."""
    costs = [name.removeprefix("predicted-") for name in names if name.startswith("predicted-")]
    return any({f"error-{cost}", f"std-{cost}", f"lower-{cost}", f"upper-{cost}"} <= {*names} for cost in costs)


class PredictionWriter:
    """Writes predictions to a CSV file of their own, beside the known costs where there are any; in a ``with`` block.

    Columns: those of the points, then for each cost ``COST`` (if known), ``predicted-COST``, ``error-COST``,
    ``error-percent-COST``, ``std-COST``, and the 90 % interval from ``lower-COST`` to ``upper-COST``. The file is put
    in place when the block ends well.

    Args:
        names: of the columns of the points.
        costs: names of the predicted costs.
    """

    def __init__(self, path: Path, names: Sequence[str], costs: Sequence[str]) -> None:
        forms = ("{}", "predicted-{}", "error-{}", "error-percent-{}", "std-{}", "lower-{}", "upper-{}")
        own = [form.format(cost) for cost in costs for form in forms]
        self._file = _CsvFile(Path(path), [*names, *unique_names(own, names)])

    def __enter__(self) -> PredictionWriter:
        self._file.open()
        return self

    def write(self, points: Iterable[Sequence[str]], prediction: Prediction, known: Costs | None = None) -> None:
        """Add points.

        Args:
            points: their columns, of n texts each.
            prediction: of n points.
            known: (n, c) true costs, NaN where not known.
        """
        actual = np.full_like(prediction.mean, np.nan) if known is None else known
        error = prediction.mean - actual
        with np.errstate(divide="ignore", invalid="ignore"):
            percent = 100 * np.abs(error) / np.abs(actual)
        columns = [_quoted_all(column) for column in points]
        found = (actual, prediction.mean, error, percent, prediction.std, prediction.lower, prediction.upper)
        for arrays in zip(*(array.T for array in found), strict=True):
            columns.extend(map(_numbers, arrays))
        self._file.write(columns)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._file.replace()
        finally:
            self._file.discard()


def publish_columns(source: Source, path: Path, names: Sequence[str], columns: Sequence[Sequence[str]]) -> Path:
    """Write a CSV file of a run whole, from columns of CSV text; the path.

    A file that stands in the way and was not written by this run, or was edited since, is renamed to ``NAME.1.csv``.

    Raises:
        StoreError: it cannot be written.
    """
    file = _CsvFile(path, names)
    try:
        file.open()
        file.write(columns)
        marks = dict(source.get_meta(_WRITTEN, {}))
        name = os.path.relpath(path, source.folder)
        marks[name] = file.publish(marks.get(name))
        source.set_meta(_WRITTEN, marks)
    finally:
        file.discard()
    return path


def write_rows(path: Path, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file of texts whole, in place of what is there; StoreError where it cannot be written."""
    file = _CsvFile(path, names)
    try:
        file.open()
        file.write([_quoted_all(column) for column in zip(*rows, strict=True)])
        file.replace()
    finally:
        file.discard()


def write_min_max(path: Path, space: DesignSpace) -> Path:
    """Write ``{map: {count, min, max}}`` of the parameters as JSON; the path.

    A file of another content that stands in the way is renamed to ``NAME.1.json``.
    """
    content = json.dumps(space.min_max(), indent=2) + "\n"
    with _explained(path):
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") == content:
            return path
        temporary = _temporary(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(content, encoding="utf-8")
        if path.exists():
            os.rename(path, _free(path))
        os.replace(temporary, path)
    return path


class PointTexts:
    """Points as columns of CSV text; a parameter that is not active is left empty."""

    def __init__(self, space: DesignSpace) -> None:
        self.space = space
        self._texts = [as_objects(map(_quoted, p.texts)) for p in space.parameters]
        self._conditional = any(p.when is not None for p in space.parameters)

    def columns(self, levels: Levels) -> list[list[str]]:
        """One list of n texts a parameter, of (n, p) levels."""
        active = self.space.active(levels) if self._conditional else None
        columns: list[list[str]] = []
        for i, texts in enumerate(self._texts):
            column = texts[levels[:, i]]
            if active is not None:
                column[~active[:, i]] = ""
            columns.append(column.tolist())
        return columns


def _is_table_of_points(names: Sequence[str]) -> bool:
    """Whether a header is that of a table of predicted points, as ``TableWriter`` writes it."""
    return {*TABLE_COLUMNS} <= {*names} and any(name.endswith(f"_{SPREADS[0]}") for name in names)


class _CsvFile:
    """A CSV file in the making: beside its path until it is complete."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self._names = names
        self._temporary = _temporary(path)
        self._file: TextIO | None = None

    def open(self) -> None:
        with _explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            self._file.write(",".join(map(_quoted, self._names)) + "\n")

    def write(self, columns: Sequence[Sequence[str]]) -> None:
        """Add rows, given as columns of CSV text."""
        if self._file is not None and columns:
            with _explained(self.path):
                self._file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))

    def publish(self, mark: Sequence[int] | None) -> list[int]:
        """Put the file in place.

        Args:
            mark: size and mtime_ns of the file when this run wrote it last; a file that differs is renamed.
        Returns:
            the new mark.
        """
        with _explained(self.path):
            if self.path.exists() and _mark(self.path) != mark:
                os.rename(self.path, _free(self.path))
            self.replace()
            return _mark(self.path)

    def replace(self) -> None:
        """Put the file in place, whatever is there."""
        with _explained(self.path):
            if self._file is not None:
                self._file.close()
                self._file = None
            os.replace(self._temporary, self.path)

    def discard(self) -> None:
        """Remove what is left of a file that was not put in place."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _mark(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _free(path: Path) -> Path:
    number = 1
    while (candidate := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    return candidate


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the table {path} cannot be written: {error.strerror or error}",
            "all results are safe in the run directory: give the table a place where you may write, and run again",
        ) from error


def _where(columns: Sequence[Sequence[str]], rows: NDArray[np.bool_]) -> list[list[str]]:
    if rows.all():
        return list(map(list, columns))
    kept = np.flatnonzero(rows).tolist()
    return [[column[row] for row in kept] for column in columns]


def _values(parameter: Parameter, column: pd.Series[Any]) -> list[str]:
    """Values of a parameter as CSV text, empty where it is not active."""
    if parameter.is_numeric and column.dtype != object:
        return _numbers(column.to_numpy()) if column.dtype.kind == "f" else list(map(str, column.tolist()))
    return _quoted_all("" if value is None or value != value else text(value) for value in column.tolist())


def _numbers(values: NDArray[Any]) -> list[str]:
    """Numbers in the shortest form that reads back as the same; NaN is empty."""
    written = map(repr, values.tolist())
    return ["" if number == "nan" else number[:-2] if number.endswith(".0") else number for number in written]


def _quoted_all(values: Iterable[str]) -> list[str]:
    seen: dict[str, str] = {}
    return [seen[value] if value in seen else seen.setdefault(value, _quoted(value)) for value in values]


def _quoted(written: str) -> str:
    """A field of a CSV file; quoted also for the sake of spaces at its ends, which readers may drop."""
    if _SPECIAL.isdisjoint(written) and written == written.strip():
        return written
    return '"' + written.replace('"', '""') + '"'
