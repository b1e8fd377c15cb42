"""One-dimensional sampling first, then random points."""

from __future__ import annotations

import numpy as np

from deffe.api import Batch, Framework, Ids
from deffe.space.proposals import merged, random_points

from .one_dimensional import OneDimensional


class OneDimensionalThenRandom(OneDimensional):
    """Sweeps one knob at a time from the base point; when that is done, draws uniformly."""

    may_be_empty = True

    def Run(self, step: int, count: int, known: Ids) -> Batch:
        """``count`` new points; fewer only when the space has fewer."""
        swept = self._points.take(count, known)
        known = merged(known, self._space.ids(swept))
        drawn = random_points(self._space, count - len(swept), known, self._framework.rng(step))
        return self._space.of_levels(step, np.concatenate([swept, drawn]))


def GetObject(framework: Framework) -> OneDimensionalThenRandom:
    return OneDimensionalThenRandom(framework)
