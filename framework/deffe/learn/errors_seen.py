"""How far off a model's predictions were, on the scale on which its errors are symmetric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from deffe.records import NORMAL_90

Vector = NDArray[np.float64]
LEAST_WIDTH = 0.1
TINY = 1e-300
MOST_LOG = 700.0
"""Of a logarithm: an error far off stays finite."""


@dataclass(frozen=True)
class ErrorScale:
    """An objective as something to minimise.

    Args:
        sign: -1 for an objective that is to be made large.
        log: all known values are above 0, and errors are factors.
    """

    sign: float
    log: bool

    @classmethod
    def of(cls, goal: str, values: Vector) -> ErrorScale:
        """The scale of an objective with these (n,) known values."""
        return cls(-1.0 if goal == "max" else 1.0, bool(len(values) and np.all(values > 0)))

    def of_values(self, values: Vector) -> Vector:
        """To the scale; with logarithms, values of 0 and below count as very small ones."""
        return np.asarray(self.sign * (np.log(np.maximum(values, TINY)) if self.log else values))

    def values(self, scaled: Vector) -> Vector:
        """Back from the scale."""
        found = self.sign * scaled
        return np.asarray(np.exp(np.minimum(found, MOST_LOG)) if self.log else found)

    def better(self, best: float, percent: float) -> float:
        """On the scale, the value that is better than ``best`` by so many percent of it."""
        return float(self.of_values(np.array([best - self.sign * abs(best) * percent / 100]))[0])

    def bounds(self, mean: Vector, lower: Vector, upper: Vector) -> tuple[Vector, Vector, Vector]:
        """(n,) means on the scale, and deviations towards better and towards worse, of predictions with intervals."""
        middle, one, other = (self.of_values(values) for values in (mean, lower, upper))
        better, worse = middle - np.minimum(one, other), np.maximum(one, other) - middle
        return middle, np.maximum(better, 0) / NORMAL_90, np.maximum(worse, 0) / NORMAL_90


@dataclass(frozen=True)
class Errors:
    """Errors of predictions of promising points, in deviations from the mean; below 0 the point was better.

    Args:
        z: (m,).
        width: deviation of the normal distribution that each of them stands for.
    """

    z: Vector
    width: float

    @classmethod
    def of(cls, z: Vector) -> Errors:
        """Smoothed by a rule of thumb: Silverman, Density Estimation for Statistics and Data Analysis, 1986, (3.31)."""
        spread = min(float(np.std(z)), float(np.subtract(*np.quantile(z, [0.75, 0.25]))) / 1.34)
        return cls(z, max(0.9 * spread * len(z) ** -0.2, LEAST_WIDTH))

    @classmethod
    def normal(cls) -> Errors:
        """Those of a model whose intervals are taken as they are."""
        return cls(np.zeros(1), 1.0)

    def below(self, z: Vector) -> Vector:
        """(n,) probability of an error below each of (n,) deviations."""
        found = np.zeros(len(z))
        for one in self.z:
            found += norm.cdf((z - one) / self.width)
        return found / len(self.z)

    def quantiles(self, count: int) -> Vector:
        """(count * m,) equally likely errors."""
        each = norm.ppf((np.arange(count) + 0.5) / count)
        return np.asarray((self.z[:, None] + self.width * each).ravel())

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        """Errors drawn independently of each other."""
        return np.asarray(rng.choice(self.z, shape) + self.width * rng.standard_normal(shape))
