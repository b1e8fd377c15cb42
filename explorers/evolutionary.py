"""Evolution for evaluators that cost little: each step is a generation bred from the best points so far (pymoo)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from deffe.api import Advice, Field, Framework, Ids, Levels, Options
from deffe.space.proposals import merged, new_rows, no_points, random_points

from ._evolve import survivors
from ._history import History
from ._pymoo import Generation, check_library

ROUNDS = 16
LOOKED_AT = 10
"""Times the population that survival chooses from: the best by Pareto layers."""


class EvolutionaryOptions(Options):
    """Options of the evolution."""

    population: int = Field(default=50, ge=2, le=10_000, description="points that survive a generation and breed")


class Evolutionary:
    """Proposes children of the best evaluated points; the sampler gives the first generation.

    The population is worked out anew each step, from the points of the cost table, the seed and the step alone, so
    that a run that was stopped goes on as if it had not been. Failed points count as infeasible: they breed only while
    there are not enough others. No model is needed.
    """

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._population = framework.options(EvolutionaryOptions).population

    def Initialize(self) -> None: ...

    def Run(self, step: int, count: int, known: Ids, table: pd.DataFrame) -> Advice | None:
        """The next ``count`` points; None before any point is done."""
        history = History.of(table, self._framework)
        if count < 1 or not history.done.any():
            return None
        space, rng = self._framework.space, self._framework.rng(step)
        rows = self._candidates(history)
        generation = Generation(space, history.levels[rows], history.costs[rows], self._population, rng)
        found: Levels = no_points(space)
        for _ in range(ROUNDS):
            missing = count - len(found)
            if missing <= 0:
                break
            children = generation.children(max(missing, 2))
            fresh = children[new_rows(space, children, known)[:missing]]
            known, found = merged(known, space.ids(fresh)), np.concatenate([found, fresh])
        found = np.concatenate([found, random_points(space, count - len(found), known, rng)])
        return Advice(points=space.of_levels(step + 1, found)) if len(found) else None

    def _candidates(self, history: History) -> np.ndarray:
        """Rows that may survive: the best that are done, and failed ones where those are few."""
        best = survivors(history.costs, LOOKED_AT * self._population)
        failed = np.flatnonzero(history.failed)[::-1]
        return np.concatenate([best, failed[: max(self._population - len(best), 0)]])


def GetObject(framework: Framework) -> Evolutionary:
    check_library()
    return Evolutionary(framework)
