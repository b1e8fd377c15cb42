"""Inference only: learns from the results of a run, or of a table, and predicts the points of a CSV file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.config import Config
from deffe.errors import UsageError
from deffe.records import CostReport, Costs, Ids, Levels, State
from deffe.run.derived import DerivedCosts
from deffe.run.learning import Learner, measure
from deffe.run.plan import Plan
from deffe.run.settings import Settings
from deffe.run.summary import error_lines
from deffe.store import DATABASE_NAME, Store
from deffe.tables import PredictionWriter, Results, read_results
from deffe.tables.columns import bookkeeping

CHUNK = 20_000
DEFAULT_OUTPUT = "predictions.csv"


def infer(
    config: Config,
    settings: Settings,
    plans: Sequence[Plan],
    flags: Mapping[str, Any],
    log: logging.Logger,
    say: Callable[[str], None],
) -> int:
    """Predict the points of ``-input`` into ``-output``; true costs, where the input has them, give errors.

    The model learns from the results of the run directory; where there is no run, from the table of known results.
    """
    plan = _only(plans)
    if not flags.get("input"):
        raise UsageError("-inference-only needs points to predict", "give -input FILE, a CSV with a column a knob")
    if plan.model is None or not plan.learned:
        raise UsageError("-inference-only needs a model", "leave out -no-train, and learn at least one cost")
    space, source = plan.exploration.space, Path(flags["input"])
    points = read_results(source, space, config.all_costs, declared=config.declared_space, costs_optional=True)
    for note in points.notes:
        log.info("%s: %s", source.name, note)
    derived = DerivedCosts(config.costs, config.derived_costs)
    learner = Learner(plan.model, space, config.all_costs, plan.learned, derived, settings.train_share, settings.seed)
    levels, costs, ids = _known(config, settings, plan, derived)
    report = learner.learn(levels, costs, ids, step=0)
    if report is None:
        raise UsageError(
            f"nothing to learn from: {settings.folder} has no results",
            "run the exploration first, or give -pre-evaluated-data FILE",
        )
    output = Path(flags.get("output") or DEFAULT_OUTPUT)
    unseen = ~np.isin(points.ids, ids)
    errors = _predict(learner, plan, points, unseen, output, config.all_costs)
    say("\n".join([f"{len(points):,} points predicted, written to {output}", *error_lines([*report.costs, *errors])]))
    return 0


def _only(plans: Sequence[Plan]) -> Plan:
    if len(plans) > 1:
        names = ", ".join(plan.name for plan in plans)
        raise UsageError(
            f"-inference-only predicts for one exploration; the configuration has {names}", "keep one of them"
        )
    return plans[0]


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


def _predict(
    learner: Learner, plan: Plan, points: Results, unseen: NDArray[np.bool_], output: Path, costs: Sequence[str]
) -> list[CostReport]:
    """Predict all points, and compare those that are ``unseen``, where their cost is known."""
    columns = [list(costs).index(cost) for cost in learner.costs]
    actual = points.costs[:, columns]
    means = []
    with PredictionWriter(output, plan.exploration.space, learner.costs) as file:
        for start in range(0, len(points), CHUNK):
            rows = slice(start, start + CHUNK)
            prediction = learner.Predict(points.levels[rows])
            file.write(points.levels[rows], prediction, actual[rows])
            means.append(prediction.mean)
    mean = np.concatenate(means)
    reports = []
    for i, cost in enumerate(learner.learned):
        known = np.isfinite(actual[:, i]) & unseen
        if known.any():
            method = f"{int(known.sum()):,} points of the input, not learned from"
            reports.append(measure(cost, method, actual[known, i], mean[known, i]))
    return reports
