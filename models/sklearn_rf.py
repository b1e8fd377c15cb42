"""Random forest of scikit-learn; older configurations also reach support vectors and the lasso through it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from deffe.api import Field, Framework

from ._learning.learner import TableLearner, restore
from ._learning.options import NO_EFFECT, LearnerOptions
from ._learning.way import Way
from ._smooth.linear import Lasso
from ._smooth.support_vectors import SupportVectors
from ._trees.forest import Forest


def _none_by_name(value: object) -> object:
    return None if value in ("None", "none", "") else value


OptionalCount = Annotated[int | None, BeforeValidator(_none_by_name)]


class ForestOptions(LearnerOptions):
    """Options of the random forest; the second name of each is that of older configurations."""

    method: Literal["RandomForestRegressor", "SVR", "LassoLars"] = Field(
        default="RandomForestRegressor", description="the learner of scikit-learn"
    )
    trees: int = Field(default=100, ge=2, le=100_000, alias="rf_n_estimators", description="number of trees")
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


def _way(options: ForestOptions) -> Way:
    if options.method == "SVR":
        return Way("support_vectors", SupportVectors)
    if options.method == "LassoLars":
        return Way("lasso", partial(Lasso, options.alpha))
    make = partial(Forest, options.trees, depth=options.depth, seed=options.random_state, jobs=options.jobs)
    return Way("random_forest", make)


def GetObject(framework: Framework) -> TableLearner:
    options = framework.options(ForestOptions)
    return TableLearner(framework, [_way(options)], options)


Restore = restore
