"""Which of several ways to trust: one alone, or a weighted mean of them, judged on points that they had not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

FIRM = 1e3
"""How strictly the weights sum to 1."""
LEAST_WEIGHT = 0.02
"""A smaller share is not worth its time."""
FAR = 1.5
"""Residuals of more than so many medians count by their size, smaller ones by their square."""
ROUNDS = 5
"""Times that the far residuals are found anew."""
POWER = 6
"""Of a way's error, to which half of its share is inverse."""


@dataclass(frozen=True)
class Blend:
    """The shares of k ways in a prediction, and how it did on m unseen points.

    Args:
        weights: (k,), at least 0, of sum 1.
        mean, std: (m,) predictions of points unseen by both the ways and, as far as they were fitted, the weights.
        errors: of each way alone, in the order of the ways.
        error: of the blend.
    """

    weights: Vector
    mean: Vector
    std: Vector
    errors: tuple[float, ...]
    error: float


def blend(
    means: Matrix, stds: Matrix, values: Vector, folds: NDArray[np.intp], judge: Callable[[Vector], float]
) -> Blend:
    """Weigh k ways by their predictions of m points that they had not seen.

    Args:
        means, stds: (k, m), in units of the target; deviations are never NaN.
        values: (m,) the targets.
        folds: (m,) part of each point; the weights that predict a part are fitted on the others.
        judge: the error of (m,) predicted targets.
    """
    errors = tuple(judge(mean) for mean in means)
    if len(means) == 1 or len(np.unique(folds)) < 2:
        best = int(np.argmin(errors))
        return Blend(np.eye(len(means))[best], means[best], stds[best], errors, errors[best])
    mixed, spread = np.empty(len(values)), np.empty(len(values))
    for fold in np.unique(folds):
        held = folds == fold
        weights = _weights(means[:, ~held], values[~held])
        mixed[held], spread[held] = combine(weights, means[:, held], stds[:, held])
    return Blend(_weights(means, values), mixed, spread, errors, judge(mixed))


def combine(
    weights: Vector, means: Matrix | Sequence[Vector], stds: Matrix | Sequence[Vector]
) -> tuple[Vector, Vector]:
    """(m,) mean and standard deviation of a mixture of (k, m) predictions: their spread adds to their deviations."""
    means, stds = np.asarray(means), np.asarray(stds)
    mean = weights @ means
    return mean, np.sqrt(weights @ (stds**2 + (means - mean) ** 2))


def _weights(means: Matrix, values: Vector) -> Vector:
    """(k,) shares: the mean of those that fit the values best and of those that each way's own error gives.

    The former cancel errors, the latter rest on less: on few points either alone does worse.
    """
    errors = np.mean(np.abs(values - means), axis=1)
    least = float(errors.min())
    own = (least / errors) ** POWER if least > 0 else np.asarray(errors == 0, dtype=np.float64)
    return _normed((_stacked(means, values) + own / own.sum()) / 2)


def _stacked(means: Matrix, values: Vector) -> Vector:
    """(k,) shares that make residuals small: near ones by their squares, far ones, which tell less, by their sizes.

    Source: Breiman, Stacked regressions, Machine Learning 24, 1996, doi:10.1007/BF00117832; Huber, Robust estimation of
    a location parameter, Annals of Mathematical Statistics 35(1), 1964, doi:10.1214/aoms/1177703732.
    """
    shares = _least_squares(means, values)
    for _ in range(ROUNDS):
        apart = np.abs(values - shares @ means)
        limit = FAR * float(np.median(apart))
        if limit == 0:
            break
        trust = np.sqrt(limit / np.maximum(apart, limit))
        shares = _least_squares(means * trust, values * trust)
    return shares


def _least_squares(means: Matrix, values: Vector) -> Vector:
    """(k,) shares, at least 0 and of sum 1, that minimise the squared error; equal ones where none are found."""
    firm = FIRM * np.sqrt(len(values))
    try:
        found, _ = nnls(np.vstack([means.T, np.full(len(means), firm)]), np.append(values, firm))
    except RuntimeError:  # it goes in circles, as it may when ways say the same
        found = np.zeros(len(means))
    return _normed(found)


def _normed(shares: Vector) -> Vector:
    """Shares of sum 1 without the small ones; equal ones where there are none."""
    kept = np.where(shares < LEAST_WEIGHT, 0.0, shares)
    total = kept.sum()
    return np.asarray(kept / total) if total > 0 else np.full(len(shares), 1 / len(shares))
