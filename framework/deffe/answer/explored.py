"""What came of the steps of one exploration."""

from __future__ import annotations

from dataclasses import dataclass, field

from deffe.learn.learner import Learner
from deffe.learn.plots import Loss
from deffe.prepare.plan import Plan
from deffe.records import CostReport


@dataclass
class Explored:
    """What came of the steps of one exploration.

    Args:
        stopped: why evaluation ended.
        learner: the model after the last step, or None.
        losses: of the checkpoints of all steps.
        ahead: how well the points of each step were predicted before they were evaluated.
        guided: the explorer has chosen the points of the last step, and not the sampler.
        finished: whether the steps came to their end, and were not interrupted.
    """

    plan: Plan
    stopped: str = ""
    learner: Learner | None = None
    losses: list[Loss] = field(default_factory=list)
    ahead: tuple[CostReport, ...] = ()
    guided: bool = False
    finished: bool = False
