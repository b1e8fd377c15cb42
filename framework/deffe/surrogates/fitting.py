"""The search for the hyperparameters of a Gaussian process that a cost makes most likely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.records import Features
from deffe.surrogates.kernel import SCALARS, Hyperparameters, NegativeLogPosterior, Vector

START_SCALARS = np.log([1.0, 0.1, 1.0, 0.01])
"""Where a search begins: logarithms of the four scalars, as ``Hyperparameters.of`` takes them."""
PAIRS_PER_FIT = 4_000_000
"""Pairs of rows times features that hyperparameters are fitted on at most."""


def fit(
    features: Features,
    target: Vector,
    rng: np.random.Generator,
    restarts: int = 1,
    rows: int = 500,
    starts: Sequence[Vector] = (),
) -> Hyperparameters:
    """Hyperparameters for (n, d) features and (n,) targets of mean 0 and variance 1.

    Args:
        restarts: random starts of the search, besides the usual one.
        rows: points they are fitted on at most, drawn at random.
        starts: where to begin instead of all these, as ``Hyperparameters.of`` takes them.
    """
    few = min(rows, int(np.sqrt(2 * PAIRS_PER_FIT / max(1, features.shape[1]))))
    chosen = rng.permutation(len(target))[:few] if len(target) > few else np.arange(len(target))
    begin = list(starts) or _starts(features.shape[1], restarts, rng)
    # more threads cost more than they do at this size, and the last digits would depend on their number
    with threadpool_limits(1):
        return most_likely(NegativeLogPosterior(features[chosen], target[chosen]), begin)


def _starts(d: int, restarts: int, rng: np.random.Generator) -> list[Vector]:
    starts = [np.concatenate([START_SCALARS, np.full(d, -1.0), np.zeros(d)])]
    for _ in range(restarts):
        lower = np.concatenate([[-2.0, -2.0, -1.0, np.log(1e-4)], np.full(d, -3.0), np.full(d, np.log(0.3))])
        upper = np.concatenate([[2.0, 2.0, 1.0, np.log(0.1)], np.full(d, 1.0), np.full(d, np.log(5.0))])
        starts.append(rng.uniform(lower, upper))
    return starts


def most_likely(objective: NegativeLogPosterior, starts: Sequence[Vector]) -> Hyperparameters:
    """The best of what searches from some starts, logarithms as ``Hyperparameters.of`` takes, lead to."""
    d = (len(starts[0]) - SCALARS) // 2
    scalars = np.log([[1e-4, 1e4], [1e-4, 1e4], [1e-3, 1e3], [1e-6, 1.0]])
    bounds = [*map(tuple, scalars), *[(-8.0, 5.0)] * d, *[(np.log(0.05), np.log(50.0))] * d]
    found = [
        minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
        for start in starts
    ]
    return Hyperparameters.of(np.asarray(min(found, key=lambda result: float(result.fun)).x))
