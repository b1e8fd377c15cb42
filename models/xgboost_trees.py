"""XGBoost: boosted trees with a penalty on their leaves; strong on wide spaces with many categories."""

from __future__ import annotations

from functools import partial

from deffe.api import Field, Framework

from ._learning.learner import TableLearner, restore
from ._learning.options import LearnerOptions
from ._learning.way import Way
from ._trees.boosting import XGBoost, library


class XGBoostOptions(LearnerOptions):
    """Options of XGBoost."""

    rounds: int = Field(default=400, ge=1, le=100_000, description="number of trees")
    rate: float = Field(default=0.05, gt=0, le=1, description="share of what a tree learned that is added")
    depth: int = Field(default=4, ge=1, le=30, description="depth of a tree at most")
    rows: float = Field(default=0.8, gt=0, le=1, description="share of the points that a tree learns from")
    columns: float = Field(default=1.0, gt=0, le=1, description="share of the features that a tree sees")
    least: float = Field(default=2.0, ge=0, description="points in a leaf at least")
    penalty: float = Field(default=1.0, ge=0, description="on the squares of the leaves' values")


def GetObject(framework: Framework) -> TableLearner:
    library()
    options = framework.options(XGBoostOptions)
    make = partial(
        XGBoost,
        options.rounds,
        options.rate,
        options.depth,
        options.rows,
        options.columns,
        options.penalty,
        options.least,
    )
    return TableLearner(framework, [Way("xgboost", make)], options)


Restore = restore
