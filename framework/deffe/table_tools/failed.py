"""Parts the rows of failed points from the others: by their number of fields, their state, or ``NULL`` in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from deffe.errors import TableError, counted
from deffe.records import State
from deffe.table_tools.cells import typed
from deffe.table_tools.reading import header, kind_of, table_of
from deffe.table_tools.table import Table
from deffe.tables.columns import unique_names
from deffe.tables.csv_in import CsvFile

_FAILED = frozenset(state.text for state in State if state > State.DONE)
_NULL = "null"


def read_parted(path: Path, say: Callable[[str], None]) -> tuple[Table, pd.DataFrame]:
    """Read a CSV file whose rows may be of any length.

    A row has failed when it has another number of fields than the header, when its ``State`` says so, or when a cell
    of it is ``NULL``.

    Returns:
        the rows that have not failed, and those that have: their cells as they stand, with their file, line and reason.
    Raises:
        TableError: the file is no CSV file, or cannot be read.
    """
    if kind_of(path) != "csv":
        raise TableError(f"-identify-failed: {path} is no CSV file", "give .csv files; others have no short rows")
    file = CsvFile(path, ())
    names = header(file.names, str(path), say)
    state = names.index("State") if {"State", "Reason"} <= set(names) else None
    good: list[tuple[int, list[str]]] = []
    bad: list[tuple[int, list[str], str]] = []
    for line, row in file.rows():
        reason = _reason(row, names, state)
        if reason:
            bad.append((line, row, reason))
        else:
            good.append((line, row))
    table = table_of(path, names, [line for line, _ in good], [row for _, row in good])
    say(f"{path}: {counted(len(bad), 'failed row')}, {counted(len(good), 'other')}")
    return table, _frame(path, names, bad)


def _reason(row: list[str], names: list[str], state: int | None) -> str:
    """Why a row has failed; empty for one that has not."""
    if len(row) != len(names):
        return f"{counted(len(row), 'field')} where the header has {len(names)}"
    if state is not None and row[state].strip() in _FAILED:
        return row[names.index("Reason")].strip() or row[state].strip()
    null = next((name for name, cell in zip(names, row, strict=True) if cell.strip().lower() == _NULL), None)
    return f"{null} is NULL" if null else ""


def _frame(path: Path, names: list[str], bad: list[tuple[int, list[str], str]]) -> pd.DataFrame:
    width = len(names)
    cells = [(row + [""] * width)[:width] for _, row, _ in bad]
    columns: dict[str, Any] = {name: typed([row[i] for row in cells]) for i, name in enumerate(names)}
    extra = [",".join(row[width:]) for _, row, _ in bad]
    told: dict[str, list[Any]] = {
        "File": [str(path)] * len(bad),
        "Line": [line for line, _, _ in bad],
        "Why": [why for _, _, why in bad],
    }
    if any(extra):
        told["Extra"] = extra
    for name, column in zip(unique_names(told, names), told.values(), strict=True):
        columns[name] = pd.Series(column, dtype="int64" if column is told["Line"] else object)
    made: pd.DataFrame = pd.DataFrame(columns)
    return made
