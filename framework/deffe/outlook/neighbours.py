"""The evaluated points that are nearest to a point, and in what they differ from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from deffe.records import Features, Levels, Value
from deffe.space import DesignSpace
from deffe.values import key, text

NEIGHBOURS = 5
"""Evaluated points around a point that tell how likely it fails."""


def nearest_rows(space: DesignSpace, features: Features, levels: Levels, count: int) -> NDArray[np.int64]:
    """The rows of the ``count`` nearest of (n, p) points, the nearest first.

    Args:
        features: (d,) of the point that they are to be near to; distances are Euclidean, of features of the knobs.
    """
    plain = len(space.feature_map.names) - len(space.feature_map.derived)
    distance = ((space.features(levels, derived=False) - features[:plain]) ** 2).sum(axis=1)
    return np.argsort(distance, kind="stable")[:count].astype(np.int64)


class Surroundings:
    """How likely a point is evaluated without failing, as often as the evaluated points around it.

    Args:
        levels: (n, p) points that have ended, at least one.
        done: (n,) bool, those that did not fail.
    """

    def __init__(self, space: DesignSpace, levels: Levels, done: NDArray[np.bool_]) -> None:
        self._space, self._done = space, done
        self._tree = KDTree(space.features(levels))

    def near(self, levels: Levels) -> NDArray[np.int64]:
        """(m, k) rows of the evaluated points nearest to each of (m, p) points, the nearest first."""
        return self.near_features(self._space.features(levels))

    def near_features(self, features: Features) -> NDArray[np.int64]:
        """The same of points with these (m, d) features, which may have values that the space does not."""
        return np.asarray(self._tree.query(features, k=range(1, self.count + 1))[1])

    @property
    def count(self) -> int:
        """How many points around one tell."""
        return min(NEIGHBOURS, len(self._done))

    def failed(self, near: NDArray[np.int64]) -> NDArray[np.int64]:
        """(m,) how many of these neighbours have failed."""
        return np.asarray((~self._done[near]).sum(axis=1))

    def chance(self, near: NDArray[np.int64]) -> NDArray[np.float64]:
        """(m,) probabilities of points with these neighbours: the share of those, and all points count as one more."""
        return np.asarray((self._done[near].sum(axis=1) + self._done.mean()) / (near.shape[1] + 1))


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
