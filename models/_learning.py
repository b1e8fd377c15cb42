"""Learning costs from a table of features: target transform, fallbacks, and the error on unseen points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.api import CostReport, Costs, DeffeError, Features, ModelReport, Prediction

Vector = NDArray[np.float64]

LOG_RANGE = (-745.0, 709.0)
"""Logarithms of the smallest and the largest number there is."""
LEAST_POINTS = 3
"""Distinct points below which nothing is learned but the mean, and no error can be measured."""
MOST_MEASURED = 10_000
"""Points whose predictions measure the error, at most; more would take long and say no more."""


class Regressor(Protocol):
    """Learns one target of mean 0 and variance 1, from at least ``LEAST_POINTS`` distinct points."""

    notes: tuple[str, ...]

    def fit(self, features: Features, target: Vector, rng: np.random.Generator) -> None:
        """Learn from (n, d) features and their (n,) targets."""

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means and standard deviations of a new observation; the latter NaN when not known."""
        ...


@dataclass(frozen=True)
class Target:
    """How a cost becomes a target of mean 0 and variance 1, and a prediction becomes a cost again.

    Args:
        log: whether the logarithm of the cost is learned.
        centre, scale: of the cost or its logarithm; a scale of 0 means that the cost does not vary.
    """

    log: bool
    centre: float
    scale: float

    @classmethod
    def of(cls, cost: Vector, log: bool = True) -> Target:
        """The logarithm where all (n,) costs are positive and ``log`` allows it, else the cost itself."""
        log = log and bool(np.all(cost > 0) and np.ptp(cost) > 0)
        value = np.log(cost) if log else cost
        peak = float(np.max(np.abs(value))) or 1.0
        scale = peak * float(np.std(value / peak)) if np.ptp(value) > 0 else 0.0
        return cls(log, peak * float(np.mean(value / peak)), scale)

    def forward(self, cost: Vector) -> Vector:
        """(n,) costs to targets."""
        value = np.log(cost) if self.log else cost
        return (value - self.centre) / (self.scale or 1.0)

    def backward(self, mean: Vector, std: Vector) -> tuple[Vector, Vector]:
        """(n,) predicted targets to costs.

        A logarithm comes back as the median of the log-normal distribution, exp(mu): the errors that are reported are
        relative and absolute, and those the median keeps small; the mean, exp(mu + sigma^2 / 2), lies above it by an
        amount that rests on the least certain part of the model. The deviation is that of the log-normal distribution.
        """
        mu, sigma = self.centre + self.scale * mean, self.scale * std
        if not self.log:
            return mu, sigma
        # an unsure extrapolation stays finite
        median = np.exp(np.clip(mu, *LOG_RANGE))
        variance = np.minimum(sigma**2, 500.0)
        with np.errstate(over="ignore"):
            std = median * np.exp(variance / 2) * np.sqrt(np.expm1(variance))
        return median, np.where(np.isnan(std), std, np.minimum(std, np.finfo(np.float64).max))


@dataclass(frozen=True)
class FittedCost:
    """One learned cost; without a regressor it is the mean of what was seen."""

    target: Target
    regressor: Regressor | None
    spread: float
    notes: tuple[str, ...]

    @classmethod
    def fit(
        cls, make: Callable[[], Regressor], features: Features, cost: Vector, log: bool, rng: np.random.Generator
    ) -> FittedCost:
        """Learn one (n,) cost; fewer than three distinct points or a constant give the mean."""
        target = Target.of(cost, log)
        spread = float(np.std(target.forward(cost), ddof=1)) if len(cost) > 1 else float("nan")
        if target.scale == 0 or few_points(features):
            return cls(target, None, spread, ())
        regressor = make()
        regressor.fit(features, target.forward(cost), rng)
        return cls(target, regressor, spread, regressor.notes)

    def predict(self, features: Features, spread: float = float("nan")) -> tuple[Vector, Vector]:
        """(n,) costs and standard deviations; ``spread`` (of the target) stands in for those that are not known."""
        if self.regressor is None:
            return self.target.backward(np.zeros(len(features)), np.full(len(features), self.spread))
        mean, std = self.regressor.predict(features)
        return self.target.backward(mean, np.where(np.isnan(std), spread, std))


def distinct(features: Features) -> NDArray[np.intp]:
    """(n,) number of each row's point: rows with the same features are one point."""
    if features.shape[1] == 0:
        return np.zeros(len(features), dtype=np.intp)
    _, inverse = np.unique(features, axis=0, return_inverse=True)
    return np.asarray(inverse).reshape(-1)


def few_points(features: Features) -> bool:
    """Whether (n, d) features are fewer than ``LEAST_POINTS`` distinct points; quick, also for very many."""
    for _ in range(LEAST_POINTS - 1):
        if len(features):
            features = features[(features != features[0]).any(axis=1)]
    return len(features) == 0


def fold_of(points: NDArray[np.intp], folds: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """(n,) fold of each row: points shuffled, folds of even size, all rows of a point in the same fold."""
    count = int(points.max()) + 1
    of_point = np.empty(count, dtype=np.intp)
    of_point[rng.permutation(count)] = np.arange(count) % min(folds, count)
    return of_point[points]


def out_of_fold(
    make: Callable[[], Regressor],
    features: Features,
    cost: Vector,
    log: bool,
    folds: NDArray[np.intp],
    rows: NDArray[np.intp],
    rng: np.random.Generator,
) -> Vector:
    """(m,) predictions of m rows, each by a model that learned everything, its transform included, without its fold."""
    predicted = np.empty(len(rows))
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        fitted = FittedCost.fit(make, features[~held], cost[~held], log, rng)
        measured = held[rows]
        predicted[measured] = fitted.predict(features[rows[measured]])[0]
    return predicted


class TableLearner:
    """A model of the contract around a regressor: one regressor a cost, each measured by cross-validation.

    Args:
        model: its name, for reports.
        costs: names of the costs.
        make: a new regressor.
        rng: the random generator of a step.
        folds: number of parts of the cross-validation.
        log: learn logarithms where the costs are positive.
    """

    def __init__(
        self,
        model: str,
        costs: Sequence[str],
        make: Callable[[], Regressor],
        rng: Callable[[int], np.random.Generator],
        folds: int = 5,
        log: bool = True,
    ) -> None:
        self._model, self._names, self._make, self._rng = model, tuple(costs), make, rng
        self._folds, self._log = folds, log
        self._fitted: list[FittedCost] = []
        self._spreads: list[float] = []
        self._columns = 0

    def learn(self, features: Features, costs: Costs, step: int = 0) -> ModelReport:
        """Learn all costs and measure each on points not learned from.

        Args:
            features: (n, d) in [0, 1].
            costs: (n, c), of points that are done: finite.
        Raises:
            DeffeError: no points, or a number that is not finite, named with its row and cost.
        """
        self._check(features, costs)
        rng = self._rng(step)
        points = distinct(features)
        notes = self._notes_on_points(len(features), int(points.max()) + 1, features.shape[1])
        folds = fold_of(points, self._folds, rng)
        fitted: list[FittedCost] = []
        spreads: list[float] = []
        reports = []
        for name, cost in zip(self._names, costs.T, strict=True):
            fit = FittedCost.fit(self._make, features, cost, self._log, rng)
            report, spread = self._measure(name, features, cost, fit, folds, rng)
            notes += [f"{name}: {note}" for note in (*fit.notes, *_notes_on_cost(cost, fit.target, report, self._log))]
            fitted.append(fit)
            spreads.append(spread)
            reports.append(report)
        self._fitted, self._spreads, self._columns = fitted, spreads, features.shape[1]
        return ModelReport(self._model, len(features), tuple(reports), tuple(notes))

    def predict(self, features: Features) -> Prediction:
        """Predict (n, c) costs of (n, d) features.

        Raises:
            DeffeError: nothing was learned yet, or the number of features is another than was learned from.
        """
        if not self._fitted:
            raise DeffeError(f"model {self._model!r} cannot predict before it has learned", "call Run first")
        if features.ndim != 2 or features.shape[1] != self._columns:
            raise DeffeError(f"model {self._model!r} learned from {self._columns} features, got shape {features.shape}")
        if not np.all(np.isfinite(features)):
            raise DeffeError(f"model {self._model!r}: a feature is not finite", "features lie in [0, 1]")
        columns = [fit.predict(features, spread) for fit, spread in zip(self._fitted, self._spreads, strict=True)]
        mean, std = (np.stack(part, axis=1) for part in zip(*columns, strict=True))
        return Prediction(mean, std)

    def _check(self, features: Features, costs: Costs) -> None:
        if costs.ndim != 2 or costs.shape[1] != len(self._names) or features.ndim != 2 or len(features) != len(costs):
            found = f"features {features.shape}, costs {costs.shape}"
            raise DeffeError(f"model {self._model!r}: expected (n, d) and (n, {len(self._names)}), got {found}")
        if len(costs) == 0 or not self._names:
            what = "points" if len(costs) == 0 else "costs"
            raise DeffeError(f"model {self._model!r} has no {what} to learn from")
        bad = np.argwhere(~np.isfinite(costs))
        if len(bad):
            row, column = bad[0]
            found = f"{self._names[column]} is {costs[row, column]} in row {row}"
            raise DeffeError(f"model {self._model!r}: {found}", "models learn from points whose costs are all finite")
        if not np.all(np.isfinite(features)):
            row = int(np.argwhere(~np.isfinite(features))[0, 0])
            raise DeffeError(f"model {self._model!r}: a feature of row {row} is not finite", "features lie in [0, 1]")

    def _notes_on_points(self, rows: int, points: int, columns: int) -> list[str]:
        notes = []
        if columns == 0:
            notes.append("no knob varies: the mean is predicted")
        elif points < LEAST_POINTS:
            notes.append(
                f"{points} distinct points are too few to learn from: the mean is predicted, no error is known"
            )
        elif points < self._folds:
            notes.append(f"{points} distinct points for {self._folds} folds: each point is a fold of its own")
        if columns and points < rows:
            notes.append(f"{rows} rows are {points} distinct points; equal points are kept in the same fold")
        return notes

    def _measure(
        self,
        name: str,
        features: Features,
        cost: Vector,
        fit: FittedCost,
        folds: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> tuple[CostReport, float]:
        """The report on one cost, and the root mean square of the target's residuals on unseen points."""
        nan = float("nan")
        count = int(folds.max()) + 1
        if count < 2 or few_points(features):
            return CostReport(name, "not measured", 0, nan, nan, nan), nan
        rows = np.arange(len(cost))
        if len(rows) > MOST_MEASURED:
            rows = np.sort(rng.choice(len(rows), MOST_MEASURED, replace=False))
        predicted = out_of_fold(self._make, features, cost, self._log, folds, rows, rng)
        actual = cost[rows]
        report = CostReport(
            name,
            f"{count}-fold cross-validation",
            len(rows),
            metrics.mape(actual, predicted),
            metrics.r2(actual, predicted),
            metrics.rank_correlation(actual, predicted),
        )
        # a fold without costs of 0 or below may have learned logarithms when the whole did not, and the other way round
        inside = np.maximum(predicted, np.exp(LOG_RANGE[0])) if fit.target.log else predicted
        residuals = fit.target.forward(actual) - fit.target.forward(inside)
        return report, float(np.sqrt(np.mean(residuals**2)))


def _notes_on_cost(cost: Vector, target: Target, report: CostReport, log: bool) -> list[str]:
    if target.scale == 0:
        return [f"is {cost[0]:g} at all points learned from, and is predicted so"]
    notes = []
    if log and not target.log:
        notes.append("has values of 0 or below: learned without the logarithm")
    if np.any(cost == 0):
        notes.append("has values of 0: no percentage error")
    if report.r2 <= 0:
        notes.append(f"the model is useless: on unseen points no better than the mean (R2 {report.r2:.2f})")
    return notes
