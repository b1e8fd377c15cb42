"""The probability of improvement: that a predicted point is better than all that were measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from deffe.metrics import to_minimise
from deffe.records import NORMAL_90, Costs, Prediction

DRAWS = 999
MOST_MEASURED = 300
BLOCK = 64


def probability_of_improvement(prediction: Prediction, measured: Costs, goals: Sequence[str]) -> NDArray[np.float64]:
    """How likely each of n points is better in some objective than every measured point, in [0, 1].

    With one objective: better than the best measured. A cost is taken to lie about its mean as two halves of normal
    distributions, each as wide as its side of the 90 % interval; costs of a point are taken to err independently.

    Args:
        prediction: of m objectives at n points.
        measured: (k, m) costs of the measured points that no other one dominates.
        goals: ``min`` or ``max`` for each.
    Returns:
        (n,) float64; NaN without measured points or where a prediction is not finite.
    """
    mean, *ends = (to_minimise(part, goals) for part in (prediction.mean, prediction.lower, prediction.upper))
    below = (mean - np.minimum(*ends)) / NORMAL_90
    above = (np.maximum(*ends) - mean) / NORMAL_90
    measured = to_minimise(measured, goals)
    unknown = ~np.isfinite(mean + below + above).all(axis=1)
    if not len(measured):
        return np.full(len(mean), np.nan)
    if measured.shape[1] == 1:
        gain = measured.min() - mean[:, 0]
        wide = np.where(gain < 0, below[:, 0], above[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(wide > 0, ndtr(gain / wide), (gain > 0).astype(np.float64))
    else:
        found = _by_draws(mean, below, above, measured[:: -(-len(measured) // MOST_MEASURED)])
    return np.where(unknown, np.nan, found)


def _by_draws(mean: Costs, below: Costs, above: Costs, measured: Costs) -> NDArray[np.float64]:
    """(n,) shares of draws from the predictions that no measured point is nowhere worse than."""
    grid = ndtri((np.arange(DRAWS) + 0.5) / DRAWS)
    rng = np.random.default_rng(0)
    draws = np.column_stack([grid[rng.permutation(DRAWS)] for _ in range(mean.shape[1])])
    found = np.empty(len(mean))
    for start in range(0, len(mean), BLOCK):
        rows = slice(start, start + BLOCK)
        drawn = mean[rows, None] + draws * np.where(draws < 0, below[rows, None], above[rows, None])
        free = np.ones(drawn.shape[:2], dtype=bool)
        for point in measured:
            free &= (drawn < point).any(axis=2)
        found[rows] = free.mean(axis=1)
    return found
