"""Learns one cost in several ways, judges them on points they had not seen, and keeps the best or a blend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.api import CostReport, Features
from deffe.errors import counted
from deffe.records import Unseen
from deffe.surrogates.target import Target, Vector
from deffe.words import percent

from .blend import Blend, blend
from .calibration import coverage, factor
from .fitted import FittedCost, known_deviations, share_text
from .folds import few_points
from .regressor import Held, Task
from .way import Member, Shape, Way

MOST_MEASURED = 10_000
"""Points whose predictions measure the error, at most; more would take long and say no more."""
MOST_COMPARED = 300
"""Rows on which the transforms of a cost are compared, at most."""
CONSTANT = "constant so far"
"""How the error of a cost that does not vary is measured: it is 0."""
DOUBT = 0.98
"""A cost itself is learned where its error is below this share of that by its logarithm."""


@dataclass(frozen=True)
class Job:
    """One cost to learn.

    Args:
        name: of the cost, for its report.
        features: (n, d), with every column of ``shape``.
        cost: (n,), finite.
        folds: (n,) part of each row in the cross-validation.
        others: (n, c - 1) the other costs.
        validation: (n,) bool or None, for learners that set rows aside.
        log: learn the logarithm where possible; None to compare.
        previous: what was learned in each way before, by its label.
    """

    name: str
    features: Features
    shape: Shape
    cost: Vector
    folds: NDArray[np.intp]
    rng: np.random.Generator
    others: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    validation: NDArray[np.bool_] | None = None
    log: bool | None = None
    previous: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Learned:
    """What came of a job."""

    fitted: FittedCost
    report: CostReport
    notes: tuple[str, ...] = ()
    unseen: Unseen | None = None


def learn_cost(ways: Sequence[Way], job: Job) -> Learned:
    """Learn one cost; fewer than three distinct points or a constant give the mean."""
    target = Target.of(job.cost, job.log is not False)
    if target.scale == 0 or few_points(job.features):
        values = target.forward(job.cost)
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        return Learned(FittedCost(target, spread=spread), _unmeasured(job))
    if job.log is None and target.log:
        target = _better_target(ways[0], job, target)
    return _Fitting(ways, job, target).learn()


def _unmeasured(job: Job) -> CostReport:
    """What is told without a cross-validation: of a constant, that each point is what the others say."""
    nan = float("nan")
    if np.all(job.cost == job.cost[0]) and not few_points(job.features):
        return CostReport(job.name, CONSTANT, len(job.cost), 0.0, nan, nan)
    return CostReport(job.name, "not measured", 0, nan, nan, nan)


def _better_target(way: Way, job: Job, logarithm: Target) -> Target:
    """The target whose predictions of unseen points are better; the logarithm in doubt."""
    rows = np.arange(len(job.cost))
    if len(rows) > MOST_COMPARED:
        rows = np.sort(job.rng.choice(len(rows), MOST_COMPARED, replace=False))
    features, cost, folds = job.features[rows], job.cost[rows], job.folds[rows] % 3
    if few_points(features) or len(np.unique(folds)) < 2 or np.ptp(cost) == 0:
        return logarithm
    others = job.others[rows] if len(job.others) else job.others
    small = replace(job, features=features, cost=cost, folds=folds, others=others, validation=None, previous={})
    plain = Target.of(job.cost, log=False)
    errors = []
    for target in (logarithm, plain):
        fitting = _Fitting([way], small, target)
        held = fitting.cross_validated(way)
        errors.append(fitting.error(held.rows, held.mean))
    return plain if errors[1] < DOUBT * errors[0] else logarithm


class _Fitting:
    def __init__(self, ways: Sequence[Way], job: Job, target: Target) -> None:
        self._ways, self._job, self._target = ways, job, target
        self._values = target.forward(job.cost)
        others = [Target.of(cost).forward(cost) for cost in job.others.T]
        self._others = np.stack(others, axis=1) if others else np.empty((len(job.cost), 0))
        self._full: dict[str, Member] = {}

    def learn(self) -> Learned:
        held, method = self._unseen()
        rows = held[0].rows
        actual, folds = self._values[rows], self._job.folds[rows]
        spreads = [float(np.sqrt(np.mean((actual - one.mean) ** 2))) for one in held]
        means = np.array([one.mean for one in held])
        stds = np.array([known_deviations(one.std, spread) for one, spread in zip(held, spreads, strict=True)])
        found = blend(means, stds, actual, folds, lambda mean: self.error(rows, mean))
        kept = [i for i, weight in enumerate(found.weights) if weight > 0]
        members = tuple(self._member(self._ways[i]) for i in kept)
        fitted = FittedCost(
            self._target,
            members,
            tuple(float(found.weights[i]) for i in kept),
            tuple(spreads[i] for i in kept),
            factor(actual, found.mean, found.std),
            float(np.std(self._values, ddof=1)),
        )
        half = fitted.width * found.std
        bounds = (self._target.cost(mean) for mean in (found.mean, found.mean - half, found.mean + half))
        unseen = Unseen(rows.astype(np.int64), *bounds)
        return Learned(fitted, self._report(rows, found, method), self._notes(found, members), unseen)

    def _member(self, way: Way) -> Member:
        """What a way learns from all rows."""
        if way.label not in self._full:
            self._full[way.label] = way.fit(self._task(way), self._job.shape)
        return self._full[way.label]

    def _task(self, way: Way, rows: slice | NDArray[np.intp] = slice(None), sibling: Any = None) -> Task:
        job = self._job
        return Task(
            features=job.features[rows],
            values=self._values[rows],
            target=self._target,
            rng=job.rng,
            others=self._others[rows],
            validation=None if job.validation is None else job.validation[rows],
            previous=job.previous.get(way.label),
            sibling=sibling,
        )

    def _unseen(self) -> tuple[list[Held], str]:
        """What each way predicts of the same unseen points, and how these came to be unseen."""
        if all(way.sets_aside for way in self._ways):
            held = [getattr(self._member(way).regressor, "held", None) for way in self._ways]
            known = [one for one in held if isinstance(one, Held) and len(one.rows)]
            if len(known) == len(held) and all(np.array_equal(one.rows, known[0].rows) for one in known):
                return known, f"{counted(len(known[0].rows), 'point')} set aside"
        count = len(np.unique(self._job.folds))
        return [self.cross_validated(way) for way in self._ways], f"{count}-fold cross-validation"

    def cross_validated(self, way: Way) -> Held:
        """What a way predicts of each fold after learning from the others; the mean where these are too few."""
        folds, n = self._job.folds, len(self._values)
        rows = np.arange(n)
        if n > MOST_MEASURED:
            rows = np.sort(np.random.default_rng(n).choice(n, MOST_MEASURED, replace=False))
        mean, std = np.empty(len(rows)), np.empty(len(rows))
        sibling = None
        for fold in np.unique(folds[rows]):
            held, others = folds[rows] == fold, np.flatnonzero(folds != fold)
            if few_points(self._job.features[others]):
                mean[held], std[held] = self._values[others].mean(), np.nan
                continue
            member = way.fit(self._task(way, others, sibling), self._job.shape)
            sibling = member.regressor
            mean[held], std[held] = member.predict(self._job.features[rows[held]])
        return Held(rows, mean, std)

    def error(self, rows: NDArray[np.intp], mean: Vector) -> float:
        """The mean relative error of (m,) predicted targets, or where a cost is 0 or below, relative to the mean."""
        actual = self._job.cost[rows]
        apart = np.abs(self._target.cost(mean) - actual)
        if np.all(actual > 0):
            return float(100 * np.mean(apart / actual))
        return float(100 * np.mean(apart) / (np.mean(np.abs(actual)) or 1.0))

    def _report(self, rows: NDArray[np.intp], found: Blend, method: str) -> CostReport:
        actual, predicted = self._job.cost[rows], self._target.cost(found.mean)
        return CostReport(
            self._job.name,
            method,
            len(rows),
            metrics.mape(actual, predicted),
            metrics.r2(actual, predicted),
            metrics.rank_correlation(actual, predicted),
            coverage(self._values[rows], found.mean, found.std, self._job.folds[rows]),
        )

    def _notes(self, found: Blend, members: Sequence[Member]) -> tuple[str, ...]:
        notes = [note for member in members for note in member.regressor.notes]
        labels = [way.label for way in self._ways]
        if len(labels) == 1:
            return tuple(notes)
        order = np.argsort(found.errors, kind="stable")
        best, second = labels[order[0]], found.errors[order[1]] - found.errors[order[0]]
        told = ", ".join(f"{labels[i]} {percent(found.errors[i])}" for i in order)
        notes.append(f"error of unseen points by learner: {told}; {best} is best by {second:.2f} points")
        if len(members) > 1:
            notes.append(f"blended, {found.error:.2f} %: {share_text(labels, found.weights)}")
        return tuple(notes)
