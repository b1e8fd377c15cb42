"""Statistics: of several columns in each row, or of one column over groups of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.errors import TableError, UsageError
from deffe.table_tools.cells import is_integer
from deffe.table_tools.formulas import finite
from deffe.table_tools.grammar import assignment, column_names, parted, refused, words_of
from deffe.table_tools.table import Table

Numbers = NDArray[np.float64]


def _geomean(values: Numbers) -> float:
    return float(np.exp(np.mean(np.log(values))))


FUNCTIONS: dict[str, Callable[[Numbers], Any]] = {
    "min": np.min,
    "max": np.max,
    "sum": np.sum,
    "mean": np.mean,
    "median": np.median,
    "geomean": _geomean,
    "std": lambda values: np.std(values, ddof=1) if len(values) > 1 else np.nan,
    "var": lambda values: np.var(values, ddof=1) if len(values) > 1 else np.nan,
    "range": np.ptp,
    "count": len,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
}
"""Name to function of the (n,) values that are known, n at least 1."""
_WHOLE = ("min", "max", "sum", "range", "count", "first", "last")
FORM = f'"c = a min b", "c = a min per g, h" or "c = a min" (of all rows), with one of {", ".join(FUNCTIONS)}'


def add_statistic(table: Table, text: str) -> Table:
    """Add a column with a statistic; empty cells are left out of it.

    ``c = a min b`` is that of columns a and b in each row, ``c = a min per g`` that of a over the rows with the same g.

    Raises:
        UsageError: not of the form.
        TableError: a column is not there or holds text; a geometric mean of a number that is not positive.
    """
    name, rest = assignment(text)
    try:
        parts = parted(rest, ("per",))
    except ValueError as error:
        raise refused("stats", text, error, FORM) from error
    columns, function = _operands(text, name, parts[""])
    per = column_names(parts["per"]) if "per" in parts else []
    if "per" in parts and (not per or len(columns) > 1):
        raise refused("stats", text, "'per' follows a statistic of one column, and columns follow it", FORM)
    if len(columns) > 1:
        values = _of_rows(table, columns, function)
    else:
        values = of_groups(table, columns[0], function, per, "-stats")
    whole = function == "count" or (function in _WHOLE and all(is_integer(table.frame[column]) for column in columns))
    return table.having(name, finite(values, whole))


def _operands(text: str, name: str, formula: str) -> tuple[list[str], str]:
    """The columns and the function of ``a min b min d`` or ``a min``."""
    words = words_of(formula)
    columns = [word for word, _ in words[::2]]
    functions = {word if not quoted else "" for word, quoted in words[1::2]}
    if not name or len(words) < 2 or len(functions) != 1 or not functions <= FUNCTIONS.keys():
        raise refused("stats", text, "it is no name of a column, '=', and one statistic of columns", FORM)
    return columns, functions.pop()


def _of_rows(table: Table, columns: list[str], function: str) -> Numbers:
    needed = [table.numbers(column, "-stats") for column in columns]
    rows = np.column_stack(needed)
    _check_positive(table, rows.min(axis=1, initial=np.inf, where=~np.isnan(rows)), function, " and ".join(columns))
    with np.errstate(all="ignore"):
        return np.array([_of(row, function) for row in rows], dtype=np.float64)


def of_groups(table: Table, column: str, function: str, per: list[str], option: str) -> Numbers:
    """(n,) for each row the statistic of its group.

    Args:
        per: columns whose values are alike in a group; all rows are one without them.
    """
    table.require([column], option)
    groups = table.groups(per, option)
    if function == "count":
        known = table.frame[column].notna().to_numpy(dtype=np.float64)
        known[known == 0] = np.nan
    else:
        known = table.numbers(column, option)
        _check_positive(table, known, function, column)
    result = np.empty(len(table))
    order = np.argsort(groups, kind="stable")
    with np.errstate(all="ignore"):
        for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            result[rows] = _of(known[rows], function)
    return result


def _of(values: Numbers, function: str) -> float:
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0 if function == "count" else np.nan
    return float(FUNCTIONS[function](known))


def _check_positive(table: Table, values: Numbers, function: str, columns: str) -> None:
    if function == "geomean" and (bad := np.flatnonzero(values <= 0)).size:
        place = f"{table.where(int(bad[0]))}: {columns} is {values[bad[0]]:g}"
        raise TableError(f"-stats: {place}, of which there is no geometric mean", "it takes positive numbers alone")


def known_function(word: str, option: str, form: str) -> str:
    """The name of a statistic; UsageError for another word."""
    if word not in FUNCTIONS:
        raise UsageError(f"-{option}: {word!r} is no statistic", f"written as: {form}; known: {', '.join(FUNCTIONS)}")
    return word
