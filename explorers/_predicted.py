"""Explorers that propose the points with the best predicted costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, Field, Framework, Ids, Levels, ModelReport, Options, Prediction
from deffe.records import Advice
from deffe.space.proposals import random_points

from ._target import Target


class CostModel(Protocol):
    """A trained model: the names of the costs it predicts, and their prediction for (n, p) levels."""

    @property
    def costs(self) -> Sequence[str]: ...

    def Predict(self, levels: Levels) -> Prediction: ...


class PredictedOptions(Options):
    pool: int = Field(default=100_000, ge=1, description="points among which the best are looked for, at most")


Choice = Callable[[Costs, list[str], int], NDArray[np.intp]]
"""((n, m) predicted objectives, their goals, count) to the rows to evaluate, best first."""


class PredictedBest:
    """Predicts a random pool of unseen points, or all where there are few, and proposes those that ``choose`` picks.

    Before there is a model it leaves the points to the sampler. It stops at the target error.

    Args:
        most_objectives: how many of the configured objectives, from the first, are looked at; None for all.
    """

    def __init__(self, framework: Framework, choose: Choice, most_objectives: int | None) -> None:
        self._framework = framework
        self._choose = choose
        self._objectives = framework.config.objectives[:most_objectives]
        self._pool = framework.options(PredictedOptions).pool
        self._target = Target(framework.log)

    def Initialize(self) -> None: ...

    def Run(
        self,
        step: int,
        count: int,
        report: ModelReport | None,
        target_error: float | None,
        model: CostModel | None,
        known: Ids,
    ) -> Advice | None:
        """The next ``count`` points, the best predicted first; None when there is nothing to go by."""
        reason = self._target.reached(report, target_error)
        if reason:
            return Advice(stop=reason)
        if model is None or count < 1:
            return None
        predicted = [objective for objective in self._objectives if objective.cost in model.costs]
        if not predicted:
            self._framework.log.warning("no objective is learned by the model; the sampler chooses the points")
            return None
        space = self._framework.space
        pool = random_points(space, max(self._pool, count), known, self._framework.rng(step))
        if not len(pool):
            return None
        columns = [list(model.costs).index(objective.cost) for objective in predicted]
        rows = self._choose(model.Predict(pool).mean[:, columns], [objective.goal for objective in predicted], count)
        return Advice(points=space.of_levels(step + 1, pool[rows]))


def to_minimise(costs: Costs, goals: Sequence[str]) -> Costs:
    """(n, m) objectives with those to be maximised negated."""
    return np.where(np.array([goal == "max" for goal in goals]), -costs, costs)
