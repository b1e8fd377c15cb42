"""Reads a table by the ending of its name: CSV, XLSX or Parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from deffe.errors import TableError, counted
from deffe.table_tools.cells import plain, typed
from deffe.table_tools.excel import read_sheet
from deffe.table_tools.libraries import need
from deffe.table_tools.table import Origin, Table, fresh
from deffe.tables.columns import unique_names
from deffe.tables.csv_in import CsvFile

ENDINGS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".xlsx": "xlsx", ".xlsm": "xlsx", ".parquet": "parquet"}
FORMATS = "tables are read from .csv (also .csv.gz), .tsv, .txt, .xlsx and .parquet"


def sheet_of(word: str) -> tuple[Path, str]:
    """The file and the sheet of ``FILE.xlsx#SHEET``; a file of that very name counts as such."""
    file, mark, sheet = word.rpartition("#")
    if mark and not Path(word).exists() and ENDINGS.get(Path(file).suffix.lower()) == "xlsx":
        return Path(file), sheet
    return Path(word), ""


def read_table(word: str, say: Callable[[str], None]) -> Table:
    """Read one file.

    Args:
        word: the file; of a workbook the first sheet, or that behind a ``#``.
    Raises:
        TableError: it cannot be read, has no columns, or a row or cell cannot be understood, with its place.
        UsageError: a library is not there.
    """
    path, sheet = sheet_of(word)
    kind = kind_of(path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        hint = "-dirname DIR gathers the results of a folder" if path.is_dir() else FORMATS
        raise TableError(f"{path}: the table {what}", hint)
    if kind == "csv":
        return _read_csv(path, say)
    return _read_parquet(path) if kind == "parquet" else read_sheet(path, sheet)


def kind_of(path: Path) -> str:
    """``csv``, ``xlsx`` or ``parquet``; TableError for another ending."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-2:] == [".csv", ".gz"]:
        return "csv"
    kind = ENDINGS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise TableError(f"{path}: the ending {path.suffix!r} tells no format of tables", FORMATS)
    return kind


def stem_of(path: Path) -> str:
    """The name of a file without its endings."""
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _read_csv(path: Path, say: Callable[[str], None]) -> Table:
    file = CsvFile(path, ())
    names = header(file.names, str(path), say)
    lines, rows = [], []
    for line, row in file.rows():
        if len(row) != len(names):
            found = f"{path}, line {line}: {counted(len(row), 'field')} where the header has {len(names)}"
            raise TableError(found, "-identify-failed FILE puts such rows into a table of their own")
        lines.append(line)
        rows.append(row)
    return table_of(path, names, lines, rows)


def table_of(path: Path, names: list[str], lines: list[int], rows: list[list[str]]) -> Table:
    """A table of texts from one CSV file, with typed columns."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    frame = pd.DataFrame({name: typed(cells) for name, cells in zip(names, columns, strict=True)})
    return fresh(frame, Origin(str(path), stem_of(path), "line"), lines)


def header(found: list[str], place: str, say: Callable[[str], None]) -> list[str]:
    """The names of columns: those without one are called ``column_N``; TableError where two are alike."""
    for name in found:
        if name and found.count(name) > 1:
            raise TableError(f"{place} has {found.count(name)} columns {name!r}", "rename all but one of them")
    named = [name for name in found if name]
    names = [name or unique_names([f"column_{i + 1}"], named)[0] for i, name in enumerate(found)]
    if len(named) < len(found):
        unnamed = [name for name, old in zip(names, found, strict=True) if not old]
        say(f"{place}: columns without a name are called {', '.join(unnamed)}")
    return names


def _read_parquet(path: Path) -> Table:
    need("pyarrow", "reading Parquet", "parquet")
    try:
        frame = pd.read_parquet(path, engine="pyarrow").reset_index(drop=True)
        frame.columns = pd.Index([str(name) for name in frame.columns])
        header(list(frame.columns), str(path), lambda _: None)
        typed_frame = plain(frame)
    except (ValueError, OSError) as error:  # ArrowInvalid is a ValueError
        raise TableError(
            f"{path} cannot be read as Parquet: {error}", "it may be cut off or of another kind"
        ) from error
    return fresh(typed_frame, Origin(str(path), stem_of(path), "row"), np.arange(1, len(frame) + 1))
