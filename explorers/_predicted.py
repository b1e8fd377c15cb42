"""Explorers that propose the points with the best predicted costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.api import Advice, Costs, Field, Framework, Ids, Levels, Options, Prediction
from deffe.config import Objective
from deffe.metrics import to_minimise
from deffe.space.proposals import few_left, merged, no_points, random_points, take

from ._history import History
from ._neighbours import neighbours


class CostModel(Protocol):
    """A trained model: the names of the costs it predicts, and their prediction for (n, p) levels."""

    @property
    def costs(self) -> Sequence[str]: ...

    def Predict(self, levels: Levels) -> Prediction: ...


class PredictedOptions(Options):
    pool: int = Field(
        default=100_000,
        ge=1,
        description="unseen points that are all ranked; of more, a fifth of so many random ones, and those around the "
        "best evaluated and the best predicted ones",
    )


RANDOM_SHARE = 5
STARTS = 32
"""Points around which further ones are looked at."""
ROUNDS = 8
"""Times that this is done at most."""

Choice = Callable[[Costs, int], NDArray[np.intp]]
"""((n, m) predicted objectives to be minimised, count) to the rows to evaluate, best first."""


@dataclass(frozen=True)
class _Objectives:
    """A model, and the objectives that are asked of it."""

    model: CostModel
    objectives: Sequence[Objective]

    def predict(self, levels: Levels) -> Costs:
        """(n, m) predicted objectives of (n, p) points, to be minimised."""
        names = [objective.cost for objective in self.objectives]
        columns = [list(self.model.costs).index(name) for name in names]
        means: Callable[[Levels, Sequence[str]], Costs] | None = getattr(self.model, "means", None)
        found = self.model.Predict(levels).mean if means is None else means(levels, names)
        return to_minimise(found[:, columns], [objective.goal for objective in self.objectives])


class PredictedBest:
    """Ranks the unseen points of a small space, or a pool of those of a large one, and proposes what ``choose`` picks.

    The pool holds random points, the neighbours of the best evaluated ones, and those of the best predicted ones, as
    long as these improve. Before there is a model it leaves the points to the sampler.

    Args:
        objectives: names of the objectives that count.
        pool: see ``PredictedOptions``.
        all_needed: whether ``choose`` can do nothing where some of them are not learned.
    """

    def __init__(
        self, framework: Framework, choose: Choice, objectives: Sequence[str], pool: int, all_needed: bool = False
    ) -> None:
        self._framework = framework
        self._choose = choose
        self._wanted = [o for o in framework.config.objectives if o.cost in objectives]
        self._pool, self._all_needed = pool, all_needed

    def Initialize(self) -> None: ...

    def Run(
        self,
        step: int,
        count: int,
        model: CostModel | None,
        known: Ids,
        table: pd.DataFrame | None = None,
    ) -> Advice | None:
        """The next ``count`` points, the best predicted first; None when there is nothing to go by."""
        if model is None or count < 1:
            return None
        objectives = [objective for objective in self._wanted if objective.cost in model.costs]
        if len(objectives) < (len(self._wanted) if self._all_needed else 1):
            text = "%s objective is learned by the model; the sampler chooses the points"
            self._framework.log.warning(text, "not every" if objectives else "no")
            return None
        wanted = _Objectives(model, objectives)
        levels, costs = self._ranked(wanted, count, known, table, self._framework.rng(step))
        if not len(levels):
            return None
        return Advice(points=self._framework.space.of_levels(step + 1, levels[self._choose(costs, count)]))

    def _ranked(
        self, wanted: _Objectives, count: int, known: Ids, table: pd.DataFrame | None, rng: np.random.Generator
    ) -> tuple[Levels, Costs]:
        """(n, p) unseen points and their (n, m) predicted objectives to be minimised."""
        space, most = self._framework.space, max(self._pool, count)
        if few_left(space, len(known), most):
            levels = random_points(space, most, known, rng)
            return levels, wanted.predict(levels)
        near = neighbours(space, self._best_known(table, wanted), rng)
        drawn = random_points(space, max(most // RANDOM_SHARE, count), known, rng)
        levels = take(space, np.concatenate([near, drawn]), known, len(near) + len(drawn))
        costs = wanted.predict(levels)
        seen = merged(known, space.ids(levels))
        for _ in range(ROUNDS):
            further = neighbours(space, levels[self._choose(costs, STARTS)], rng)
            fresh = take(space, further, seen, len(further))
            if not len(fresh):
                break
            before, seen = len(levels), merged(seen, space.ids(fresh))
            levels = np.concatenate([levels, fresh])
            costs = np.concatenate([costs, wanted.predict(fresh)])
            if (self._choose(costs, STARTS) < before).all():
                break
        return levels, costs

    def _best_known(self, table: pd.DataFrame | None, wanted: _Objectives) -> Levels:
        """The best evaluated points, (k, p) with k at most ``STARTS``."""
        if table is None or not len(table):
            return no_points(self._framework.space)
        history = History.of(table, self._framework)
        columns = [self._framework.config.objectives.index(objective) for objective in wanted.objectives]
        done = history.done
        return history.levels[done][self._choose(history.costs[done][:, columns], STARTS)]
