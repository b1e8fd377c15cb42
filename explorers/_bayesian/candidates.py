"""The points among which a search looks for the next ones: all that are left, or those worth a look."""

from __future__ import annotations

import numpy as np

from deffe.api import DesignSpace, Ids, Levels
from deffe.space.proposals import few_left, left_of, merged, no_points, random_points, take

from .._neighbours import neighbours
from .._variation import Variation

CENTRES = 10
"""Known points whose neighbours are candidates."""


def pool(space: DesignSpace, best: Levels, radius: int, known: Ids, limit: int, rng: np.random.Generator) -> Levels:
    """Valid points that are not known: all where there are at most ``limit``.

    Of more, half of them at most differ from the best in one knob, or from the very best in up to ``radius``; the
    others are random.

    Args:
        best: (k, p) good points, the best first.
        known: (n,) sorted ids.
    """
    if few_left(space, len(known), limit):
        return np.concatenate([no_points(space), *left_of(space, known)])
    around = neighbours(space, best[:CENTRES], rng)
    if len(best):
        around = np.concatenate([around, varied(space, best[0], radius, limit // 4, rng)])
    around = take(space, rng.permutation(around), known, limit // 2)
    fresh = random_points(space, limit - len(around), merged(known, space.ids(around)), rng)
    return np.concatenate([around, fresh])


def varied(space: DesignSpace, point: Levels, radius: int, count: int, rng: np.random.Generator) -> Levels:
    """(at most count, p) valid points that differ from a (p,) point in up to ``radius`` knobs; some are the same."""
    variation = Variation(space)
    found: Levels = np.repeat(point[None], count, axis=0)
    times = rng.integers(1, radius + 1, count)
    for already in range(radius):
        rows = np.flatnonzero(times > already)
        found[rows] = variation.children(found[rows], found[rows], rng)
    within: Levels = found[(found != point).sum(axis=1) <= radius]
    return within
