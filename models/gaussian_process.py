"""Gaussian process: exact, with an additive kernel; the model to take for tens to a few thousand simulations."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, solve_triangular
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.api import DeffeError, Features, Field, Framework

from ._learning.arrays import read_arrays, write_arrays
from ._learning.learner import TableLearner, restore
from ._learning.options import LearnerOptions
from ._learning.regressor import Task
from ._learning.way import Way
from ._smooth.kernel import JITTER, SCALARS, Hyperparameters, Matrix, NegativeLogPosterior, Vector
from ._trees.walk import processors

ARRAYS = "process.npz"
PAIRS_PER_FIT = 4_000_000
"""Pairs of rows times features that hyperparameters are fitted on at most."""
CELLS_PER_CHUNK = 1 << 17


class ProcessOptions(LearnerOptions):
    """Options of the Gaussian process."""

    restarts: int = Field(default=1, ge=0, le=50, description="random starts of the search for hyperparameters")
    hyper_rows: int = Field(default=500, ge=10, le=3000, description="rows the hyperparameters are fitted on at most")
    max_rows: int = Field(
        default=3000, ge=10, le=20_000, description="rows learned from at most; beyond, a random subset"
    )


class ExactProcess:
    """Regression of one target by an exact Gaussian process with fitted hyperparameters."""

    def __init__(self, restarts: int = 1, hyper_rows: int = 500, max_rows: int = 3000) -> None:
        self._restarts, self._hyper_rows, self._max_rows = restarts, hyper_rows, max_rows
        self.notes: tuple[str, ...] = ()
        self.parameters: Hyperparameters

    def fit(self, task: Task) -> None:
        """Fit the hyperparameters on a subset, then condition on all points."""
        # more threads cost more than they do at this size, and the last digits would depend on their number
        with threadpool_limits(1):
            self._fit(task)

    def _fit(self, task: Task) -> None:
        features, target, rng = task.features, task.values, task.rng
        rows = np.arange(len(target))
        if len(rows) > self._max_rows:
            rows = np.sort(rng.choice(len(target), self._max_rows, replace=False))
            self.notes = (f"learned from {self._max_rows} of {len(target)} points, drawn at random (max_rows)",)
        few = min(self._hyper_rows, int(np.sqrt(2 * PAIRS_PER_FIT / max(1, features.shape[1]))))
        chosen = rng.permutation(rows)[:few] if len(rows) > few else rows
        # what an earlier step found is no start: an optimum for few points is often a poor one for more
        starts = _thetas(task.sibling, features.shape[1]) or self._starts(features.shape[1], rng)
        self.parameters = _search(NegativeLogPosterior(features[chosen], target[chosen]), starts)
        self._condition(features[rows], target[rows])

    def _starts(self, d: int, rng: np.random.Generator) -> list[Vector]:
        starts = [np.concatenate([np.log([1.0, 0.1, 1.0, 0.01]), np.full(d, -1.0), np.zeros(d)])]
        for _ in range(self._restarts):
            lower = np.concatenate([[-2.0, -2.0, -1.0, np.log(1e-4)], np.full(d, -3.0), np.full(d, np.log(0.3))])
            upper = np.concatenate([[2.0, 2.0, 1.0, np.log(0.1)], np.full(d, 1.0), np.full(d, np.log(5.0))])
            starts.append(rng.uniform(lower, upper))
        return starts

    def _condition(self, features: Features, target: Vector) -> None:
        self._features, self._values = features, target
        self._factor = _factor(self.parameters.covariance(features, features), self.parameters.noise + JITTER)
        half = solve_triangular(self._factor, target, lower=True)
        self._alpha = solve_triangular(self._factor, half, lower=True, trans=1)

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means and standard deviations, noise included, in chunks of bounded memory."""
        with threadpool_limits(1):
            return self._predict(features)

    def _predict(self, features: Features) -> tuple[Vector, Vector]:
        mean, std = np.empty(len(features)), np.empty(len(features))
        size = max(1, CELLS_PER_CHUNK // len(self._features))

        def chunk(start: int) -> None:
            points = features[start : start + size]
            across = self.parameters.covariance(points, self._features)
            mean[start : start + size] = across @ self._alpha
            explained = solve_triangular(self._factor, across.T, lower=True, overwrite_b=True, check_finite=False)
            left = self.parameters.variance(points) - np.einsum("ij,ij->j", explained, explained)
            std[start : start + size] = np.sqrt(np.maximum(left, 0) + self.parameters.noise)

        with ThreadPoolExecutor(processors()) as pool:
            list(pool.map(chunk, range(0, len(features), size)))
        return mean, std

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the hyperparameters and the points learned from."""
        arrays = {"theta": self.parameters.theta(), "features": self._features, "values": self._values}
        write_arrays(folder / ARRAYS, arrays)
        return {"rows": len(self._features)}

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> ExactProcess:
        """What ``save`` wrote.

        Raises:
            DeffeError: the file is damaged.
        """
        kinds = {"theta": (np.floating, 1), "features": (np.floating, 2), "values": (np.floating, 1)}
        read = read_arrays(folder / ARRAYS, kinds)
        features, theta = read["features"], read["theta"]
        if len(theta) != SCALARS + 2 * features.shape[1] or len(read["values"]) != len(features) or not len(features):
            raise DeffeError(f"{folder / ARRAYS}: its arrays do not fit each other", "it is damaged")
        process = cls()
        process.parameters = Hyperparameters.of(theta)
        with threadpool_limits(1):
            process._condition(features, read["values"])
        return process


def _factor(covariance: Matrix, noise: float) -> Matrix:
    """The lower Cholesky factor with noise on the diagonal: more of it where rounding asks for more."""
    for more in (1, 1e2, 1e4, 1e6):
        noisy = covariance.copy()
        noisy[np.diag_indices_from(noisy)] += more * noise
        with suppress(LinAlgError):
            return np.asarray(cho_factor(noisy, lower=True, overwrite_a=True)[0])
    raise DeffeError("the covariance of a Gaussian process is singular", "take another model")


def _thetas(known: Any, d: int) -> list[Vector]:
    """The hyperparameters of a process of d columns; none of anything else."""
    fits = isinstance(known, ExactProcess) and len(known.parameters.lengths) == d
    return [known.parameters.theta()] if fits else []


def _search(objective: NegativeLogPosterior, starts: list[Vector]) -> Hyperparameters:
    d = (len(starts[0]) - SCALARS) // 2
    scalars = np.log([[1e-4, 1e4], [1e-4, 1e4], [1e-3, 1e3], [1e-6, 1.0]])
    bounds = [*map(tuple, scalars), *[(-8.0, 5.0)] * d, *[(np.log(0.05), np.log(50.0))] * d]
    found = [
        minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
        for start in starts
    ]
    return Hyperparameters.of(np.asarray(min(found, key=lambda result: float(result.fun)).x))


def GetObject(framework: Framework) -> TableLearner:
    options = framework.options(ProcessOptions)
    make = partial(ExactProcess, options.restarts, options.hyper_rows, options.max_rows)
    return TableLearner(framework, [Way("gaussian_process", make)], options)


Restore = restore
