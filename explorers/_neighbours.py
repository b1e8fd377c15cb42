"""Design points that differ from given ones in one knob."""

from __future__ import annotations

import numpy as np

from deffe.api import DesignSpace, Levels

NEAREST = 4
"""Levels of a knob on either side of a point's that are tried; where there are few levels, all are."""
FEW = 12
FAR = 4
"""Further levels of a knob that are tried, drawn at random."""


def neighbours(space: DesignSpace, levels: Levels, rng: np.random.Generator) -> Levels:
    """(k, p) levels that differ from one of (n, p) points in the level of at most one knob; not all of them are valid.

    O(n p) of them: of a knob with many levels the nearest and some random ones are taken.
    """
    found = [np.empty((0, len(space.parameters)), dtype=np.int32)]
    for column, parameter in enumerate(space.parameters):
        count = len(parameter)
        if count < 2:
            continue
        if count <= FEW or (parameter.scale == "category" and count <= 2 * FEW):
            other = np.tile(np.arange(count), (len(levels), 1))
        else:
            near = levels[:, [column]] + np.concatenate([np.arange(-NEAREST, 0), np.arange(1, NEAREST + 1)])
            other = np.hstack([np.clip(near, 0, count - 1), rng.integers(0, count, (len(levels), FAR))])
        moved = np.repeat(levels, other.shape[1], axis=0)
        moved[:, column] = other.reshape(-1)
        found.append(moved)
    return np.concatenate(found)
