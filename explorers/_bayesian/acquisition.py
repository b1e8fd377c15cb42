"""How much a candidate is expected to improve on what is known, all objectives to be minimised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr

from deffe.api import Costs
from deffe.metrics import distinct_front

Vector = NDArray[np.float64]
LOG_ROOT_2PI = 0.5 * np.log(2 * np.pi)
FAR = -1e6
"""So many deviations from an improvement, the series of the tail is exact."""
LEAST = 1e-300
DIRECTIONS = 32
AUGMENTATION = 0.05
"""Share of the weighted sum in a Chebyshev sum: it orders points whose largest value is the same."""
MARGIN = 0.03
"""Deviations by which a point has to be better than a front to count: along it there is always a little to gain."""
EDGE = 0.1
"""The reference point lies beyond the worst known value by this share of the range."""


def log_improvement(mean: Costs, variance: Costs, known: Costs, limit: Vector, rng: np.random.Generator) -> Vector:
    """(n,) logarithm of what candidates are expected to improve, by as many objectives as there are.

    Args:
        mean, variance: (n, m) of the candidates.
        known: (k, m) targets that are known.
        limit: (m,) the reference point of two objectives.
    """
    if known.shape[1] == 1:
        return log_expected_improvement(mean[:, 0], variance[:, 0], float(known.min()))
    if known.shape[1] == 2:
        return log_hypervolume_improvement(mean, variance, known - MARGIN, limit)
    return log_scalarised_improvement(mean, variance, known - MARGIN, rng)


def log_expected_improvement(mean: Vector, variance: Vector, best: float) -> Vector:
    """(n,) logarithm of E[max(best - y, 0)], also where that itself is 0 in floating point.

    Source: Ament, Daulton, Eriksson, Balandat, Bakshy, Unexpected improvements to expected improvement for Bayesian
        optimization, NeurIPS 2023, arXiv:2310.20708 (eq. 9).
    """
    std = np.sqrt(variance)
    z = (best - mean) / std
    near = np.maximum(z, -1.0)
    found = np.log(np.exp(-0.5 * near**2 - LOG_ROOT_2PI) + near * ndtr(near))
    far = np.clip(z, FAR, -1.0)
    tail = np.log1p(-np.minimum(erfcx(-far / np.sqrt(2)) * -far * np.sqrt(np.pi / 2), 1 - 1e-16))
    return np.asarray(np.where(z > -1.0, found, -0.5 * z**2 - LOG_ROOT_2PI + tail) + np.log(std))


def expected_improvement(mean: Vector, variance: Vector, best: float) -> Vector:
    """(n,) E[max(best - y, 0)]; Jones, Schonlau, Welch, 1998, doi:10.1023/A:1008306431147."""
    std = np.sqrt(np.maximum(variance, LEAST))
    z = (best - mean) / std
    return np.asarray((best - mean) * ndtr(z) + std * np.exp(-0.5 * z**2 - LOG_ROOT_2PI))


def reference(targets: Costs) -> Vector:
    """(m,) a point a little worse than the worst of (n, m) known targets."""
    worst = targets.max(axis=0)
    return np.asarray(worst + EDGE * np.maximum(worst - targets.min(axis=0), 1e-9))


def log_hypervolume_improvement(mean: Costs, variance: Costs, front: Costs, limit: Vector) -> Vector:
    """(n,) logarithm of the expected improvement of the hypervolume of two independent objectives, in closed form.

    The strip between two neighbours of the front gains E[width] * E[height], each a difference of improvements.

    Args:
        mean, variance: (n, 2) of the candidates.
        front: (f, 2) known points; dominated ones are left out.
        limit: (2,) the reference point.
    Source: Emmerich, Deutz, Klinkenberg, Hypervolume-based expected improvement, CEC 2011,
        doi:10.1109/CEC.2011.5949880; Yang et al., 2019, doi:10.1007/s10898-019-00798-7.
    """
    front = front[(front < limit).all(axis=1)]
    front = distinct_front(front)
    rights = np.append(front[:, 0], limit[0])
    heights = np.append(limit[1], front[:, 1])
    total = np.zeros(len(mean))
    before = np.zeros(len(mean))
    for right, height in zip(rights, heights, strict=True):
        reached = expected_improvement(mean[:, 0], variance[:, 0], right)
        total += (reached - before) * expected_improvement(mean[:, 1], variance[:, 1], height)
        before = reached
    return np.asarray(np.log(np.maximum(total, LEAST)))


def log_scalarised_improvement(
    mean: Costs, variance: Costs, known: Costs, rng: np.random.Generator, draws: int = DIRECTIONS
) -> Vector:
    """(n,) logarithm of the improvement expected in augmented Chebyshev sums of three or more objectives.

    Each draw takes random weights and one sample of every candidate's objectives, independent of each other.

    Args:
        mean, variance: (n, m) of the candidates.
        known: (k, m) targets that are known.
    Source: Knowles, ParEGO, IEEE Transactions on Evolutionary Computation 10(1), 2006, doi:10.1109/TEVC.2005.851274.
    """
    low, span = known.min(axis=0), np.maximum(np.ptp(known, axis=0), 1e-9)
    weights = rng.dirichlet(np.ones(mean.shape[1]), draws)
    noise = rng.standard_normal((draws, *mean.shape))
    std, total = np.sqrt(variance), np.zeros(len(mean))
    for weight, draw in zip(weights, noise, strict=True):
        best = chebyshev((known - low) / span, weight).min()
        total += np.maximum(best - chebyshev((mean + draw * std - low) / span, weight), 0)
    return np.asarray(np.log(total / draws + LEAST))


def chebyshev(values: Costs, weight: Vector) -> Vector:
    """(n,) augmented Chebyshev sums of (n, m) values to be minimised, by (m,) weights."""
    weighted = values * weight
    return np.asarray(weighted.max(axis=1) + AUGMENTATION * weighted.sum(axis=1))
