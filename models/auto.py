"""The default model: several learners, weighed by how they predict points that they had not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from deffe.api import Field, Framework

from ._learning.learner import TableLearner, restore
from ._learning.options import LearnerOptions
from ._learning.regressor import Regressor
from ._learning.way import Way
from ._smooth.linear import Lasso
from ._smooth.support_vectors import SupportVectors
from ._trees import boosting as _boosting
from ._trees import catboost as _catboost
from ._trees.forest import Forest
from ._trees.gradient import GradientBoosting
from .gaussian_process import GaussianProcess

LearnerName = Literal[
    "gaussian_process",
    "extra_trees",
    "gradient_boosting",
    "hist_boosting",
    "random_forest",
    "support_vectors",
    "lasso",
    "xgboost",
    "catboost",
]
LIBRARIES = {"xgboost": _boosting.library, "catboost": _catboost.library}
"""Learners of libraries that may be absent, with what says so."""
MANY_ROWS = 2000
"""Rows of a source's table beyond which trees alone learn it."""


class AutoOptions(LearnerOptions):
    """Options of the comparison."""

    learners: tuple[LearnerName, ...] = Field(
        default=(
            "gaussian_process",
            "extra_trees",
            "gradient_boosting",
            "hist_boosting",
            "support_vectors",
            "lasso",
        ),
        min_length=1,
        description="what is compared; by the first, logarithms are compared with the costs themselves",
    )
    hyper_rows: int = Field(
        default=400, ge=10, le=3000, description="rows that the Gaussian process fits its hyperparameters on at most"
    )
    max_rows: int = Field(default=2000, ge=10, le=20_000, description="rows that the Gaussian process learns at most")


def ways(names: Sequence[LearnerName], options: AutoOptions) -> list[Way]:
    """The ways that are compared: each learner once, the process also on knobs alone."""
    made: dict[str, Callable[[], Regressor]] = {
        "gaussian_process": partial(GaussianProcess, 1, options.hyper_rows, options.max_rows),
        "extra_trees": partial(Forest, extra=True),
        "gradient_boosting": GradientBoosting,
        "hist_boosting": _boosting.HistGradientBoosting,
        "random_forest": Forest,
        "support_vectors": SupportVectors,
        "lasso": Lasso,
        "xgboost": _boosting.XGBoost,
        "catboost": _catboost.CatBoost,
    }
    found = []
    for name in dict.fromkeys(names):
        found.append(Way(name, made[name]))
        if name == "gaussian_process":
            found.append(Way(name, made[name], derived=False))
    return found


def of_a_table(options: AutoOptions, rows: int) -> list[Way]:
    """How the table of a source is learned: by trees, and where it is quick, by a process too."""
    names: list[LearnerName] = ["extra_trees"] if rows > MANY_ROWS else ["gaussian_process", "extra_trees"]
    return [way for way in ways(names, options) if way.derived]


def GetObject(framework: Framework) -> TableLearner:
    options = framework.options(AutoOptions)
    for name in options.learners:
        if name in LIBRARIES:
            LIBRARIES[name]()
    return TableLearner(framework, ways(options.learners, options), options, source_ways=partial(of_a_table, options))


Restore = restore
