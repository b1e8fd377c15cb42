"""Evolutionary search for the points of a large space with the lowest scores, such as those of an acquisition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, DesignSpace, Ids, Levels
from deffe.metrics import pareto_layers
from deffe.space.proposals import left_of, member, merged, new_rows, no_points, random_points

from ._variation import Variation

Score = Callable[[Levels], Costs]
"""(n, p) levels to (n, m) scores, all to be minimised; a point with a NaN is never chosen."""
POPULATION = 200
CHUNK = 16_384


def search(
    space: DesignSpace,
    score: Score,
    start: Levels,
    count: int,
    rng: np.random.Generator,
    generations: int = 50,
    *,
    known: Ids | None = None,
    population: int = POPULATION,
) -> Levels:
    """Valid, distinct points of low scores: of one score the lowest first, of several by Pareto layers.

    A space with fewer points than would be scored on the way is scored in full. The result depends on the arguments
    and the state of ``rng`` alone.

    Args:
        start: (k, p) points to begin with, such as the best evaluated ones; invalid ones are left out. The population
            is filled up with random points.
        count: points wanted.
        known: (k,) sorted ids of points that are not to be returned; they may still be parents.
        population: points that survive a generation, and children of one.
    Returns:
        (at most count, p) levels; fewer where the space has no more, or all scores are NaN.
    Source: Deb, Pratap, Agarwal, Meyarivan, A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE
        Transactions on Evolutionary Computation 6(2), 2002, doi:10.1109/4235.996017 (survival and tournament).
    """
    known = np.empty(0, dtype=np.int64) if known is None else known
    size = max(population, count)
    if space.size_is_exact and space.size <= size * (generations + 1):
        return _best(space, score, known, count)
    variation = Variation(space)
    living = _first(space, start, size, known, rng)
    seen, scores = np.sort(space.ids(living)), score(living)
    archive = _Archive(space, known, count, objectives=scores.shape[1])
    archive.add(living, scores)
    for _ in range(generations):
        living, scores = _kept(living, scores, size)
        if not len(living):  # no score is known
            break
        first, second = (living[_tournament(len(living), size, rng)] for _ in range(2))
        fresh = variation.children(first, second, rng)
        fresh = fresh[new_rows(space, fresh, seen)]
        if not len(fresh):
            continue
        seen, fresh_scores = merged(seen, space.ids(fresh)), score(fresh)
        archive.add(fresh, fresh_scores)
        living, scores = np.concatenate([living, fresh]), np.concatenate([scores, fresh_scores])
    return archive.levels


def _first(space: DesignSpace, start: Levels, size: int, known: Ids, rng: np.random.Generator) -> Levels:
    """The first population: the distinct valid points of (k, p) ``start``, filled up with random new ones."""
    living = space.canonical(start)
    living = living[new_rows(space, living, np.empty(0, dtype=np.int64))]
    seen = merged(np.sort(space.ids(living)), known)
    return np.concatenate([living, random_points(space, size - len(living), seen, rng)])


class _Archive:
    """The best points that a search has met, but for those that are known.

    Attributes:
        levels: (at most count, p), the best first.
    """

    def __init__(self, space: DesignSpace, known: Ids, count: int, objectives: int) -> None:
        self._space, self._known, self._count = space, known, count
        self.levels, self._scores = no_points(space), np.empty((0, objectives))

    def add(self, levels: Levels, scores: Costs) -> None:
        """Take (n, p) points with (n, m) scores into account."""
        new = ~member(self._space.ids(levels), self._known)
        levels, scores = np.concatenate([self.levels, levels[new]]), np.concatenate([self._scores, scores[new]])
        self.levels, self._scores = _kept(levels, scores, self._count)


def _best(space: DesignSpace, score: Score, known: Ids, count: int) -> Levels:
    """The best of all points, by chunks."""
    parts = []
    for new in left_of(space, known, CHUNK):
        if len(new):
            parts.append(_kept(new, score(new), count))
    if not parts:
        return no_points(space)
    return _kept(np.concatenate([levels for levels, _ in parts]), np.concatenate([s for _, s in parts]), count)[0]


def _kept(levels: Levels, scores: Costs, count: int) -> tuple[Levels, Costs]:
    """The ``count`` survivors, the best first; none with a NaN."""
    rows = survivors(scores, count)
    return levels[rows], scores[rows]


def survivors(scores: Costs, count: int) -> NDArray[np.intp]:
    """Rows of the best of (n, m) scores: by Pareto layers, and within one the less crowded first."""
    rows = np.flatnonzero(~np.isnan(scores).any(axis=1))
    if scores.shape[1] == 1:
        return rows[np.argsort(scores[rows, 0], kind="stable")[:count]]
    chosen = np.empty(0, dtype=np.intp)
    for layer in pareto_layers(scores, rows, count):
        apart = np.argsort(-crowding(scores[layer]), kind="stable")
        chosen = np.concatenate([chosen, layer[apart][: count - len(chosen)]])
    return chosen


def crowding(scores: Costs) -> NDArray[np.float64]:
    """(n,) sums over the scores of the distance between a point's neighbours, infinite at the ends."""
    total = np.zeros(len(scores))
    for column in scores.T:
        order = np.argsort(column, kind="stable")
        ranked, span = column[order], np.ptp(column)
        gaps = np.full(len(column), np.inf)
        if span > 0:
            gaps[1:-1] = (ranked[2:] - ranked[:-2]) / span
        total[order] += gaps
    return total


def _tournament(living: int, size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """The better of two random places each, in an order that has the best first."""
    return np.asarray(rng.integers(0, living, (2, size)).min(axis=0))
