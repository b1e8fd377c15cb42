"""The scale on which a cost is learned: itself or a logarithm, standardised, and back without bias of the median."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

LOG_RANGE = (-745.0, 709.78)
"""Logarithms of the smallest and the largest number there is."""
MOST_VARIANCE = 500.0
"""Of a logarithm: an unsure extrapolation stays finite."""
LARGEST = float(np.finfo(np.float64).max)
SMALLEST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Target:
    """How a cost becomes a target of mean 0 and variance 1, and a prediction becomes a cost again.

    Args:
        log: whether the logarithm of the cost is learned.
        centre, scale: of the cost or its logarithm; a scale of 0 means that the cost does not vary.
        shift: added to the cost before its logarithm is taken, for costs that are 0 at some points.
    """

    log: bool
    centre: float
    scale: float
    shift: float = 0.0

    @classmethod
    def of(cls, cost: Vector, log: bool = True) -> Target:
        """The logarithm of (n,) costs where ``log`` allows it and none is negative, else the cost itself.

        Where some costs are 0, half the smallest positive one is added to all.
        """
        log = log and bool(np.all(cost >= 0) and np.max(cost) > np.min(cost))
        shift = max(float(cost[cost > 0].min()) / 2, SMALLEST) if log and np.any(cost == 0) else 0.0
        value = np.log(cost + shift) if log else cost
        # of parts of the peak, whose squares stay in range
        peak = max(float(np.max(np.abs(value))), SMALLEST)
        scale = peak * float(np.std(value / peak)) if np.max(value) > np.min(value) else 0.0
        return cls(log, peak * float(np.mean(value / peak)), scale, shift)

    @property
    def kind(self) -> str:
        """What is learned, in words."""
        if not self.log:
            return "the cost itself"
        return f"the logarithm of the cost plus {self.shift:g}" if self.shift else "the logarithm of the cost"

    def forward(self, cost: Vector) -> Vector:
        """(n,) costs to targets; below the range of a logarithm, its lower end."""
        if not self.log:
            return (cost - self.centre) / (self.scale or 1.0)
        value = np.log(np.maximum(cost + self.shift, np.exp(LOG_RANGE[0])))
        return np.asarray((value - self.centre) / (self.scale or 1.0))

    def cost(self, target: Vector) -> Vector:
        """(n,) targets to costs.

        A logarithm comes back as the median of the log-normal distribution, exp(mu): the errors that are reported are
        relative and absolute, and those the median keeps small; the mean, exp(mu + sigma^2 / 2), lies above it by an
        amount that rests on the least certain part of the model.
        """
        with np.errstate(over="ignore"):
            value = self.centre + self.scale * target
        if not self.log:
            return np.asarray(np.clip(value, -LARGEST, LARGEST))
        cost = np.exp(np.clip(value, *LOG_RANGE))
        return np.maximum(cost - self.shift, 0) if self.shift else cost

    def backward(self, mean: Vector, std: Vector) -> tuple[Vector, Vector]:
        """(n,) predicted targets to costs, with the deviation of the log-normal distribution where that applies."""
        with np.errstate(over="ignore"):
            sigma = np.minimum(self.scale * std, LARGEST)
        if not self.log:
            return self.cost(mean), sigma
        median = np.exp(np.clip(self.centre + self.scale * mean, *LOG_RANGE))
        variance = np.minimum(sigma, MOST_VARIANCE**0.5) ** 2
        with np.errstate(over="ignore"):
            std = np.minimum(median * np.exp(variance / 2) * np.sqrt(np.expm1(variance)), LARGEST)
        return self.cost(mean), std

    def to_json(self) -> dict[str, Any]:
        """Its numbers, for ``Target(**numbers)``."""
        return asdict(self)
