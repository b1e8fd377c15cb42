"""The lasso: a weighted sum of columns and, where that helps, of their products, most weights nought."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.api import Features

from .._learning.arrays import damaged, read_arrays, write_arrays
from .._learning.regressor import Task, Vector

Parts = list[tuple[NDArray[np.intp], NDArray[np.intp]]]
FILE = "weights.npz"
FOLDS = 5
SQUARES = "neg_mean_squared_error"
MOST_PRODUCTS = 2000
"""Products that are tried at most; with more, which comes of many categories, none is."""
ROWS_PER_CHUNK = 1 << 14


class Lasso:
    """Linear regression with a penalty on the sizes of the weights, chosen by cross-validation along the path.

    Args:
        alpha: penalty, on targets of variance 1; None to choose it.
        products: whether products of two columns are tried; they are kept where cross-validation errs less with them.
    Source: Efron, Hastie, Johnstone, Tibshirani, Annals of Statistics 32(2), 2004, doi:10.1214/009053604000000067.
    """

    def __init__(self, alpha: float | None = None, products: bool = True) -> None:
        self._alpha, self._products = alpha, products
        self.notes: tuple[str, ...] = ()

    def fit(self, task: Task) -> None:
        """Choose the penalty and the columns, then the weights."""
        rows = task.rng.permutation(len(task.values))
        plain = self._path(task.features, task.values, rows)
        best, kind = plain, "columns"
        first, second = pairs(task.features.shape[1])
        if self._products and len(first) <= MOST_PRODUCTS:
            wide = np.hstack([task.features, task.features[:, first] * task.features[:, second]])
            squared = self._path(wide, task.values, rows)
            if squared[0] < plain[0]:
                best, kind = squared, "columns and products"
        _, weights, self._start = best
        columns = task.features.shape[1]
        self._weights, self._matrix = weights[:columns], np.zeros((columns, columns))
        if len(weights) > columns:
            self._matrix[pairs(columns)] = weights[columns:]
        self.notes = (f"{np.count_nonzero(weights)} of {len(weights)} {kind}",)

    def _path(self, features: Features, values: Vector, rows: NDArray[np.intp]) -> tuple[float, Vector, float]:
        """Squared error of cross-validation, weights of (n, k) columns, and intercept."""
        from sklearn.exceptions import ConvergenceWarning

        middle, spread = features.mean(axis=0), features.std(axis=0)
        kept = np.flatnonzero(spread > 1e-9)
        weights = np.zeros(features.shape[1])
        if not len(kept):
            return float(np.var(values)), weights, float(values.mean())
        scaled = (features[:, kept] - middle[kept]) / spread[kept]
        with warnings.catch_warnings(), threadpool_limits(1):
            # columns that are sums of others are dropped on the way, which is what a lasso is for
            warnings.simplefilter("ignore", ConvergenceWarning)
            fold = np.empty(len(rows), dtype=np.intp)
            fold[rows] = np.arange(len(rows)) % min(FOLDS, len(rows))
            parts = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(int(fold.max()) + 1)]
            error, learner = self._chosen(scaled, values, parts)
        weights[kept] = learner.coef_ / spread[kept]
        return error, weights, float(learner.intercept_ - weights @ middle)

    def _chosen(self, scaled: Features, values: Vector, parts: Parts) -> tuple[float, Any]:
        """Squared error of cross-validation, and the learner of least error that it chose."""
        from sklearn import linear_model as linear

        try:  # quick, but it may break off where columns are sums of others
            return self._along(linear.LassoLars, linear.LassoLarsCV, scaled, values, parts)
        except ValueError:
            return self._along(linear.Lasso, linear.LassoCV, scaled, values, parts)

    def _along(self, fixed: Any, chosen: Any, scaled: Features, values: Vector, parts: Parts) -> tuple[float, Any]:
        """The same by classes of scikit-learn, for a given penalty and for one to choose."""
        from sklearn.model_selection import cross_val_score

        if self._alpha is None:
            learner = chosen(cv=parts).fit(scaled, values)
            return float(learner.mse_path_.mean(axis=1).min()), learner
        learner = fixed(alpha=self._alpha)
        error = -float(
            np.mean(cross_val_score(learner, scaled, values, cv=parts, scoring=SQUARES, error_score="raise"))
        )
        return error, learner.fit(scaled, values)

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means; the deviations are not known."""
        mean = features @ self._weights + self._start
        if np.any(self._matrix):
            for start in range(0, len(features), ROWS_PER_CHUNK):
                chunk = features[start : start + ROWS_PER_CHUNK]
                mean[start : start + ROWS_PER_CHUNK] += np.einsum("ij,ij->i", chunk @ self._matrix, chunk)
        return mean, np.full(len(features), np.nan)

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the weights into a folder."""
        arrays = {"weights": self._weights, "matrix": self._matrix, "start": np.array([self._start])}
        write_arrays(folder / FILE, arrays)
        return {"file": FILE, "columns": len(self._weights)}

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool = False) -> Lasso:
        """What ``save`` wrote; it needs neither trust nor scikit-learn.

        Raises:
            CheckpointError: the file is not there, damaged, or of another kind.
        """
        path = folder / FILE
        read = read_arrays(path, {"weights": (np.floating, 1), "matrix": (np.floating, 2), "start": (np.floating, 1)})
        columns = len(read["weights"])
        if read["matrix"].shape != (columns, columns) or len(read["start"]) != 1:
            raise damaged(path, "its weights do not belong together")
        model = cls()
        model._weights, model._matrix, model._start = read["weights"], read["matrix"], float(read["start"][0])
        return model


def pairs(columns: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The two columns of each product; a column with itself is one."""
    first, second = np.triu_indices(columns)
    return first, second
