"""Design points as typed columns of a table, and tables read back as design points."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import TableError, counted
from deffe.records import Levels
from deffe.space.components import Mask
from deffe.space.parameters import Parameter
from deffe.values import parse_literal

UNKNOWN, MISSING = -1, -2
_FAULTS_SHOWN = 10


def to_frame(parameters: Sequence[Parameter], levels: Levels, active: Mask | None) -> pd.DataFrame:
    """One typed column a parameter; inactive cells are NaN among numbers and None else.

    Args:
        levels: (n, p) levels.
        active: (n, p) bool, or None when all are.
    """
    columns: dict[str, NDArray[Any]] = {}
    for column, parameter in enumerate(parameters):
        values = parameter.typed[levels[:, column]]
        if active is not None and not active[:, column].all():
            values = _blanked(parameter, levels[:, column], active[:, column])
        columns[parameter.name] = values
    frame: pd.DataFrame = pd.DataFrame(columns, index=pd.RangeIndex(len(levels)))
    return frame


def _blanked(parameter: Parameter, levels: NDArray[np.int32], active: Mask) -> NDArray[Any]:
    exact = parameter.typed.dtype != object and parameter.is_numeric and bool((abs(parameter.numbers) <= 2**53).all())
    values = (parameter.numbers if exact else parameter.objects)[levels]
    values[~active] = np.nan if exact else None
    return values


def find_columns(parameters: Sequence[Parameter], names: Sequence[Hashable], where: str) -> list[int | None]:
    """Where each parameter stands among the names of a table's columns.

    By name, then by map, then both without regard to case; a map that parameters share says nothing.
    None for an absent column of a parameter with one value or a condition.

    Raises:
        TableError: for other absent columns, and for names that fit several columns.
    """
    maps = [parameter.map for parameter in parameters]
    found: list[int | None] = []
    absent: list[str] = []
    for parameter in parameters:
        wanted = [parameter.name] + ([parameter.map] if maps.count(parameter.map) == 1 else [])
        place = _place(wanted, [str(name) for name in names], where)
        if place is None and len(parameter) > 1 and parameter.when is None:
            absent.append(parameter.name)
        found.append(place)
    if absent:
        listed = ", ".join(repr(name) for name in absent)
        raise TableError(f"{where} has no column for {listed}", f"its columns: {', '.join(map(str, names))}")
    return found


def _place(wanted: Sequence[str], names: Sequence[str], where: str) -> int | None:
    for fold in (str, str.lower):
        folded = [fold(name) for name in names]
        for name in wanted:
            if folded.count(fold(name)) > 1:
                raise TableError(f"{where} has several columns for {name!r}", "keep one of them")
            if fold(name) in folded:
                return folded.index(fold(name))
    return None


def column_levels(parameter: Parameter, column: pd.Series[Any] | None, rows: int) -> NDArray[np.int32]:
    """(n,) levels of the cells of a column; UNKNOWN for other values, MISSING for empty cells.

    Values are compared as values, so 4, 4.0 and the text "4" are the same.
    """
    if column is None:
        return np.full(rows, 0 if len(parameter) == 1 and parameter.when is None else MISSING, dtype=np.int32)
    if column.dtype != object or not any(isinstance(value, bool) for value in parameter.values):
        codes, cells = pd.factorize(column, use_na_sentinel=True)
        level = [_cell_level(parameter, cell) for cell in cells]
    else:  # factorize takes True and 1 for the same
        known: dict[tuple[type, object], int] = {}
        codes = np.array([known.setdefault((type(cell), cell), len(known)) for cell in column], dtype=np.int64)
        level = [_cell_level(parameter, cell) for _, cell in known]
    return np.array([*level, MISSING], dtype=np.int32)[codes]


def _cell_level(parameter: Parameter, cell: object) -> int:
    """The level of one cell of any type."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, str):
        if not (stripped := cell.strip()):
            return MISSING
        return _text_level(parameter, stripped)
    if _is_missing(cell):
        return MISSING
    level = parameter.level_of(cell) if isinstance(cell, bool | int | float) else None
    if level is None and isinstance(cell, bool):  # a table reader makes True of the text true
        forms = (parameter.level_of(form) for form in (str(cell).lower(), str(cell).upper()))
        level = next((form for form in forms if form is not None), None)
    return UNKNOWN if level is None else level


def _text_level(parameter: Parameter, cell: str) -> int:
    try:
        level = parameter.level_of(parse_literal(cell))
    except ValueError:
        level = None
    if level is None:
        level = parameter.level_of(cell)
    return UNKNOWN if level is None else level


def faults(parameters: Sequence[Parameter], frame: pd.DataFrame, places: Sequence[int | None], bad: Mask,
           where: str) -> TableError:  # fmt: skip
    """The error that lists the first of the (n, p) bad cells: row, column, value and what is allowed."""
    rows, columns = np.nonzero(bad)
    lines = []
    for row, column in zip(rows[:_FAULTS_SHOWN].tolist(), columns[:_FAULTS_SHOWN].tolist(), strict=True):
        place, parameter = places[column], parameters[column]
        name = parameter.name if place is None else frame.columns[place]
        cell = None if place is None else frame.iat[row, place]
        lines.append(f"row {row + 1}, column {name!r}: {_shown(cell)}; "
                     f"allowed: {parameter.allowed}")  # fmt: skip
    if len(rows) > _FAULTS_SHOWN:
        lines.append(f"... and {len(rows) - _FAULTS_SHOWN:,} more")
    count = int(bad.any(axis=1).sum())
    points = counted(count, "row")
    return TableError(f"{where} has {points} outside the design space (rows count from 1 after the header)",
                      "\n  ".join(lines))  # fmt: skip


def _is_missing(cell: object) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell))


def _shown(cell: object) -> str:
    """A cell for a message: text in quotes, numbers plain."""
    value = cell.item() if isinstance(cell, np.generic) else cell
    return "no value" if _is_missing(value) else repr(value)
