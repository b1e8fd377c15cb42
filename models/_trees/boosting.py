"""Boosting: each tree learns what the trees before it left over; by scikit-learn's histograms, or by XGBoost."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.api import PluginError

from .._learning.regressor import Task
from .arrays import LEAF, Trees
from .model import TreeModel


class HistGradientBoosting(TreeModel):
    """Gradient boosting on columns of at most 255 values each, as many design spaces have them anyway.

    Args:
        rounds: trees.
        rate: share of what a tree learned that is added.
        leaves: of a tree at most.
        least: points in a leaf at least.
        penalty: on the squares of the leaves' values.
    Source: Friedman, Annals of Statistics 29(5), 2001, doi:10.1214/aos/1013203451; Ke et al., NeurIPS 2017.
    """

    def __init__(
        self, rounds: int = 300, rate: float = 0.1, leaves: int = 8, least: int = 2, penalty: float = 1.0
    ) -> None:
        self._rounds, self._rate, self._leaves, self._least, self._penalty = rounds, rate, leaves, least, penalty

    def fit(self, task: Task) -> None:
        """Grow the trees, one after the other."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        learner = HistGradientBoostingRegressor(
            max_iter=self._rounds,
            learning_rate=self._rate,
            max_leaf_nodes=self._leaves,
            min_samples_leaf=self._least,
            l2_regularization=self._penalty,
            early_stopping=False,
            random_state=int(task.rng.integers(2**31)),
        )
        # threads cost more than they do at this size
        with threadpool_limits(1):
            learner.fit(np.asarray(task.features, dtype=np.float32), task.values)
        trees = [_histogram_tree(round_[0].nodes) for round_ in learner._predictors]
        self.keep(Trees.join(trees), task.features.shape[1], float(np.ravel(learner._baseline_prediction)[0]))


class XGBoost(TreeModel):
    """XGBoost's trees.

    Args:
        rounds: trees.
        rate: share of what a tree learned that is added.
        depth: of a tree at most.
        rows, columns: shares of points and of columns that a tree sees.
        penalty: on the squares of the leaves' values.
        least: points in a leaf at least.
    Source: Chen, Guestrin, KDD 2016, doi:10.1145/2939672.2939785.
    """

    def __init__(
        self,
        rounds: int = 400,
        rate: float = 0.05,
        depth: int = 4,
        rows: float = 0.8,
        columns: float = 1.0,
        penalty: float = 1.0,
        least: float = 2.0,
    ) -> None:
        self._rounds = rounds
        self._options = {
            "eta": rate,
            "max_depth": depth,
            "subsample": rows,
            "colsample_bytree": columns,
            "lambda": penalty,
            "min_child_weight": least,
            "tree_method": "hist",
            "objective": "reg:squarederror",
            "base_score": 0.0,
            "nthread": 1,
            "verbosity": 0,
        }

    def fit(self, task: Task) -> None:
        """Grow the trees, one after the other.

        Raises:
            PluginError: XGBoost is not installed.
        """
        xgboost = library()
        data = xgboost.DMatrix(np.asarray(task.features, dtype=np.float32), task.values, nthread=1)
        options = {**self._options, "seed": int(task.rng.integers(2**31))}
        booster = xgboost.train(options, data, num_boost_round=self._rounds)
        model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
        self.keep(Trees.join([_xgboost_tree(one) for one in model["trees"]]), task.features.shape[1])


def _histogram_tree(nodes: Any) -> Trees:
    """One tree of scikit-learn's histograms, from its table of nodes."""
    leaf = nodes["is_leaf"] == 1
    left, right = (np.where(leaf, LEAF, nodes[side].astype(np.int64)) for side in ("left", "right"))
    return Trees.one(nodes["feature_idx"], nodes["num_threshold"], left, right, nodes["value"])


def _xgboost_tree(tree: dict[str, Any]) -> Trees:
    """One tree of XGBoost's JSON: a point goes left below the condition, and a leaf's condition is its value."""
    condition = np.asarray(tree["split_conditions"], dtype=np.float32)
    below = np.nextafter(condition, np.float32(-np.inf))
    return Trees.one(tree["split_indices"], below, tree["left_children"], tree["right_children"], condition)


def library() -> Any:
    """XGBoost.

    Raises:
        PluginError: it is not installed.
    """
    try:
        import xgboost
    except ImportError as error:
        raise PluginError(f"xgboost is not at hand ({error})", "pip install 'deffe[xgboost]'") from error
    return xgboost
