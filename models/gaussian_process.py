"""Gaussian process with an additive kernel: exact for tens to a few thousand simulations, by inducing points beyond."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.api import DeffeError, Features, Field, Framework
from deffe.surrogates.fitting import fit
from deffe.surrogates.kernel import SCALARS, Hyperparameters, Vector
from deffe.surrogates.posterior import ExactPosterior, SparsePosterior

from ._learning.arrays import read_arrays, write_arrays
from ._learning.learner import TableLearner, restore
from ._learning.options import LearnerOptions
from ._learning.regressor import Task
from ._learning.way import Way
from ._trees.walk import processors

ARRAYS = "process.npz"
EXACT: dict[str, tuple[type[Any], int]] = {
    "theta": (np.floating, 1),
    "features": (np.floating, 2),
    "values": (np.floating, 1),
}
SPARSE: dict[str, tuple[type[Any], int]] = {
    "theta": (np.floating, 1),
    "inducing": (np.floating, 2),
    "weights": (np.floating, 1),
    "inner": (np.floating, 2),
    "outer": (np.floating, 2),
}
CELLS_PER_CHUNK = 1 << 17


class ProcessOptions(LearnerOptions):
    """Options of the Gaussian process."""

    restarts: int = Field(default=1, ge=0, le=50, description="random starts of the search for hyperparameters")
    hyper_rows: int = Field(default=500, ge=10, le=3000, description="rows the hyperparameters are fitted on at most")
    max_rows: int = Field(
        default=3000,
        ge=10,
        le=20_000,
        description="rows learned exactly at most; beyond, so many of them, drawn at random, are inducing points",
    )


class GaussianProcess:
    """Regression of one target by a Gaussian process with fitted hyperparameters.

    Args:
        restarts: random starts of the search for hyperparameters.
        hyper_rows: rows they are fitted on at most.
        max_rows: rows up to which it is exact; beyond, so many of them are inducing points.
    """

    def __init__(self, restarts: int = 1, hyper_rows: int = 500, max_rows: int = 3000) -> None:
        self._restarts, self._hyper_rows, self._max_rows = restarts, hyper_rows, max_rows
        self.notes: tuple[str, ...] = ()
        self.posterior: ExactPosterior | SparsePosterior

    def fit(self, task: Task) -> None:
        """Fit the hyperparameters on a subset, then condition on all points."""
        # more threads cost more than they do at this size, and the last digits would depend on their number
        with threadpool_limits(1):
            self._fit(task)

    def _fit(self, task: Task) -> None:
        features, target, rng = task.features, task.values, task.rng
        # what an earlier step found is no start: an optimum for few points is often a poor one for more
        starts = _thetas(task.sibling, features.shape[1])
        parameters = fit(features, target, rng, self._restarts, self._hyper_rows, starts)
        self.posterior = self._condition(parameters, features, target, rng)

    def _condition(
        self, parameters: Hyperparameters, features: Features, target: Vector, rng: np.random.Generator
    ) -> ExactPosterior | SparsePosterior:
        if len(target) <= self._max_rows:
            return ExactPosterior(parameters, features, target)
        rows = np.sort(rng.choice(len(target), self._max_rows, replace=False))
        self.notes = (f"{len(target)} points, learned through {self._max_rows} of them as inducing points (max_rows)",)
        return SparsePosterior.of(parameters, features, target, np.unique(features[rows], axis=0))

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means and standard deviations, noise included, in chunks of bounded memory."""
        with threadpool_limits(1):
            return self._predict(features)

    def _predict(self, features: Features) -> tuple[Vector, Vector]:
        mean, std = np.empty(len(features)), np.empty(len(features))
        size = max(1, CELLS_PER_CHUNK // len(self.posterior.basis))

        def chunk(start: int) -> None:
            rows = slice(start, start + size)
            mean[rows], variance = self.posterior.predict(features[rows])
            std[rows] = np.sqrt(variance + self.posterior.parameters.noise)

        with ThreadPoolExecutor(processors()) as pool:
            list(pool.map(chunk, range(0, len(features), size)))
        return mean, std

    def means(self, features: Features) -> Vector:
        """(n,) means alone: O(points learned from) each, where the deviation takes the square of that."""
        mean = np.empty(len(features))
        size = max(1, CELLS_PER_CHUNK // len(self.posterior.basis))

        def chunk(start: int) -> None:
            mean[start : start + size] = self.posterior.means(features[start : start + size])

        with threadpool_limits(1), ThreadPoolExecutor(processors()) as pool:
            list(pool.map(chunk, range(0, len(features), size)))
        return mean

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the hyperparameters, and the points learned from or what is left of them."""
        write_arrays(folder / ARRAYS, self.posterior.arrays())
        return {"sparse": isinstance(self.posterior, SparsePosterior)}

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> GaussianProcess:
        """What ``save`` wrote.

        Raises:
            DeffeError: the file is damaged.
        """
        sparse = bool(facts.get("sparse"))
        read = read_arrays(folder / ARRAYS, SPARSE if sparse else EXACT)
        theta = read.pop("theta")
        basis, *others = read.values()
        if len(theta) != SCALARS + 2 * basis.shape[1] or not len(basis) or {len(o) for o in others} != {len(basis)}:
            raise DeffeError(f"{folder / ARRAYS}: its arrays do not fit each other", "it is damaged")
        process = cls()
        with threadpool_limits(1):
            process.posterior = (SparsePosterior if sparse else ExactPosterior)(Hyperparameters.of(theta), **read)
        return process


def _thetas(known: Any, d: int) -> list[Vector]:
    """The hyperparameters of a process of d columns; none of anything else."""
    fits = isinstance(known, GaussianProcess) and len(known.posterior.parameters.lengths) == d
    return [known.posterior.parameters.theta()] if fits else []


def GetObject(framework: Framework) -> TableLearner:
    options = framework.options(ProcessOptions)
    make = partial(GaussianProcess, options.restarts, options.hyper_rows, options.max_rows)
    return TableLearner(framework, [Way("gaussian_process", make)], options)


Restore = restore
