"""The last act of an exploration: predict the rest, write the tables, sum up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from deffe import metrics
from deffe.config import Config
from deffe.errors import counted
from deffe.records import CostReport, Costs, Levels, Prediction, State
from deffe.run.derived import DerivedCosts
from deffe.run.learning import Learner, measure
from deffe.run.loop import Explored
from deffe.run.plan import Plan
from deffe.run.remainder import BestPoints, predict_unseen, unseen
from deffe.run.settings import Settings
from deffe.run.spread import Spread
from deffe.run.summary import BestPoint, Summary, describe_point
from deffe.store import Store
from deffe.tables import TablePaths, TableWriter, table_paths, write_min_max
from deffe.values import text


def tables_of(plans: Sequence[Plan]) -> list[TablePaths]:
    """Where the tables of each exploration go, relative to the current folder."""
    keys = ("all_table", "evaluation_table", "ml_predict_table", "evaluation_predict_table")
    return table_paths(Path.cwd(), [(plan.name, [plan.exploration.tables[key] for key in keys]) for plan in plans])


class Report:
    """Tables and summary of one exploration.

    Args:
        spread: where predictions are made; None for here.
    """

    def __init__(
        self,
        config: Config,
        settings: Settings,
        explored: Explored,
        index: int,
        store: Store,
        spread: Spread | None = None,
    ) -> None:
        self._spread = spread
        self._config = config
        self._settings = settings
        self._explored = explored
        self._plan = explored.plan
        self._index = index
        self._store = store
        self._goals = [objective.goal for objective in config.objectives]

    def write(self, paths: TablePaths) -> Summary:
        """Predict the points that were not evaluated, write all tables, and sum up."""
        plan, store = self._plan, self._store
        learner = self._explored.learner if self._settings.infer else None
        summary = self._summary()
        space = plan.exploration.space
        predicted = learner.costs if learner else ()
        with TableWriter(store, self._index, space, self._config.all_costs, paths, predicted) as tables:
            if learner:
                self._predict(learner, tables, summary)
        summary.written = [*tables.written, write_min_max(Path.cwd() / f"{plan.name}-minmax.json", space)]
        return summary

    def _predict(self, learner: Learner, tables: TableWriter, summary: Summary) -> None:
        known = np.sort(self._store.known(self._index))
        rng = np.random.default_rng([self._settings.seed, self._index])
        chunks = unseen(self._plan.space, known, self._settings.predict_limit, rng)
        learned = [o for o in self._config.objectives if o.cost in learner.costs]
        best = BestPoints([learner.costs.index(o.cost) for o in learned], [o.goal for o in learned])
        checked = _Checked(learner, self._plan, DerivedCosts(self._config.costs, self._config.derived_costs))

        def write(levels: Levels, prediction: Prediction) -> None:
            tables.write(levels, prediction)
            checked.add(levels, prediction)

        summary.predicted = predict_unseen(learner, chunks, best, write, self._spread)
        summary.best_predicted = self._best_predicted(learner, best)
        summary.notes = learner.strange if summary.predicted else []
        summary.trusted = [*summary.trusted, *checked.reports(self._config.all_costs)]

    def _summary(self) -> Summary:
        plan, explored = self._plan, self._explored
        levels, costs, _ = self._store.done(self._index)
        report = explored.learner.report if explored.learner else None
        sources = self._store.tally(self._index, "source")
        summary = Summary(
            name=plan.name,
            stopped=explored.stopped,
            size=plan.space.size,
            about=not plan.space.size_is_exact,
            counts=self._store.count(self._index),
            looked_up=sources.get("pre_evaluated", 0),
            reasons=list(self._store.tally(self._index, "reason").items()),
            trusted=[*(report.costs if report else ()), *explored.ahead],
            best=self._best(levels, costs),
        )
        summary.front = self._front(levels, costs)
        return summary

    def _best(self, levels: Levels, costs: Costs) -> list[BestPoint]:
        found = []
        for objective in self._config.objectives:
            values = costs[:, self._config.all_costs.index(objective.cost)]
            if len(values):
                row = int(np.argmin(values) if objective.goal == "min" else np.argmax(values))
                found.append(BestPoint(objective.cost, objective.goal, float(values[row]), self._describe(levels[row])))
        return found

    def _best_predicted(self, learner: Learner, best: BestPoints) -> list[BestPoint]:
        found = []
        for i, (column, goal) in enumerate(zip(best.columns, best.goals, strict=True)):
            row = best.best(i)
            if row is not None and best.levels is not None and best.costs is not None:
                spread = learner.Predict(best.levels[row : row + 1]).std[0, column]
                point = self._describe(best.levels[row])
                found.append(
                    BestPoint(learner.costs[column], goal, float(best.costs[row, column]), point, float(spread))
                )
        return found

    def _describe(self, point: Levels) -> str:
        space = self._plan.space
        varying = {parameter.name for parameter in space.parameters if len(parameter.values) > 1}
        values = space.trial_values(point)
        return describe_point({name: text(value) for name, value in values.items() if name in varying})

    def _front(self, levels: Levels, costs: Costs) -> pd.DataFrame | None:
        if len(self._config.objectives) < 2 or not len(levels):
            return None
        columns = [self._config.all_costs.index(objective.cost) for objective in self._config.objectives]
        rows = np.flatnonzero(metrics.pareto_mask(costs[:, columns], self._goals))
        rows = rows[np.argsort(costs[rows, columns[0]], kind="stable")]
        frame: pd.DataFrame = self._plan.space.frame(levels[rows])
        frame = frame[[p.name for p in self._plan.space.parameters if len(p.values) > 1]]
        for objective, column in zip(self._config.objectives, columns, strict=True):
            frame[objective.cost] = costs[rows, column]
        return frame


class _Checked:
    """Compares predictions with results that a table has, but that were never learned from."""

    def __init__(self, learner: Learner, plan: Plan, derived: DerivedCosts) -> None:
        self._learner = learner
        self._derived = derived
        self._known = plan.known
        self._space = plan.space
        self._actual: list[Costs] = []
        self._predicted: list[Prediction] = []

    def add(self, levels: Levels, prediction: Prediction) -> None:
        if self._known is None:
            return
        rows, found = self._known.find(self._space.ids(levels))
        done = self._known.states[rows] == State.DONE
        rows = rows[done]
        self._actual.append(self._derived.extend(self._space, self._known.levels[rows], self._known.costs[rows]))
        self._predicted.append(prediction.take(np.flatnonzero(found)[done]))

    def reports(self, costs: Sequence[str]) -> list[CostReport]:
        """One report for each learned cost."""
        if not self._actual or not sum(map(len, self._actual)):
            return []
        actual, predicted = np.concatenate(self._actual), Prediction.joined(self._predicted)
        found = []
        for i, cost in enumerate(self._learner.learned):
            column = list(costs).index(cost)
            method = f"{counted(len(actual), 'point')} of the table, not evaluated"
            bounds = predicted.mean[:, i], predicted.lower[:, i], predicted.upper[:, i]
            found.append(measure(cost, method, actual[:, column], *bounds))
        return found
