"""Samplers that walk along a low-discrepancy sequence, which later steps continue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deffe.api import Batch, Features, Framework, Ids, Levels
from deffe.space.proposals import Sequence, few_left, merged, random_points

from ._designs import Snap

UnitSequence = Callable[[int, int, int, np.random.Generator], Features]
"""(start, n, d, rng) to the (n, d) points at start, ... of a sequence in [0, 1); rng decides the scrambling."""


class QuasiRandom:
    """Takes the points of a scrambled sequence in order; the scrambling depends on the seed, not on the step.

    Points that are invalid, repeated or known are skipped. Where the sequence stops meeting new points,
    in a space that is nearly used up, the last ones are drawn uniformly.
    """

    def __init__(self, framework: Framework, sequence: UnitSequence) -> None:
        self._framework = framework
        self._snap = Snap(framework.space)
        self._sequence = sequence
        self._points = Sequence(framework.space, self._block, endless=True)

    def Initialize(self) -> None: ...

    def Run(self, step: int, count: int, known: Ids) -> Batch:
        """``count`` new points; fewer only when the space has fewer."""
        space = self._framework.space
        found = self._points.take(0 if few_left(space, len(known), count) else count, known)
        rest = random_points(space, count - len(found), merged(known, space.ids(found)), self._framework.rng(step))
        return space.of_levels(step, np.concatenate([found, rest]))

    def _block(self, start: int, count: int) -> Levels:
        return self._snap(self._sequence(start, count, self._snap.axes, self._framework.rng(0)))
