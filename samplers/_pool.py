"""Samplers that choose the points of a step from a larger random pool."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deffe.api import Batch, Features, Framework, Ids, Levels
from deffe.space.proposals import merged, no_points, random_points

POOL_FACTOR = 10
"""Size of a pool, as a multiple of the points wanted."""
BLOCK = 500
"""Points chosen from one pool; more are chosen block by block, so that the time grows with their number."""

Choice = Callable[[Features, int], NDArray[np.intp]]
"""(pool, count) to at most count distinct rows of the pool's features."""


class PoolSampler:
    """Draws a random pool of new points and keeps those that ``choose`` picks by their features."""

    def __init__(self, framework: Framework, choose: Choice) -> None:
        self._framework = framework
        self._choose = choose

    def Initialize(self) -> None: ...

    def Run(self, step: int, count: int, known: Ids) -> Batch:
        """``count`` new points; fewer only when the space has fewer."""
        space, rng = self._framework.space, self._framework.rng(step)
        found = no_points(space)
        while len(found) < count:
            chosen = self._block(min(BLOCK, count - len(found)), known, rng)
            if not len(chosen):
                break
            found = np.concatenate([found, chosen])
            known = merged(known, space.ids(chosen))
        return space.of_levels(step, found)

    def _block(self, count: int, known: Ids, rng: np.random.Generator) -> Levels:
        space = self._framework.space
        pool = random_points(space, POOL_FACTOR * count, known, rng)
        if len(pool) <= count:
            return pool
        return pool[self._choose(space.features(pool, derived=False), count)]
