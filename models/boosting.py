"""Gradient boosting by histograms: the quickest of the boosted trees, also on many thousands of points."""

from __future__ import annotations

from functools import partial

from deffe.api import Field, Framework

from ._learning.learner import TableLearner, restore
from ._learning.options import LearnerOptions
from ._learning.way import Way
from ._trees.boosting import HistGradientBoosting


class BoostingOptions(LearnerOptions):
    """Options of gradient boosting by histograms."""

    rounds: int = Field(default=300, ge=1, le=100_000, description="number of trees")
    rate: float = Field(default=0.1, gt=0, le=1, description="share of what a tree learned that is added")
    leaves: int = Field(default=8, ge=2, le=10_000, description="leaves of a tree at most")
    least: int = Field(default=2, ge=1, description="points in a leaf at least")
    penalty: float = Field(default=1.0, ge=0, description="on the squares of the leaves' values")


def GetObject(framework: Framework) -> TableLearner:
    options = framework.options(BoostingOptions)
    make = partial(HistGradientBoosting, options.rounds, options.rate, options.leaves, options.least, options.penalty)
    return TableLearner(framework, [Way("hist_boosting", make)], options)


Restore = restore
