"""Several Gaussian processes of one objective, and what they say of candidates while some of those are chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from deffe.api import Costs, Features
from deffe.metrics import pareto_mask
from deffe.surrogates.fitting import START_SCALARS, most_likely
from deffe.surrogates.kernel import NegativeLogPosterior

from .._surrogate import HYPER_ROWS, Surrogate
from .pools import LEAST_VARIANCE

Vector = NDArray[np.float64]
PRIOR_SHIFT = 0.5
"""Of the deviation of a prior, by which the priors of the members differ."""


class Process(Surrogate):
    """A member of an ensemble."""

    def pool(self, candidates: Features) -> ProcessPool:
        """What it says of (k, d) candidates."""
        return ProcessPool(self, candidates)


def ensemble(features: Features, values: Vector, members: int, rng: np.random.Generator) -> list[Process]:
    """So many processes, each fitted under priors shifted at random but the first: few points leave much open.

    Args:
        features: (n, d).
        values: (n,) costs to be minimised, of mean 0 and variance 1.
    """
    rows = some_rows(values[:, None], HYPER_ROWS, rng)
    objective = NegativeLogPosterior(features[rows], values[rows])
    d = features.shape[1]
    middle, width = objective.prior_mean, objective.prior_std
    found = []
    for i in range(members):
        objective.prior_mean = middle + (rng.normal(size=2 * d) * width * PRIOR_SHIFT if i else 0.0)
        start = np.concatenate([START_SCALARS, objective.prior_mean[:d], np.zeros(d)])
        found.append(Process.given(most_likely(objective, [start]), features, values))
    return found


def some_rows(targets: Costs, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """At most ``most`` rows of (n, m) targets to be minimised: the front and the best, and others at random."""
    if len(targets) <= most:
        return np.arange(len(targets))
    front = pareto_mask(targets)
    order = np.lexsort((targets.sum(axis=1), ~front))
    rest = rng.choice(order[most // 2 :], most - most // 2, replace=False)
    return np.sort(np.concatenate([order[: most // 2], rest]))


class ProcessPool:
    """What one process says of (k, d) candidates, some of which can be taken to have come out as predicted.

    Attributes:
        mean, variance: (k,), the variance without noise.
    """

    def __init__(self, process: Surrogate, candidates: Features) -> None:
        self._process, self._candidates = process, candidates
        self._white = process.white(candidates)
        self.mean: Vector = self._white.T @ solve_triangular(process.factor, process.values, lower=True)
        explained = np.einsum("ij,ij->j", self._white, self._white)
        self.variance: Vector = np.maximum(process.parameters.variance(candidates) - explained, LEAST_VARIANCE)
        self._chosen: list[Vector] = []

    def choose(self, row: int) -> None:
        """Take a candidate as evaluated, with its mean as the result; the means stay, what is unknown shrinks.

        The rank-one update of ``condition``, for many candidates: of their covariance, variances alone are held.

        Source: Ginsbourger, Le Riche, Carraro, Kriging is well-suited to parallelize optimization, 2010,
            doi:10.1007/978-3-642-10701-6_6 (the Kriging believer).
        """
        shared = self._process.parameters.covariance(self._candidates, self._candidates[row : row + 1])[:, 0]
        shared -= self._white[:, row] @ self._white
        for other in self._chosen:
            shared -= other * other[row]
        told = shared / np.sqrt(self.variance[row] + self._process.noise)
        self._chosen.append(told)
        self.variance = np.maximum(self.variance - told**2, LEAST_VARIANCE)
