"""What a Gaussian process says after it has seen points: exactly, or by way of inducing points where there are many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, solve_triangular
from scipy.optimize import minimize_scalar

from deffe.errors import DeffeError
from deffe.records import Features
from deffe.surrogates.kernel import JITTER, Hyperparameters, Matrix, Vector

ROWS_AT_ONCE = 2048
NOISE_SEARCHES = 12


class ExactPosterior:
    """Conditioned on all points; O(n^3) time and O(n^2) memory once, O(n^2) time a prediction.

    Args:
        features, values: (n, d) and (n,) the points.
    """

    def __init__(self, parameters: Hyperparameters, features: Features, values: Vector) -> None:
        self.parameters, self.basis, self._values = parameters, features, values
        self._factor, self._weights = conditioned(parameters, features, values)

    def predict(self, points: Features) -> tuple[Vector, Vector]:
        """(n,) means and variances, the latter without noise."""
        across = self.parameters.covariance(points, self.basis)
        explained = _solve(self._factor, across.T)
        left = self.parameters.variance(points) - np.einsum("ij,ij->j", explained, explained)
        return across @ self._weights, np.maximum(left, 0)

    def means(self, points: Features) -> Vector:
        """(n,) means alone."""
        return np.asarray(self.parameters.covariance(points, self.basis) @ self._weights)

    def arrays(self) -> Mapping[str, Any]:
        """What ``ExactPosterior`` makes it from."""
        return {"theta": self.parameters.theta(), "features": self.basis, "values": self._values}


class SparsePosterior:
    """Conditioned on all n points through what they say of m inducing points.

    The noise is fitted anew: what the inducing points cannot tell counts as noise. O(n m^2) time and O(m^2) memory
    once, O(m^2) time a prediction.

    Args:
        inducing: (m, d) inducing points.
        weights: (m,) of the means.
        inner, outer: (m, m) lower Cholesky factors, of the inducing points' prior covariance and, in its whitened
            coordinates, of their posterior precision times the noise.
    Source: Titsias, Variational learning of inducing variables in sparse Gaussian processes, AISTATS 2009 (the noise
        by the bound of eq. 9, predictions by eq. 6).
    """

    def __init__(
        self, parameters: Hyperparameters, inducing: Features, weights: Vector, inner: Matrix, outer: Matrix
    ) -> None:
        self.parameters, self.basis = parameters, inducing
        self._weights, self._inner, self._outer = weights, inner, outer

    @classmethod
    def of(cls, parameters: Hyperparameters, features: Features, target: Vector, inducing: Features) -> SparsePosterior:
        """Condition on (n, d) features and (n,) targets by way of (m, d) inducing points."""
        inner = factor_of(parameters.covariance(inducing, inducing), JITTER)
        gram, seen = np.zeros((len(inducing), len(inducing))), np.zeros(len(inducing))
        for start in range(0, len(target), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            white = _solve(inner, parameters.covariance(inducing, features[rows]))
            gram += white @ white.T
            seen += white @ target[rows]
        lost = max(float(parameters.variance(features).sum() - np.trace(gram)), 0.0)
        noise = _noise(_bound(gram, seen, target, lost), parameters.noise)
        outer = factor_of(gram, noise)
        half = solve_triangular(outer, solve_triangular(outer, seen, lower=True), lower=True, trans=1)
        weights = solve_triangular(inner, half, lower=True, trans=1)
        return cls(replace(parameters, noise=noise), inducing, weights, inner, outer)

    def predict(self, points: Features) -> tuple[Vector, Vector]:
        """(n,) means and variances, the latter without noise."""
        across = self.parameters.covariance(points, self.basis)
        white = _solve(self._inner, across.T)
        left = self.parameters.variance(points) - np.einsum("ij,ij->j", white, white)
        known = _solve(self._outer, white)
        left += self.parameters.noise * np.einsum("ij,ij->j", known, known)
        return across @ self._weights, np.maximum(left, 0)

    def means(self, points: Features) -> Vector:
        """(n,) means alone."""
        return np.asarray(self.parameters.covariance(points, self.basis) @ self._weights)

    def arrays(self) -> Mapping[str, Any]:
        """What ``SparsePosterior`` takes, the parameters by their logarithms."""
        named = {"inducing": self.basis, "weights": self._weights, "inner": self._inner, "outer": self._outer}
        return {"theta": self.parameters.theta(), **named}


def _bound(gram: Matrix, seen: Vector, target: Vector, lost: float) -> Callable[[float], float]:
    """The negative lower bound of the log likelihood, by the logarithm of the noise; ``lost``: the variance untold."""
    total, spare = float(target @ target), len(target) - len(seen)

    def value(logarithm: float) -> float:
        noise = float(np.exp(logarithm))
        factor = factor_of(gram, noise)
        told = solve_triangular(factor, seen, lower=True)
        determinant = spare * logarithm + 2 * float(np.log(np.diag(factor)).sum())
        return 0.5 * (determinant + (total - float(told @ told) + lost) / noise)

    return value


def _noise(bound: Callable[[float], float], least: float) -> float:
    limits = (float(np.log(max(least, 1e-8) / 10)), 0.0)
    found = minimize_scalar(bound, bounds=limits, method="bounded", options={"maxiter": NOISE_SEARCHES})
    return float(np.exp(found.x))


def _solve(factor: Matrix, right: Matrix) -> Matrix:
    return np.asarray(solve_triangular(factor, right, lower=True, check_finite=False))


def conditioned(parameters: Hyperparameters, features: Features, values: Vector) -> tuple[Matrix, Vector]:
    """The (n, n) lower Cholesky factor of the covariance of (n, d) points, and the (n,) weights of the means."""
    factor = factor_of(parameters.covariance(features, features), parameters.noise + JITTER)
    half = solve_triangular(factor, values, lower=True)
    return factor, np.asarray(solve_triangular(factor, half, lower=True, trans=1))


def factor_of(covariance: Matrix, noise: float) -> Matrix:
    """The lower Cholesky factor with noise on the diagonal: more of it where rounding asks for more.

    Raises:
        DeffeError: the matrix is far from positive definite.
    """
    for more in (1, 1e2, 1e4, 1e6):
        noisy = covariance.copy()
        noisy[np.diag_indices_from(noisy)] += more * noise
        with suppress(LinAlgError):
            return np.asarray(cho_factor(noisy, lower=True, overwrite_a=True)[0])
    raise DeffeError("the covariance of a Gaussian process is singular", "take another model")
