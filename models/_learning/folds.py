"""Parts of a cross-validation: rows of the same point stay together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deffe.api import Features

LEAST_POINTS = 3
"""Distinct points below which nothing is learned but the mean, and no error can be measured."""


def distinct(features: Features) -> NDArray[np.intp]:
    """(n,) number of each row's point: rows with the same features are one point."""
    if features.shape[1] == 0:
        return np.zeros(len(features), dtype=np.intp)
    _, inverse = np.unique(features, axis=0, return_inverse=True)
    return np.asarray(inverse).reshape(-1)


def few_points(features: Features) -> bool:
    """Whether (n, d) features are fewer than ``LEAST_POINTS`` distinct points; quick, also for very many."""
    for _ in range(LEAST_POINTS - 1):
        if len(features):
            features = features[(features != features[0]).any(axis=1)]
    return len(features) == 0


def fold_of(points: NDArray[np.intp], folds: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """(n,) fold of each row: points shuffled, folds of even size, all rows of a point in the same fold."""
    count = int(points.max()) + 1
    of_point = np.empty(count, dtype=np.intp)
    of_point[rng.permutation(count)] = np.arange(count) % min(folds, count)
    return of_point[points]
