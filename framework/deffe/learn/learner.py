"""Trains the model of an exploration and measures it on points it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.errors import PluginError, counted
from deffe.learn.splits import Positions, Rows, Split
from deffe.operate.judged import Judged, kept
from deffe.plugins import Plugin
from deffe.records import CostReport, Costs, Features, Ids, Levels, ModelReport, Prediction
from deffe.space import DesignSpace
from deffe.space.derived_costs import DerivedCosts
from deffe.tables.columns import id_texts

LEAST_POINTS = 2
MOST_NAMED = 5
MOST_CHECKED = 10_000


def measure(
    cost: str,
    method: str,
    actual: NDArray[np.float64],
    predicted: NDArray[np.float64],
    lower: NDArray[np.float64] | None = None,
    upper: NDArray[np.float64] | None = None,
) -> CostReport:
    """Compare (n,) actual and predicted values of one cost, and count those inside the (n,) bounds."""
    return CostReport(
        cost,
        method,
        len(actual),
        metrics.mape(actual, predicted),
        metrics.r2(actual, predicted),
        metrics.rank_correlation(actual, predicted),
        float("nan") if lower is None or upper is None else metrics.coverage(actual, lower, upper),
    )


def reports_of(names: Sequence[str], method: str, costs: Costs, found: Prediction) -> tuple[CostReport, ...]:
    """Predictions beside (n, c) measured costs of these names; one report a cost."""
    return tuple(
        measure(name, method, costs[:, i], found.mean[:, i], found.lower[:, i], found.upper[:, i])
        for i, name in enumerate(names)
    )


def judged_of(names: Sequence[str], method: str, ids: Ids, costs: Costs, found: Prediction) -> tuple[Judged, ...]:
    """Predictions beside (n, c) measured costs of these names, for at most ``MOST_KEPT`` points; one note a cost."""
    rows = kept(len(costs))
    texts = id_texts(ids[rows])
    columns = [(costs[rows, i], *(part[rows, i] for part in (found.mean, found.lower, found.upper)))
               for i in range(len(names))]  # fmt: skip
    return tuple(
        Judged(name, method, len(costs), texts, *(values.tolist() for values in column))
        for name, column in zip(names, columns, strict=True)
    )


def strange_categories(space: DesignSpace, levels: Levels) -> list[str]:
    """A line for each knob with categories that none of the (n, p) points learned from has."""
    lines = []
    for column, parameter in enumerate(space.parameters):
        if parameter.scale != "category" or len(parameter) == 1:
            continue
        absent = np.setdiff1d(np.arange(len(parameter)), levels[:, column])
        if len(absent):
            named = ", ".join(map(str, parameter.texts[absent[:MOST_NAMED]]))
            more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
            lines.append(f"{parameter.name}: no point learned from has {named}{more}; predictions there are guesses")
    return lines


class Learner:
    """The model of one exploration, from levels to costs.

    It predicts what it has learned and, exactly, the derived costs that knobs alone decide. ``strange`` tells which
    categories it has not seen.

    Args:
        costs: names of all costs, the columns of what ``learn`` is given.
        learned: those of them that are learned.
        derived: all derived costs.
        split: which points are trained on, choose weights, and test.

    Attributes:
        report: what the model said of itself last.
        trained: (n,) identities of the points that it had learned from then.
    """

    def __init__(
        self,
        model: Plugin,
        space: DesignSpace,
        costs: Sequence[str],
        learned: Sequence[str],
        derived: DerivedCosts,
        split: Split,
    ) -> None:
        self.model = model
        self._space = space
        self._columns = [list(costs).index(cost) for cost in learned]
        self._split = split
        self.learned = tuple(learned)
        self._derived = derived
        self.costs = (*learned, *derived.exact)
        self.report: ModelReport | None = None
        self.rows: Rows | None = None
        self.trained: Ids = np.empty(0, dtype=np.int64)
        self.strange: list[str] = []

    def Predict(self, levels: Levels) -> Prediction:
        """Predict ``costs`` of (n, p) points."""
        return self.in_space(self._space, levels, self._space.features(levels), levels)

    def in_space(self, space: DesignSpace, points: Levels, features: Features, levels: Levels) -> Prediction:
        """The same of (n, p) points of a space that may have further values.

        Args:
            features: (n, d) of them, by the map of the space that was learned.
            levels: (n, p) the nearest points of that space.
        """
        prediction = self.model.ask("Predict", features=features, levels=levels)
        if not isinstance(prediction, Prediction) or prediction.mean.shape != (len(levels), len(self.learned)):
            raise PluginError(
                f"model {self.model.name!r}: Predict gave no Prediction",
                f"a Prediction of {counted(len(levels), 'point')} and {counted(len(self.learned), 'cost')}",
            )
        return Prediction.beside([prediction, Prediction.exact(self._derived.of_knobs(space, points))])

    def means(self, levels: Levels, wanted: Sequence[str]) -> Costs:
        """(n, costs) predicted means of (n, p) points as ``Predict`` gives them, NaN for costs that are not wanted.

        Much less work than ``Predict`` where the model gives means alone.
        """
        learned = [cost for cost in self.learned if cost in wanted]
        if not self.model.has("Means"):
            return self.Predict(levels).mean
        found = np.full((len(levels), len(self.costs)), np.nan)
        if learned:
            means = self.model.ask("Means", features=self._space.features(levels), levels=levels, costs=learned)
            found[:, [self.learned.index(cost) for cost in learned]] = means
        if len(learned) < len(wanted):
            found[:, len(self.learned) :] = self._derived.of_knobs(self._space, levels)
        return found

    def learn(
        self, levels: Levels, costs: Costs, ids: Ids, step: int, positions: Positions | None = None
    ) -> ModelReport | None:
        """Train on the done points of a run; None when there are too few.

        Args:
            levels, costs, ids: (n, p), (n, c) and (n,), the points that are done.
            positions: (n,) where index files have them.
        """
        rows = self._split.of(step, ids, np.arange(len(ids)) if positions is None else positions)
        if "validation" not in self.model.wanted["Run"]:  # nothing is chosen by them: they are trained on
            rows = replace(rows, train=rows.known, validation=np.zeros_like(rows.test))
        if rows.known.sum() < LEAST_POINTS:
            return None
        report = self._train(levels[rows.known], costs[rows.known], rows.validation[rows.known], step)
        if rows.test.any():
            checked = self.check(
                f"test set of {counted(int(rows.test.sum()), 'point')}", levels[rows.test], costs[rows.test]
            )
            report = replace(report, costs=checked)
        self.rows, self.report, self.trained = rows, report, ids[rows.known]
        self.strange = strange_categories(self._space, levels[rows.known])
        return report

    def _train(self, levels: Levels, costs: Costs, validation: NDArray[np.bool_], step: int) -> ModelReport:
        features = self._space.features(levels)
        report = self.model.ask(
            "Run", features=features, costs=costs[:, self._columns], levels=levels, step=step, validation=validation
        )
        # a model of the user that reports nothing is still measured, by the points of the next step
        return report if isinstance(report, ModelReport) else ModelReport(self.model.name, len(levels), ())

    def check(self, method: str, levels: Levels, costs: Costs) -> tuple[CostReport, ...]:
        """Compare predictions with the known costs of points that were not trained on.

        Of more than 10,000 as many are drawn, always the same: the first ones would be those of early steps, or of one
        part of a table, and tell of these alone.
        """
        return self.compare(method, levels, costs)[0]

    def compare(
        self, method: str, levels: Levels, costs: Costs, ids: Ids | None = None
    ) -> tuple[tuple[CostReport, ...], tuple[Judged, ...]]:
        """``check``; and, where (n,) ids are given, the comparison point by point."""
        count = len(levels)
        rows = np.sort(np.random.default_rng(count).permutation(count)[:MOST_CHECKED])
        levels, costs = levels[rows], costs[rows][:, self._columns]
        found = self.Predict(levels)
        reports = reports_of(self.learned, method, costs, found)
        return reports, () if ids is None else judged_of(self.learned, method, ids[rows], costs, found)
