"""Several objectives: the predicted Pareto front comes next, then the front of what is left, and so on.

The front of one objective is its best point, so that the points with the best predicted values come next.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, Framework
from deffe.metrics import pareto_mask

from ._predicted import PredictedBest, PredictedOptions


def peel(costs: Costs, count: int) -> NDArray[np.intp]:
    """The first ``count`` rows by Pareto layers; of the last layer, rows spread evenly along the first objective.

    Args:
        costs: (n, m) predicted objectives, to be minimised.
    Source: Goldberg, Genetic Algorithms in Search, Optimization and Machine Learning, 1989 (non-dominated sorting).
    """
    left = np.argsort(costs[:, 0], kind="stable")
    if costs.shape[1] == 1:
        return left[:count]
    goals = ["min"] * costs.shape[1]
    chosen: list[NDArray[np.intp]] = []
    missing = min(count, len(left))
    while missing > 0:
        front = pareto_mask(costs[left], goals)
        if not front.any():  # what is left cannot be compared
            front[:] = True
        layer = left[front]
        if len(layer) > missing:
            layer = layer[np.linspace(0, len(layer) - 1, missing).astype(np.intp)]
        chosen.append(layer)
        missing -= len(layer)
        left = left[~front]
    return np.concatenate([np.empty(0, dtype=np.intp), *chosen])


def GetObject(framework: Framework) -> PredictedBest:
    options = framework.options(PredictedOptions)
    names = tuple(objective.cost for objective in framework.config.objectives)
    return PredictedBest(framework, peel, names, options.pool)
