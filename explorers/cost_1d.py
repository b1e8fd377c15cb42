"""One objective, or a weighted sum of several: the points with the best predicted cost come next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, Field, Framework
from deffe.errors import ConfigError, Fault

from ._predicted import PredictedBest, PredictedOptions


class OneOptions(PredictedOptions):
    objective: str = Field(default="", description="the objective that counts; default: the first")
    weights: dict[str, float] = Field(
        default={}, description="objectives to weights above 0: their weighted sum counts, each in its own unit"
    )


class BestFirst:
    """The best rows by the weighted sum of their objectives.

    Args:
        weights: (m,) of the objectives.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = np.array(weights)

    def __call__(self, costs: Costs, count: int) -> NDArray[np.intp]:
        """The ``count`` best rows of (n, m) costs to be minimised, the best one first."""
        return np.argsort(costs @ self._weights, kind="stable")[:count]


def GetObject(framework: Framework) -> PredictedBest:
    options = framework.options(OneOptions)
    known = [objective.cost for objective in framework.config.objectives]
    given = options.weights or {options.objective or known[0]: 1.0}
    weights = {name.strip().lower(): weight for name, weight in given.items()}
    faults = list(_faults(options, weights, known))
    if faults:
        raise ConfigError(str(framework.config.source), faults)
    ordered = [weights[name] for name in known if name in weights]
    return PredictedBest(framework, BestFirst(ordered), tuple(weights), options.pool, all_needed=True)


def _faults(options: OneOptions, weights: dict[str, float], known: list[str]) -> list[Fault]:
    """What is wrong with the choice of objectives."""
    place, faults = "exploration.options", []
    if options.objective and options.weights:
        faults.append(Fault(place, "objective and weights are both given", "give one of them"))
    for name, weight in weights.items():
        if name not in known:
            faults.append(Fault(place, f"{name!r} is no objective", f"objectives: {', '.join(known)}"))
        if not 0 < weight < float("inf"):
            faults.append(Fault(place, f"the weight of {name!r} is {weight:g}", "allowed: finite numbers above 0"))
    return faults
