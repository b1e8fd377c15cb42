"""Gradient boosting with exact splits: slower than by histogram, better on tens to hundreds of points."""

from __future__ import annotations

import numpy as np

from .._learning.regressor import Task
from .arrays import Trees
from .model import TreeModel


class GradientBoosting(TreeModel):
    """Shallow trees that each correct the sum of those before, on random parts of rows and columns.

    Args:
        rounds: trees.
        rate: share of each correction that is taken.
        depth: of a tree at most.
        rows, columns: shares tried by a tree and at a node.
    Source: Friedman, Stochastic gradient boosting, Computational Statistics and Data Analysis 38(4), 2002,
        doi:10.1016/S0167-9473(01)00065-2.
    """

    def __init__(
        self, rounds: int = 500, rate: float = 0.05, depth: int = 4, rows: float = 0.7, columns: float = 0.5
    ) -> None:
        self._options = {
            "n_estimators": rounds,
            "learning_rate": rate,
            "max_depth": depth,
            "subsample": rows,
            "max_features": columns,
        }

    def fit(self, task: Task) -> None:
        """Grow the trees, one after the other."""
        from sklearn.ensemble import GradientBoostingRegressor

        seed = int(task.rng.integers(2**31))
        features = np.asarray(task.features, dtype=np.float32)
        grown = GradientBoostingRegressor(**self._options, random_state=seed).fit(features, task.values)
        rate = self._options["learning_rate"]
        trees = [one.tree_ for one in grown.estimators_[:, 0]]
        parts = [
            Trees.one(t.feature, t.threshold, t.children_left, t.children_right, rate * t.value[:, 0, 0]) for t in trees
        ]
        self.keep(Trees.join(parts), task.features.shape[1], float(grown.init_.constant_.reshape(-1)[0]))
