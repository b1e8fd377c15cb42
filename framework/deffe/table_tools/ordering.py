"""Chooses, orders and numbers columns and rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import UsageError, counted
from deffe.table_tools.cells import as_numbers, is_numeric
from deffe.table_tools.grammar import column_names, parted, refused
from deffe.table_tools.table import Table

SEQUENCE = "sequence"
SEQUENCING = '"n", or "n per app" to begin anew in each group'


def columns(table: Table, names: Sequence[str]) -> Table:
    """Keep these columns, in this order."""
    table.require(names, "-columns")
    return table.with_frame(table.frame[list(dict.fromkeys(names))])


def unique(table: Table, names: Sequence[str], say: Callable[[str], None]) -> Table:
    """Keep the first of the rows that are alike in these columns, or in all."""
    table.require(names, "-unique")
    kept = table.take(~table.frame.duplicated(list(names) or None).to_numpy())
    say(f"-unique: {len(kept):,} of {counted(len(table), 'row')}")
    return kept


def sort(table: Table, names: Sequence[str]) -> Table:
    """Order the rows by columns, the first one first; ``a::max`` puts the largest first. Empty cells come last."""
    order = np.arange(len(table))
    for word in reversed(names):
        name, _, goal = word.partition("::")
        if goal not in ("", "min", "max"):
            raise UsageError(f"-sort {word}: {goal!r} is no order", "allowed: COLUMN, COLUMN::min or COLUMN::max")
        table.require([name], "-sort")
        key = _key(table.frame[name]) * (-1.0 if goal == "max" else 1.0)
        order = order[np.argsort(key[order], kind="stable")]  # NaN is last in both directions
    return table.take(order)


def _key(series: pd.Series[Any]) -> NDArray[np.float64]:
    """(n,) numbers in whose order the cells stand: numbers first, then text; NaN where empty."""
    if is_numeric(series):
        return as_numbers(series)
    cells = series.tolist()
    texts = {cell: place for place, cell in enumerate(sorted({str(cell) for cell in cells if cell is not None}))}
    return np.array([np.nan if cell is None else texts[str(cell)] for cell in cells], dtype=np.float64)


def number_rows(table: Table, text: str) -> Table:
    """Add a column with the numbers 1, 2, 3, ... of the rows as they stand, in each group if asked."""
    try:
        parts = parted(text or SEQUENCE, ("per",))
    except ValueError as error:
        raise refused("sequencing", text, error, SEQUENCING) from error
    names = column_names(parts[""])
    per = column_names(parts.get("per", ""))
    if len(names) != 1 or ("per" in parts and not per):
        raise refused("sequencing", text, "it is no name of one column", SEQUENCING)
    groups = pd.Series(table.groups(per, "-sequencing"))
    return table.having(names[0], groups.groupby(groups).cumcount().astype("int64") + 1)


def add_source(table: Table, name: str) -> Table:
    """Add a column with the name of the file that each row comes from, without its ending."""
    if name in table.names:
        raise UsageError(f"-source: {table.title} has a column {name!r} already", "name another one")
    stems = [table.origins[origin].stem for origin in table.origin.tolist()]
    return table.having(name, pd.Series(stems, dtype=object))
