"""The designs that a run recommends: the best evaluated, the best predicted, and those that its explorer names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.answer.best import BestPoints
from deffe.config import Objective
from deffe.errors import DeffeError, PluginError
from deffe.learn.learner import Learner
from deffe.outlook.counting import ALL, Counting
from deffe.outlook.neighbours import Surroundings
from deffe.outlook.probability_of_improvement import probability_of_improvement
from deffe.plugins import Lazy
from deffe.prepare.plan import Plan
from deffe.records import PARTS, Answer, Costs, Ids, Levels, Prediction
from deffe.tables import Designs


@dataclass(frozen=True)
class Measured:
    """The points that are done: (n, p) levels, (n, c) costs, (n,) ids; and (f, p) levels of those that failed."""

    levels: Levels
    costs: Costs
    ids: Ids
    failed: Levels


@dataclass
class Found:
    """Recommended designs, each once, the best first.

    Args:
        levels: a (p,) point each.
        why: what speaks for each.
        given: what an explorer predicts of each, a Prediction of one row; None to ask the model.
    """

    levels: list[NDArray[np.int32]] = field(default_factory=list)
    why: list[list[str]] = field(default_factory=list)
    given: list[Prediction | None] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)

    def add(self, levels: Levels, ids: Ids, why: Sequence[str], given: Prediction | None = None) -> None:
        """Add (n, p) points, or what else speaks for those that are there."""
        for i, (point, number, text) in enumerate(zip(levels, ids.tolist(), why, strict=True)):
            if number not in self.places:
                self.places[number] = len(self.levels)
                self.levels.append(point)
                self.why.append([])
                self.given.append(given.take(np.array([i])) if given is not None else None)
            self.why[self.places[number]].append(text)


class Recommendation:
    """Collects what a run recommends.

    Args:
        costs: names of all costs.
        most: points for each objective.
        counting: the points that may be recommended, and that others are held against.
    """

    def __init__(
        self,
        plan: Plan,
        costs: Sequence[str],
        objectives: Sequence[Objective],
        most: int,
        measured: Measured,
        learner: Learner | None,
        counting: Counting = ALL,
    ) -> None:
        self._plan, self._costs, self._objectives = plan, tuple(costs), tuple(objectives)
        self._measured, self._learner = measured, learner
        self._known = {number: row for row, number in enumerate(measured.ids.tolist())}
        columns, goals = [self._costs.index(o.cost) for o in objectives], [o.goal for o in objectives]
        self._counts = counting.of(measured.levels)
        self.best = BestPoints(columns, goals, most, counting=counting)
        self.best.add(measured.levels, measured.costs)
        self.named: Answer | None = None
        self.notes = self._strange()

    def _strange(self) -> list[str]:
        """A line for each thing about the evaluated points that makes it hard to tell which is best."""
        costs, notes = self._measured.costs[self._counts][:, list(self.best.columns)], []
        if len(costs) < 2:
            return []
        for objective, column in zip(self._objectives, costs.T, strict=True):
            if np.ptp(column) == 0:
                notes.append(f"{objective.cost} is {column[0]:g} at every evaluated point: by it, none is better")
        if costs.shape[1] > 1 and not notes and len(self.best.front()) == 1:
            notes.append("one evaluated point is best in every objective: so far they do not conflict")
        return notes

    def ask(self, table: Lazy) -> None:
        """Ask the explorer for its answer; one that fails is noted, and the others stand."""
        explorer = self._plan.explorer
        if not explorer.has("Answer"):
            return
        try:
            answer = explorer.ask("Answer", model=self._learner, table=table, known=np.sort(self._measured.ids))
            self._check(answer)
            self.named = answer if answer is not None and len(answer.points) else None
        except DeffeError as error:
            self.notes.append(f"no answer of the explorer: {error.message}")

    def _check(self, answer: object) -> None:
        name = f"explorer {self._plan.explorer.name!r}: Answer"
        if answer is None:
            return
        if not isinstance(answer, Answer):
            raise PluginError(f"{name} gave {type(answer).__name__}", "an Answer, or None")
        if not self._plan.space.valid(answer.points.levels).all():
            raise PluginError(f"{name} recommends points that are not in the design space")
        told = None if answer.prediction is None else answer.prediction.mean.shape
        if told not in (None, (len(answer.points), len(self._objectives))):
            raise PluginError(f"{name} predicts {told}", "a row a point, a column an objective")

    def designs(self, predicted: BestPoints | None) -> Designs:
        """All recommended designs: the explorer's, the best evaluated, and the best of the predicted."""
        found = Found()
        if self.named is not None:
            points = self.named.points
            texts = [f"{self._plan.explorer.name}: {text}" for text in self.named.why or ("",) * len(points)]
            found.add(points.levels, self._plan.space.ids(points.levels), texts, self.named.prediction)
        self._add(found, self.best, [o.cost for o in self._objectives], "evaluated")
        if predicted is not None and self._learner is not None:
            self._add(found, predicted, [self._learner.costs[column] for column in predicted.columns], "predicted")
        levels = np.array(found.levels, dtype=np.int32).reshape(-1, len(self._plan.space.names))
        measured = np.full((len(levels), len(self._costs)), np.nan)
        for number, row in found.places.items():
            if number in self._known:
                measured[row] = self._measured.costs[self._known[number]]
        prediction = self._predict(levels, np.flatnonzero(np.isnan(measured).all(axis=1)), found.given)
        why = tuple("; ".join(texts) for texts in found.why)
        return Designs(
            levels, why, measured, self.predicted, prediction, self._chances(levels, prediction), found.places
        )

    def _add(self, found: Found, best: BestPoints, costs: Sequence[str], what: str) -> None:
        if best.levels is None:
            return
        ids = self._plan.space.ids(best.levels)
        for i, cost in enumerate(costs):
            rows = best.top(i)
            texts = [f"{_place(rank)} {what} {cost}" for rank in range(1, len(rows) + 1)]
            found.add(best.levels[rows], ids[rows], texts)
        if len(costs) > 1:
            rows = best.front()
            found.add(best.levels[rows], ids[rows], [f"{what} Pareto front"] * len(rows))

    @property
    def predicted(self) -> tuple[str, ...]:
        """Names of the costs that are predicted of recommended designs: by the model, or by the explorer."""
        named = self.named is not None and self.named.prediction is not None
        by_explorer = [o.cost for o in self._objectives] if named else []
        return tuple(dict.fromkeys([*(self._learner.costs if self._learner else ()), *by_explorer]))

    def _predict(self, levels: Levels, unseen: NDArray[np.intp], given: Sequence[Prediction | None]) -> Prediction:
        """(n, predicted) predictions of the unseen designs; what an explorer predicts wins over what the model does."""
        names = self.predicted
        parts = [np.full((len(levels), len(names)), np.nan) for _ in PARTS]
        if self._learner is not None and len(unseen):
            made = self._learner.Predict(levels[unseen])
            columns = np.array([names.index(cost) for cost in self._learner.costs], dtype=np.intp)
            for part, name in zip(parts, PARTS, strict=True):
                part[np.ix_(unseen, columns)] = getattr(made, name)
        for row in unseen.tolist():
            told = given[row]
            if told is not None:
                places = [names.index(o.cost) for o in self._objectives]
                for part, name in zip(parts, PARTS, strict=True):
                    part[row, places] = getattr(told, name)[0]
        return Prediction(*parts)

    def chance(self, levels: Levels, prediction: Prediction, cost: str) -> NDArray[np.float64]:
        """(n,) how likely (n, p) points with these predictions have a better cost than all evaluated ones."""
        column, i = self.predicted.index(cost), [o.cost for o in self._objectives].index(cost)
        one = prediction.of_costs([column])
        rows = self.best.top(i)[:1]
        nothing = np.empty((0, 1))
        measured = nothing if self.best.costs is None else self.best.costs[rows][:, [self._costs.index(cost)]]
        return probability_of_improvement(one, measured, [self._objectives[i].goal]) * self._works(levels)

    def _works(self, levels: Levels) -> NDArray[np.float64]:
        """(n,) how likely each of (n, p) points does not fail."""
        if not len(self._measured.failed) or not len(levels):
            return np.ones(len(levels))
        return self._around.chance(self._plan.space.features(levels))

    @cached_property
    def _around(self) -> Surroundings:
        ended = np.concatenate([self._measured.levels, self._measured.failed])
        return Surroundings(self._plan.space, ended, np.arange(len(ended)) < len(self._measured.levels))

    def _chances(self, levels: Levels, prediction: Prediction) -> NDArray[np.float64]:
        """(n,) how likely (n, p) points with these predictions are better than all evaluated ones; NaN if not known."""
        costs = self.predicted
        used = [o for o in self._objectives if o.cost in costs]
        columns = [costs.index(o.cost) for o in used]
        if not used:
            return np.full(len(prediction.mean), np.nan)
        goals = [o.goal for o in used]
        actual = self._measured.costs[self._counts][:, [self._costs.index(o.cost) for o in used]]
        front = actual[metrics.pareto_mask(actual, goals)]
        return probability_of_improvement(prediction.of_costs(columns), front, goals) * self._works(levels)


def _place(rank: int) -> str:
    """Such as ``best``, ``2nd best``."""
    if rank == 1:
        return "best"
    last = rank % 10 if rank % 100 not in (11, 12, 13) else 0
    return f"{rank}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') } best"
