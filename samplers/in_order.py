"""Index order: the points one after the other; the sampler to copy when writing one."""

from __future__ import annotations

from collections.abc import Iterator

from deffe.api import Batch, DesignSpace, Framework, Ids, Levels
from deffe.space.proposals import CHUNK, Sequence, no_points


class Listing:
    """The valid points in index order, block by block, in a space that can only be gone through from its front."""

    def __init__(self, space: DesignSpace) -> None:
        self._space = space
        self._open()

    def _open(self) -> None:
        self._position = 0
        self._chunks: Iterator[Levels] = self._space.chunks(CHUNK)
        self._chunk = no_points(self._space)

    def block(self, start: int, count: int) -> Levels:
        """At most ``count`` points from position ``start``; none at the end."""
        if start < self._position:
            self._open()
        while start >= self._position + len(self._chunk):
            self._position += len(self._chunk)
            following = next(self._chunks, None)
            self._chunk = no_points(self._space) if following is None else following
            if following is None:
                break
        first = start - self._position
        return self._chunk[first : first + count]


class InOrder:
    """Takes the points in index order: the first parameter changes fastest; listed points in their own order."""

    def __init__(self, framework: Framework) -> None:
        self._space = framework.space
        self._points = Sequence(self._space, self._indexed if self._space.size_is_exact else Listing(self._space).block)

    def Initialize(self) -> None: ...

    def Run(self, step: int, count: int, known: Ids) -> Batch:
        """The next ``count`` points that are not known; fewer at the end of the space."""
        return self._space.of_levels(step, self._points.take(count, known))

    def _indexed(self, start: int, count: int) -> Levels:
        return self._space.points(range(start, min(start + count, self._space.size)))


def GetObject(framework: Framework) -> InOrder:
    return InOrder(framework)
