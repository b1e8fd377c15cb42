"""Regression trees as arrays: taken from the libraries that grow them, checked, saved and read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._learning.arrays import damaged

Ints = NDArray[np.int64]
Vector = NDArray[np.float64]

LEAF = -1


@dataclass(frozen=True)
class Trees:
    """Trees whose nodes follow one another, each tree from its root on, a node before its children.

    Args:
        roots: (t,) the first node of each tree.
        feature: (m,) column that a node tests.
        threshold: (m,) a point goes left where the column, in single precision, is at most this.
        left, right: (m,) the children; ``LEAF`` where a node has none.
        value: (m,) what a leaf says.
    """

    roots: Ints
    feature: Ints
    threshold: Vector
    left: Ints
    right: Ints
    value: Vector

    @classmethod
    def join(cls, trees: Sequence[Trees]) -> Trees:
        """All the trees, in order."""
        starts = np.cumsum([0, *(len(one.feature) for one in trees)])[:-1]
        moved = [
            cls(
                one.roots + start,
                one.feature,
                one.threshold,
                np.where(one.left == LEAF, LEAF, one.left + start),
                np.where(one.right == LEAF, LEAF, one.right + start),
                one.value,
            )
            for one, start in zip(trees, starts, strict=True)
        ]
        return cls(*(np.concatenate([getattr(one, part.name) for one in moved]) for part in fields(cls)))

    @classmethod
    def one(cls, feature: Any, threshold: Any, left: Any, right: Any, value: Any) -> Trees:
        """One tree from its (m,) columns; what a leaf has as feature, threshold and children is of no account."""
        leaf = np.asarray(left, dtype=np.int64) < 0
        return cls(
            np.zeros(1, dtype=np.int64),
            np.where(leaf, 0, np.asarray(feature, dtype=np.int64)),
            np.where(leaf, 0.0, np.asarray(threshold, dtype=np.float64)),
            np.where(leaf, LEAF, np.asarray(left, dtype=np.int64)),
            np.where(leaf, LEAF, np.asarray(right, dtype=np.int64)),
            np.where(leaf, np.asarray(value, dtype=np.float64), 0.0),
        )

    @property
    def count(self) -> int:
        """The number of trees."""
        return len(self.roots)

    def check(self, path: Path, columns: int) -> None:
        """That these are trees over the given number of columns, so that walking down them ends.

        Raises:
            CheckpointError: they are not.
        """
        nodes = len(self.feature)
        sizes = {len(part) for part in (self.threshold, self.left, self.right, self.value)}
        if sizes != {nodes} or nodes == 0 or self.count == 0:
            raise damaged(path, "the nodes of its trees are not all there")
        if self.roots[0] != 0 or np.any(np.diff(self.roots) <= 0) or self.roots[-1] >= nodes:
            raise damaged(path, "its trees do not follow one another")
        if np.any((self.feature < 0) | (self.feature >= columns)):
            raise damaged(path, f"a tree tests a column that is none of the {columns}")
        inner = np.flatnonzero((self.left != LEAF) | (self.right != LEAF))
        ends = np.append(self.roots[1:], nodes)[np.searchsorted(self.roots, inner, side="right") - 1]
        for child in (self.left[inner], self.right[inner]):
            if np.any((child <= inner) | (child >= ends)):
                raise damaged(path, "a child is not behind its parent in the same tree")
        children = np.concatenate([self.left[inner], self.right[inner]])
        if len(np.unique(children)) < len(children):
            raise damaged(path, "a node is the child of two")
