"""One search of a problem by one method: the same first points, the same judge, and a record of what was evaluated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from _search_problems import Levels, Problem, Rows
from _tables import Matrix

PATIENCE = 100
"""Proposals in a row that are illegal or repeated, after which a random point is evaluated instead."""


class Method(Protocol):
    """Searches a problem, of which it may look at the knobs and the legal points, and at costs as it is told them."""

    def ask(self, count: int) -> Levels:
        """(k, p) proposals; those beyond ``count`` are not evaluated."""
        ...

    def tell(self, levels: Levels, costs: Matrix) -> None:
        """What (k, p) points cost, (k, m), NaN for those that failed."""
        ...

    elsewhere: float
    """CPU seconds of processes that the method started."""

    def reject(self, levels: Levels, legal: bool) -> None:
        """A proposal of (p,) levels that was not evaluated: it is illegal, or legal and known."""
        ...


class Told:
    """What a method knows: the points evaluated so far; the base of all methods.

    Args:
        seed: of its random choices.
    """

    elsewhere = 0.0
    """CPU seconds of processes that the method started."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.rng = np.random.default_rng([seed, 6])
        self.rows: list[int] = []
        self.new = np.ones(len(problem.levels), dtype=np.bool_)
        self._costs: list[Matrix] = []

    def tell(self, levels: Levels, costs: Matrix) -> None:
        rows = self.problem.rows(levels)
        self.rows += rows.tolist()
        self.new[rows] = False
        self._costs.append(np.asarray(costs))

    def reject(self, levels: Levels, legal: bool) -> None:
        """Nothing is learned from it."""

    @property
    def levels(self) -> Levels:
        """(n, p) points evaluated so far."""
        return self.problem.levels[self.rows]

    @property
    def costs(self) -> Matrix:
        """(n, m) their costs, NaN where failed."""
        return np.concatenate(self._costs)

    @property
    def failed(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(n,) which of them failed."""
        return np.isnan(self.costs).any(axis=1)

    @property
    def filled(self) -> Matrix:
        """(n, m) logarithms of the costs, of failed points the worst one seen; 0 before any point was valid."""
        costs, failed = np.log(self.costs), self.failed
        costs[failed] = costs[~failed].max(axis=0) if not failed.all() else 0.0
        return costs

    def nearest(self, levels: Levels) -> Levels:
        """For (k, p) levels the nearest legal points that are new, each another one; a legal new point is its own."""
        features = self.problem.features
        free = self.new.copy()
        chosen = []
        for target in np.clip(levels, 0, np.array(self.problem.counts) - 1):
            place = [knob.numbers[level] for knob, level in zip(self.problem.knobs, target, strict=True)]
            distance = ((features - place) ** 2).sum(axis=1)
            distance[~free] = np.inf
            row = int(self.rng.choice(np.flatnonzero(distance <= distance.min() + 1e-12)))
            free[row] = False
            chosen.append(row)
        return self.problem.levels[chosen]

    def random(self, count: int) -> Levels:
        """So many legal new points."""
        return self.problem.levels[self.rng.choice(np.flatnonzero(self.new), count, replace=False)]


@dataclass(frozen=True)
class Search:
    """What a method did.

    Args:
        rows: of the problem, in the order of their evaluation, the first points included.
        rejected: proposals that were illegal or repeated.
        fallbacks: evaluations of a random point in place of proposals that were all rejected.
        seconds: CPU time of the method.
    """

    rows: Sequence[int]
    rejected: int
    fallbacks: int
    seconds: float


def search(problem: Problem, method: Method, seed: int, budget: int) -> Search:
    """Evaluate ``budget`` points, the first ones given, the others as a method proposes them.

    Failed points count. Illegal and repeated proposals do not, and are asked for again.
    """
    judge = _Judge(problem, method, seed)
    started = time.process_time()
    judge.evaluate(problem.first(seed))
    while (left := budget - len(judge.rows)) > 0:
        judge.evaluate(judge.accepted(left))
    return Search(judge.rows, judge.rejected, judge.fallbacks, time.process_time() - started + method.elsewhere)


class _Judge:
    """Evaluates what is legal and new."""

    def __init__(self, problem: Problem, method: Method, seed: int) -> None:
        self._problem, self._method = problem, method
        self._rng = np.random.default_rng([seed, 7])
        self.rows: list[int] = []
        self.rejected = self.fallbacks = 0

    def evaluate(self, rows: Rows) -> None:
        self.rows += rows.tolist()
        self._method.tell(self._problem.levels[rows], self._problem.costs[rows])

    def accepted(self, count: int) -> Rows:
        """The next rows to evaluate: at least one, at most ``count``."""
        refused = 0
        while refused < PATIENCE:
            proposals = np.asarray(self._method.ask(count))[:count]
            rows: list[int] = []
            for levels, row in zip(proposals, self._problem.rows(proposals).tolist(), strict=True):
                if row < 0 or row in self.rows or row in rows:
                    self._method.reject(levels, legal=row >= 0)
                    refused, self.rejected = refused + 1, self.rejected + 1
                else:
                    rows.append(row)
            if rows:
                return np.array(rows)
            refused += not len(proposals)
        self.fallbacks += 1
        new = np.setdiff1d(np.arange(len(self._problem.levels)), self.rows)
        return self._rng.choice(new, 1)
