"""Pareto fronts of rows, and how far the others are from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import TableError, UsageError, counted
from deffe.metrics import pareto_mask, to_minimise
from deffe.table_tools.table import Table

DEVIATION = "deviation"
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Objective:
    """A column and where it is best.

    Args:
        goal: ``min`` or ``max``.
    """

    name: str
    goal: str


def read_objectives(words: Sequence[str], option: str) -> tuple[Objective, ...]:
    """Objectives of words ``COLUMN``, ``COLUMN::min`` or ``COLUMN::max``."""
    found = []
    for word in words:
        name, mark, goal = word.rpartition("::")
        name, goal = (name, goal) if mark else (word, "min")
        if goal not in ("min", "max") or not name:
            raise UsageError(f"{option}: {word!r} is no objective", "allowed: COLUMN, COLUMN::min, COLUMN::max")
        found.append(Objective(name, goal))
    if len({objective.name for objective in found}) < len(found):
        raise UsageError(f"{option}: a column is named twice: {' '.join(words)}", "name each objective once")
    return tuple(found)


def front_of(table: Table, objectives: Sequence[Objective], option: str) -> NDArray[np.bool_]:
    """(n,) bool: rows that no other row dominates; a row without a value of an objective is in no front.

    Raises:
        TableError: fewer than two objectives, a column that is not there or not of numbers, or no row with values.
    """
    costs = _costs(table, objectives, option)
    return pareto_mask(costs, [objective.goal for objective in objectives])


def _costs(table: Table, objectives: Sequence[Objective], option: str) -> NDArray[np.float64]:
    if len(objectives) < 2:
        raise UsageError(f"{option}: a front has two objectives or more", "-objectives COST COST::max ...")
    costs = np.column_stack([table.numbers(objective.name, option) for objective in objectives])
    if not (~np.isnan(costs)).all(axis=1).any():
        names = ", ".join(objective.name for objective in objectives)
        raise TableError(f"{option}: no row of {table.title} has a value of each of {names}", "name other columns")
    return costs


def deviations(table: Table, objectives: Sequence[Objective], option: str) -> NDArray[np.float64]:
    """(n,) percent by which each row is worse than the nearest row of the front, in the objective where it is most so.

    The difference is in percent of the value of the front, or of the objective's range where the front has a value
    that is not positive. 0 for rows of the front, NaN for rows without values.
    """
    goals = [objective.goal for objective in objectives]
    costs = _costs(table, objectives, option)
    front = costs[pareto_mask(costs, goals)]
    spans = np.nanmax(costs, axis=0) - np.nanmin(costs, axis=0)
    positive = (front > 0).all(axis=0)
    scales = np.where(positive, front, np.where(spans > 0, spans, 1.0))
    small, best = to_minimise(costs, goals), to_minimise(front, goals)
    result = np.empty(len(costs))
    step = max(_CHUNK // front.size, 1)
    for start in range(0, len(costs), step):
        worse = np.maximum((small[start : start + step, None, :] - best) / scales, 0.0)
        result[start : start + step] = worse.max(axis=2).min(axis=1) * 100.0
    return result


def keep_front(
    table: Table, objectives: Sequence[Objective], say: Callable[[str], None], *, others: bool = False
) -> Table:
    """Keep the rows of the front, or the others that have values."""
    option = "-keep-non-pareto" if others else "-keep-pareto"
    front = front_of(table, objectives, option)
    known = ~np.isnan(_costs(table, objectives, option)).any(axis=1)
    kept = table.take(known & ~front if others else front)
    say(f"{option}: {len(kept):,} of {counted(len(table), 'row')}")
    return kept


def add_deviation(table: Table, objectives: Sequence[Objective], name: str) -> Table:
    """Add a column with the deviation from the front, in percent."""
    return table.having(name or DEVIATION, pd.Series(deviations(table, objectives, "-add-deviation")))
