"""What points drawn at random may still bring, by those that were drawn before them, without any model.

By exchangeability: of n points and m further ones, each is the best with the same probability.
"""

from __future__ import annotations

import numpy as np

from deffe import metrics
from deffe.learn.errors_seen import Vector
from deffe.outlook.merit import reference, volumes
from deffe.records import Costs

MOST_SPACINGS = 10
MOST_LEFT_OUT = 200
"""Points of a front that are left out in turn, at most."""


def best_of_random(scaled: Vector, ended: int, further: int, rng: np.random.Generator, draws: int) -> Vector:
    """Draws of the best after ``further`` points.

    A point is better than the best of ``ended`` ones with a probability that has the Beta distribution (1, ended). By
    how much follows the exponential distribution, whose mean is that of the normalised spacings of the best values.

    Args:
        scaled: (n,) values of the points that are done, to be minimised.
        ended: their number with those that failed.
    Returns:
        (draws,) values, at most the best known one.
    Source: Renyi, On the theory of order statistics, Acta Mathematica Academiae Scientiarum Hungaricae 4, 1953,
    doi:10.1007/BF02127580; Weissman, Estimation of parameters and large quantiles based on the k largest observations,
    JASA 73(364), 1978, doi:10.1080/01621459.1978.10480104.
    """
    best = np.sort(scaled)[: MOST_SPACINGS + 1]
    mean = float(np.mean(np.diff(best) * np.arange(1, len(best)))) if len(best) > 1 else 0.0
    better = rng.binomial(further, rng.beta(1, ended, draws))
    largest = -np.log(-np.expm1(np.log(rng.random(draws)) / np.maximum(better, 1)))  # of so many exponential draws
    return np.asarray(best[0] - np.where(better > 0, mean * largest, 0.0))


def volume_of_random(known: Costs, ended: int, further: int, rng: np.random.Generator, draws: int) -> Vector:
    """Draws of what ``further`` points add to the hypervolume, in percent of it.

    The next point adds as much as a known one has added to all others, on average; what points add falls with their
    number, as the probability to be on the front does.

    Args:
        known: (n, k) points that are done, to be minimised.
        ended: their number with those that failed.
    Returns:
        (draws,) percent.
    """
    front = np.flatnonzero(metrics.pareto_mask(known))
    rows = rng.permutation(front)[:MOST_LEFT_OUT]
    added = np.zeros(len(rows))
    for i, row in enumerate(rows):
        others = np.delete(known, row, axis=0)
        if len(others):
            before, after = volumes([others, known], reference(others))
            added[i] = 100 * (after / before - 1) if before > 0 else 0.0
    hits = rng.poisson(len(front) * np.log1p(further / ended), draws)
    return np.array([rng.choice(added, count).sum() for count in hits])
