"""Well-known learners on standardised logarithms of a cost, as rivals of deffe's models."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Rival:
    """A learner of another library.

    Args:
        name: short, for the head of a column.
        library: what must be installed.
        make: from the number of features and a seed, an object with scikit-learn's ``fit`` and ``predict``.
    """

    name: str
    library: str
    make: Callable[[int, int], Any]

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.library) is not None

    def predict(self, features: Matrix, cost: Vector, points: Matrix, seed: int) -> Vector:
        """(m,) costs of (m, d) points, learned from the logarithms of (n,) costs of (n, d) features."""
        target = np.log(cost)
        centre, scale = target.mean(), target.std()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="sklearn")
            learner = self.make(features.shape[1], seed).fit(features, (target - centre) / scale)
        return np.asarray(np.exp(centre + scale * np.asarray(learner.predict(points))))


def _random_forest(axes: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(200, random_state=seed)


def _extra_trees(axes: int, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(200, random_state=seed)


def _xgboost(axes: int, seed: int) -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(
        n_estimators=400, learning_rate=0.05, max_depth=4, subsample=0.8, random_state=seed, n_jobs=1, verbosity=0
    )


def _catboost(axes: int, seed: int) -> Any:
    from catboost import CatBoostRegressor

    return CatBoostRegressor(iterations=600, random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False)


def _process(axes: int, seed: int) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    signal = ConstantKernel(1.0, (1e-3, 1e4)) * Matern([1.0] * axes, (0.05, 50), nu=2.5)
    kernel = signal + WhiteKernel(1e-2, (1e-7, 1.0))
    return GaussianProcessRegressor(kernel, n_restarts_optimizer=1, random_state=seed)


RIVALS = (
    Rival("random forest", "sklearn", _random_forest),
    Rival("extra trees", "sklearn", _extra_trees),
    Rival("XGBoost", "xgboost", _xgboost),
    Rival("CatBoost", "catboost", _catboost),
    Rival("GP", "sklearn", _process),
)
