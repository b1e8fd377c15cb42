"""Valid points, and the same points with one knob drawn anew, whatever constraints tie knobs together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deffe.records import Levels
from deffe.space import DesignSpace

ROUNDS = 16
"""Draws of a value before all values are tried."""
MOST_TRIED = 1 << 20
"""Points that are made at once to try all values of a knob."""


def base_points(space: DesignSpace, count: int, rng: np.random.Generator) -> tuple[Levels, bool]:
    """(n, p) valid points in random order, and whether these are all: else ``count``, drawn with replacement."""
    if space.size_is_exact and space.size <= count:
        return rng.permutation(np.concatenate(list(space.chunks(max(count, 1))))), True
    return space.draw(count, rng), False


def drawn_anew(space: DesignSpace, levels: Levels, column: int, rng: np.random.Generator) -> Levels:
    """The (n, p) points, each with one knob drawn uniformly from the values that leave it valid, its own included.

    A knob that becomes active by it takes its first value, and one that is not active stays so.
    """
    count = len(space.parameters[column])
    drawn: Levels = levels.copy()
    left = np.arange(len(levels))
    for _ in range(ROUNDS):
        tried = levels[left]
        tried[:, column] = rng.integers(count, size=len(left))
        tried = space.canonical(tried)
        fine = space.valid(tried)
        drawn[left[fine]] = tried[fine]
        left = left[~fine]
        if not len(left):
            return drawn
    rows = max(1, MOST_TRIED // count)
    for start in range(0, len(left), rows):
        part = left[start : start + rows]
        drawn[part] = _one_of_all(space, levels[part], column, rng)
    return drawn


def _one_of_all(space: DesignSpace, levels: Levels, column: int, rng: np.random.Generator) -> Levels:
    """``drawn_anew`` by trying every value at every point."""
    count = len(space.parameters[column])
    tried = np.repeat(levels, count, axis=0)
    tried[:, column] = np.tile(np.arange(count, dtype=np.int32), len(levels))
    tried = space.canonical(tried)
    fine = space.valid(tried).reshape(len(levels), count)
    chosen = np.where(fine, rng.random(fine.shape), -1.0).argmax(axis=1)
    found: Levels = tried[np.arange(len(levels)) * count + chosen]
    return found


def codes_of(space: DesignSpace, levels: Levels) -> NDArray[np.int32]:
    """(n, p) levels, -1 where a conditional knob is not active."""
    return np.where(space.active(levels), levels, np.int32(-1))
