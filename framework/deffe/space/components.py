"""Sets of combinations of levels that can be counted: tables, products, and tables with branches."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.errors import SpaceError
from deffe.records import Levels
from deffe.space.parameters import as_objects

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]
INT64 = 2**63


class RowIndex:
    """Order-preserving int64 keys of rows of levels, the last column the most significant.

    Where the columns' mixed radix would pass 2**63, the keys so far are replaced by their rank in the table.
    """

    def __init__(self, table: Levels, counts: Sequence[int]) -> None:
        self._counts = counts
        self._ranks: dict[int, Keys] = {}
        key, radix = np.zeros(len(table), dtype=np.int64), 1
        for column in reversed(range(len(counts))):
            if radix * counts[column] >= INT64:
                self._ranks[column] = np.unique(key)
                key, radix = np.searchsorted(self._ranks[column], key), len(self._ranks[column])
            key, radix = key * counts[column] + table[:, column], radix * counts[column]
        self.keys: Keys = key

    def find(self, levels: Levels) -> Keys:
        """The first row of the table equal to each of (n, q) levels, -1 where there is none."""
        key, known = np.zeros(len(levels), dtype=np.int64), np.ones(len(levels), dtype=np.bool_)
        for column in reversed(range(len(self._counts))):
            if (ranks := self._ranks.get(column)) is not None:
                key, found = _search(ranks, key)
                known &= found
            key = key * self._counts[column] + levels[:, column]
        place, found = _search(self._sorted, key)
        return np.where(known & found, self._order[place], -1)

    @cached_property
    def _order(self) -> Keys:
        return np.argsort(self.keys, kind="stable")

    @cached_property
    def _sorted(self) -> Keys:
        return self.keys[self._order]


def _search(ordered: Keys, key: Keys) -> tuple[Keys, Mask]:
    place = np.minimum(np.searchsorted(ordered, key), len(ordered) - 1)
    return place, ordered[place] == key


def first_of_each(levels: Levels, counts: Sequence[int]) -> NDArray[np.int64]:
    """Rows of (n, p) levels that are not equal to an earlier one, in order."""
    return np.sort(np.unique(RowIndex(levels, counts).keys, return_index=True)[1])


class Part:
    """The valid combinations of a few columns: all levels of one column, or the rows of a table.

    Args:
        columns: which columns, ascending.
        counts: the number of levels of each.
        table: (m, q) levels; None for all levels of a single column.
    """

    def __init__(self, columns: Sequence[int], counts: Sequence[int], table: Levels | None = None) -> None:
        self.columns = tuple(columns)
        self.counts = tuple(counts)
        self.table = table
        self.size = counts[0] if table is None else len(table)

    def take(self, rows: NDArray[np.int64]) -> Levels:
        """(n, q) levels of the combinations at (n,) rows."""
        return rows[:, None].astype(np.int32) if self.table is None else self.table[rows]

    def find(self, levels: Levels) -> NDArray[np.int64]:
        """(n,) rows of (n, q) levels, -1 where there is none."""
        return levels[:, 0].astype(np.int64) if self.table is None else self._index.find(levels)

    def draw(self, n: int, rng: np.random.Generator) -> Levels:
        """(n, q) levels drawn uniformly with replacement."""
        return self.take(rng.integers(self.size, size=n))

    def rows(self) -> Levels:
        """All (m, q) combinations."""
        return self.take(np.arange(self.size)) if self.table is None else self.table

    def in_order(self) -> Part:
        """The same combinations, ordered with the first column least significant."""
        if self.table is None:
            return self
        return Part(self.columns, self.counts, self.table[np.argsort(self._index.keys, kind="stable")])

    @cached_property
    def _index(self) -> RowIndex:
        return RowIndex(self.rows(), self.counts)


class Branch:
    """The levels that some columns can take, given the levels of columns of a root table.

    Args:
        part: a table over own and shared columns together.
        shared: those of its columns that the root has too.
        root: the table of the root.
    """

    def __init__(self, part: Part, shared: Sequence[int], root: Part) -> None:
        self.own = tuple(column for column in part.columns if column not in shared)
        place = {column: i for i, column in enumerate(part.columns)}
        order = [place[column] for column in (*self.own, *shared)]  # the last are most significant when sorted
        self._table = Part((*self.own, *shared), [part.counts[i] for i in order], part.rows()[:, order]).in_order()
        self.own_counts = self._table.counts[: len(self.own)]
        self._from_root = [root.columns.index(column) for column in shared]
        blocks = RowIndex(self._table.rows()[:, len(self.own) :], self._table.counts[len(self.own) :])
        firsts, lengths = np.unique(blocks.keys, return_index=True, return_counts=True)[1:]
        first = blocks.find(root.rows()[:, self._from_root])
        self.start = np.maximum(first, 0)
        """(m,) for each row of the root: where its rows begin in the branch's table."""
        self.count = np.where(first >= 0, lengths[np.searchsorted(firsts, self.start)], 0)
        """(m,) for each row of the root: how many rows it has in the branch's table."""

    def take(self, root_rows: NDArray[np.int64], positions: NDArray[np.int64]) -> Levels:
        """(n, own) levels at positions among those of each root row."""
        return self._table.rows()[self.start[root_rows] + positions, : len(self.own)]

    def find(self, own: Levels, root_levels: Levels, root_rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) positions of (n, own) levels among those of each root row, negative where there is none."""
        rows = self._table.find(np.hstack([own, root_levels[:, self._from_root]]))
        return np.where(rows >= 0, rows - self.start[root_rows], -1)


class Star:
    """A root table and branches that depend on it, but not on each other, given a row of the root.

    A space where a few columns decide on many others is counted this way without multiplying the others out.
    Combinations are numbered root row by root row, the first branch least significant.
    """

    def __init__(self, root: Part, branches: Sequence[Branch]) -> None:
        self._root = root
        self._branches = branches
        self.columns = root.columns + tuple(column for branch in branches for column in branch.own)
        own = [branch.own_counts for branch in branches]
        self.counts = tuple(itertools.chain(root.counts, *own))
        ways = [branch.count.tolist() for branch in branches]
        weights = [math.prod(counts) for counts in zip([1] * root.size, *ways, strict=True)]
        self.size = sum(weights)
        self._kind: Any = np.int64 if self.size < INT64 else object
        self._offsets = np.array([0, *itertools.accumulate(weights)][:-1], dtype=self._kind)
        self._shares = np.array([weight / max(self.size, 1) for weight in weights])

    def take(self, indices: NDArray[Any]) -> Levels:
        """(n, q) levels of the combinations of these numbers."""
        rows = np.searchsorted(self._offsets, indices.astype(self._kind, copy=False), side="right") - 1
        rest = indices - self._offsets[rows]
        positions = []
        for branch in self._branches:
            counts = branch.count[rows].astype(rest.dtype, copy=False)
            positions.append((rest % counts).astype(np.int64))
            rest = rest // counts
        return self._levels(rows, positions)

    def find(self, levels: Levels) -> NDArray[Any]:
        """(n,) numbers of (n, q) levels, -1 where there is none."""
        at = len(self._root.columns)
        rows = self._root.find(levels[:, :at])
        known, rows = rows >= 0, np.maximum(rows, 0)
        number, stride = self._offsets[rows], np.ones(len(levels), dtype=self._kind)
        for branch in self._branches:
            position = branch.find(levels[:, at : at + len(branch.own)], levels, rows)
            known, at = known & (position >= 0), at + len(branch.own)
            number = number + position.astype(self._kind) * stride
            stride = stride * branch.count[rows].astype(self._kind)
        return np.where(known, number, np.array(-1, dtype=self._kind))

    def draw(self, n: int, rng: np.random.Generator) -> Levels:
        """(n, q) levels drawn uniformly with replacement."""
        rows = rng.choice(len(self._shares), size=n, p=self._shares)
        return self._levels(rows, [rng.integers(branch.count[rows]) for branch in self._branches])

    def _levels(self, rows: NDArray[np.int64], positions: Sequence[NDArray[np.int64]]) -> Levels:
        blocks = [branch.take(rows, position) for branch, position in zip(self._branches, positions, strict=True)]
        return np.hstack([self._root.take(rows), *blocks])


class Product:
    """All combinations of independent parts, numbered with the first part least significant."""

    def __init__(self, parts: Iterable[Part | Star]) -> None:
        self.parts = sorted(parts, key=lambda part: part.columns[0])
        self.columns = tuple(sorted(column for part in self.parts for column in part.columns))
        self.size = math.prod(part.size for part in self.parts)
        place = {column: i for i, column in enumerate(self.columns)}
        counts = {column: count for part in self.parts for column, count in zip(part.columns, part.counts, strict=True)}
        self.counts = tuple(counts[column] for column in self.columns)
        self._places = [[place[column] for column in part.columns] for part in self.parts]

    def points(self, indices: NDArray[Any]) -> Levels:
        """(n, q) levels at (n,) indices, int64, or Python integers where the size needs them."""
        rest, left = indices, self.size
        levels = np.empty((len(indices), len(self.columns)), dtype=np.int32)
        for part, places in zip(self.parts, self._places, strict=True):
            if rest.dtype == object and left < INT64:
                rest = rest.astype(np.int64)
            rows, rest, left = rest % part.size, rest // part.size, left // part.size
            levels[:, places] = part.take(rows.astype(np.int64, copy=False) if part.size < INT64 else rows)
        return levels

    def index(self, levels: Levels) -> NDArray[Any]:
        """(n,) indices of (n, q) levels, int64 or Python integers; -1 where a row is no combination."""
        kind: Any = np.int64 if self.size < INT64 else object
        total, stride = np.zeros(len(levels), dtype=kind), 1
        known = np.ones(len(levels), dtype=np.bool_)
        for part, places in zip(self.parts, self._places, strict=True):
            rows = part.find(levels[:, places])
            known &= rows >= 0
            total, stride = total + rows.astype(kind) * stride, stride * part.size
        return np.where(known, total, np.array(-1, dtype=kind))

    def draw(self, n: int, rng: np.random.Generator) -> Levels:
        """(n, q) levels drawn uniformly with replacement."""
        levels = np.empty((n, len(self.columns)), dtype=np.int32)
        for part, places in zip(self.parts, self._places, strict=True):
            levels[:, places] = part.draw(n, rng)
        return levels


def point_numbers(given: Iterable[int] | NDArray[Any], size: int) -> NDArray[Any]:
    """(n,) numbers of points as int64, or as Python integers where the size of the space needs them.

    Raises:
        SpaceError: for numbers outside [0, size), and for what is no integer.
    """
    try:  # a list of Python integers stays one: numpy makes floats of some that pass 2**63
        numbers = np.asarray(given) if isinstance(given, range | np.ndarray) else as_objects(map(operator.index, given))
    except TypeError as error:
        raise SpaceError(f"a point number is no integer: {error}", "they are integers") from None
    if numbers.dtype.kind not in "iuO" and numbers.size:
        raise SpaceError(f"point numbers are of type {numbers.dtype}", "they are integers")
    low, high = (numbers.min(), numbers.max()) if numbers.size else (0, 0)
    if low < 0 or high >= size:
        wrong = low if low < 0 else high
        raise SpaceError(f"point number {wrong} is not in the design space", f"allowed: 0 to {size - 1}")
    return np.asarray(numbers, dtype=np.int64) if size < INT64 else as_objects(numbers.tolist())
