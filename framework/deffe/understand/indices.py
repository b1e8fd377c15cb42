"""Shares of a variance: of one knob alone, with all it takes part in, and of two at once.

Source: Sobol', Mathematics and Computers in Simulation 55, 2001, doi:10.1016/S0378-4754(00)00270-6; for knobs
that are tied together: Kucherenko, Tarantola, Annoni, Computer Physics Communications 183(4), 2012,
doi:10.1016/j.cpc.2011.12.020.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deffe.records import NORMAL_90

Vector = NDArray[np.float64]
Groups = NDArray[np.int64]
MOST_BLOCKS = 10
"""Parts of the drawn points that the interval of a share is found from."""


def groups_of(rows: NDArray[np.generic]) -> Groups:
    """(n,) numbers from 0: the same where (n, k) rows have the same values, k being 0 or more."""
    if not rows.shape[1]:
        return np.zeros(len(rows), dtype=np.int64)
    groups: Groups = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return groups


def within(costs: Vector, groups: Groups) -> float:
    """The mean over all points of the variance inside their groups, E[Var(cost | group)], of (n,) costs."""
    counts = np.bincount(groups)
    centred = costs - costs.mean()
    sums, squares = np.bincount(groups, centred), np.bincount(groups, centred**2)
    with np.errstate(invalid="ignore"):
        spread = squares - np.where(counts, sums**2 / np.maximum(counts, 1), 0.0)
    return float(max(spread.sum(), 0.0) / len(costs))


def main_of_all(costs: Vector, groups: Groups) -> float:
    """Var(E[cost | group]) / Var(cost) where the (n,) costs are those of all points."""
    return _share(costs.var() - within(costs, groups), costs)


def main_of_drawn(costs: Vector, groups: Groups) -> float:
    """The same where the points were drawn: what the means of groups differ by chance is taken off (epsilon squared).

    Source: Kelley, Proc. National Academy of Sciences 21(9), 1935, doi:10.1073/pnas.21.9.554.
    """
    met = int((np.bincount(groups) > 0).sum())
    if met >= len(costs):
        return float("nan")
    inside = within(costs, groups) * len(costs) / (len(costs) - met)
    whole = costs.var() * len(costs) / (len(costs) - 1)
    return _clipped(1 - inside / whole) if whole > 0 else 0.0


def main_error(costs: Vector, groups: Groups) -> float:
    """Half of the 90 % interval of ``main_of_drawn``, from parts of the points."""
    parts = [slice(i, None, MOST_BLOCKS) for i in range(MOST_BLOCKS)]
    found = np.array([main_of_drawn(costs[part], groups[part]) for part in parts if len(costs[part]) > 1])
    found = found[np.isfinite(found)]
    return float(NORMAL_90 * found.std(ddof=1) / np.sqrt(len(found))) if len(found) > 1 else float("nan")


def total_of_all(costs: Vector, others: Groups) -> float:
    """E[Var(cost | other knobs)] / Var(cost) where the (n,) costs are those of all points, grouped by the others."""
    return _share(within(costs, others), costs)


def total_of_drawn(costs: Vector, anew: Vector, variance: float) -> tuple[float, float]:
    """The same from (n,) costs of drawn points and of these with the knob drawn anew, and half its 90 % interval.

    Source: Jansen, Computer Physics Communications 117, 1999, doi:10.1016/S0010-4655(98)00154-4.
    """
    return _mean_share((costs - anew) ** 2 / 2, variance)


def both(corners: Sequence[Vector], variance: float) -> tuple[float, float]:
    """The share that takes two knobs at once, with or without further ones, and half of its 90 % interval.

    Args:
        corners: (n,) costs of points, of these with the one knob drawn anew, with the other, and with both.
    Source: Fruth, Roustant, Kuhnt, J. Statistical Planning and Inference 147, 2014, doi:10.1016/j.jspi.2013.11.007.
    """
    costs, one, other, two = corners
    return _mean_share((costs - one - other + two) ** 2 / 4, variance)


def _mean_share(parts: Vector, variance: float) -> tuple[float, float]:
    if not len(parts):
        return float("nan"), float("nan")
    if variance <= 0:
        return 0.0, 0.0
    spread = parts.std(ddof=1) if len(parts) > 1 else np.nan
    return float(parts.mean() / variance), float(NORMAL_90 * spread / np.sqrt(len(parts)) / variance)


def _share(part: float, costs: Vector) -> float:
    variance = costs.var()
    return _clipped(part / variance) if variance > 0 else 0.0


def _clipped(share: float) -> float:
    return float(min(max(share, 0.0), 1.0))
