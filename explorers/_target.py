"""Whether a model's error, measured on points it has not seen, has reached its target."""

from __future__ import annotations

import logging
import math

from deffe.api import ModelReport

LEAST_POINTS = 20
"""Points that an error is measured on before it can end an exploration."""


class Target:
    """Compares a model's report with the target error and says once when that cannot be done."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told = False

    def reached(self, report: ModelReport | None, target_error: float | None) -> str:
        """Why evaluation can stop, or an empty text.

        Args:
            report: what the model says of itself; None before there is one.
            target_error: percent, to be met by the worst cost; None for no target.
        """
        if report is None or target_error is None or not report.costs:
            return ""
        if min(cost.points for cost in report.costs) < LEAST_POINTS:
            return ""  # an error of a handful of points says little, and may be small by luck
        unknown = [cost.cost for cost in report.costs if not math.isfinite(cost.mape)]
        if unknown:
            self._tell(unknown)
            return ""
        worst = max(report.costs, key=lambda cost: cost.mape)
        if worst.mape > target_error:
            return ""
        return (
            f"the error of the model, {worst.mape:.3g} % for {worst.cost} ({worst.method}), "
            f"has reached the target of {target_error:g} %"
        )

    def _tell(self, costs: list[str]) -> None:
        if not self._told:
            self._told = True
            self._log.warning(
                "the target error cannot be judged: %s has no percentage error, as where a cost is 0; "
                "leave such costs out by model.exclude_costs",
                ", ".join(costs),
            )
