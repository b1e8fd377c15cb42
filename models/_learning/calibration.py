"""Intervals that hold as often as they say: residuals of unseen points set their width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

LEVEL = 0.9
"""Share of unseen points that an interval is to hold."""


def factor(values: Vector, mean: Vector, std: Vector, level: float = LEVEL) -> float:
    """How many standard deviations on either side of the mean hold a ``level`` of further points.

    The quantile of the (m,) residuals over their deviations, one point up for the one that is to come.

    Source: Papadopoulos, Gammerman, Vovk, Normalized nonconformity measures for regression conformal prediction, AIA
    2008; Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, Distribution-free predictive inference for regression, JASA
    113(523), 2018, doi:10.1080/01621459.2017.1307116.
    """
    scores = np.sort(np.abs(values - mean) / np.where(std > 0, std, np.finfo(np.float64).tiny))
    place = int(np.ceil(level * (len(scores) + 1))) - 1
    return float(scores[min(place, len(scores) - 1)])


def coverage(values: Vector, mean: Vector, std: Vector, folds: NDArray[np.intp]) -> float:
    """Percent of (m,) points inside intervals whose width the points of the other folds have set."""
    inside = 0
    for fold in np.unique(folds):
        held = folds == fold
        if held.all():
            return float("nan")
        width = factor(values[~held], mean[~held], std[~held]) * std[held]
        inside += int(np.sum(np.abs(values[held] - mean[held]) <= width))
    return 100.0 * inside / len(values)
