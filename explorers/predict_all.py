"""Hand-over to the model: evaluation stops once its error is low enough, and the rest is predicted."""

from __future__ import annotations

from deffe.api import Framework, ModelReport
from deffe.records import Advice

from ._target import Target


class PredictAll:
    """Leaves the points to the sampler, and stops at the target error; without one, at the last step."""

    def __init__(self, framework: Framework) -> None:
        self._target = Target(framework.log)

    def Initialize(self) -> None: ...

    def Run(self, report: ModelReport | None, target_error: float | None) -> Advice | None:
        """Advice to stop when the error of the worst cost is at most ``target_error`` percent."""
        reason = self._target.reached(report, target_error)
        return Advice(stop=reason) if reason else None


def GetObject(framework: Framework) -> PredictAll:
    return PredictAll(framework)
