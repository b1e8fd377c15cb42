"""Random sampling: every valid point is as likely as any other."""

from __future__ import annotations

from deffe.api import Batch, Framework, Ids
from deffe.space.proposals import random_points


class Random:
    """Draws uniformly, without replacement, among the valid points that are left."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework

    def Initialize(self) -> None: ...

    def Run(self, step: int, count: int, known: Ids) -> Batch:
        """``count`` new points; fewer only when the space has fewer."""
        space = self._framework.space
        return space.of_levels(step, random_points(space, count, known, self._framework.rng(step)))


def GetObject(framework: Framework) -> Random:
    return Random(framework)
