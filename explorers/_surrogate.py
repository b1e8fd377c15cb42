"""A Gaussian process of one cost, quick enough to be fitted by an explorer at each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from deffe.api import Features
from deffe.surrogates.fitting import fit
from deffe.surrogates.kernel import JITTER, Hyperparameters
from deffe.surrogates.posterior import conditioned
from deffe.surrogates.target import Target

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Own = TypeVar("Own", bound="Surrogate")

HYPER_ROWS = 250
"""Points that hyperparameters are fitted on at most: those of more differ little and take seconds."""
MOST_ROWS = 1500
"""Points that are conditioned on at most."""


def condition(covariance: Matrix, row: int, noise: float) -> None:
    """Make a posterior (n, n) covariance what it is once one of its points has been evaluated: a rank-one update."""
    column = covariance[:, row].copy()
    covariance -= np.outer(column, column) / (max(column[row], 0.0) + noise)


@dataclass(frozen=True)
class Surrogate:
    """What a Gaussian process knows of one cost.

    Args:
        parameters: of the covariance.
        basis: (n, d) features of the points it is conditioned on.
        values: (n,) their costs, on a scale of mean 0 and variance 1.
        factor: (n, n) lower Cholesky factor of their covariance with noise.
        weights: (n,) of the means.
    """

    parameters: Hyperparameters
    basis: Features
    values: Vector
    factor: Matrix
    weights: Vector

    @classmethod
    def learn(cls, features: Features, cost: Vector, rng: np.random.Generator, restarts: int = 0) -> Surrogate:
        """From (n, d) features and (n,) finite costs; of very many points from as many as is quick, drawn at random."""
        target = Target.of(cost)
        if len(cost) > MOST_ROWS:
            rows = np.sort(rng.choice(len(cost), MOST_ROWS, replace=False))
            features, cost = features[rows], cost[rows]
        values = target.forward(cost)
        return cls.given(fit(features, values, rng, restarts, HYPER_ROWS), features, values)

    @classmethod
    def given(cls: type[Own], parameters: Hyperparameters, features: Features, values: Vector) -> Own:
        """Conditioned on (n,) scaled costs with hyperparameters that are known."""
        return cls(parameters, features, values, *conditioned(parameters, features, values))

    def seeing(self, features: Features) -> Surrogate:
        """The same, as sure as if (m, d) further points had been found to be as predicted; of very many the last."""
        if not len(features):
            return self
        points = np.concatenate([self.basis, features[-MOST_ROWS:]])
        return Surrogate.given(self.parameters, points, self.mean(points))

    @property
    def noise(self) -> float:
        """Variance that no knob explains."""
        return float(self.parameters.noise + JITTER)

    @property
    def fitted(self) -> Vector:
        """(n,) what it believes of the points it is conditioned on, without their noise."""
        return np.asarray(self.values - self.noise * self.weights)

    def mean(self, features: Features) -> Vector:
        """(n,) means."""
        return np.asarray(self.parameters.covariance(features, self.basis) @ self.weights)

    def covariance(self, a: Features, b: Features) -> Matrix:
        """(n, m) posterior covariance of (n, d) and (m, d) features, without noise."""
        left, right = self.white(a), self.white(b)
        return np.asarray(self.parameters.covariance(a, b) - left.T @ right)

    def variance(self, features: Features) -> Vector:
        """(n,) posterior variances, without noise."""
        white = self.white(features)
        left = self.parameters.variance(features) - np.einsum("ij,ij->j", white, white)
        return np.asarray(np.maximum(left, 0))

    def white(self, features: Features) -> Matrix:
        """(n, m) covariance of the basis with (m, d) features, divided by the factor."""
        across = self.parameters.covariance(self.basis, features)
        return np.asarray(solve_triangular(self.factor, across, lower=True, check_finite=False))
