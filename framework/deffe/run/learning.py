"""Trains the model of an exploration and measures it on points it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.errors import PluginError
from deffe.plugins import Plugin
from deffe.records import CostReport, Costs, Ids, Levels, ModelReport, Prediction
from deffe.run.derived import DerivedCosts
from deffe.space import DesignSpace

LEAST_POINTS = 2
MOST_CHECKED = 10_000


def measure(cost: str, method: str, actual: NDArray[np.float64], predicted: NDArray[np.float64]) -> CostReport:
    """Compare (n,) actual and predicted values of one cost."""
    return CostReport(
        cost,
        method,
        len(actual),
        metrics.mape(actual, predicted),
        metrics.r2(actual, predicted),
        metrics.rank_correlation(actual, predicted),
    )


class Learner:
    """The model of one exploration, from levels to costs.

    It predicts what it has learned and, exactly, the derived costs that knobs alone decide.

    Args:
        costs: names of all costs, the columns of what ``learn`` is given.
        learned: those of them that are learned.
        derived: all derived costs.
        train_share: share of the points that is trained on; the rest is kept as a test set.
    """

    def __init__(
        self,
        model: Plugin,
        space: DesignSpace,
        costs: Sequence[str],
        learned: Sequence[str],
        derived: DerivedCosts,
        train_share: float,
        seed: int,
    ) -> None:
        self._model = model
        self._space = space
        self._columns = [list(costs).index(cost) for cost in learned]
        self._train_share = train_share
        self._salt = np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
        self.learned = tuple(learned)
        self._derived = derived
        self.costs = (*learned, *derived.exact)
        self.report: ModelReport | None = None

    def Predict(self, levels: Levels) -> Prediction:
        """Predict ``costs`` of (n, p) points."""
        prediction = self._model.ask("Predict", features=self._space.features(levels), levels=levels)
        if not isinstance(prediction, Prediction) or prediction.mean.shape != (len(levels), len(self.learned)):
            raise PluginError(
                f"model {self._model.name!r}: Predict gave no Prediction",
                f"a Prediction of {len(levels)} points and {len(self.learned)} costs",
            )
        exact = self._derived.of_knobs(self._space, levels)
        return Prediction(np.hstack([prediction.mean, exact]), np.hstack([prediction.std, np.zeros_like(exact)]))

    def learn(self, levels: Levels, costs: Costs, ids: Ids, step: int) -> ModelReport | None:
        """Train on the done points of a run; None when there are too few.

        Args:
            levels, costs, ids: (n, p), (n, c) and (n,), the points that are done.
        """
        test = self._test_rows(ids)
        if (~test).sum() < LEAST_POINTS:
            return None
        train = ~test
        report = self._train(levels[train], costs[train][:, self._columns], step)
        if test.any():
            checked = self.check(f"test set of {int(test.sum())} points", levels[test], costs[test])
            report = replace(report, costs=checked)
        self.report = report
        return report

    def _train(self, levels: Levels, costs: Costs, step: int) -> ModelReport:
        features = self._space.features(levels)
        report = self._model.ask("Run", features=features, costs=costs, levels=levels, step=step)
        # a model of the user that reports nothing is still measured, by the points of the next step
        return report if isinstance(report, ModelReport) else ModelReport(self._model.name, len(levels), ())

    def check(self, method: str, levels: Levels, costs: Costs) -> tuple[CostReport, ...]:
        """Compare predictions with the known costs of at most 10,000 points that were not trained on."""
        levels, costs = levels[:MOST_CHECKED], costs[:MOST_CHECKED, self._columns]
        mean = self.Predict(levels).mean
        return tuple(measure(cost, method, costs[:, i], mean[:, i]) for i, cost in enumerate(self.learned))

    def _test_rows(self, ids: Ids) -> NDArray[np.bool_]:
        # by identity, so that a point stays on its side of the split over steps and restarts
        mixed = (ids.view(np.uint64) ^ self._salt) * np.uint64(0xBF58476D1CE4E5B9)
        share = (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
        return np.asarray(share >= self._train_share)
