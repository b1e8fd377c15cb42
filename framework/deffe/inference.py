"""Inference only: learns from what is known already and predicts the points of a CSV file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from deffe.config import Config
from deffe.database import DATABASE_NAME
from deffe.errors import UsageError
from deffe.learning import Learner, measure
from deffe.plan import Plan
from deffe.records import CostReport, Costs, Ids, Levels, State
from deffe.settings import Settings
from deffe.store import Store
from deffe.summary import error_lines
from deffe.table import PredictionWriter, read_results

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

    The model learns from the points of the run directory and those of the table of known results.
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
    learner = Learner(plan.model, space, config.all_costs, plan.learned, settings.train_share, settings.seed)
    report = learner.learn(*_known(config, settings, plan), step=0)
    if report is None:
        raise UsageError(
            f"nothing to learn from: {settings.folder} has no results",
            "run the exploration first, or give -pre-evaluated-data FILE",
        )
    output = Path(flags.get("output") or DEFAULT_OUTPUT)
    errors = _predict(learner, plan, points.levels, points.costs, output, config.all_costs)
    say("\n".join([f"{len(points):,} points predicted, written to {output}", *error_lines([*report.costs, *errors])]))
    return 0


def _only(plans: Sequence[Plan]) -> Plan:
    if len(plans) > 1:
        names = ", ".join(plan.name for plan in plans)
        raise UsageError(
            f"-inference-only predicts for one exploration; the configuration has {names}", "keep one of them"
        )
    return plans[0]


def _known(config: Config, settings: Settings, plan: Plan) -> tuple[Levels, Costs, Ids]:
    """All results there are: of the run directory, then of the table; each point once."""
    parts: list[tuple[Levels, Costs, Ids]] = []
    if (settings.folder / DATABASE_NAME).is_file():
        with closing(Store.read(settings.folder)) as store:
            table = store.table(0)
            done = table[table["state"] == State.DONE.text]
            levels = plan.exploration.space.encode(done)
            parts.append(
                (levels, done[list(config.all_costs)].to_numpy(np.float64), plan.exploration.space.ids(levels))
            )
    if plan.known is not None:
        rows = plan.known.states == State.DONE
        if len(config.costs) == len(config.all_costs):
            parts.append((plan.known.levels[rows], plan.known.costs[rows], plan.known.ids[rows]))
    if not parts:
        return (
            np.empty((0, len(plan.space.names)), np.int32),
            np.empty((0, len(config.all_costs))),
            np.empty(0, np.int64),
        )
    levels, costs, ids = (np.concatenate(column) for column in zip(*parts, strict=True))
    first = np.sort(np.unique(ids, return_index=True)[1])
    return levels[first], costs[first], ids[first]


def _predict(
    learner: Learner, plan: Plan, levels: Levels, actual: Costs, output: Path, costs: Sequence[str]
) -> list[CostReport]:
    columns = [list(costs).index(cost) for cost in learner.costs]
    means = []
    with PredictionWriter(output, plan.exploration.space, learner.costs) as file:
        for start in range(0, len(levels), CHUNK):
            rows = slice(start, start + CHUNK)
            prediction = learner.Predict(levels[rows])
            file.write(levels[rows], prediction, actual[rows][:, columns])
            means.append(prediction.mean)
    mean = np.concatenate(means)
    reports = []
    for i, cost in enumerate(learner.costs):
        known = np.isfinite(actual[:, columns[i]])
        if known.any():
            method = f"{int(known.sum()):,} points of the input"
            reports.append(measure(cost, method, actual[known, columns[i]], mean[known, i]))
    return reports
