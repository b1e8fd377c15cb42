"""Active learning: the next points are those that teach the model most, for predictions that are good everywhere."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from deffe.api import Advice, Features, Field, Framework, Ids, Options
from deffe.space.proposals import random_points
from deffe.surrogates.feasibility import Feasibility

from ._history import History
from ._informative import Rows, Vector, farthest, settling
from ._predicted import CostModel
from ._surrogate import Surrogate

LEAST_DONE = 4
"""Points that a Gaussian process is learned from at least."""
MOST_SETTLED = 5000
"""Points of the pool whose covariances are held at the same time, for ``variance``: 200 MB a cost."""


class ActiveOptions(Options):
    """Options of active learning."""

    criterion: Literal["distance", "variance"] = Field(
        default="distance",
        description="points far from all others, where a knob counts as the costs depend on it; or points that leave "
        "the least variance over the space",
    )
    pool: int = Field(default=2000, ge=10, le=50_000, description="random points that the next ones are chosen from")


class ActiveLearning:
    """Proposes points by Gaussian processes of the learned costs.

    The points of a step are chosen one after the other, each given those before it, so that they differ. Points in a
    region where others failed are chosen less often. Before four points are done it leaves the points to the sampler.
    """

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(ActiveOptions)

    def Initialize(self) -> None: ...

    def Run(
        self,
        step: int,
        count: int,
        model: CostModel | None,
        known: Ids,
        table: pd.DataFrame,
    ) -> Advice | None:
        """The next ``count`` points, the most informative first."""
        if count < 1 or not len(table):
            return None
        space, rng, history = self._framework.space, self._framework.rng(step), History.of(table, self._framework)
        features = space.features(history.levels)
        surrogates = self._learn(features, table, history, model, rng)
        if surrogates is None:
            return None
        pool = random_points(space, max(self._options.pool, count), known, rng)
        if not len(pool):
            return None
        ended, candidates = history.done | history.failed, space.features(pool)
        feasibility = Feasibility(features[ended], history.failed[ended], int(rng.integers(2**31)))
        rows = self._choose(surrogates, features, candidates, count, feasibility.chance(candidates))
        return Advice(points=space.of_levels(step + 1, pool[rows]))

    def _learn(
        self,
        features: Features,
        table: pd.DataFrame,
        history: History,
        model: CostModel | None,
        rng: np.random.Generator,
    ) -> list[Surrogate] | None:
        """A process of each learned cost that varies, as sure as if all points had been done.

        Of those under way as much will be known, and near those that failed there is less to learn.

        None while too few points are done.
        """
        if history.done.sum() < LEAST_DONE:
            return None
        config, found = self._framework.config, []
        others = features[~history.done]
        for cost in config.costs:
            if cost in config.model.exclude_costs or (model is not None and cost not in model.costs):
                continue
            values = table[cost].to_numpy(dtype=np.float64)[history.done]
            if np.isfinite(values).all() and np.ptp(values) > 0:
                found.append(Surrogate.learn(features[history.done], values, rng).seeing(others))
        return found

    def _choose(
        self, surrogates: list[Surrogate], known: Features, candidates: Features, count: int, weight: Vector
    ) -> Rows:
        if self._options.criterion == "variance" and surrogates:
            most = max(count, MOST_SETTLED)
            return settling(surrogates, candidates[:most], count, weight[:most])
        lengths = [surrogate.parameters.lengths for surrogate in surrogates] or [np.ones(candidates.shape[1])]
        scale = np.sqrt(np.sum([1 / length**2 for length in lengths], axis=0))
        return farthest(candidates * scale, known * scale, count, weight)


def GetObject(framework: Framework) -> ActiveLearning:
    return ActiveLearning(framework)
