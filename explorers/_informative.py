"""Choosing a batch of points that teach a model most: by their distance from what is known, or by what they settle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deffe.api import Features
from deffe.surrogates.target import SMALLEST

from ._surrogate import Surrogate, condition

Rows = NDArray[np.intp]
Vector = NDArray[np.float64]


def farthest(candidates: Features, known: Features, count: int, weight: Vector) -> Rows:
    """Rows of the candidates, each the farthest from all known and chosen points, distances times (n,) weights.

    Args:
        candidates, known: (n, d) and (k, d), in coordinates in which distance counts.
    Source: Gonzalez, Theoretical Computer Science 38, 1985, doi:10.1016/0304-3975(85)90224-5 (farthest-first); Sener,
        Savarese, ICLR 2018, arXiv:1708.00489 (as active learning).
    """
    distance = np.full(len(candidates), np.inf)
    for point in known:
        distance = np.minimum(distance, ((candidates - point) ** 2).sum(axis=1))
    distance = np.sqrt(distance)
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        score = np.where(np.isfinite(distance), distance, np.finfo(float).max) * weight
        score[chosen] = -1.0
        best = int(np.argmax(score))
        chosen.append(best)
        distance = np.minimum(distance, np.sqrt(((candidates - candidates[best]) ** 2).sum(axis=1)))
    return np.array(chosen, dtype=np.intp)


def settling(surrogates: Sequence[Surrogate], candidates: Features, count: int, weight: Vector) -> Rows:
    """Rows of the candidates, each settling the most of the others' variance, given those before it.

    Candidates count by their (n,) weights, as choices and as what is to be settled.

    The share of the variance of a cost that a point settles is averaged over the costs. The variance of a Gaussian
    process does not depend on the costs of the points chosen, so a batch is as good as one point at a time.

    Source: Seo, Wallat, Graepel, Obermayer, IJCNN 2000, doi:10.1109/IJCNN.2000.861310 (active learning Cohn).
    """
    left = [surrogate.covariance(candidates, candidates) for surrogate in surrogates]
    noises = [max(surrogate.noise, LEAST_NOISE) for surrogate in surrogates]
    chosen: list[int] = []
    for _ in range(min(count, len(candidates))):
        gain = np.zeros(len(candidates))
        for covariance, noise in zip(left, noises, strict=True):
            own = np.maximum(np.diag(covariance), 0)
            gain += (covariance**2) @ weight / (own + noise) / max(float(own @ weight), SMALLEST)
        gain = gain * weight
        gain[chosen] = -1.0
        best = int(np.argmax(gain))
        chosen.append(best)
        for covariance, noise in zip(left, noises, strict=True):
            condition(covariance, best, noise)
    return np.array(chosen, dtype=np.intp)


LEAST_NOISE = 0.01
"""Share of a cost's variance that is taken for noise at least, so that a neighbour of a known point counts little."""
