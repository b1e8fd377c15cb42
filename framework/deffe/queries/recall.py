"""What a run knows when it is looked at later: its results, and the model that it had learned last."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deffe.checkpoint import MANIFEST, CheckpointModel, parse_name, read
from deffe.config import Config
from deffe.errors import DeffeError, StoreError, UsageError, counted
from deffe.learn.keeping import CHECKPOINTS, split_of
from deffe.learn.learner import Learner
from deffe.plugins import Plugin
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.prepare.transfer import restored
from deffe.records import CostReport, Costs, Ids, Levels, Prediction, State
from deffe.space import DesignSpace
from deffe.space.derived_costs import DerivedCosts
from deffe.store import DATABASE_NAME, Store
from deffe.tables.columns import bookkeeping

LEAST_UNSEEN = 10
"""Measured points that were not learned from; fewer tell too little."""


@dataclass(frozen=True)
class Results:
    """The results of one exploration.

    Args:
        levels, costs, ids: (n, p), (n, c) and (n,) of all points that were proposed; costs are NaN where not done.
        states, reasons: n words of the cost table.
        last_step: the last step that was learned from; -1 for none.
        run: what checkpoints of this run name it.
    """

    levels: Levels
    costs: Costs
    ids: Ids
    states: tuple[str, ...]
    reasons: tuple[str, ...]
    last_step: int = -1
    run: str = ""

    @property
    def done(self) -> Results:
        """Those that are done."""
        return self.take(np.array([state == State.DONE.text for state in self.states], dtype=bool))

    def take(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Results:
        """Those of a mask."""
        rows = np.flatnonzero(mask)
        states, reasons = (tuple(column[row] for row in rows.tolist()) for column in (self.states, self.reasons))
        return replace(
            self, levels=self.levels[rows], costs=self.costs[rows], ids=self.ids[rows], states=states, reasons=reasons
        )


@dataclass(frozen=True)
class Recalled:
    """A model that has learned from a run.

    Args:
        costs: names of the costs that it predicts, those derived from knobs alone included.
        in_space: the same for points of a space that has further values of its numeric knobs.
        how: how it was got back, in words.
        reports: what it explains of points it had not seen.
        learned: identities of the points that it has learned from.
        step: after which it learned.
    """

    costs: tuple[str, ...]
    predict: Callable[[Levels], Prediction]
    in_space: Callable[[DesignSpace, Levels], Prediction]
    how: str
    reports: Sequence[CostReport]
    learned: Ids
    step: int


def results_of(config: Config, folder: Path, plan: Plan, index: int) -> Results:
    """All points that a run proposed; those of the table of known results where there is no run.

    Raises:
        StoreError: the run was made for other knobs or costs, or cannot be read.
    """
    space = plan.exploration.space
    if not (folder / DATABASE_NAME).is_file():
        return _of_table(config, plan)
    with closing(Store.read(folder)) as store:
        _check_names(store, index, config, space, folder)
        table = store.table(index)
        run = f"{store.get_meta('run_id', '')}-{index}"
        last = max(store.steps(index), default=-1)
    names = bookkeeping([*space.names, *config.all_costs])
    levels = space.encode(table, where=f"the run in {folder}")
    costs = table[list(config.all_costs)].to_numpy(np.float64)
    states, reasons = (tuple(table[names[column]].tolist()) for column in ("state", "reason"))
    return Results(levels, costs, space.ids(levels), states, reasons, last, run)


def _check_names(store: Store, index: int, config: Config, space: DesignSpace, folder: Path) -> None:
    try:
        there = store.names(index)
    except IndexError as error:
        raise StoreError(f"the run in {folder} has fewer explorations than {config.source}", "they differ") from error
    here = (*space.names, *config.all_costs)
    if set(there) != set(here):
        lines = [f"only the run has: {', '.join(name for name in there if name not in here)}",
                 f"only {config.source} has: {', '.join(name for name in here if name not in there)}"]  # fmt: skip
        kept = [line for line in lines if not line.endswith(": ")]
        raise StoreError(f"the run in {folder} was made for other knobs or costs", "\n  ".join(kept))


def _of_table(config: Config, plan: Plan) -> Results:
    space, known = plan.exploration.space, plan.known
    if known is None:
        return Results(
            np.empty((0, len(space.names)), np.int32),
            np.empty((0, len(config.all_costs))),
            np.empty(0, np.int64),
            (),
            (),
        )
    costs = DerivedCosts(config.costs, config.derived_costs).extend(space, known.levels, known.costs)
    states = tuple(State(state).text for state in known.states.tolist())
    return Results(known.levels, costs, known.ids, states, known.reasons or ("",) * len(known))


def recall(
    config: Config,
    settings: Settings,
    plan: Plan,
    index: int,
    results: Results,
    log: logging.Logger,
    anew: bool = False,
) -> Recalled:
    """The model of a run: from the checkpoints of its last step, else learned anew from its results.

    Args:
        anew: learn in any case.
    Raises:
        UsageError: there is nothing to learn, or nothing to learn from.
    """
    if plan.model is None or not plan.learned:
        raise UsageError("there is no model", "leave out -no-train, and learn at least one cost")
    kept = None if anew else next(_kept(config, settings, plan, index, results, log), None)
    if kept is not None and kept.step == results.last_step:
        return kept
    return _learned(plan.model, config, settings, plan, index, results, log)


def _learned(
    model: Plugin, config: Config, settings: Settings, plan: Plan, index: int, results: Results, log: logging.Logger
) -> Recalled:
    done, step = results.done, max(results.last_step, 0)
    learner = Learner(
        model,
        plan.exploration.space,
        config.all_costs,
        plan.learned,
        DerivedCosts(config.costs, config.derived_costs),
        split_of(settings, plan, index),
    )
    if not len(done.ids):
        raise UsageError(
            f"nothing to learn from: {settings.folder} has no results",
            "run the exploration first, or give -pre-evaluated-data FILE",
        )
    log.info("%s: learning from %s", plan.name, counted(len(done.ids), "point"))
    report = learner.learn(done.levels, done.costs, done.ids, step)
    if report is None or learner.rows is None:
        raise UsageError(
            f"there are too few results for a model: {counted(len(done.ids), 'point is', 'points are')} done",
            "go on with the run, or give -pre-evaluated-data FILE",
        )
    for line in learner.strange:
        log.warning("%s", line)
    how = f"a model learned anew from {counted(int(learner.rows.known.sum()), 'point')}"
    return Recalled(
        learner.costs,
        learner.Predict,
        partial(_by_learner, learner, plan.exploration.space),
        how,
        report.costs,
        done.ids[learner.rows.known],
        step,
    )


def unseen_by(
    config: Config, settings: Settings, plan: Plan, index: int, results: Results, model: Recalled, log: logging.Logger
) -> tuple[Results, Recalled] | None:
    """Measured points that a model has not learned from, and that model; None where there are too few.

    Points of the table of known results come first, then a test set, then those of the last step, for the model of
    the step before.
    """
    done, table = results.done, _of_table(config, plan).done
    candidates = [(table, model), (done, model)]
    candidates += [(done, earlier) for earlier in _kept(config, settings, plan, index, results, log)]
    for points, learned in candidates:
        fresh = points.take(~np.isin(points.ids, learned.learned))
        if len(fresh.ids) >= LEAST_UNSEEN:
            return fresh, learned
    return None


def _kept(
    config: Config, settings: Settings, plan: Plan, index: int, results: Results, log: logging.Logger
) -> Iterator[Recalled]:
    """The models that this run kept, the last step first; a model with several states a step is learned anew."""
    found: dict[int, dict[int, list[Path]]] = {}
    for parent in dict.fromkeys((settings.folder.parent, Path.cwd())):
        for path in (parent / CHECKPOINTS / (plan.name if index else "")).glob(f"*/{MANIFEST}"):
            named = parse_name(path.parent.name)
            if named:
                found.setdefault(named["step"], {}).setdefault(named["index"], []).append(path.parent)
    for step in sorted(found, reverse=True):
        folders = found[step]
        if any(len(folders.get(i, ())) != 1 for i in range(len(plan.learned))):
            continue
        try:
            models = [restored(config, settings, read(folders[i][0])) for i in range(len(plan.learned))]
        except DeffeError as error:
            log.info("step %d: its checkpoints are not used: %s", step, error)
            continue
        if all(_fits(model, cost, config, results) for model, cost in zip(models, plan.learned, strict=True)):
            yield _recalled(config, plan, models)


def _fits(model: CheckpointModel, cost: str, config: Config, results: Results) -> bool:
    """Whether this run wrote the checkpoint, for this configuration, and which points it knows can be told."""
    about = model.checkpoint.about
    own = about.run == results.run and about.digest == config.digest and about.cost == cost
    return own and model.checkpoint.points is not None


def _recalled(config: Config, plan: Plan, models: Sequence[CheckpointModel]) -> Recalled:
    space, derived = plan.exploration.space, DerivedCosts(config.costs, config.derived_costs)

    def in_space(wider: DesignSpace, levels: Levels) -> Prediction:
        frame: Any = wider.frame(levels)
        exact = Prediction.exact(derived.of_knobs(wider, levels))
        return Prediction.beside([*(model.Predict(frame) for model in models), exact])

    first = models[0].checkpoint
    points = np.empty(0, np.int64) if first.points is None else first.points
    how = f"the model of step {first.about.step}, which learned from {counted(len(points), 'point')}"
    reports = [model.checkpoint.about.report for model in models]
    known = [report for report in reports if report is not None]
    costs = (*plan.learned, *derived.exact)
    return Recalled(costs, partial(in_space, space), in_space, how, known, points, first.about.step)


def _by_learner(learner: Learner, space: DesignSpace, wider: DesignSpace, levels: Levels) -> Prediction:
    frame: Any = wider.frame(levels)
    return learner.in_space(wider, levels, space.feature_map.features(frame), nearest_levels(space, wider, levels))


def nearest_levels(space: DesignSpace, wider: DesignSpace, levels: Levels) -> Levels:
    """(n, p) levels of the nearest values that a space has, of points of one with further numeric values behind."""
    found: Levels = levels.copy()
    for column, (here, there) in enumerate(zip(space.parameters, wider.parameters, strict=True)):
        for level in range(len(here), len(there)):
            near = int(np.abs(here.numbers - there.numbers[level]).argmin())
            found[levels[:, column] == level, column] = near
    return found
