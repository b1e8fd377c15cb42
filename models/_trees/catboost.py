"""CatBoost's trees, whose levels ask one question each; saved in its own format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deffe.api import DeffeError, Features, PluginError

from .._learning.arrays import damaged
from .._learning.regressor import Task
from .arrays import Vector
from .walk import processors

FILE = "model.cbm"
ROWS_PER_CHUNK = 1 << 16
FEW = 20
"""Points below which every tree sees all: CatBoost refuses a random part that happens to be empty."""


class CatBoost:
    """Gradient boosting with ordered, symmetric trees; strong on wide spaces with many categories.

    Args:
        rounds: trees.
        rate: share of what a tree learned that is added.
        depth: of a tree.
        penalty: on the squares of the leaves' values.
    Source: Prokhorenkova et al., NeurIPS 2018.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, rounds: int = 600, rate: float = 0.1, depth: int = 3, penalty: float = 1.0) -> None:
        self._options = {
            "iterations": rounds,
            "learning_rate": rate,
            "depth": depth,
            "l2_leaf_reg": penalty,
            # on few points, noise added to the scores of splits costs more than the variety it brings
            "random_strength": 0.0,
            "bootstrap_type": "Bernoulli",
            "subsample": 0.8,
            "thread_count": 1,
            "allow_writing_files": False,
            "verbose": False,
        }

    def fit(self, task: Task) -> None:
        """Grow the trees, one after the other.

        Raises:
            PluginError: CatBoost is not installed.
            DeffeError: it cannot learn from these points.
        """
        catboost = library()
        self._columns = task.features.shape[1]
        options = dict(self._options)
        if len(task.values) < FEW:
            options.update(bootstrap_type="No", subsample=None)
        self._model = catboost.CatBoostRegressor(**options, random_seed=int(task.rng.integers(2**31)))
        try:
            self._model.fit(np.asarray(task.features, dtype=np.float32), task.values)
        except catboost.CatBoostError as error:
            raise DeffeError(f"CatBoost cannot learn: {str(error).splitlines()[-1]}") from error

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means; the deviations are not known."""
        mean = np.empty(len(features))
        for start in range(0, len(features), ROWS_PER_CHUNK):
            rows = slice(start, start + ROWS_PER_CHUNK)
            chunk = np.ascontiguousarray(features[rows], dtype=np.float32)
            mean[rows] = self._model.predict(chunk, thread_count=processors())
        return mean, np.full(len(features), np.nan)

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the trees into a folder, in CatBoost's own format."""
        self._model.save_model(str(folder / FILE), format="cbm")
        return {"file": FILE, "columns": self._columns}

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool = False) -> CatBoost:
        """What ``save`` wrote; the format holds no code.

        Raises:
            CheckpointError: the file is not there, damaged, or of another kind.
            PluginError: CatBoost is not installed.
        """
        catboost = library()
        path = folder / FILE
        model = cls()
        model._model = catboost.CatBoostRegressor()
        try:
            model._model.load_model(str(path), format="cbm")
        except (catboost.CatBoostError, OSError) as error:
            raise damaged(path, f"no model of CatBoost ({str(error).splitlines()[0]})") from None
        model._columns = len(model._model.feature_names_)
        return model


def library() -> Any:
    """CatBoost.

    Raises:
        PluginError: it is not installed.
    """
    try:
        import catboost
    except ImportError as error:
        raise PluginError(f"catboost is not at hand ({error})", "pip install 'deffe[catboost]'") from error
    return catboost
