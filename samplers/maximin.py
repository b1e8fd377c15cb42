"""Maximin distance: points as far from each other as can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deffe.api import Features, Framework

from ._pool import PoolSampler


def farthest_first(pool: Features, count: int) -> NDArray[np.intp]:
    """Rows of the pool, each the one farthest from those before it; the first is row 0.

    The smallest distance among the chosen is at least half of the largest possible one. O(n * count) time.

    Args:
        pool: (n, d) features, n >= count.
    Returns:
        (count,) distinct rows.
    Source: Johnson, Moore, Ylvisaker, J. Statistical Planning and Inference 26(2), 1990,
        doi:10.1016/0378-3758(90)90122-B (the criterion); Gonzalez, Theoretical Computer Science 38, 1985,
        doi:10.1016/0304-3975(85)90224-5 (the choice).
    """
    rows = np.zeros(count, dtype=np.intp)
    squared = np.full(len(pool), np.inf)
    squared[0] = -1.0  # below every distance: a chosen row is never chosen again
    for i in range(1, count):
        step = pool - pool[rows[i - 1]]
        squared = np.minimum(squared, np.einsum("ij,ij->i", step, step))
        squared[rows[i - 1]] = -1.0
        rows[i] = np.argmax(squared)
    return rows


def GetObject(framework: Framework) -> PoolSampler:
    return PoolSampler(framework, farthest_first)
