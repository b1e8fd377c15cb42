"""The last act of an exploration: predict the rest, write the tables, sum up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from deffe import metrics
from deffe.answer.best import BestPoints
from deffe.answer.drivers import driver_lines, quick_effects
from deffe.answer.explored import Explored
from deffe.answer.recommended import Measured, Recommendation
from deffe.answer.remainder import predict_unseen, unseen
from deffe.answer.spread import Spread
from deffe.answer.summary import BestPoint, Summary
from deffe.answer.sweep import Sweep, Sweeper
from deffe.config import Config
from deffe.errors import counted
from deffe.learn.learner import Learner, judged_of, reports_of
from deffe.operate.judged import Judged, key
from deffe.operate.notes import effects_key, forecast_key
from deffe.outlook.by_model import Outlook
from deffe.outlook.counting import counting, told
from deffe.outlook.forecast import Forecast
from deffe.outlook.neighbours import differing, nearest_rows
from deffe.plugins import Lazy
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.records import PARTS, CostReport, Costs, Ids, Levels, Prediction, State
from deffe.space.derived_costs import DerivedCosts
from deffe.space.proposals import few_left
from deffe.store import ExplorationHistory, Store
from deffe.tables import Designs, TablePaths, TableWriter, table_paths, write_min_max, write_recommended
from deffe.values import text
from deffe.words import describe_point, number


def tables_of(plans: Sequence[Plan]) -> list[TablePaths]:
    """Where the tables of each exploration go, relative to the current folder."""
    keys = ("all_table", "evaluation_table", "ml_predict_table", "evaluation_predict_table", "recommended_table")
    return table_paths(Path.cwd(), [(plan.name, [plan.exploration.tables[key] for key in keys]) for plan in plans])


class Report:
    """Tables and summary of one exploration.

    Args:
        spread: where predictions are made; None for here.
        sweeper: where a whole space is predicted, if that is asked for.
    """

    def __init__(
        self,
        config: Config,
        settings: Settings,
        explored: Explored,
        index: int,
        store: Store,
        spread: Spread | None = None,
        sweeper: Sweeper | None = None,
    ) -> None:
        self._spread, self._sweeper = spread, sweeper
        self._config = config
        self._settings = settings
        self._explored = explored
        self._plan = explored.plan
        self._index = index
        self._store = store
        self._counting = counting(self._plan)
        self._goals = [objective.goal for objective in config.objectives]

    def write(self, paths: TablePaths) -> Summary:
        """Predict the points that were not evaluated, write all tables, and sum up."""
        plan, store = self._plan, self._store
        learner = self._explored.learner if self._settings.infer else None
        config = self._config
        history = store.history(self._index)
        measured = Measured(*store.done(self._index), failed=history.levels[history.states > State.DONE])
        most = config.exploration.recommend
        advice = Recommendation(plan, config.all_costs, config.objectives, most, measured, learner, self._counting)
        if self._explored.finished:
            advice.ask(Lazy(lambda: store.table(self._index)))
        summary = self._summary(advice, measured)
        space = plan.exploration.space
        predicted = learner.costs if learner else ()
        with TableWriter(store, self._index, space, config.all_costs, paths, predicted) as tables:
            best = self._predict(learner, history, tables, summary) if learner else None
        store.set_meta(forecast_key(self._index), summary.forecast.to_note())
        designs = advice.designs(best)
        summary.best_predicted = self._best_predicted(designs, best, advice, measured)
        summary.named = self._named(designs, advice)
        summary.likely = _likely(designs, best)
        summary.notes = [*summary.notes, *advice.notes]
        ended = sum(summary.counts.get(state, 0) for state in (State.FAILED, State.TIMED_OUT, State.INVALID))
        if ended and not len(measured.ids):
            summary.notes.append("no point has been evaluated with success: there is nothing to learn or recommend")
        summary.written = [*tables.written, *self._write_designs(designs, paths.recommended)]
        summary.written.append(write_min_max(Path.cwd() / f"{plan.name}-minmax.json", space))
        return summary

    def _predict(
        self, learner: Learner, history: ExplorationHistory, tables: TableWriter, summary: Summary
    ) -> BestPoints:
        known = np.sort(self._store.known(self._index))
        rng = np.random.default_rng([self._settings.seed, self._index])
        chunks = unseen(self._plan.space, known, self._settings.predict_limit, rng)
        learned = [o for o in self._config.objectives if o.cost in learner.costs]
        columns, goals = [learner.costs.index(o.cost) for o in learned], [o.goal for o in learned]
        best = BestPoints(columns, goals, self._config.exploration.recommend, counting=self._counting)
        whole = few_left(self._plan.space, len(known), self._settings.predict_limit)
        costs = self._config.all_costs
        objectives, draws = self._config.objectives, rng.spawn(1)[0]
        outlook = Outlook(self._plan.space, costs, objectives, history, learner, whole, draws, self._counting)
        checked = _Checked(learner, self._plan, DerivedCosts(self._config.costs, self._config.derived_costs))

        def write(levels: Levels, prediction: Prediction) -> None:
            tables.write(levels, prediction)
            checked.add(levels, prediction)
            outlook.add(levels, prediction)

        summary.predicted = summary.tabled = predict_unseen(learner, chunks, best, write, self._spread)
        if self._settings.predict_space and not whole and self._sweeper is not None:
            empty = replace(best, levels=None, costs=None)
            swept = self._sweeper.best(Sweep(learner, self._plan.space, known, empty))
            summary.predicted, best = swept.count, swept.best
        summary.forecast = outlook.forecast(self._explored.guided)
        summary.notes = learner.strange if summary.predicted else []
        summary.drivers = self._drivers(learner)
        reports, judged = checked.reports(self._config.all_costs)
        summary.trusted = [*summary.trusted, *reports]
        if judged or self._store.get_meta(key(self._index, None)):
            self._store.set_meta(key(self._index, None), [one.to_note() for one in judged])
        return best

    def _drivers(self, learner: Learner) -> list[str]:
        """What drives each cost; it is kept in the run directory, for those who draw it."""
        report = learner.report.costs if learner.report else ()
        effects = quick_effects(self._plan.exploration.space, learner, report, self._settings.seed)
        self._store.set_meta(effects_key(self._index), effects.to_json() if effects else None)
        return driver_lines(effects) if effects else []

    def _write_designs(self, designs: Designs, path: Path | None) -> list[Path]:
        space = self._plan.exploration.space
        return [write_recommended(self._store, path, space, self._config.all_costs, designs)] if path else []

    def _summary(self, advice: Recommendation, measured: Measured) -> Summary:
        plan, explored = self._plan, self._explored
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
            best=self._best(advice.best),
            counting=told(plan) or {},
            forecast=Forecast(silent=self._no_forecast()),
        )
        counts = self._counting.of(measured.levels)
        summary.front = self._front(measured.levels[counts], measured.costs[counts])
        return summary

    def _no_forecast(self) -> str:
        if self._explored.learner is None:
            return "no model has learned from these points"
        return "" if self._settings.infer else "the other points were not predicted (-no-inference)"

    def _best(self, best: BestPoints) -> list[BestPoint]:
        found = []
        for i, objective in enumerate(self._config.objectives):
            row = best.best(i)
            if row is not None and best.levels is not None and best.costs is not None:
                value = float(best.costs[row, best.columns[i]])
                found.append(BestPoint(objective.cost, objective.goal, value, self._describe(best.levels[row])))
        return found

    def _best_predicted(
        self, designs: Designs, best: BestPoints | None, advice: Recommendation, measured: Measured
    ) -> list[BestPoint]:
        if best is None or best.levels is None:
            return []
        rows = [best.best(i) for i in range(len(best.columns))]
        found = []
        for column, goal, row in zip(best.columns, best.goals, rows, strict=True):
            if row is not None:
                place = designs.places[int(self._plan.space.ids(best.levels[row : row + 1])[0])]
                made, cost = designs.prediction.take(np.array([place])), designs.predicted[column]
                mean, std, lower, upper = (float(getattr(made, part)[0, column]) for part in PARTS)
                chance = float(advice.chance(designs.levels[[place]], made, cost)[0])
                point, near = self._describe(designs.levels[place]), self._near(designs.levels[place], cost, measured)
                found.append(BestPoint(cost, goal, mean, point, std, lower, upper, chance, near))
        return found

    def _near(self, point: Levels, cost: str, measured: Measured) -> str:
        """The evaluated point nearest to a point: its cost, and the knobs in which it differs."""
        if not len(measured.levels):
            return ""
        space = self._plan.exploration.space
        row = nearest_rows(space, space.features(point[None])[0], measured.levels, 1)[0]
        value = number(float(measured.costs[row, self._config.all_costs.index(cost)]))
        return f"{cost} = {value} with {differing(space, space.trial_values(point), measured.levels[row])}"

    def _named(self, designs: Designs, advice: Recommendation) -> list[str]:
        """The designs that the explorer names, as lines of text."""
        if advice.named is None:
            return []
        lines = []
        for row in range(min(len(set(advice.named.points.ids.tolist())), len(designs.levels))):
            measured = not np.isnan(designs.measured[row]).all()
            values = designs.measured[row] if measured else designs.prediction.mean[row]
            names = self._config.all_costs if measured else designs.predicted
            told = [
                f"{o.cost} = {number(values[names.index(o.cost)])}" for o in self._config.objectives if o.cost in names
            ]
            what = "evaluated" if measured else "predicted"
            lines.append(f"{', '.join(told)} ({what})  at {self._describe(designs.levels[row])}")
        return lines

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


def _likely(designs: Designs, best: BestPoints | None) -> tuple[int, int] | None:
    """Points of the predicted front, and those of them that are more likely than not better than all evaluated ones."""
    if best is None or best.levels is None or len(best.columns) < 2:
        return None
    rows = [row for row, why in enumerate(designs.why) if "predicted Pareto front" in why]
    return len(rows), int((designs.chance[rows] > 0.5).sum())


class _Checked:
    """Compares predictions with results that a table has, but that were never learned from."""

    def __init__(self, learner: Learner, plan: Plan, derived: DerivedCosts) -> None:
        self._learner = learner
        self._derived = derived
        self._known = plan.known
        self._space = plan.space
        self._ids: list[Ids] = []
        self._actual: list[Costs] = []
        self._predicted: list[Prediction] = []

    def add(self, levels: Levels, prediction: Prediction) -> None:
        if self._known is None:
            return
        rows, found = self._known.find(self._space.ids(levels))
        done = self._known.states[rows] == State.DONE
        rows = rows[done]
        self._ids.append(self._known.ids[rows])
        self._actual.append(self._derived.extend(self._space, self._known.levels[rows], self._known.costs[rows]))
        self._predicted.append(prediction.take(np.flatnonzero(found)[done]))

    def reports(self, costs: Sequence[str]) -> tuple[list[CostReport], list[Judged]]:
        """One report for each learned cost, and the comparison point by point."""
        if not self._actual or not sum(map(len, self._actual)):
            return [], []
        actual, predicted = np.concatenate(self._actual), Prediction.joined(self._predicted)
        method = f"{counted(len(actual), 'point')} of the table, not evaluated"
        learned = self._learner.learned
        actual = actual[:, [list(costs).index(cost) for cost in learned]]
        reports = list(reports_of(learned, method, actual, predicted))
        return reports, list(judged_of(learned, method, np.concatenate(self._ids), actual, predicted))
