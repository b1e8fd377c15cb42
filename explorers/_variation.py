"""Variation of design points: crossover and mutation whose children are always valid points of the space."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from deffe.api import DesignSpace, Levels

TRIES = 4
"""Times that a child is drawn anew before it takes its tied knobs from a parent."""
LEAP = 0.3
"""Share of the mutated numeric knobs that take any other value; the others move by a few levels."""


class Variation:
    """Makes children of valid points by uniform crossover and mutation.

    Knobs that constraints or conditions tie together form a group. Half of the children inherit whole groups, which is
    always valid; the others inherit knob by knob. A child that is not valid is drawn anew a few times, and then has the
    knobs of all groups of more than one from its first parent. In a space of listed points it is the nearest of those.

    Source: Syswerda, Uniform crossover in genetic algorithms, ICGA 1989 (crossover).
    """

    def __init__(self, space: DesignSpace) -> None:
        self._space = space
        self._counts = np.array([len(parameter) for parameter in space.parameters])
        self._ordered = np.array([parameter.scale != "category" for parameter in space.parameters])
        self._varying = np.flatnonzero(self._counts > 1)
        self._groups = _groups(space)
        self._tied = np.bincount(self._groups)[self._groups] > 1

    def children(self, first: Levels, second: Levels, rng: np.random.Generator) -> Levels:
        """One child of each pair of (n, p) valid parents, (n, p) levels; some may equal a parent."""
        if self._space.listing is not None:
            return self._nearest(self._mutated(self._crossed(first, second, rng), rng))
        children: Levels = first.copy()
        open_rows = np.arange(len(first))
        for _ in range(TRIES):
            made = self._made(first[open_rows], second[open_rows], rng)
            valid = self._space.valid(made)
            children[open_rows[valid]] = made[valid]
            open_rows = open_rows[~valid]
            if not len(open_rows):
                return children
        made = np.where(self._tied, first[open_rows], self._mutated(first[open_rows], rng)).astype(np.int32)
        valid = self._space.valid(made)
        children[open_rows[valid]] = made[valid]
        return children

    def _made(self, first: Levels, second: Levels, rng: np.random.Generator) -> Levels:
        crossed = self._space.canonical(self._crossed(first, second, rng))
        mutated = self._space.canonical(self._mutated(crossed, rng))
        woken = self._space.active(mutated) & ~self._space.active(crossed)
        return np.where(woken, rng.integers(0, self._counts, mutated.shape), mutated).astype(np.int32)

    def _crossed(self, first: Levels, second: Levels, rng: np.random.Generator) -> Levels:
        n = len(first)
        swap = rng.random(first.shape) < 0.5
        swap = np.where(rng.random((n, 1)) < 0.5, swap[:, self._groups], swap)
        alone = rng.random(n) < 0.2  # mutation alone keeps what fits together
        return np.where(swap & ~alone[:, None], second, first).astype(np.int32)

    def _mutated(self, levels: Levels, rng: np.random.Generator) -> Levels:
        """One varying knob of each point for certain and each other with the chance 1 / their number."""
        n, varying = len(levels), len(self._varying)
        if not varying:
            return levels
        chosen = rng.random(levels.shape) < 1 / varying
        chosen[np.arange(n), self._varying[rng.integers(0, varying, n)]] = True
        leap = ~self._ordered | (rng.random(levels.shape) < LEAP)
        away = rng.integers(1, np.maximum(self._counts, 2), levels.shape)
        anywhere = (levels + away) % self._counts
        step = np.minimum(rng.geometric(0.5, levels.shape), self._counts) * rng.choice([-1, 1], levels.shape)
        near = np.clip(levels + step, 0, self._counts - 1)
        return np.where(chosen, np.where(leap, anywhere, near), levels).astype(np.int32)

    def _nearest(self, levels: Levels) -> Levels:
        tree, listing = self._listed
        _, rows = tree.query(self._space.features(levels, derived=False))
        return np.asarray(listing[rows], dtype=np.int32)

    @cached_property
    def _listed(self) -> tuple[KDTree, Levels]:
        listing = self._space.listing
        if listing is None:  # only asked for where there is one
            listing = np.empty((0, len(self._counts)), dtype=np.int32)
        return KDTree(self._space.features(listing, derived=False)), listing


def _groups(space: DesignSpace) -> NDArray[np.intp]:
    """(p,) the number of each parameter's group: connected by constraints and conditions."""
    place = {name: column for column, name in enumerate(space.names)}
    group = np.arange(len(place))
    for names in _ties(space):
        members = [group[place[name]] for name in names]
        group[np.isin(group, members)] = min(members)
    return np.asarray(np.unique(group, return_inverse=True)[1].reshape(-1))


def _ties(space: DesignSpace) -> Iterable[frozenset[str]]:
    for constraint in space.constraints:
        yield constraint.names
    for parameter in space.parameters:
        if parameter.when is not None:
            yield frozenset({parameter.name, *parameter.when.names})
