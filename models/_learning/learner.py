"""A model of the contract around ways to learn: each cost on its own, judged, calibrated, saved and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, DeffeError, Features, Framework, ModelReport, Prediction
from deffe.errors import counted

from .fitted import FittedCost
from .fitting import Job, Learned, learn_cost
from .folds import LEAST_POINTS, distinct, fold_of
from .options import LearnerOptions, announce
from .prior import Prior, make_priors
from .regressor import Vector
from .way import PriorUse, Shape, Way


class TableLearner:
    """Learns each cost in the given ways and keeps the best or a blend of them.

    The class that a plugin's ``GetObject`` returns; a plugin is its options and its ways.

    Args:
        ways: without priors; sources of transfer add to them.
        source_ways: how a source's table of so many rows is learned; by default in the first way.
        start: what a cost's learning starts from, such as a checkpoint's weights; None for nothing.
    """

    goes_on = False
    """Whether a step starts from what the step before it learned; else a resumed run learns the same as any other."""

    def __init__(
        self,
        framework: Framework,
        ways: Sequence[Way],
        options: LearnerOptions,
        *,
        source_ways: Callable[[int], Sequence[Way]] | None = None,
        start: Callable[[str], Any] | None = None,
    ) -> None:
        self._framework, self._ways, self._options = framework, tuple(ways), options
        self._source_ways = source_ways or partial(_first_way, self._ways)
        self._start = start
        transfer = framework.config.model.transfer
        self._method = "auto" if transfer is None else transfer.method
        self._name, self._names = framework.name, tuple(framework.costs)
        self._learned: dict[str, Learned] = {}
        self._earlier: dict[str, FittedCost] = {}
        self._priors: dict[str, list[Prior]] = {}
        self._columns = 0

    def Initialize(self) -> None:
        """Tell which options have no effect."""
        announce(self._framework, self._name, self._options)

    def Run(self, features: Features, costs: Costs, step: int = 0) -> ModelReport:
        """Learn all costs and measure each on points not learned from.

        Args:
            features: (n, d) in [0, 1].
            costs: (n, c), of points that are done: finite.
        Raises:
            DeffeError: no points, or a number that is not finite, named with its row and cost.
        """
        return self.learn(features, costs, step)

    def learn(
        self, features: Features, costs: Costs, step: int, validation: NDArray[np.bool_] | None = None
    ) -> ModelReport:
        """``Run`` with (n,) bool, the rows that learners who choose weights set aside for it."""
        self._check(features, costs)
        rng = self._framework.rng(step)
        points = distinct(features)
        notes = self._notes_on_points(len(features), int(points.max()) + 1, features.shape[1])
        folds = fold_of(points, self._options.folds, rng)
        learned: dict[str, Learned] = {}
        for name, cost in zip(self._names, costs.T, strict=True):
            told = self._prepare_priors(name)
            wide, shape = self._with_priors(name, features)
            others = costs[:, [other != name for other in self._names]]
            job = Job(name, wide, shape, cost, folds, rng, others, validation, self._options.log, self._previous(name))
            found = learn_cost(self._ways_of(shape), job)
            told += [*found.notes, *_notes_on_cost(cost, found, self._options.log)]
            notes += [f"{name}: {note}" for note in told]
            learned[name] = found
        self._learned, self._columns = learned, features.shape[1]
        self._earlier = {name: found.fitted for name, found in learned.items()}
        reports = tuple(found.report for found in learned.values())
        unseen = {name: found.unseen for name, found in learned.items() if found.unseen is not None}
        return ModelReport(self._name, len(features), reports, tuple(notes), unseen)

    def Predict(self, features: Features) -> Prediction:
        """Predict (n, c) costs of (n, d) features.

        Raises:
            DeffeError: nothing was learned yet, or the number of features is another than was learned from.
        """
        if not self._learned:
            raise DeffeError(f"model {self._name!r} cannot predict before it has learned", "call Run first")
        check_features(self._name, features, self._columns)
        parts = [found.fitted.predict(self._with_priors(name, features)[0]) for name, found in self._learned.items()]
        return Prediction(*(np.stack(part, axis=1) for part in zip(*parts, strict=True)))

    def Means(self, features: Features, costs: Sequence[str]) -> Costs:
        """(n, k) means of some costs, as ``Predict`` gives them, without what their deviations would take."""
        check_features(self._name, features, self._columns)
        parts = [self._learned[name].fitted.means(self._with_priors(name, features)[0]) for name in costs]
        return np.stack(parts, axis=1)

    def Save(self, cost: str, folder: Path) -> Mapping[str, Any]:
        """Write what was learned of one cost; facts for JSON, which ``restore`` needs."""
        if cost not in self._learned:
            raise DeffeError(f"model {self._name!r} has learned nothing of {cost!r}", "call Run first")
        return self.save_fitted(cost, self._learned[cost].fitted, folder)

    def save_fitted(self, cost: str, fitted: FittedCost, folder: Path) -> Mapping[str, Any]:
        """``Save`` for one cost as it is given."""
        priors = [prior.save(folder / f"source{i}") for i, prior in enumerate(self._priors.get(cost, []))]
        return {"columns": self._columns, "fitted": fitted.save(folder), "priors": priors}

    def _previous(self, cost: str) -> dict[str, Any]:
        """What was learned of a cost before, by the label of its way."""
        if self.goes_on and cost in self._earlier:
            return {member.label: member.regressor for member in self._earlier[cost].members}
        start = self._start(cost) if self._start else None
        return {} if start is None else {way.label: start for way in self._ways}

    def _prepare_priors(self, cost: str) -> list[str]:
        """Learn from the sources what they know of a cost, once; notes."""
        sources, seed = self._framework.sources, self._framework.seed
        if cost in self._priors or not sources or self._method == "none" or self._start:
            return []
        self._priors[cost], notes = make_priors(sources, cost, self._framework.space, self._source_ways, seed)
        return notes

    def _with_priors(self, cost: str, features: Features) -> tuple[Features, Shape]:
        """The features with a column a prior behind them, and what is where."""
        width = features.shape[1]
        derived = tuple(self._framework.space.derived_columns)
        knobs = tuple(i for i in range(width) if i not in derived)
        priors = self._priors.get(cost, [])
        wide = _beside(features, priors)
        return wide, Shape(knobs, derived, tuple(range(width, width + len(priors))))

    def _ways_of(self, shape: Shape) -> list[Way]:
        """The ways that the columns at hand allow."""
        ways = [way for way in self._ways if way.derived or shape.derived]
        if not shape.priors:
            return ways
        uses: tuple[PriorUse, ...] = ("feature", "residual") if self._method == "auto" else (self._method,)
        more = [replace(way, prior=use) for way in ways if way.derived for use in uses]
        return [*ways, *more] if self._method == "auto" else more

    def _check(self, features: Features, costs: Costs) -> None:
        name = self._name
        if costs.ndim != 2 or costs.shape[1] != len(self._names) or features.ndim != 2 or len(features) != len(costs):
            found = f"features {features.shape}, costs {costs.shape}"
            raise DeffeError(f"model {name!r}: expected (n, d) and (n, {len(self._names)}), got {found}")
        if len(costs) == 0 or not self._names:
            raise DeffeError(f"model {name!r} has no {'points' if len(costs) == 0 else 'costs'} to learn from")
        bad = np.argwhere(~np.isfinite(costs))
        if len(bad):
            row, column = bad[0]
            found = f"{self._names[column]} is {costs[row, column]} in row {row}"
            raise DeffeError(f"model {name!r}: {found}", "models learn from points whose costs are all finite")
        if not np.all(np.isfinite(features)):
            row = int(np.argwhere(~np.isfinite(features))[0, 0])
            raise DeffeError(f"model {name!r}: a feature of row {row} is not finite", "features lie in [0, 1]")

    def _notes_on_points(self, rows: int, points: int, columns: int) -> list[str]:
        notes, folds = [], self._options.folds
        if columns == 0:
            notes.append("no knob varies: the mean is predicted")
        elif points < LEAST_POINTS:
            notes.append(
                f"{counted(points, 'distinct point')}, too few to learn from: the mean is predicted, no error is known"
            )
        elif points < folds:
            notes.append(f"{counted(points, 'distinct point')} for {folds} folds: each point is a fold of its own")
        if columns and points < rows:
            notes.append(f"{rows} rows are {counted(points, 'distinct point')}; equal points are kept in the same fold")
        return notes


class Restored:
    """One cost of a checkpoint, ready to predict.

    Args:
        columns: the number of features it was learned from.
    """

    def __init__(self, fitted: FittedCost, priors: Sequence[Prior], columns: int) -> None:
        self.fitted, self._priors, self._columns = fitted, tuple(priors), columns

    def Predict(self, features: Features) -> Prediction:
        """(n, 1) predictions of (n, d) features."""
        check_features("checkpoint", features, self._columns)
        parts = self.fitted.predict(_beside(features, self._priors))
        return Prediction(*(part[:, None] for part in parts))


def restore(folder: Path, facts: Mapping[str, Any], trust: bool) -> Restored:
    """What ``TableLearner.Save`` wrote; every such model's ``Restore``.

    Raises:
        DeffeError: it is damaged, or was written by a learner that is not known here.
    """
    with damage_named(folder):
        fitted = FittedCost.restore(folder, facts["fitted"], trust)
        priors = [Prior.restore(folder / f"source{i}", each, trust) for i, each in enumerate(facts["priors"])]
        return Restored(fitted, priors, int(facts["columns"]))


def check_features(name: str, features: Features, columns: int) -> None:
    """That (n, d) features are finite and as many as were learned from.

    Raises:
        DeffeError: they are not.
    """
    if features.ndim != 2 or features.shape[1] != columns:
        raise DeffeError(f"model {name!r} learned from {columns} features, got shape {features.shape}")
    if not np.all(np.isfinite(features)):
        raise DeffeError(f"model {name!r}: a feature is not finite", "features lie in [0, 1]")


def _first_way(ways: Sequence[Way], rows: int) -> Sequence[Way]:
    return ways[:1]


def _beside(features: Features, priors: Sequence[Prior]) -> Features:
    return np.column_stack([features, *(prior.column(features) for prior in priors)]) if priors else features


@contextmanager
def damage_named(folder: Path) -> Iterator[None]:
    """Facts that are not as they were written become a DeffeError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        found = f"{folder}: what was learned cannot be read from it ({type(error).__name__}: {error})"
        raise DeffeError(found, "it is damaged, or was written by another version") from error


def _notes_on_cost(cost: Vector, found: Learned, log: bool | None) -> list[str]:
    target, report = found.fitted.target, found.report
    if target.scale == 0:
        return [f"is {cost[0]:g} at all points learned from, and is predicted so"]
    notes = []
    if log is not False and np.any(cost < 0):
        notes.append("has values below 0: learned without the logarithm")
    if np.any(cost == 0):
        notes.append("has values of 0: no percentage error")
    if report.points and not report.r2 > 0:
        notes.append(f"the model is useless: on unseen points no better than the mean (R2 {report.r2:.2f})")
    return notes


__all__ = ["Restored", "TableLearner", "restore"]
