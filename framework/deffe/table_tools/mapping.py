"""Gives columns or values other names: ``a::b`` and ``column::a::b``."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from deffe.errors import TableError, UsageError, nearest
from deffe.table_tools.cells import is_numeric, typed
from deffe.table_tools.grammar import refused
from deffe.table_tools.table import Table

FORM = "a::b for a column, or column::a::b for the values of a column"


def rename(tables: Sequence[Table], pairs: Sequence[str]) -> list[Table]:
    """Rename columns and values in all tables that have them.

    Raises:
        TableError: no table has the column or value, or the new name stands for another column.
        UsageError: not of the form.
    """
    made = list(tables)
    for pair in pairs:
        parts = [part.strip() for part in pair.split("::")]
        if len(parts) not in (2, 3) or not all(parts[:2]) or (len(parts) == 2 and not parts[1]):
            raise refused("map", pair, "the parts of '::' are not two or three", FORM)
        name = parts[0]
        if not any(name in table.names for table in made):
            known = dict.fromkeys(column for table in made for column in table.names)
            titles = ", ".join(table.title for table in made)
            raise TableError(f"-map {pair}: {titles}: there is no column {name!r}", nearest(name, known))
        if len(parts) == 2:
            made = [_column(table, name, parts[1]) if name in table.names else table for table in made]
        else:
            made = _values(made, name, parts[1], parts[2])
    return made


def _column(table: Table, old: str, new: str) -> Table:
    if new in table.names and new != old:
        raise UsageError(f"-map {old}::{new}: {table.title} has a column {new!r} already", "leave it out by -columns")
    return table.with_frame(table.frame.rename(columns={old: new}))


def _values(tables: Sequence[Table], name: str, old: str, new: str) -> list[Table]:
    found, seen, made = False, dict[str, None](), []
    for table in tables:
        if name not in table.names:
            made.append(table)
            continue
        cells = [_text(cell) for cell in table.frame[name].tolist()]
        found = found or old in cells
        seen.update(dict.fromkeys(cells))
        changed = [new if cell == old else cell for cell in cells]
        numbers = is_numeric(table.frame[name])
        column = typed(changed) if numbers else pd.Series([cell or None for cell in changed], dtype=object)
        made.append(table.having(name, column))
    if not found:
        raise TableError(f"-map: no cell of column {name!r} is {old!r}", nearest(old, seen))
    return made


def _text(cell: object) -> str:
    return "" if cell is None or cell is pd.NA or cell != cell else str(cell)
