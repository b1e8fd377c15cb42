"""What drives each cost, in a line each for the summary of a run, where that takes no time to speak of."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from deffe.learn.learner import Learner
from deffe.records import CostReport
from deffe.space import DesignSpace
from deffe.understand import CostEffects, Effects, KnobEffect, understand

POINTS = 512
MOST_SECONDS = 2.0
"""Of the processor, as estimated; what takes longer is left to ``-effects``."""
MOST_NAMED = 4
MOST_COSTS = 6


def quick_effects(space: DesignSpace, learner: Learner, reports: Sequence[CostReport], seed: int) -> Effects | None:
    """Main and total effects from few points; None where even these would take long, or nothing varies."""
    knobs = sum(len(parameter) > 1 for parameter in space.parameters)
    rng = np.random.default_rng([seed, POINTS])
    if not knobs or not reports:
        return None
    complete = space.size_is_exact and space.size <= POINTS
    tried = space.draw(space.size if complete else POINTS, rng)
    start = time.process_time()
    learner.Predict(tried)
    if (time.process_time() - start) * (1 if complete else knobs + 1) > MOST_SECONDS:
        return None
    return understand(
        space,
        learner.Predict,
        learner.costs,
        rng,
        points=POINTS,
        unexplained=unexplained(learner.costs, reports),
        in_depth=False,
    )


def unexplained(costs: Sequence[str], reports: Sequence[CostReport]) -> dict[str, float]:
    """Cost to the share of its variance that its first report leaves unexplained; 0 for costs that knobs decide."""
    first: dict[str, CostReport] = {}
    for report in reports:
        first.setdefault(report.cost, report)
    found = {cost: 1 - report.r2 for cost, report in first.items() if cost in costs}
    return {cost: max(found.get(cost, 0.0 if first else math.nan), 0.0) for cost in costs}


def driver_lines(effects: Effects) -> list[str]:
    """Such as ``cycles: l1d_size 61 %, l2_size 30 % of what varies; without effect: l1i_ways``, for the first costs."""
    width = max((len(cost.cost) for cost in effects.costs), default=0)
    found = [(cost.cost, _line(cost)) for cost in effects.costs[:MOST_COSTS]]
    return [f"{name:{width}}  {line}" for name, line in found if line]


def _line(cost: CostEffects) -> str:
    if not cost.std or not cost.knobs:
        return ""
    if all(knob.verdict == "not known" for knob in cost.knobs):
        return "not known: the model explains too little of it"
    named = [knob for knob in cost.knobs if not knob.scenario and knob.verdict in ("drives it", "matters")][:MOST_NAMED]
    parts = [", ".join(f"{knob.knob} {100 * _share(knob):.0f} %" for knob in named)] if named else []
    idle = [knob.knob for knob in cost.idle]
    if idle:
        more = f" and {len(idle) - MOST_NAMED} more" if len(idle) > MOST_NAMED else ""
        parts.append(f"no effect of {', '.join(idle[:MOST_NAMED])}{more}")
    return "; ".join(parts)


def _share(knob: KnobEffect) -> float:
    share = knob.total if np.isnan(knob.at_scenario) else knob.at_scenario
    return min(share, 1.0)  # estimates from few points may lie above
