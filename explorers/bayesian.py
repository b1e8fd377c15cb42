"""Bayesian optimization: the points that are expected to improve most on the best designs known."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.api import Advice, Costs, Features, Field, Framework, Ids, Levels, Options, PluginError
from deffe.space.proposals import merged, take
from deffe.surrogates.feasibility import Feasibility

from ._bayesian.candidates import pool
from ._bayesian.ensemble import ensemble, some_rows
from ._bayesian.features import SearchFeatures
from ._bayesian.forest import Forest
from ._bayesian.objectives import Beliefs, Objective, Surrogates, exact_costs, varying
from ._bayesian.pools import Learned
from ._bayesian.portfolio import Portfolio
from ._bayesian.proposal import batch
from ._bayesian.region import radius, within
from ._evolve import search
from ._history import History
from ._informative import farthest
from ._surrogate import MOST_ROWS

Vector = NDArray[np.float64]
LEAST_DONE = 2
LEAST_GROWN = 10
"""Points that a forest grows from: of fewer it sees next to nothing."""
STARTS = 50
"""Best points that an evolutionary search begins with."""


class BayesianOptions(Options):
    engine: Literal["own", "botorch"] = Field(
        default="own", description="own: quick processes that suit sizes and categories; botorch: those of BoTorch"
    )
    pool: int = Field(default=8_000, ge=1, description="points that are compared, at most")
    members: int = Field(default=3, ge=1, description="Gaussian processes an objective, each with its own smoothness")
    forest: float = Field(
        default=0.5, ge=0, le=1, description="chance of each point to be chosen by forests in place of processes"
    )
    local: float = Field(
        default=0.5, ge=0, le=1, description="chance of each point to be chosen within the trust region alone"
    )
    radius: int = Field(
        default=2, ge=1, description="knobs in which points of the trust region differ from a best one, at first"
    )
    generations: int = Field(
        default=15, ge=0, description="generations of the search for further points in spaces larger than the pool"
    )


class Bayesian:
    """Fits Gaussian processes and forests to the evaluated points and proposes those expected to improve most.

    It learns by itself and needs no model. Of one objective it is the expected improvement, of two that of the
    hypervolume, of more that of random Chebyshev sums; times the probability that the point does not fail.
    """

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._space = framework.space
        self._options = framework.options(BayesianOptions)
        self.engine = self._options.engine
        self._features = SearchFeatures(framework.space)
        self._exact = exact_costs(framework)

    def Initialize(self) -> None: ...

    def Run(
        self,
        step: int,
        count: int,
        known: Ids,
        table: pd.DataFrame,
    ) -> Advice | None:
        """The next ``count`` points; None, for the sampler to choose, where nothing tells points apart yet."""
        if count < 1:
            return None
        history = History.of(table, self._framework)
        rng = self._framework.rng(step)
        if history.done.sum() >= LEAST_DONE:
            levels = self._improving(history, known, count, rng)
        else:
            levels = self._untried(history, known, count, rng)
        return None if levels is None or not len(levels) else Advice(points=self._space.of_levels(step + 1, levels))

    def _untried(self, history: History, known: Ids, count: int, rng: np.random.Generator) -> Levels | None:
        """Far from what has failed, one after the other, while next to nothing has worked."""
        if not history.failed.any():
            return None
        candidates = pool(self._space, history.levels[:0], 0, known, self._options.pool, rng)
        features = self._features(candidates)
        return candidates[farthest(features, self._features(history.levels), count, np.ones(len(candidates)))]

    def _improving(self, history: History, known: Ids, count: int, rng: np.random.Generator) -> Levels | None:
        """Where the improvement expected is greatest."""
        done, ended = history.done, history.done | history.failed
        objectives = varying(history.costs[done], self._exact)
        if not objectives:
            self._framework.log.info("all points have the same costs so far; the sampler chooses the next ones")
            return None
        targets = np.column_stack([objective.values for objective in objectives])
        features = self._features(history.levels)
        feasibility = Feasibility(features[ended], history.failed[ended], int(rng.integers(2**31)))
        rows = some_rows(targets, MOST_ROWS, rng)
        best = history.levels[done][np.argsort(targets.sum(axis=1), kind="stable")]
        wide = radius(history.costs, history.steps, self._options.radius, len(self._space.parameters))
        levels = pool(self._space, best, wide, known, self._options.pool, rng)
        if not len(levels):
            return levels
        beliefs, turns = self._beliefs(objectives, features[done], rows, min(count, len(levels)), rng)
        if isinstance(beliefs[0], Surrogates) and len(levels) == self._options.pool:
            levels = self._searched(levels, best, known, beliefs[0], feasibility, rng)
        everything = np.concatenate([levels, history.levels[~ended]])
        candidates = self._features(everything)
        chance = feasibility.chance(candidates)
        proposal = Portfolio([one.proposal(everything, candidates, chance, rng) for one in beliefs], turns.tolist())
        for row in range(len(levels), len(everything)):  # of points that are under way
            proposal.choose(row)
        near = within(levels, best[:1], wide)
        return levels[batch(proposal, len(turns), near, self._options.local, rng)]

    def _beliefs(
        self,
        objectives: list[Objective],
        features: Features,
        rows: NDArray[np.intp],
        count: int,
        rng: np.random.Generator,
    ) -> tuple[Sequence[Beliefs], NDArray[np.intp]]:
        """What the engine makes of the points that are done, and by which of these each of ``count`` is chosen."""
        features = features[rows]
        if self.engine == "botorch":
            from ._bayesian.botorch import BoTorchBeliefs  # loaded only where it is asked for

            beliefs = BoTorchBeliefs(features, np.column_stack([one.values[rows] for one in objectives]))
            return [beliefs], np.zeros(count, dtype=np.intp)

        def processes(values: Vector) -> Sequence[Learned]:
            return ensemble(features, values, self._options.members, rng)

        def forest(values: Vector) -> Sequence[Learned]:
            return [Forest(features, values, rng)]

        chance = self._options.forest if len(rows) >= LEAST_GROWN else 0.0
        kinds, turns = np.unique(rng.random(count) < chance, return_inverse=True)
        return [Surrogates(objectives, rows, forest if kind else processes) for kind in kinds], turns

    def _searched(
        self,
        levels: Levels,
        best: Levels,
        known: Ids,
        beliefs: Surrogates,
        feasibility: Feasibility,
        rng: np.random.Generator,
    ) -> Levels:
        """The pool, and what an evolutionary search finds is worth most by the first surrogate."""
        seed = int(rng.integers(2**31))

        def score(points: Levels) -> Costs:
            features, draws = self._features(points), np.random.default_rng(seed)
            return -beliefs.proposal(points, features, feasibility.chance(features), draws, members=1).gain()[:, None]

        most, generations = self._options.pool // 20, self._options.generations
        found = search(self._space, score, best[:STARTS], most, rng, generations, known=known)
        return np.concatenate([levels, take(self._space, found, merged(known, self._space.ids(levels)), most)])


def GetObject(framework: Framework) -> Bayesian:
    explorer = Bayesian(framework)
    if explorer.engine == "botorch" and find_spec("botorch") is None:
        raise PluginError("bayesian: engine botorch needs BoTorch, which is not there", "pip install 'deffe[botorch]'")
    return explorer
