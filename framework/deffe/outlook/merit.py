"""How much better some evaluated points are than others: by the best, or by the hypervolume of the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from deffe import metrics
from deffe.records import Costs

Vector = NDArray[np.float64]
MARGIN = 0.1
"""How far beyond the worst of the front the reference point lies, of the front's extent."""
SAMPLES = 2**12
MOST_EXACT = 3
"""Objectives up to which hypervolumes are computed exactly; with more they are estimated from samples."""


def reference(costs: Costs) -> Vector:
    """(k,) the point that bounds hypervolumes of (n, k) costs, all to be minimised.

    In each objective the worst of the front or the median of all points, whichever is worse, and a margin beyond it:
    a few very bad points do not move it, and a front of one point still has a volume. The margin is a share of the
    extent, or, where that is 0, of the value: an objective that does not vary must not hide what the others gain.
    """
    front = metrics.distinct_front(costs)
    best = front.min(axis=0)
    worst = np.maximum(front.max(axis=0), np.median(costs, axis=0))
    flat = np.where(best == 0, 1.0, np.abs(best))
    return np.asarray(worst + MARGIN * np.where(worst > best, worst - best, flat))


@dataclass(frozen=True)
class Box:
    """Points spread evenly between an ideal and a reference point, by which volumes are estimated.

    Args:
        samples: (q, k).
    """

    samples: Costs

    @classmethod
    def between(cls, ideal: Vector, limit: Vector, samples: int = SAMPLES) -> Box:
        """A box from the (k,) ideal to the (k,) reference point."""
        spread = qmc.Sobol(len(ideal), seed=0).random(samples)
        return cls(ideal + spread * (limit - ideal))

    def dominated(self, costs: Costs) -> NDArray[np.bool_]:
        """(q,) which samples one of the (n, k) costs dominates."""
        found = np.zeros(len(self.samples), dtype=bool)
        for point in metrics.distinct_front(costs):
            found |= np.all(point <= self.samples, axis=1)
        return found

    def share(self, costs: Costs) -> float:
        """The share of the box that (n, k) costs dominate."""
        return float(self.dominated(costs).mean())


def volumes(fronts: Sequence[Costs], limit: Vector) -> list[float]:
    """The hypervolume of each of several sets of (n, k) costs, all to be minimised, up to the (k,) reference point."""
    if len(limit) <= MOST_EXACT:
        return [metrics.hypervolume(metrics.distinct_front(front), limit) for front in fronts]
    filled = [front for front in fronts if len(front)]
    box = Box.between(np.min([front.min(axis=0) for front in filled], axis=0), limit)
    return [box.share(front) if len(front) else 0.0 for front in fronts]


def improvement(before: Costs, after: Costs) -> float:
    """By how many percent further points have improved the best, or the hypervolume where there are several objectives.

    Args:
        before, after: (n, k) and (m, k) costs, all to be minimised; ``after`` has all points of ``before``.
    Returns:
        percent of the best before, or of the hypervolume before, both measured up to the reference point of ``after``;
        infinite where that was 0 and is no longer, or nothing was known before.
    """
    if not len(after):
        return 0.0
    if not len(before):
        return float("inf")
    if after.shape[1] == 1:
        was, gained = abs(float(before.min())), float(before.min() - after.min())
    else:
        was, now = volumes([before, after], reference(after))
        gained = now - was
    if gained <= 0:
        return 0.0
    return 100 * gained / was if was > 0 else float("inf")
