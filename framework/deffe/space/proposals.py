"""Turns candidates into proposals: points that are valid, distinct and new, and as many as were asked for.

For samplers and explorers, the user's own included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from deffe.records import Ids, Levels
from deffe.space.design_space import DesignSpace

ROUNDS = 12
LEAST_YIELD = 1 / 16
CHUNK = 65_536
FIRST_BLOCK = 64


def member(ids: Ids, known: Ids) -> NDArray[np.bool_]:
    """Which of the (n,) ids are among the (k,) sorted known ones; (n,) bool."""
    if not len(known):
        return np.zeros(len(ids), dtype=bool)
    place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.asarray(known[place] == ids)


def merged(known: Ids, more: Ids) -> Ids:
    """All ids of both, sorted."""
    return np.sort(np.concatenate([known, more]))


def few_left(space: DesignSpace, known: int, most: int) -> bool:
    """Whether a space is sure to have at most ``most`` points beside so many known ones."""
    return space.size_is_exact and space.size - known <= most


def left_of(space: DesignSpace, known: Ids, rows: int = CHUNK) -> Iterator[Levels]:
    """All points of a space that are not among the (k,) sorted known ones, (n, p) levels of at most so many rows."""
    for chunk in space.chunks(rows):
        yield chunk[~member(space.ids(chunk), known)]


def no_points(space: DesignSpace) -> Levels:
    """A (0, p) array of levels."""
    return np.empty((0, len(space.parameters)), dtype=np.int32)


def new_rows(space: DesignSpace, levels: Levels, known: Ids) -> NDArray[np.intp]:
    """Rows, in order, of the canonical ``levels`` that are valid, not known, and not met in an earlier row."""
    rows = np.flatnonzero(space.valid(levels))
    ids = space.ids(levels[rows])
    first = np.sort(np.unique(ids, return_index=True)[1])
    return rows[first[~member(ids[first], known)]]


def take(space: DesignSpace, candidates: Levels, known: Ids, count: int) -> Levels:
    """The first ``count`` candidates that are valid, distinct and not known, in their order.

    Args:
        candidates: (n, p) levels within range; knobs that are inactive may have any level.
        known: (k,) sorted ids.
    Returns:
        (m, p) levels, m <= min(n, count).
    """
    levels = space.canonical(candidates)
    return levels[new_rows(space, levels, known)[:count]]


def random_points(space: DesignSpace, count: int, known: Ids, rng: np.random.Generator) -> Levels:
    """``count`` new points, uniform among those that are left; fewer only when the space has fewer.

    Points are drawn and the known ones dropped, which costs O(count), until so few are left that
    listing them costs less.

    Args:
        known: (k,) sorted ids.
    Returns:
        (m, p) levels in random order, m <= count.
    """
    found = no_points(space)
    share = 1.0
    for _ in range(ROUNDS):
        missing = count - len(found)
        if missing <= 0:
            return found
        left = space.size - len(known)
        if space.size_is_exact and left < 8 * missing:
            return np.concatenate([found, _rest(space, missing, known, rng)])
        drawn = space.sample(min(math.ceil(missing / share) + FIRST_BLOCK, space.size), rng)
        fresh = take(space, drawn[rng.permutation(len(drawn))], known, missing)
        share = max(len(fresh) / max(len(drawn), 1), share / 4)
        found = np.concatenate([found, fresh])
        known = merged(known, space.ids(fresh))
    return found


def _rest(space: DesignSpace, count: int, known: Ids, rng: np.random.Generator) -> Levels:
    """``count`` of all points that are not known, found by going through the space."""
    rest = np.concatenate([no_points(space), *left_of(space, known)])
    return rest[rng.permutation(len(rest))[:count]]


def gather(
    space: DesignSpace, draw: Callable[[int], Levels], count: int, known: Ids, rng: np.random.Generator
) -> Levels:
    """``count`` new points from a random design, drawn anew as long as points are missing.

    Candidates that are invalid, repeated or known are made up for by further, larger designs, and in
    the end by uniform draws.

    Args:
        draw: n to a design of about n candidates, (m, p) levels.
        known: (k,) sorted ids.
    """
    found = no_points(space)
    yielded = 1.0
    for _ in range(ROUNDS):
        missing = count - len(found)
        if missing <= 0 or few_left(space, len(known), missing) or yielded < LEAST_YIELD:
            break
        candidates = draw(math.ceil(missing / yielded))
        fresh = take(space, candidates, known, missing)
        yielded = len(fresh) / max(len(candidates), 1)
        found = np.concatenate([found, fresh])
        known = merged(known, space.ids(fresh))
    return np.concatenate([found, random_points(space, count - len(found), known, rng)])


class Sequence:
    """A fixed order of candidates, handed out from its front.

    What was handed out is among the known ids of the next call, so an object made anew after a restart
    goes on where the stopped one was. The position only saves walking through the front again.

    Args:
        block: (start, n) to the candidates at start, ..., start + n - 1 as (m, p) levels; none at the end.
        endless: whether the sequence repeats points for ever, so that the search for new ones needs a limit.
    """

    def __init__(self, space: DesignSpace, block: Callable[[int, int], Levels], *, endless: bool = False) -> None:
        self._space = space
        self._block = block
        self._endless = endless
        self._position = 0
        self._handed_out: Ids = np.empty(0, dtype=np.int64)

    def take(self, count: int, known: Ids) -> Levels:
        """The next ``count`` valid, distinct points that are not known; fewer at the end.

        Args:
            known: (k,) sorted ids.
        """
        if not member(self._handed_out, known).all():
            self._position = 0
        # the limit depends on the arguments alone, so that a restarted walk ends where the first one did
        limit = 64 * (len(known) + count) + 4096 if self._endless else math.inf
        found = [no_points(self._space)]
        missing = count
        size = FIRST_BLOCK
        while missing > 0 and self._position < limit:
            size = min(CHUNK, max(2 * size, 1 << (missing - 1).bit_length()))
            fresh = self._next_block(size, missing, known)
            if fresh is None:
                break
            found.append(fresh)
            missing -= len(fresh)
            known = merged(known, self._space.ids(fresh))
        points = np.concatenate(found)
        self._handed_out = self._space.ids(points)
        return points

    def _next_block(self, size: int, missing: int, known: Ids) -> Levels | None:
        candidates = self._block(self._position, size)
        if not len(candidates):
            return None
        levels = self._space.canonical(candidates)
        rows = new_rows(self._space, levels, known)[:missing]
        self._position += int(rows[-1]) + 1 if len(rows) == missing else len(levels)
        return levels[rows]
