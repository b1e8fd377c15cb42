"""The best of any number of points, seen in pieces: so many for each objective, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.outlook.counting import ALL, Counting
from deffe.records import Costs, Levels

Rows = NDArray[np.intp]

FRONT_LIMIT = 2000
"""Points of a front that are kept at most."""
GUARDS = 24
"""Points of the front that each new point is held against first."""


@dataclass
class BestPoints:
    """The best points so far, in bounded memory: the ``most`` best for each objective, and the Pareto front.

    Of points that are equal the earlier ones are kept, and of a front one point for each set of costs. A front of more
    than twice ``front_limit`` points is thinned evenly, which keeps its extremes.

    Args:
        columns: columns of the objectives among the costs.
        goals: ``min`` or ``max`` for each.
        counting: which points are taken into account.
        levels, costs: (k, p) and (k, c) of the points kept, in the order in which they came; None before the first.
    """

    columns: Sequence[int]
    goals: Sequence[str]
    most: int = 10
    front_limit: int = FRONT_LIMIT
    counting: Counting = ALL
    levels: Levels | None = None
    costs: Costs | None = None
    _on_front: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))

    def add(self, levels: Levels, costs: Costs) -> None:
        """Take those of (n, p) points that count, with their (n, c) costs, into account."""
        counts = self.counting.of(levels)
        levels, costs = levels[counts], costs[counts]
        rows, on_front = self._candidates(self._values(costs))
        self._merge(levels[rows], costs[rows], on_front)

    def join(self, later: BestPoints) -> None:
        """Take the best of points into account that come after all seen so far."""
        if later.levels is not None and later.costs is not None:
            self._merge(later.levels, later.costs, later._on_front)

    def best(self, objective: int) -> int | None:
        """Position of the best point for one objective; None before the first point."""
        rows = self.top(objective)
        return int(rows[0]) if len(rows) else None

    def top(self, objective: int) -> Rows:
        """Positions of the best points for one objective, the best one first; of equal ones those of the front."""
        if self.costs is None:
            return np.empty(0, dtype=np.intp)
        column = self._values(self.costs)[:, objective]
        rows = np.flatnonzero(~np.isnan(column))
        return rows[np.lexsort([rows, ~self._on_front[rows], column[rows]])][: self.most]

    def front(self) -> Rows:
        """Positions of the points of the front, along the first objective."""
        if self.costs is None:
            return np.empty(0, dtype=np.intp)
        rows = np.flatnonzero(self._on_front)
        return rows[np.argsort(self._values(self.costs[rows])[:, 0], kind="stable")]

    def _values(self, costs: Costs) -> Costs:
        """(n, m) objectives to be minimised."""
        return metrics.to_minimise(costs[:, list(self.columns)], self.goals)

    def _candidates(self, values: Costs) -> tuple[Rows, NDArray[np.bool_]]:
        """Rows of (n, m) new points that may be kept, and which of them may be on the front."""
        known = None if self.costs is None else self._values(self.costs)
        chosen = []
        for objective, column in enumerate(values.T):
            limit = np.inf
            if known is not None and len(known) >= self.most:
                limit = np.partition(known[:, objective], self.most - 1)[self.most - 1]
            rows = np.flatnonzero(column < limit) if limit < np.inf else np.arange(len(column))
            chosen.append(rows[_first(column[rows], self.most)])
        rows = np.arange(len(values))
        for guard in self._guards():
            rows = rows[(values[rows] < guard).any(axis=1)]
        for own in rows[_best_sums(values[rows])]:
            rows = rows[(values[rows] < values[own]).any(axis=1) | (rows == own)]
        rows = rows[_front(values[rows])]
        both = np.unique(np.concatenate([*chosen, rows]))
        return both, np.isin(both, rows)

    def _guards(self) -> Costs:
        """Some points of the front, the one in the middle first."""
        front = self.front()
        if not len(front) or self.costs is None:
            return np.empty((0, len(self.columns)))
        values = self._values(self.costs[front])
        picked = values[np.unique(np.linspace(0, len(front) - 1, GUARDS).astype(np.intp))]
        return picked[np.argsort(_unit(picked).sum(axis=1), kind="stable")]

    def _merge(self, levels: Levels, costs: Costs, on_front: NDArray[np.bool_]) -> None:
        if self.levels is not None and self.costs is not None:
            levels, costs = np.concatenate([self.levels, levels]), np.concatenate([self.costs, costs])
            on_front = np.concatenate([self._on_front, on_front])
        values = self._values(costs)
        rows = np.flatnonzero(on_front)
        rows = rows[_front(values[rows])]
        if len(rows) > 2 * self.front_limit:
            rows = rows[np.sort(spread_out(values[rows], self.front_limit))]
        kept = np.unique(np.concatenate([rows, *(_first(column, self.most) for column in values.T)]))
        self.levels, self.costs, self._on_front = levels[kept], costs[kept], np.isin(kept, rows)


def spread_out(values: Costs, count: int) -> Rows:
    """``count`` of (n, m) points, as evenly spread as can be: the extremes, then always the one farthest from these.

    Source: Gonzalez, Clustering to minimize the maximum intercluster distance, Theoretical Computer Science 38, 1985,
        doi:10.1016/0304-3975(85)90224-5.
    """
    unit = _unit(values)
    chosen = list(dict.fromkeys([*values.argmin(axis=0).tolist(), *values.argmax(axis=0).tolist()]))[:count]
    apart = np.min([np.abs(unit - unit[row]).max(axis=1) for row in chosen], axis=0)
    while len(chosen) < min(count, len(values)):
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.abs(unit - unit[chosen[-1]]).max(axis=1))
    return np.array(chosen, dtype=np.intp)


def _unit(values: Costs) -> Costs:
    """(n, m) values between 0 and 1 in each column."""
    span = np.ptp(values, axis=0)
    return np.asarray((values - values.min(axis=0)) / np.where(span > 0, span, 1.0))


def _best_sums(values: Costs) -> Rows:
    """Positions of some of (n, m) points that no other one dominates, of equal ones the first; quickly found."""
    if not len(values) or values.shape[1] < 2 or not np.isfinite(values).all():
        return np.empty(0, dtype=np.intp)
    m = values.shape[1]
    weights = np.concatenate([np.full((1, m), 1 / m), 0.2 / m + 0.8 * np.eye(m)])
    return np.unique((_unit(values) @ weights.T).argmin(axis=0))


def _first(column: NDArray[np.float64], count: int) -> Rows:
    """Positions of the ``count`` smallest of (n,) values, in their order; of equal ones the earlier; NaN never."""
    rows = np.flatnonzero(~np.isnan(column))
    if len(rows) > count:
        limit = np.partition(column[rows], count - 1)[count - 1]
        below = rows[column[rows] < limit]
        rows = np.concatenate([below, rows[column[rows] == limit][: count - len(below)]])
    return rows[np.lexsort([rows, column[rows]])]


def _front(values: Costs) -> Rows:
    """Rows of the non-dominated of (n, m) points to be minimised, in order; of equal ones the first."""
    if not values.size:
        return np.empty(0, dtype=np.intp)
    rows = np.flatnonzero(metrics.pareto_mask(values))
    return rows[np.sort(np.unique(values[rows], axis=0, return_index=True)[1])]
