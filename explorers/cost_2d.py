"""Several objectives: the predicted Pareto front comes next, then the front of what is left, and so on.

The front of one objective is its best point, so that the points with the best predicted values come next.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, Framework
from deffe.metrics import pareto_layers

from ._predicted import PredictedBest, PredictedOptions


def peel(costs: Costs, count: int) -> NDArray[np.intp]:
    """The first ``count`` rows by Pareto layers; of the last layer, rows spread evenly along the first objective.

    Args:
        costs: (n, m) predicted objectives, to be minimised.
    """
    left = np.argsort(costs[:, 0], kind="stable")
    if costs.shape[1] == 1:
        return left[:count]
    chosen = np.empty(0, dtype=np.intp)
    for layer in pareto_layers(costs, left, count):
        missing = count - len(chosen)
        if len(layer) > missing:
            layer = layer[np.linspace(0, len(layer) - 1, missing).astype(np.intp)]
        chosen = np.concatenate([chosen, layer])
    return chosen


def GetObject(framework: Framework) -> PredictedBest:
    options = framework.options(PredictedOptions)
    names = tuple(objective.cost for objective in framework.config.objectives)
    return PredictedBest(framework, peel, names, options.pool)
