"""The trust region: how many knobs a local proposal may differ in from the best known designs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, Levels
from deffe.metrics import pareto_mask

GROW = 2
"""Steps in a row that improve, after which the region is twice as wide."""
SHRINK = 5
"""Steps in a row that do not, after which it is half as wide."""


def radius(costs: Costs, steps: NDArray[np.int64], start: int, knobs: int) -> int:
    """Knobs that may differ after a run's steps, from ``start``: more after steps that improve, fewer after others.

    Where the narrowest region brings no more it is as wide as at the start again. It follows from the history alone,
    so that a run that is continued goes on with the same.

    Args:
        costs: (n, m) objectives to be minimised, NaN where not done.
        steps: (n,).
    Source: Eriksson, Pearce, Gardner, Turner, Poloczek, Scalable global optimization via local Bayesian optimization,
        NeurIPS 2019, arXiv:1910.01739 (growing and shrinking); Wan et al., Think global and act local, ICML 2021,
        arXiv:2102.07188 (distance as the number of knobs that differ).
    """
    wide, good, bad = start, 0, 0
    for success in improvements(costs, steps):
        good, bad = (good + 1, 0) if success else (0, bad + 1)
        if good >= GROW:
            wide, good = min(2 * wide, knobs), 0
        elif bad >= SHRINK:
            wide, bad = wide // 2 if wide > 1 else start, 0
    return wide


def improvements(costs: Costs, steps: NDArray[np.int64]) -> list[bool]:
    """For each step after the first whether one of its points is better than, or not dominated by, all before it."""
    done = ~np.isnan(costs).any(axis=1)
    costs, steps = costs[done], steps[done]
    found: list[bool] = []
    front, *rest = (costs[steps == step] for step in np.unique(steps)) if len(steps) else (costs,)
    for fresh in rest:
        both = np.concatenate([front, fresh])
        kept = pareto_mask(both)
        new = both[kept & (np.arange(len(both)) >= len(front))]
        found.append(any(not (front == point).all(axis=1).any() for point in new))
        front = both[kept]
    return found


def within(levels: Levels, centres: Levels, knobs: int) -> NDArray[np.bool_]:
    """(n,) bool: which of (n, p) points differ from one of (k, p) centres in at most so many knobs."""
    near = np.zeros(len(levels), dtype=np.bool_)
    for centre in centres:
        near |= (levels != centre).sum(axis=1) <= knobs
    return near
