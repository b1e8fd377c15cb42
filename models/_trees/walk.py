"""Predicting with many trees at once: 64 points walk down a tree in one machine word.

Of each point one bit says whether it is at a node. A node's points that pass its test are found by one "and" of its
bits with those of the test, which is the same for all nodes and trees that ask the same; a design space has few
values a knob, and so few such tests. The bits at the leaves are folded to each point's leaf number, bit by bit. The
result is exactly that of walking down with each point alone, some five times as fast.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe.api import Features

from .arrays import LEAF, Ints, Trees, Vector

Words = NDArray[np.uint64]

ROWS_PER_BLOCK = 1 << 16
"""Rows whose tests are told apart at a time."""
ROWS_PER_CHUNK = 1 << 14
NODES_PER_GROUP = 4096
"""Nodes that walk at a time: with the rows of a chunk they fit into the cache of a core."""
MOST_THREADS = 8


@dataclass(frozen=True)
class Level:
    """The nodes of a group's trees at one depth, numbered as their parents put them: left children, then right ones.

    Args:
        inner: (k,) which of them have children.
        nodes: (k,) the same, by their number in the group.
        leaves: (l,) which of them are leaves.
        slots: (l,) where the leaves' points go: leaf number times number of trees plus tree.
    """

    inner: Ints
    nodes: Ints
    leaves: Ints
    slots: Ints


class Group:
    """Some trees that are walked at once.

    Args:
        trees: all of them.
        first, last: the first tree of the group, and the first one behind it.
    """

    def __init__(self, trees: Trees, first: int, last: int) -> None:
        self.count = last - first
        self.start = int(trees.roots[first])
        self.end = int(trees.roots[last]) if last < trees.count else len(trees.feature)
        part = slice(self.start, self.end)
        left, right = (
            np.where(side[part] == LEAF, LEAF, side[part] - self.start) for side in (trees.left, trees.right)
        )
        depths = self._by_depth(trees.roots[first:last] - self.start, left, right)
        number = self._leaf_numbers(depths, left, right)
        tree = np.searchsorted(trees.roots[first:last] - self.start, np.arange(self.end - self.start), side="right") - 1
        self.levels: list[Level] = []
        ends = np.concatenate([nodes[left[nodes] == LEAF] for nodes in depths])
        self.values = np.zeros((self.count, int(number[ends].max()) + 1))
        self.values[tree[ends], number[ends]] = trees.value[part][ends]
        for nodes in depths:
            leaf = left[nodes] == LEAF
            slots = number[nodes[leaf]] * self.count + tree[nodes[leaf]]
            self.levels.append(Level(np.flatnonzero(~leaf), nodes[~leaf], np.flatnonzero(leaf), slots))

    @staticmethod
    def _by_depth(roots: Ints, left: Ints, right: Ints) -> list[Ints]:
        depths = []
        nodes = roots
        while len(nodes):
            depths.append(nodes)
            inner = nodes[left[nodes] != LEAF]
            nodes = np.concatenate([left[inner], right[inner]])
        return depths

    @staticmethod
    def _leaf_numbers(depths: list[Ints], left: Ints, right: Ints) -> Ints:
        """(m,) number of a leaf among those of its tree, from left to right; of another node, of its first leaf."""
        count = np.ones(len(left), dtype=np.int64)
        number = np.zeros(len(left), dtype=np.int64)
        for nodes in reversed(depths):
            inner = nodes[left[nodes] != LEAF]
            count[inner] = count[left[inner]] + count[right[inner]]
        for nodes in depths:
            inner = nodes[left[nodes] != LEAF]
            number[left[inner]] = number[inner]
            number[right[inner]] = number[inner] + count[left[inner]]
        return number

    def add(self, passed: Words, test: Ints, total: Vector, squares: Vector | None) -> None:
        """Add what the trees say of each of the (64 w,) points, and its square.

        Args:
            passed: (c, w) which points pass which test.
            test: (m,) the test of each node of the group.
        """
        leaf = self._leaf(self._at_leaves(passed, test))
        for values, one in zip(self.values, leaf, strict=True):
            said = values.take(one)
            total += said
            if squares is not None:
                squares += np.square(said, out=said)

    def _at_leaves(self, passed: Words, test: Ints) -> Words:
        """(leaves, trees, w) which points end at which leaf."""
        words = passed.shape[1]
        at_leaves = np.zeros((self.values.shape[1] * self.count, words), dtype=np.uint64)
        here = np.full((self.count, words), ~np.uint64(0))
        for level in self.levels:
            at_leaves[level.slots] = here.take(level.leaves, axis=0)
            inner = len(level.inner)
            here = here.take(level.inner, axis=0)
            below = np.empty((2 * inner, words), dtype=np.uint64)
            np.bitwise_and(here, passed.take(test[level.nodes], axis=0), out=below[:inner])
            np.bitwise_xor(here, below[:inner], out=below[inner:])
            here = below
        return at_leaves.reshape(-1, self.count, words)

    def _leaf(self, at: Words) -> NDArray[np.integer]:
        """(trees, 64 w) the number of each point's leaf, from which points are at which leaf; ``at`` is used up."""
        bits = []
        while len(at) > 1:
            even, odd = at[0::2], at[1::2]
            bits.append(np.bitwise_or.reduce(odd, axis=0))
            even[: len(odd)] |= odd
            at = even
        kind = np.uint16 if len(bits) <= 16 else np.uint32
        leaf = np.zeros((self.count, at.shape[2] * 64), dtype=kind)
        for bit in reversed(bits):
            leaf <<= 1
            leaf |= np.unpackbits(bit.view(np.uint8), axis=1, bitorder="little")
        return leaf


class TreeWalk:
    """Sums over trees, for many points.

    Args:
        trees: what is summed over.
        squares: whether the squares are summed, too.
    """

    def __init__(self, trees: Trees, squares: bool = False) -> None:
        self._trees, self._squares = trees, squares
        inner = np.flatnonzero(trees.left != LEAF)
        self._inner_of = [(int(j), inner[trees.feature[inner] == j]) for j in np.unique(trees.feature[inner])]
        self._groups = []
        first = 0
        sizes = np.append(trees.roots, len(trees.feature))
        while first < trees.count:
            last = int(np.searchsorted(sizes, sizes[first] + NODES_PER_GROUP, side="right")) - 1
            last = min(max(last, first + 1), trees.count)
            self._groups.append(Group(trees, first, last))
            first = last

    def sums(self, features: Features, squares: bool = True) -> tuple[Vector, Vector]:
        """(n,) sums of what the trees say of (n, d) points, and of its squares (or 0); in bounded memory."""
        total = np.zeros(len(features))
        of_squares = np.zeros(len(features)) if squares and self._squares else None
        with ThreadPoolExecutor(processors()) as pool:
            for start in range(0, len(features), ROWS_PER_BLOCK):
                block = slice(start, start + ROWS_PER_BLOCK)
                columns = np.ascontiguousarray(features[block].T, dtype=np.float32)
                self._block(columns, total[block], None if of_squares is None else of_squares[block], pool)
        return total, np.zeros(len(features)) if of_squares is None else of_squares

    def _block(
        self, columns: NDArray[np.float32], total: Vector, squares: Vector | None, pool: ThreadPoolExecutor
    ) -> None:
        test, bounds = self._tests(columns)
        tests = [test[group.start : group.end] for group in self._groups]

        def chunk(start: int) -> None:
            rows = slice(start, start + ROWS_PER_CHUNK)
            passed = _passed(columns[:, rows], bounds)
            size = len(total[rows])
            sums = np.zeros(64 * passed.shape[1])
            of_squares = None if squares is None else np.zeros_like(sums)
            for group, one in zip(self._groups, tests, strict=True):
                group.add(passed, one, sums, of_squares)
            total[rows] = sums[:size]
            if squares is not None and of_squares is not None:
                squares[rows] = of_squares[:size]

        list(pool.map(chunk, range(0, columns.shape[1], ROWS_PER_CHUNK)))

    def _tests(self, columns: NDArray[np.float32]) -> tuple[Ints, list[tuple[int, NDArray[np.float32]]]]:
        """(m,) number of each node's test, and each column's bounds; tests that no point tells apart are one."""
        test = np.zeros(len(self._trees.feature), dtype=np.int64)
        bounds = []
        known = 0
        for column, nodes in self._inner_of:
            values = np.unique(columns[column])
            rank, number = np.unique(
                np.searchsorted(values.astype(np.float64), self._trees.threshold[nodes], side="right"),
                return_inverse=True,
            )
            test[nodes] = known + number
            known += len(rank)
            bounds.append((column, np.concatenate([[-np.inf], values]).astype(np.float32)[rank]))
        return test, bounds


def _passed(columns: NDArray[np.float32], bounds: list[tuple[int, NDArray[np.float32]]]) -> Words:
    """(tests, w) which of the points, given by columns and 64 a word, are within which bound."""
    words = -(-columns.shape[1] // 64)
    passed = np.zeros((sum(len(bound) for _, bound in bounds) or 1, 8 * words), dtype=np.uint8)
    at = 0
    for column, bound in bounds:
        for one in bound:
            bits = np.packbits(columns[column] <= one, bitorder="little")
            passed[at, : len(bits)] = bits
            at += 1
    return passed.view(np.uint64)


def processors() -> int:
    """Processors that predicting may use."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_THREADS, found)
