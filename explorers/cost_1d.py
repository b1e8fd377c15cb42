"""One objective: the points with the best predicted cost come next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, Framework

from ._predicted import PredictedBest, to_minimise


def best_first(costs: Costs, goals: list[str], count: int) -> NDArray[np.intp]:
    """The ``count`` best rows of (n, 1) costs, the best one first."""
    return np.argsort(to_minimise(costs, goals)[:, 0], kind="stable")[:count]


def GetObject(framework: Framework) -> PredictedBest:
    return PredictedBest(framework, best_first, most_objectives=1)
