"""Rows of a table that repeat the point of an earlier row, and what is said of those with other costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe.records import Costs, Ids


@dataclass(frozen=True)
class Repeats:
    """Which rows are kept, the first of each point, and which are not.

    Args:
        kept: positions of the first row of each point, ascending.
        again: positions of the other rows.
        first: for each of these, the position of the first row of its point.
    """

    kept: NDArray[np.int64]
    again: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def of(cls, ids: Ids) -> Repeats:
        """The repeats among (n,) identities."""
        _, firsts, inverse = np.unique(ids, return_index=True, return_inverse=True)
        first = firsts[inverse]
        again = np.flatnonzero(first != np.arange(len(ids)))
        return cls(np.sort(firsts), again, first[again])

    def conflicts(self, costs: Costs, names: Sequence[str], line: Callable[[int], int]) -> str:
        """What to say of rows whose (n, c) costs are not those of the first row of their point; empty without any.

        Args:
            costs: NaN where a row has none.
            names: of the costs.
            line: gives the line of a position in the file.
        """
        before, after = costs[self.first], costs[self.again]
        differ = (before != after) & ~(np.isnan(before) & np.isnan(after))
        bad = np.flatnonzero(differ.any(axis=1))
        if not len(bad):
            return ""
        i = bad[0]
        values = ", ".join(
            f"{name} {_shown(before[i, c])} and {_shown(after[i, c])}" for c, name in enumerate(names) if differ[i, c]
        )
        lines = f"lines {line(int(self.first[i]))} and {line(int(self.again[i]))}"
        return f"; {len(bad):,} with other costs, the first in {lines}: {values}"


def _shown(cost: float) -> str:
    return "none" if math.isnan(cost) else repr(float(cost)).removesuffix(".0")
