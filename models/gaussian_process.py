"""Gaussian process: exact, with an additive kernel; the model to take for tens to a few thousand simulations."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.linalg import cho_factor, solve_triangular
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.api import Costs, Features, Field, Framework, ModelReport, Prediction

from ._kernel import JITTER, Hyperparameters, NegativeLogPosterior, Vector
from ._learning import TableLearner
from ._options import LearnerOptions, announce

PAIRS_PER_FIT = 4_000_000
"""Pairs of rows times features that hyperparameters are fitted on at most."""
CELLS_PER_CHUNK = 1 << 19


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

    def fit(self, features: Features, target: Vector, rng: np.random.Generator) -> None:
        """Fit the hyperparameters on a subset, then condition on all (n, d) features and (n,) targets."""
        # more threads cost more than they do at this size, and the last digits would depend on their number
        with threadpool_limits(1):
            self._fit(features, target, rng)

    def _fit(self, features: Features, target: Vector, rng: np.random.Generator) -> None:
        rows = np.arange(len(target))
        if len(rows) > self._max_rows:
            rows = np.sort(rng.choice(len(target), self._max_rows, replace=False))
            self.notes = (f"learned from {self._max_rows} of {len(target)} points, drawn at random (max_rows)",)
        few = min(self._hyper_rows, int(np.sqrt(2 * PAIRS_PER_FIT / features.shape[1])))
        chosen = rng.permutation(rows)[:few] if len(rows) > few else rows
        self._parameters = self._search(features[chosen], target[chosen], rng)
        self._condition(features[rows], target[rows])

    def _search(self, features: Features, target: Vector, rng: np.random.Generator) -> Hyperparameters:
        objective = NegativeLogPosterior(features, target)
        d = features.shape[1]
        scalars = np.log([[1e-4, 1e4], [1e-4, 1e4], [1e-3, 1e3], [1e-6, 1.0]])
        bounds = [*map(tuple, scalars), *[(-8.0, 5.0)] * d, *[(np.log(0.05), np.log(50.0))] * d]
        starts = [np.concatenate([np.log([1.0, 0.1, 1.0, 0.01]), np.full(d, -1.0), np.zeros(d)])]
        for _ in range(self._restarts):
            lower = np.concatenate([[-2.0, -2.0, -1.0, np.log(1e-4)], np.full(d, -3.0), np.full(d, np.log(0.3))])
            upper = np.concatenate([[2.0, 2.0, 1.0, np.log(0.1)], np.full(d, 1.0), np.full(d, np.log(5.0))])
            starts.append(rng.uniform(lower, upper))
        found = [
            minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
            for start in starts
        ]
        return Hyperparameters.of(np.asarray(min(found, key=lambda result: float(result.fun)).x))

    def _condition(self, features: Features, target: Vector) -> None:
        parameters = self._parameters
        covariance = parameters.covariance(features, features)
        covariance[np.diag_indices_from(covariance)] += parameters.noise + JITTER
        self._features = features
        self._factor, _ = cho_factor(covariance, lower=True, overwrite_a=True)
        half = solve_triangular(self._factor, target, lower=True)
        self._alpha = solve_triangular(self._factor, half, lower=True, trans=1)

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means and standard deviations, noise included, in chunks of bounded memory."""
        with threadpool_limits(1):
            return self._predict(features)

    def _predict(self, features: Features) -> tuple[Vector, Vector]:
        mean, std = np.empty(len(features)), np.empty(len(features))
        size = max(1, CELLS_PER_CHUNK // len(self._features))
        for start in range(0, len(features), size):
            chunk = features[start : start + size]
            across = self._parameters.covariance(chunk, self._features)
            mean[start : start + size] = across @ self._alpha
            explained = solve_triangular(self._factor, across.T, lower=True, overwrite_b=True, check_finite=False)
            left = self._parameters.variance(chunk) - np.einsum("ij,ij->j", explained, explained)
            std[start : start + size] = np.sqrt(np.maximum(left, 0) + self._parameters.noise)
        return mean, std


class GaussianProcess:
    """One exact Gaussian process a cost; see ``_kernel.Hyperparameters`` for what it assumes."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(ProcessOptions)
        options = self._options
        make = partial(ExactProcess, options.restarts, options.hyper_rows, options.max_rows)
        log = not options.real_objective
        self._learner = TableLearner("gaussian_process", framework.costs, make, framework.rng, options.folds, log)

    def Initialize(self) -> None:
        """Tell which options have no effect."""
        announce(self._framework, "gaussian_process", self._options)

    def Run(self, features: Features, costs: Costs, step: int = 0) -> ModelReport:
        """Learn (n, c) costs from (n, d) features in [0, 1]; the report is of points not learned from."""
        return self._learner.learn(features, costs, step)

    def Predict(self, features: Features) -> Prediction:
        """Predict (n, c) costs of (n, d) features."""
        return self._learner.predict(features)


def GetObject(framework: Framework) -> GaussianProcess:
    return GaussianProcess(framework)
