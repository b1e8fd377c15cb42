"""Support vectors: few points hold up a smooth surface; its width, tightness and tolerance by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.api import Features

from .._learning.arrays import damaged, read_arrays, write_arrays
from .._learning.regressor import Task, Vector

FILE = "support_vectors.npz"
CELLS_PER_CHUNK = 1 << 20
CHOICE_ROWS = 400
"""Points that the width and the penalty are chosen on, at most."""
CHOICE_FOLDS = 4


class SupportVectors:
    """Support vector regression with a Gaussian kernel.

    Args:
        penalties: of points outside the tolerance, to choose among.
        widths: the kernel's factor, gamma, in units of 1 / (columns * their variance), to choose among.
        tolerance: error that costs nothing, in standard deviations of the target.
    Source: Smola, Schölkopf, Statistics and Computing 14, 2004, doi:10.1023/B:STCO.0000035301.49549.88.
    """

    def __init__(
        self,
        penalties: tuple[float, ...] = (10.0, 100.0),
        widths: tuple[float, ...] = (0.03, 0.1, 0.3),
        tolerance: float = 0.01,
    ) -> None:
        self._penalties, self._widths, self._tolerance = penalties, widths, tolerance
        self.notes: tuple[str, ...] = ()

    def fit(self, task: Task) -> None:
        """Choose penalty and width on points held out, then learn all."""
        from sklearn.exceptions import ConvergenceWarning

        variance = float(task.features.var()) * task.features.shape[1]
        unit = 1.0 / variance if variance > 0 else 1.0
        choices = [(penalty, width * unit) for penalty, width in product(self._penalties, self._widths)]
        with threadpool_limits(1), warnings.catch_warnings():
            # a search that ends early has the best weights found until then
            warnings.simplefilter("ignore", ConvergenceWarning)
            penalty, self._gamma = choices[self._best(task, choices)] if len(choices) > 1 else choices[0]
            learner = self._learner(penalty, self._gamma).fit(task.features, task.values)
        self._vectors = np.asarray(task.features[learner.support_], dtype=np.float64)
        self._weights, self._start = np.asarray(learner.dual_coef_[0]), float(learner.intercept_[0])
        self.notes = (f"penalty {penalty:g}, gamma {self._gamma:.3g}, {len(self._vectors)} support vectors",)

    def _learner(self, penalty: float, gamma: float) -> Any:
        from sklearn.svm import SVR

        # the search may go on for hours on points that no surface fits
        return SVR(C=penalty, gamma=gamma, epsilon=self._tolerance, max_iter=200_000)

    def _best(self, task: Task, choices: list[tuple[float, float]]) -> int:
        order = task.rng.permutation(len(task.values))[:CHOICE_ROWS]
        features, values = task.features[order], task.values[order]
        fold = np.arange(len(order)) % min(CHOICE_FOLDS, len(order))
        errors = np.zeros(len(choices))
        for k in range(int(fold.max()) + 1):
            learned, held = fold != k, fold == k
            for i, (penalty, gamma) in enumerate(choices):
                said = self._learner(penalty, gamma).fit(features[learned], values[learned]).predict(features[held])
                errors[i] += np.sum(np.abs(said - values[held]))
        return int(np.argmin(errors))

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means, in chunks of bounded memory; the deviations are not known."""
        mean = np.full(len(features), self._start)
        if len(self._vectors):
            own = np.einsum("ij,ij->i", self._vectors, self._vectors)
            size = max(1, CELLS_PER_CHUNK // len(self._vectors))
            for start in range(0, len(features), size):
                chunk = np.asarray(features[start : start + size], dtype=np.float64)
                squares = chunk @ (-2.0 * self._vectors.T)
                squares += own
                squares += np.einsum("ij,ij->i", chunk, chunk)[:, None]
                np.multiply(squares, -self._gamma, out=squares)
                mean[start : start + size] += np.exp(squares, out=squares) @ self._weights
        return mean, np.full(len(features), np.nan)

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the support vectors and their weights into a folder."""
        numbers = np.array([self._gamma, self._start])
        write_arrays(folder / FILE, {"vectors": self._vectors, "weights": self._weights, "numbers": numbers})
        return {"file": FILE, "vectors": len(self._vectors), "columns": self._vectors.shape[1]}

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool = False) -> SupportVectors:
        """What ``save`` wrote; it needs neither trust nor scikit-learn.

        Raises:
            CheckpointError: the file is not there, damaged, or of another kind.
        """
        path = folder / FILE
        kinds = {"vectors": (np.floating, 2), "weights": (np.floating, 1), "numbers": (np.floating, 1)}
        read = read_arrays(path, kinds)
        if len(read["vectors"]) != len(read["weights"]) or len(read["numbers"]) != 2:
            raise damaged(path, "vectors and weights do not belong together")
        model = cls()
        model._vectors, model._weights = read["vectors"], read["weights"]
        model._gamma, model._start = (float(number) for number in read["numbers"])
        return model
