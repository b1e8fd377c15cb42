"""The covariance of costs over a design space: an ANOVA product, an ARD Matern 3/2 and a linear trend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from deffe.records import Features

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

SCALARS = 4
JITTER = 1e-8
FAILED = 1e10
"""The objective where the covariance is not positive definite in floating point."""


@dataclass(frozen=True)
class Hyperparameters:
    """What the kernel k(x, x') = ANOVA + Matern + trend is made of; x has d axes, r_i = |x_i - x'_i| / length_i.

    ANOVA: ``anova * prod_i (1 + weight_i m(r_i)) / (1 + weight_i)``, m(r) = (1 + sqrt(3) r) exp(-sqrt(3) r): every
    knob alone, every pair, every triple and so on, as far as the weights allow. Matern: ``matern * m(|r|)`` for what
    only all knobs together explain. Trend: ``trend * 4 sum_i (x_i - 1/2) (x'_i - 1/2)``, a straight line in each axis.
    Knobs share one length in both parts. ``noise`` is the variance that no knob explains.

    Source: Duvenaud, Nickisch, Rasmussen, Additive Gaussian Processes, NeurIPS 2011, arXiv:1112.4394 (additive
    kernels); Rasmussen, Williams, Gaussian Processes for Machine Learning, MIT Press 2006 (Matern, likelihood).
    """

    anova: float
    matern: float
    trend: float
    noise: float
    weights: Vector
    lengths: Vector

    @classmethod
    def of(cls, theta: Vector) -> Hyperparameters:
        """From the logarithms of all numbers: the four scalars, then (d,) weights, then (d,) lengths."""
        numbers = np.exp(theta)
        anova, matern, trend, noise = (float(number) for number in numbers[:SCALARS])
        weights, lengths = np.split(numbers[SCALARS:], 2)
        return cls(anova, matern, trend, noise, weights, lengths)

    def theta(self) -> Vector:
        """What ``of`` makes them from."""
        scalars = [self.anova, self.matern, self.trend, self.noise]
        return np.asarray(np.log(np.concatenate([scalars, self.weights, self.lengths])), dtype=np.float64)

    def covariance(self, a: Features, b: Features) -> Matrix:
        """(n, m) covariance, without noise, of (n, d) with (m, d) features."""
        near, far = np.sqrt(3) * a / self.lengths, np.sqrt(3) * b / self.lengths
        squared = (near**2).sum(1)[:, None] + (far**2).sum(1) - 2 * near @ far.T
        root = np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
        total = (self.matern * (1 + root)) * np.exp(-root)
        product = np.full_like(total, self.anova)
        for i, weight in enumerate(self.weights):
            # a knob takes few values: its factor is worked out once a value
            values, place = np.unique(near[:, i], return_inverse=True)
            distance = np.abs(values[:, None] - far[:, i])
            factor = (1 + weight * (1 + distance) * np.exp(-distance)) / (1 + weight)
            product *= factor[place.reshape(-1)]
        total += product
        total += (4 * self.trend) * ((a - 0.5) @ (b - 0.5).T)
        return np.asarray(total)

    def variance(self, features: Features) -> Vector:
        """(n,) the covariance, without noise, of each point with itself."""
        return np.asarray(self.anova + self.matern + 4 * self.trend * ((features - 0.5) ** 2).sum(axis=1))


@dataclass(frozen=True)
class _Axis:
    """One knob: its distinct distances, and which of them each pair of points has."""

    distances: Vector
    pairs: NDArray[np.intp]

    @classmethod
    def of(cls, column: Vector, i: NDArray[np.intp], j: NDArray[np.intp]) -> _Axis:
        values, place = np.unique(column, return_inverse=True)
        place = place.reshape(-1)
        # rounded, so that steps of equal size are one distance
        apart: Matrix = np.round(np.abs(values[:, None] - values), 12).astype(np.float64)
        distances, index = np.unique(apart, return_inverse=True)
        return cls(distances, index.reshape(apart.shape)[place[i], place[j]])

    def sums(self, weights: Vector) -> Vector:
        """Sum of the (pairs,) weights over the pairs of each distance."""
        return np.asarray(np.bincount(self.pairs, weights, len(self.distances)), dtype=np.float64)


class NegativeLogPosterior:
    """What hyperparameters are chosen by: the marginal likelihood of (n,) targets, times weak priors.

    Works on the n (n - 1) / 2 pairs of points; each axis is held as its few distinct distances, so an evaluation with
    its gradient takes O(n^3 + n^2 d) time with small factors, and O(n^2 d) memory.
    """

    def __init__(self, features: Features, target: Vector) -> None:
        i, j = np.tril_indices(len(features), -1)
        self._lower = i * len(features) + j
        self._target = target
        self._axes = [_Axis.of(column, i, j) for column in features.T]
        trend = 4 * (features - 0.5) @ (features - 0.5).T
        self._trend, self._trend_variance = trend.reshape(-1)[self._lower], np.diag(trend).copy()
        d = len(self._axes)
        self.prior_mean = np.concatenate([np.full(d, -1.0), np.full(d, 0.5)])
        self.prior_std = np.concatenate([np.full(d, 1.5), np.full(d, 1.0)])

    def __call__(self, theta: Vector) -> tuple[float, Vector]:
        """The objective at the logarithms of the hyperparameters, and its gradient."""
        p = Hyperparameters.of(theta)
        tables = [
            _tables(axis.distances, w, length) for axis, w, length in zip(self._axes, p.weights, p.lengths, strict=True)
        ]
        anova = np.full(len(self._lower), p.anova)
        squared = np.zeros(len(self._lower))
        for axis, table in zip(self._axes, tables, strict=True):
            anova *= table.factor[axis.pairs]
            squared += table.squared[axis.pairs]
        root = np.sqrt(squared)
        decay = p.matern * np.exp(-root)
        matern, trend = (1 + root) * decay, p.trend * self._trend
        variance = p.anova + p.matern + p.trend * self._trend_variance + p.noise + JITTER
        solved = self._solve(anova + matern + trend, variance)
        if solved is None:
            return FAILED, np.zeros_like(theta)
        value, pull, own = solved
        scalars = [
            pull @ anova + 0.5 * p.anova * own.sum(),
            pull @ matern + 0.5 * p.matern * own.sum(),
            pull @ trend + 0.5 * p.trend * own @ self._trend_variance,
            0.5 * p.noise * own.sum(),
        ]
        by_anova, by_decay = pull * anova, pull * decay
        weights, lengths = [], []
        for axis, table in zip(self._axes, tables, strict=True):
            along = axis.sums(by_anova) / table.factor
            weights.append(along @ table.by_weight)
            lengths.append(along @ table.by_length + axis.sums(by_decay) @ table.squared)
        off = (theta[SCALARS:] - self.prior_mean) / self.prior_std
        gradient = np.concatenate([scalars, weights, lengths])
        gradient[SCALARS:] += off / self.prior_std
        return value + 0.5 * float(off @ off), gradient

    def _solve(self, covariance: Vector, variance: Vector) -> tuple[float, Vector, Vector] | None:
        """The likelihood's part of the objective; its derivatives by the pairs' covariances, and twice by variances."""
        n = len(self._target)
        matrix = np.zeros((n, n))
        matrix.reshape(-1)[self._lower] = covariance
        matrix[np.arange(n), np.arange(n)] = variance
        # transposed: LAPACK's upper triangle is the lower one of a C-ordered array
        factor, failed = lapack.dpotrf(matrix.T, lower=0, overwrite_a=1)
        if failed:
            return None
        alpha, _ = lapack.dpotrs(factor, self._target, lower=0)
        value = 0.5 * float(self._target @ alpha) + float(np.log(np.diag(factor)).sum())
        inverse, _ = lapack.dpotri(factor, lower=0, overwrite_c=1)
        inverse = inverse.T
        i, j = np.divmod(self._lower, n)
        pull = inverse.reshape(-1)[self._lower] - alpha[i] * alpha[j]
        return value, pull, np.diag(inverse) - alpha**2


@dataclass(frozen=True)
class _Tables:
    """What an axis contributes at each of its distances."""

    factor: Vector
    squared: Vector
    by_weight: Vector
    by_length: Vector


def _tables(distances: Vector, weight: float, length: float) -> _Tables:
    r = np.sqrt(3) * distances / length
    decay = np.exp(-r)
    alone = (1 + r) * decay
    return _Tables(
        factor=(1 + weight * alone) / (1 + weight),
        squared=r**2,
        by_weight=weight * (alone - 1) / (1 + weight) ** 2,
        by_length=weight / (1 + weight) * r**2 * decay,
    )
