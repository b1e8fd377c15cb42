"""Random forest, and two more learners of scikit-learn: support vectors and the lasso."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator

from deffe.api import Costs, Features, Field, Framework, ModelReport, Prediction

from ._learning import Regressor, TableLearner, Vector
from ._options import NO_EFFECT, LearnerOptions, announce


def _none_by_name(value: object) -> object:
    return None if value in ("None", "none", "") else value


OptionalCount = Annotated[int | None, BeforeValidator(_none_by_name)]


class ForestOptions(LearnerOptions):
    """Options of the random forest; the second name of each is that of older configurations."""

    method: Literal["RandomForestRegressor", "SVR", "LassoLars"] = Field(
        default="RandomForestRegressor", description="the learner of scikit-learn"
    )
    trees: int = Field(default=200, ge=2, le=100_000, alias="rf_n_estimators", description="number of trees")
    depth: OptionalCount = Field(
        default=None, ge=1, alias="rf_max_depth", description="depth of a tree; None for no limit"
    )
    jobs: OptionalCount = Field(default=None, alias="rf_n_jobs", description="processors that grow trees; -1 for all")
    random_state: OptionalCount = Field(
        default=None,
        ge=0,
        alias="rf_random_state",
        description="seed of the trees; None for one drawn from the run's seed",
    )
    alpha: float | None = Field(
        default=None,
        gt=0,
        description="penalty of the lasso, on targets of variance 1; None to choose by cross-validation",
    )
    rf_criterion: Any = Field(default=None, alias="rf_crtiterion", description=NO_EFFECT)


class Forest:
    """Regression of one target by averaging trees; their spread is the standard deviation."""

    notes: tuple[str, ...] = ()

    def __init__(self, options: ForestOptions) -> None:
        self._options = options

    def fit(self, features: Features, target: Vector, rng: np.random.Generator) -> None:
        """Grow the trees on (n, d) features and (n,) targets."""
        from sklearn.ensemble import RandomForestRegressor

        options = self._options
        seed = int(rng.integers(2**31)) if options.random_state is None else options.random_state
        self._forest = RandomForestRegressor(
            options.trees, max_depth=options.depth, n_jobs=options.jobs, random_state=seed
        ).fit(features, target)

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means over the trees and their standard deviations."""
        # trees compare single precision; converted once instead of once a tree
        inputs = np.ascontiguousarray(features, dtype=np.float32)
        total, squares = np.zeros(len(inputs)), np.zeros(len(inputs))
        for tree in self._forest.estimators_:
            grown = tree.predict(inputs, check_input=False)
            total += grown
            squares += grown**2
        count = len(self._forest.estimators_)
        mean = total / count
        return mean, np.sqrt(np.maximum(squares / count - mean**2, 0) * count / (count - 1))


class Plain:
    """Regression of one target by a learner without a deviation of its own."""

    notes: tuple[str, ...] = ()

    def __init__(self, options: ForestOptions) -> None:
        self._options = options

    def fit(self, features: Features, target: Vector, rng: np.random.Generator) -> None:
        """Fit to (n, d) features and (n,) targets."""
        self._learner = (
            _support_vectors() if self._options.method == "SVR" else _lasso(self._options.alpha, len(target))
        )
        self._learner.fit(features, target)

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means; the deviations are not known."""
        return np.asarray(self._learner.predict(features), dtype=np.float64), np.full(len(features), np.nan)


def _regressor(options: ForestOptions) -> Regressor:
    return Forest(options) if options.method == "RandomForestRegressor" else Plain(options)


def _support_vectors() -> Any:
    from sklearn.svm import SVR

    # for targets of variance 1: margins of 1 %, and a penalty that lets cliffs be followed
    return SVR(C=10.0, epsilon=0.01)


def _lasso(alpha: float | None, rows: int) -> Any:
    from sklearn.linear_model import LassoLars, LassoLarsCV

    return LassoLars(alpha=alpha) if alpha is not None else LassoLarsCV(cv=min(5, rows))


class ScikitLearner:
    """One learner of scikit-learn a cost."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = options = framework.options(ForestOptions)
        make = partial(_regressor, options)
        log = not options.real_objective
        self._learner = TableLearner("sklearn_rf", framework.costs, make, framework.rng, options.folds, log)

    def Initialize(self) -> None:
        """Tell which options have no effect."""
        announce(self._framework, "sklearn_rf", self._options)

    def Run(self, features: Features, costs: Costs, step: int = 0) -> ModelReport:
        """Learn (n, c) costs from (n, d) features in [0, 1]; the report is of points not learned from."""
        return self._learner.learn(features, costs, step)

    def Predict(self, features: Features) -> Prediction:
        """Predict (n, c) costs of (n, d) features."""
        return self._learner.predict(features)


def GetObject(framework: Framework) -> ScikitLearner:
    return ScikitLearner(framework)
