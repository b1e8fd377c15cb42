"""Inference only: predicts the points of a CSV file, by checkpoints or by what a run or a table teaches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deffe.answer.summary import UNSEEN, error_lines
from deffe.config import Config
from deffe.errors import TableError, UsageError, counted
from deffe.learn.keeping import split_of
from deffe.learn.learner import Learner, measure
from deffe.prepare.plan import Plan, known_table
from deffe.prepare.settings import Settings
from deffe.prepare.transfer import initial_checkpoints
from deffe.queries.predictors import CheckpointPredictor, LearnedPredictor, Predictor
from deffe.records import CostReport, Costs, Ids, Levels, Prediction, State
from deffe.space.derived_costs import DerivedCosts
from deffe.store import DATABASE_NAME, Store
from deffe.tables import Asked, AskedPoints, PredictionWriter, check_replaceable, is_prediction_header
from deffe.tables.columns import bookkeeping

DEFAULT_OUTPUT = "predictions.csv"
MOST_MEASURED = 1_000_000
"""Rows with known costs that errors are measured on at most."""
SEEN = "error on the rows of the input, some of which a checkpoint may have learned from"


def infer(
    config: Config,
    settings: Settings,
    plans: Sequence[Plan],
    flags: Mapping[str, Any],
    log: logging.Logger,
    say: Callable[[str], None],
) -> int:
    """Predict the points of ``-input`` into ``-output``; true costs, where the input has them, give errors.

    Checkpoints given by ``-icp`` predict. Without them the model learns from the results of the run directory or,
    where there is no run, from the table of known results.
    """
    plan = _only(plans)
    if not flags.get("input"):
        raise UsageError("-inference-only needs points to predict", "give -input FILE, a CSV with a column a knob")
    space = plan.exploration.space
    names = [name for p in space.parameters for name in (p.name, p.map)]
    points = AskedPoints(Path(flags["input"]), names, config.all_costs)
    output = _output(config, plan, flags, points.path)
    if settings.icp:
        models = initial_checkpoints(config, settings, space, plan.learned, log, exact=True)
        predictor = CheckpointPredictor(models, space, points, log)
        compared = _predict(predictor, points, output)
        if predictor.outside:
            text = "%s outside of what the checkpoints learned from, of %s: the model extrapolates there"
            log.warning(text, counted(predictor.outside, "row lies", "rows lie"), f"{compared.rows:,}")
        _tell(say, compared, output, [], UNSEEN if predictor.tells_unseen else SEEN)
        return 0
    learned, ids, reports = _learn(config, settings, plan)
    compared = _predict(LearnedPredictor(learned, space, ids, points), points, output)
    _tell(say, compared, output, reports, UNSEEN)
    for line in learned.strange:
        log.warning("%s", line)
    return 0


def _output(config: Config, plan: Plan, flags: Mapping[str, Any], source: Path) -> Path:
    """Where the predictions go; UsageError where that would overwrite something else."""
    output = Path(flags.get("output") or DEFAULT_OUTPUT)
    table = known_table(plan.exploration, flags)
    used = {"the input": source, "the configuration": config.source}
    used |= {"the table of known results": table} if table else {}
    check_replaceable(output, "-output", is_prediction_header, used)
    return output


def _tell(
    say: Callable[[str], None], compared: _Compared, output: Path, reports: Sequence[CostReport], heading: str
) -> None:
    first = f"{counted(compared.rows, 'point')} predicted, written to {output}"
    say("\n".join([first, *error_lines([*reports, *compared.reports()], heading)]))


def _only(plans: Sequence[Plan]) -> Plan:
    if len(plans) > 1:
        names = ", ".join(plan.name for plan in plans)
        raise UsageError(
            f"-inference-only predicts for one exploration; the configuration has {names}", "keep one of them"
        )
    return plans[0]


def _learn(config: Config, settings: Settings, plan: Plan) -> tuple[Learner, Ids, Sequence[CostReport]]:
    """A model that has learned, the points that it knows, and how well it does."""
    if plan.model is None or not plan.learned:
        raise UsageError("-inference-only needs a model", "leave out -no-train, and learn at least one cost")
    space, derived = plan.exploration.space, DerivedCosts(config.costs, config.derived_costs)
    learner = Learner(plan.model, space, config.all_costs, plan.learned, derived, split_of(settings, plan, 0))
    levels, costs, ids = _known(config, settings, plan, derived)
    report = learner.learn(levels, costs, ids, step=0)
    if report is None:
        raise UsageError(
            f"nothing to learn from: {settings.folder} has no results",
            "run the exploration first, give -pre-evaluated-data FILE, or checkpoints by -icp",
        )
    return learner, ids, report.costs


def _known(config: Config, settings: Settings, plan: Plan, derived: DerivedCosts) -> tuple[Levels, Costs, Ids]:
    """What is learned from: the results of the run directory; without a run, those of the table of known results."""
    space = plan.exploration.space
    if (settings.folder / DATABASE_NAME).is_file():
        with closing(Store.read(settings.folder)) as store:
            table = store.table(0)
        names = bookkeeping([*space.names, *config.all_costs])
        done = table[table[names["state"]] == State.DONE.text]
        levels = space.encode(done)
        return levels, done[list(config.all_costs)].to_numpy(np.float64), space.ids(levels)
    if plan.known is None:
        return np.empty((0, len(space.names)), np.int32), np.empty((0, len(config.all_costs))), np.empty(0, np.int64)
    rows = plan.known.states == State.DONE
    levels = plan.known.levels[rows]
    return levels, derived.extend(space, levels, plan.known.costs[rows]), plan.known.ids[rows]


def _predict(predictor: Predictor, points: AskedPoints, output: Path) -> _Compared:
    """Predict all rows, in their order, and compare those whose cost is known and was not learned from."""
    compared = _Compared(predictor.costs, ", not learned from" if predictor.tells_unseen else "")
    columns = [points.costs.index(cost) for cost in predictor.costs]
    with PredictionWriter(output, points.names, predictor.costs) as file:
        for asked in points.blocks():
            actual = asked.costs[:, columns]
            prediction = predictor.predict(asked)
            file.write(asked.carried.values(), prediction, actual)
            compared.add(asked, actual, prediction, predictor)
        if not compared.rows:
            raise TableError(f"{points.path} has no rows, only the names of its columns", "add a row a point")
    return compared


@dataclass
class _Compared:
    """Predictions beside known costs, of at most ``MOST_MEASURED`` rows."""

    costs: Sequence[str]
    what: str
    rows: int = 0
    _actual: list[Costs] = field(default_factory=list)
    _predicted: list[Prediction] = field(default_factory=list)
    _kept: int = 0

    def add(self, asked: Asked, actual: Costs, prediction: Prediction, predictor: Predictor) -> None:
        """Take the rows of a block into account."""
        self.rows += len(asked)
        known = np.isfinite(actual)
        if self._kept >= MOST_MEASURED or not known.any():
            return
        self._actual.append(np.where(known & predictor.unseen(asked), actual, np.nan))
        self._predicted.append(prediction)
        self._kept += len(asked)

    def reports(self) -> list[CostReport]:
        """One report for each cost that is known of some row."""
        if not self._actual:
            return []
        actual = np.concatenate(self._actual)
        predicted = Prediction.joined(self._predicted)
        reports = []
        for i, cost in enumerate(self.costs):
            rows = np.isfinite(actual[:, i])
            if rows.any():
                method = f"{counted(int(rows.sum()), 'point')} of the input{self.what}"
                bounds = (array[rows, i] for array in (predicted.mean, predicted.lower, predicted.upper))
                reports.append(measure(cost, method, actual[rows, i], *bounds))
        return reports
