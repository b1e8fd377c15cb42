"""Normalises a column: to 0..1, or to a statistic or a baseline row, of all rows or of each group."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import TableError
from deffe.table_tools.formulas import holds
from deffe.table_tools.grammar import assignment, column_names, parted, refused
from deffe.table_tools.statistics import known_function, of_groups
from deffe.table_tools.table import Table

FORM = '"a" (to 0..1), "a / max", "a / (size == 1) per app", or "c = a ..." for a column of its own'
_FORMULA = re.compile(r"(?:`([^`]+)`|([^\s/`]+))\s*(?:/\s*(?:\((.*)\)|([a-z]+)))?", re.DOTALL)


def normalize(table: Table, text: str, say: Callable[[str], None]) -> Table:
    """Replace a column by its normalised values, or add them as a new one.

    Raises:
        UsageError: not of the form.
        TableError: no number to divide by, or not exactly one row of a group where the baseline's condition holds.
    """
    name, rest = assignment(text)
    try:
        parts = parted(rest, ("per",))
    except ValueError as error:
        raise refused("normalize", text, error, FORM) from error
    found = _FORMULA.fullmatch(parts[""])
    if found is None or ("per" in parts and not column_names(parts["per"])):
        raise refused("normalize", text, "it is no column with what it is divided by", FORM)
    column = found[1] or found[2]
    per = column_names(parts["per"]) if "per" in parts else []
    values = table.numbers(column, "-normalize")
    if found[3] is not None:
        scale = _baseline(table, values, found[3], per)
    elif found[4] is not None:
        scale = of_groups(table, column, known_function(found[4], "normalize", FORM), per, "-normalize")
    else:
        return table.having(name or column, pd.Series(_to_range(table, column, per, say)))
    if bad := np.flatnonzero((scale == 0) & ~np.isnan(values)).tolist():
        place = f"column {column!r} would be divided by 0 ({table.where(bad[0])})"
        raise TableError(f"-normalize {text}: {place}", "choose another statistic or baseline")
    return table.having(name or column, pd.Series(values / scale))


def _to_range(table: Table, column: str, per: list[str], say: Callable[[str], None]) -> NDArray[np.float64]:
    """(n,) 0 at the least value and 1 at the largest; 0 where they are equal."""
    least, largest = (of_groups(table, column, function, per, "-normalize") for function in ("min", "max"))
    width = largest - least
    if (width == 0).any():
        say(f"-normalize {column}: all values {'of a group ' if per else ''}are equal, and become 0")
    shifted: NDArray[np.float64] = (table.numbers(column, "-normalize") - least) / np.where(width == 0, 1.0, width)
    return shifted


def _baseline(table: Table, values: NDArray[np.float64], condition: str, per: list[str]) -> NDArray[np.float64]:
    """(n,) for each row the value of the row of its group where the condition holds."""
    chosen = holds(table, "normalize", condition, FORM)
    groups = table.groups(per, "-normalize")
    counts = np.bincount(groups[chosen], minlength=int(groups.max(initial=-1)) + 1)
    if wrong := np.flatnonzero(counts != 1).tolist():
        row = int((groups == wrong[0]).argmax())
        of = f" of {table.described(row, per)}" if per else ""
        found = f"{counts[wrong[0]]} rows{of} fulfil {condition}"
        raise TableError(f"-normalize: {found}, where exactly one is the baseline", "make the condition fit one row")
    base = np.empty(len(counts))
    base[groups[chosen]] = values[chosen]
    if missing := np.flatnonzero(np.isnan(base)).tolist():
        row = int(np.flatnonzero(chosen & (groups == missing[0]))[0])
        raise TableError(f"-normalize: the baseline has no value: {table.where(row)}", "choose another row")
    scale: NDArray[np.float64] = base[groups]
    return scale
