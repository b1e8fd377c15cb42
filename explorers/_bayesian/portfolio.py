"""Several surrogates beside each other, each of which chooses some of the points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .proposal import Acquisition

Vector = NDArray[np.float64]


class Portfolio:
    """Several ways to compare candidates, of which each choice of a batch is made by one.

    Args:
        turns: which of the parts makes each choice.
    Source: Hoffman, Brochu, de Freitas, Portfolio allocation for Bayesian optimization, UAI 2011, arXiv:1009.5419
        (there, chances follow what each part has brought).
    """

    def __init__(self, parts: Sequence[Acquisition], turns: Sequence[int]) -> None:
        self._parts, self._turns = parts, iter(turns)

    def gain(self) -> Vector:
        """(k,) what the part whose turn it is says of each candidate."""
        return self._parts[next(self._turns)].gain()

    def choose(self, row: int) -> None:
        """Take a candidate as evaluated."""
        for part in self._parts:
            part.choose(row)
