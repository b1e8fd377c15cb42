"""What a surrogate says of candidates while some of those are chosen."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deffe.api import Features

Vector = NDArray[np.float64]
LEAST_VARIANCE = 1e-12


class Pool(Protocol):
    """What is believed of an objective of k candidates.

    Attributes:
        mean, variance: (k,), the variance without noise.
    """

    mean: Vector
    variance: Vector

    def choose(self, row: int) -> None:
        """Take a candidate as evaluated, with its mean as the result; the means stay, what is unknown shrinks."""


class Learned(Protocol):
    """A surrogate of an objective."""

    @property
    def fitted(self) -> Vector:
        """(n,) what it believes of the points that it learned from, without their noise."""

    def pool(self, candidates: Features) -> Pool:
        """What it says of (k, d) candidates."""


class ExactPool:
    """Candidates of which an objective is known without evaluation: a derived cost of knobs alone."""

    def __init__(self, values: Vector) -> None:
        self.mean, self.variance = values, np.full(len(values), LEAST_VARIANCE)

    def choose(self, row: int) -> None:
        """Nothing more is known by it."""
