"""Several fidelities, such as a quick and a detailed simulator: which points to evaluate, and in which of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.api import Advice, Answer, Costs, Features, Field, Framework, Ids, Levels, Options, Value
from deffe.metrics import pareto_mask
from deffe.space.proposals import random_points, take
from deffe.surrogates.feasibility import Feasibility
from deffe.surrogates.target import Target

from ._bayesian.acquisition import chebyshev, expected_improvement
from ._evolve import survivors
from ._fidelity import Fidelity, FidelityOptions, Vector
from ._history import History
from ._surrogate import Matrix, Surrogate, condition
from ._variation import Variation

LEAST_DONE = 4
PARENTS = 20
"""Best designs whose neighbours are candidates."""
PROMISING = 200
"""Points of the fidelity that counts by which a point is judged: those of the most expected improvement."""


class MultiFidelityOptions(Options):
    """Options of the explorer of several fidelities."""

    fidelity: FidelityOptions = Field(description="knob and target: the knob that sets the fidelity, and its value "
                                      "that counts; seconds: of an evaluation at each value")  # fmt: skip
    cheap: float = Field(
        default=0.5, ge=0, le=1, description="share of the time for points of other fidelities at most"
    )
    pool: int = Field(default=500, ge=10, le=2000, description="random points that the next ones are chosen from")


class MultiFidelity:
    """Proposes points, each in the fidelity that promises the most improvement a second.

    One Gaussian process over all knobs, the fidelity among them, learns how far the cheap evaluations tell what the
    dear ones will say. A point is worth the expected improvement of the target's point that it tells most of, times
    the squared correlation with it, a second. Of several objectives each step looks at a random weighting.

    Source: Huang, Allen, Notz, Miller, Structural and Multidisciplinary Optimization 32, 2006,
        doi:10.1007/s00158-005-0587-0 (improvement, correlation and cost ratio); Knowles, ParEGO, IEEE Transactions on
        Evolutionary Computation 10(1), 2006, doi:10.1109/TEVC.2005.851274 (random weights).
    """

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(MultiFidelityOptions)
        self._fidelity = Fidelity.of(framework, self._options.fidelity)

    def Initialize(self) -> None: ...

    def Run(self, step: int, count: int, known: Ids, table: pd.DataFrame) -> Advice | None:
        """The next ``count`` points; None before four points are done."""
        history = History.of(table, self._framework)
        if count < 1 or history.done.sum() < LEAST_DONE:
            return None
        space, rng = self._framework.space, self._framework.rng(step)
        seconds = self._fidelity.seconds(table, history.levels, self._framework)
        pool = self._candidates(history, known, rng)
        if not len(pool):
            return None
        spent = np.bincount(history.levels[:, self._fidelity.column], minlength=len(seconds)) * seconds
        rows = self._choose(history, pool, count, seconds, spent, rng)
        return Advice(points=space.of_levels(step + 1, pool[rows])) if len(rows) else None

    def Answer(self, table: pd.DataFrame) -> Answer | None:
        """The best points of the fidelity that counts: the best one, or the front of several objectives."""
        history = History.of(table, self._framework)
        rows = np.flatnonzero(history.done & self._fidelity.at_target(history.levels))
        if not len(rows):
            return None
        rows = rows[pareto_mask(history.costs[rows])]
        why = f"evaluated at {self._fidelity.name} = {self._fidelity.values[self._fidelity.target]}"
        step = int(history.steps.max())
        return Answer(self._framework.space.of_levels(step, history.levels[rows]), (why,) * len(rows))

    def Target(self) -> dict[str, Value]:
        """Only costs at the fidelity that counts are results."""
        return {self._fidelity.name: self._options.fidelity.target}

    def _candidates(self, history: History, known: Ids, rng: np.random.Generator) -> Levels:
        """New points of all fidelities: random ones, the neighbours of the best, and both at the target."""
        space, fidelity = self._framework.space, self._fidelity
        best = history.levels[survivors(history.costs, PARENTS)]
        for_target = history.levels[fidelity.at_target(history.levels)]
        costs = history.costs[fidelity.at_target(history.levels)]
        best = np.concatenate([for_target[survivors(costs, PARENTS)], best])
        near = np.repeat(best, max(1, self._options.pool // (2 * len(best))), axis=0)
        bred = Variation(space).children(near, near[rng.permutation(len(near))], rng)
        drawn = random_points(space, self._options.pool, known, rng)
        found = np.concatenate([fidelity.lifted(bred), fidelity.lifted(drawn), bred, drawn])
        return take(space, found, known, len(found))

    def _choose(
        self, history: History, pool: Levels, count: int, seconds: Vector, spent: Vector, rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """Rows of the pool, each given that those before it are found to be as predicted."""
        level, target = pool[:, self._fidelity.column], self._fidelity.target
        beliefs = self._beliefs(history, pool, rng)
        chosen: list[int] = []
        for _ in range(min(count, len(pool))):
            value = beliefs.value(level == target) / seconds[level]
            others = spent.sum() - spent[target] + seconds[level]
            value[(level != target) & (others > self._options.cheap * (spent.sum() + seconds[level]))] = -1.0
            value[chosen] = -1.0
            best = int(np.argmax(value))
            if value[best] < 0:
                break
            chosen.append(best)
            spent[level[best]] += seconds[level[best]]
            beliefs.see(best)
        return np.array(chosen, dtype=np.intp)

    def _beliefs(self, history: History, pool: Levels, rng: np.random.Generator) -> _Beliefs:
        space, fidelity, done = self._framework.space, self._fidelity, history.done
        features, candidates = space.features(history.levels), space.features(pool)
        scalar = _scalar(history.costs[done], rng)
        surrogate = Surrogate.learn(features[done], scalar, rng, restarts=1).seeing(features[~done])
        ours = fidelity.at_target(history.levels[done])
        if ours.any():
            best = Target.of(scalar).forward(scalar[ours]).min()
        else:
            best = surrogate.mean(space.features(fidelity.lifted(history.levels[done]))).min()
        ended = done | history.failed
        feasibility = Feasibility(features[ended], history.failed[ended], int(rng.integers(2**31)))
        return _Beliefs(surrogate, candidates, feasibility.chance(candidates), float(best))


class _Beliefs:
    """Means and covariances of candidates, on the scale of the process, while some are chosen."""

    def __init__(self, surrogate: Surrogate, candidates: Features, weight: Vector, best: float) -> None:
        self._mean, self._noise = surrogate.mean(candidates), surrogate.noise
        self._weight, self._best = weight, best
        self._covariance: Matrix = surrogate.covariance(candidates, candidates)

    def value(self, at_target: NDArray[np.bool_]) -> Vector:
        """(n,) what each candidate is worth: improvement expected at the target, as far as it tells of that."""
        own = np.maximum(np.diag(self._covariance), 0)
        improvement = np.where(at_target, expected_improvement(self._mean, own, self._best) * self._weight, 0)
        rows = np.argsort(-improvement, kind="stable")[:PROMISING]
        rows = rows[improvement[rows] > 0]
        value = improvement.copy()
        if len(rows):
            across = self._covariance[:, rows] ** 2
            told = across / ((own + self._noise)[:, None] * np.maximum(own[rows], self._noise))
            elsewhere = (told * improvement[rows]).max(axis=1) * self._weight
            value = np.where(at_target, improvement, elsewhere)
        return np.asarray(value)

    def see(self, row: int) -> None:
        """Go on as if the candidate had been found to be as predicted."""
        condition(self._covariance, row, self._noise)


def _scalar(costs: Costs, rng: np.random.Generator) -> Vector:
    """(n,) one number a point to be minimised: the objective, or a random weighting of (n, m) scaled objectives."""
    if costs.shape[1] == 1:
        return costs[:, 0]
    low, span = costs.min(axis=0), np.ptp(costs, axis=0)
    weight = rng.dirichlet(np.ones(costs.shape[1]))
    return 1 + chebyshev((costs - low) / np.where(span > 0, span, 1), weight)


def GetObject(framework: Framework) -> MultiFidelity:
    return MultiFidelity(framework)
