"""The evaluated points that are nearest to a point, and in what they differ from it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from deffe.records import Features, Levels, Value
from deffe.space import DesignSpace
from deffe.surrogates.feasibility import Feasibility
from deffe.values import key, text

NEIGHBOURS = 5
"""Evaluated points around a point that are looked at."""
MOST_LEARNED = 10_000
"""Points that the probability to fail is learned from; of more as many, drawn at random."""


def nearest_rows(space: DesignSpace, features: Features, levels: Levels, count: int) -> NDArray[np.int64]:
    """The rows of the ``count`` nearest of (n, p) points, the nearest first.

    Args:
        features: (d,) of the point that they are to be near to; distances are Euclidean, of features of the knobs.
    """
    plain = len(space.feature_map.names) - len(space.feature_map.derived)
    distance = ((space.features(levels, derived=False) - features[:plain]) ** 2).sum(axis=1)
    return np.argsort(distance, kind="stable")[:count].astype(np.int64)


class Surroundings:
    """The evaluated points around a point, and how likely it is evaluated without failing.

    Args:
        levels: (n, p) points that have ended, at least one.
        done: (n,) bool, those that did not fail.
    """

    def __init__(self, space: DesignSpace, levels: Levels, done: NDArray[np.bool_]) -> None:
        self._features, self._done = space.features(levels), done

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self._features)

    @cached_property
    def _feasibility(self) -> Feasibility:
        rows = np.random.default_rng(0).permutation(len(self._done))[:MOST_LEARNED]
        return Feasibility(self._features[rows], ~self._done[rows], seed=0)

    def near(self, features: Features) -> NDArray[np.int64]:
        """(m, k) rows of the evaluated points nearest to each of (m, d) features, the nearest first."""
        return np.asarray(self._tree.query(features, k=range(1, self.count + 1))[1])

    @property
    def count(self) -> int:
        """How many points around one are looked at."""
        return min(NEIGHBOURS, len(self._done))

    def failed(self, near: NDArray[np.int64]) -> NDArray[np.int64]:
        """(m,) how many of these neighbours have failed."""
        return np.asarray((~self._done[near]).sum(axis=1))

    def chance(self, features: Features) -> NDArray[np.float64]:
        """(m,) probabilities: what trees say counts as five points, and all points as a sixth: none is sure."""
        learned = self._feasibility.chance(features)
        return np.asarray((NEIGHBOURS * learned + self._done.mean()) / (NEIGHBOURS + 1))


def differing(space: DesignSpace, values: dict[str, Value], other: Levels) -> str:
    """The knobs of a (p,) point that differ from these values, as ``l1d_size=16 l2_size=64``."""
    theirs = space.trial_values(other)
    parts = [
        f"{name}={text(theirs[name])}" if name in theirs else f"without {name}"
        for name in space.names
        if _key(theirs, name) != _key(values, name)
    ]
    return " ".join(parts)


def _key(values: dict[str, Value], name: str) -> object:
    return key(values[name]) if name in values else None
