"""The lasso: a straight formula of few features and products of two; the quickest, and easy to read."""

from __future__ import annotations

from functools import partial

from deffe.api import Field, Framework

from ._learning.learner import TableLearner, restore
from ._learning.options import LearnerOptions
from ._learning.way import Way
from ._smooth.linear import Lasso


class LassoOptions(LearnerOptions):
    """Options of the lasso."""

    alpha: float | None = Field(
        default=None, gt=0, description="penalty, on targets of variance 1; None to choose by cross-validation"
    )
    products: bool = Field(default=True, description="try products of two features, and keep them where they help")


def GetObject(framework: Framework) -> TableLearner:
    options = framework.options(LassoOptions)
    return TableLearner(framework, [Way("lasso", partial(Lasso, options.alpha, options.products))], options)


Restore = restore
