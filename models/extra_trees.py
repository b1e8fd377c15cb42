"""Extremely randomised trees: like a random forest, smoother, and quicker to grow."""

from __future__ import annotations

from functools import partial

from deffe.api import Field, Framework

from ._learning.learner import TableLearner, restore
from ._learning.options import LearnerOptions
from ._learning.way import Way
from ._trees.forest import Forest
from .sklearn_rf import OptionalCount


class ExtraTreesOptions(LearnerOptions):
    """Options of the extremely randomised trees."""

    trees: int = Field(default=100, ge=2, le=100_000, description="number of trees")
    depth: OptionalCount = Field(default=None, ge=1, description="depth of a tree; None for no limit")
    share: float = Field(default=1.0, gt=0, le=1, description="share of the features tried at each node")
    jobs: OptionalCount = Field(default=None, description="processors that grow trees; -1 for all")


def GetObject(framework: Framework) -> TableLearner:
    options = framework.options(ExtraTreesOptions)
    make = partial(Forest, options.trees, extra=True, depth=options.depth, share=options.share, jobs=options.jobs)
    return TableLearner(framework, [Way("extra_trees", make)], options)


Restore = restore
