"""A batch of points, chosen one after the other, each as if those before it had come out as predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs

from .acquisition import log_improvement, reference
from .pools import Pool

Vector = NDArray[np.float64]
TIE = 1e-9


class Acquisition(Protocol):
    """What each of some candidates is worth, while some of them are taken as evaluated."""

    def gain(self) -> Vector: ...

    def choose(self, row: int) -> None: ...


class Proposal:
    """Compares candidates by what they are expected to improve, all objectives to be minimised.

    Args:
        believed: of each member of the ensemble (n, m), what it believes of the points that are done.
        pools: of each member one an objective, what it says of the k candidates.
        chance: (k,) probability that each candidate does not fail.
    """

    def __init__(
        self,
        believed: Sequence[Costs],
        pools: Sequence[Sequence[Pool]],
        chance: Vector,
        rng: np.random.Generator,
    ) -> None:
        self._pools, self._known = pools, list(believed)
        self._limits = [reference(known) for known in self._known]
        self._log_chance = np.log(chance)
        self._rng = rng

    def gain(self) -> Vector:
        """(k,) logarithm of the improvement expected of each candidate, the mean over the members."""
        gains = [self._gain(i) for i in range(len(self._pools))]
        mean = np.logaddexp.reduce(gains) - np.log(len(gains))
        return np.asarray(mean + self._log_chance)

    def _gain(self, member: int) -> Vector:
        known = self._known[member]
        mean = np.column_stack([pool.mean for pool in self._pools[member]])
        variance = np.column_stack([pool.variance for pool in self._pools[member]])
        return log_improvement(mean, variance, known, self._limits[member], self._rng)

    def choose(self, row: int) -> None:
        """Take a candidate as evaluated."""
        for i, member in enumerate(self._pools):
            for pool in member:
                pool.choose(row)
            self._known[i] = np.vstack([self._known[i], [[float(pool.mean[row]) for pool in member]]])


def batch(
    proposal: Acquisition, count: int, near: NDArray[np.bool_], local: float, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Rows of the ``count`` best of the first candidates, in the order of choice, each given those before it.

    Args:
        near: (k,) bool, which of the first k candidates are in the trust region; further ones are not chosen.
        local: the chance of each choice to be made within the region.
    """
    rows: list[int] = []
    free = np.ones(len(near), dtype=np.bool_)
    while len(rows) < count:
        gain = proposal.gain()[: len(near)]
        worth = free & np.isfinite(gain)
        worth = worth if worth.any() else free
        if rng.random() < local and (worth & near).any():
            worth = worth & near
        rows.append(int(rng.choice(np.flatnonzero(worth & (gain >= gain[worth].max() - TIE)))))
        free[rows[-1]] = False
        if len(rows) < count:
            proposal.choose(rows[-1])
    return np.array(rows, dtype=np.intp)
