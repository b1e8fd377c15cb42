"""CatBoost: boosted symmetric trees; strong on few points of wide spaces."""

from __future__ import annotations

from functools import partial

from deffe.api import Field, Framework

from ._learning.learner import TableLearner, restore
from ._learning.options import LearnerOptions
from ._learning.way import Way
from ._trees.catboost import CatBoost, library


class CatBoostOptions(LearnerOptions):
    """Options of CatBoost."""

    rounds: int = Field(default=600, ge=1, le=100_000, description="number of trees")
    rate: float = Field(default=0.1, gt=0, le=1, description="share of what a tree learned that is added")
    depth: int = Field(default=3, ge=1, le=16, description="depth of a tree")
    penalty: float = Field(default=1.0, ge=0, description="on the squares of the leaves' values")


def GetObject(framework: Framework) -> TableLearner:
    library()
    options = framework.options(CatBoostOptions)
    make = partial(CatBoost, options.rounds, options.rate, options.depth, options.penalty)
    return TableLearner(framework, [Way("catboost", make)], options)


Restore = restore
