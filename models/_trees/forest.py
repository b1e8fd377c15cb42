"""Forests: trees grown apart from each other and averaged, at random or on random samples."""

from __future__ import annotations

import numpy as np

from .._learning.regressor import Task
from .arrays import Trees
from .model import TreeModel


class Forest(TreeModel):
    """Random forest, or extremely randomised trees; the spread of the trees is the standard deviation.

    Args:
        trees: their number.
        extra: thresholds drawn at random and all points in each tree, instead of best ones on samples of the points.
        depth: of a tree at most; None for no limit.
        share: of the columns that are tried at each node.
        seed: of the trees; None for one drawn from the task's generator.
        jobs: processors that grow trees; None for one, -1 for all. The trees do not depend on it.
    Source: Breiman, Machine Learning 45(1), 2001, doi:10.1023/A:1010933404324; Geurts, Ernst, Wehenkel, Machine
        Learning 63(1), 2006, doi:10.1007/s10994-006-6226-1.
    """

    averages = True

    def __init__(
        self,
        trees: int = 100,
        extra: bool = False,
        depth: int | None = None,
        share: float = 1.0,
        seed: int | None = None,
        jobs: int | None = None,
    ) -> None:
        self._count, self._extra, self._depth, self._share = trees, extra, depth, share
        self._seed, self._jobs = seed, jobs

    def fit(self, task: Task) -> None:
        """Grow the trees."""
        from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

        drawn = int(task.rng.integers(2**31))
        forest = (ExtraTreesRegressor if self._extra else RandomForestRegressor)(
            self._count,
            max_depth=self._depth,
            max_features=self._share,
            n_jobs=self._jobs,
            random_state=drawn if self._seed is None else self._seed,
        ).fit(np.asarray(task.features, dtype=np.float32), task.values)
        grown = [one.tree_ for one in forest.estimators_]
        columns = task.features.shape[1]
        self.keep(
            Trees.join(
                [
                    Trees.one(
                        tree.feature, tree.threshold, tree.children_left, tree.children_right, tree.value[:, 0, 0]
                    )
                    for tree in grown
                ]
            ),
            columns,
        )
