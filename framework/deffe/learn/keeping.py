"""Keeps what was learned at each step: checkpoints, and which points they were learned from."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.checkpoint import MANIFEST, About, Checkpoint, parse_name, read, write
from deffe.config import Config
from deffe.errors import DeffeError
from deffe.learn.learner import MOST_CHECKED, Learner
from deffe.learn.splits import DrawnSplit, IndexFiles, Positions, Rows, SavedSplit, Split
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.records import CostReport, Costs, Ids, Levels, ModelReport, Snapshot
from deffe.store import Store

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Lesson:
    """The points of a step that were learned from and tested on, (n, ...) each.

    Args:
        positions: where index files have them.
        new: ids of those that have ended since the last lesson; None in a step that an earlier run has finished.
        ahead: what that run found of how well they were predicted before.
    """

    step: int
    levels: Levels
    costs: Costs
    ids: Ids
    positions: Positions
    new: Ids | None = None
    ahead: tuple[CostReport, ...] = ()


class Keeper:
    """Writes the checkpoints and index files of one exploration; a failure to do so is told and loses nothing.

    Args:
        folder: where ``checkpoints/`` and the index files go.
        index: of the exploration; those behind the first have names of their own.
    """

    def __init__(self, folder: Path, config: Config, plan: Plan, index: int, store: Store, log: logging.Logger) -> None:
        self._config = config
        self._plan = plan
        self._log = log
        self._run = f"{_run_id(store)}-{index}"
        self.folder = folder / CHECKPOINTS / (plan.name if index else "")
        self._files = index_files(folder, plan, index)

    def keep(self, learner: Learner, lesson: Lesson) -> list[About]:
        """Write what was learned at a step; what the checkpoints tell of themselves."""
        rows, report = learner.rows, learner.report
        if rows is None or report is None:
            return []
        try:
            self._files.write(lesson.step, rows, lesson.positions)
            if learner.model.has("Save"):
                return list(self._write(learner, lesson, rows, report))
        except (OSError, DeffeError) as error:
            self._log.warning("step %d: no checkpoint is kept: %s", lesson.step, error)
        return []

    def restore(self, learner: Learner, step: int) -> None:
        """Let the model go on from the newest checkpoints that this run wrote before ``step``, if it can."""
        if not learner.model.has("Load"):
            return
        for cost in learner.learned:
            try:
                found = self._newest(cost, step, learner)
                if found is not None:
                    learner.model.ask("Load", cost=cost, folder=found.path, facts=found.facts)
                    self._log.info("step %d: %s goes on from %s", step, cost, found.path.name)
            except DeffeError as error:
                self._log.warning("step %d: %s is learned from the start: %s", step, cost, error)

    def _newest(self, cost: str, step: int, learner: Learner) -> Checkpoint | None:
        """The checkpoint of the last epoch of the last step before ``step``; those of other runs do not count."""
        index = learner.learned.index(cost)
        named = [(parse_name(path.parent.name), path.parent) for path in self.folder.glob(f"*/{MANIFEST}")]
        fitting = [(n["step"], n["epoch"], path) for n, path in named if n and n["step"] < step and n["index"] == index]
        for _, _, path in sorted(fitting, reverse=True):
            found = read(path)
            if found.about.run == self._run and found.about.digest == self._config.digest:
                return found
        return None

    def _write(self, learner: Learner, lesson: Lesson, rows: Rows, report: ModelReport) -> Iterator[About]:
        known, chose, errors = lesson.ids[rows.known], lesson.ids[rows.validation], _Errors(learner, lesson)
        for index, cost in enumerate(learner.learned):
            about = self._about(learner, lesson, rows, report, index)
            for snapshot in _snapshots(learner, cost) or [_present(learner, rows, about, errors)]:
                here = replace(
                    about,
                    epoch=int(snapshot.epoch),
                    train_loss=float(snapshot.train_loss),
                    val_loss=float(snapshot.val_loss),
                )
                write(self.folder, here, known, snapshot.save, chose)
                yield here

    def _about(self, learner: Learner, lesson: Lesson, rows: Rows, report: ModelReport, index: int) -> About:
        cost, space = learner.learned[index], self._plan.space
        return About(
            report=next((entry for entry in report.costs if entry.cost == cost), None),
            model=learner.model.name,
            file=learner.model.file,
            cost=cost,
            index=index,
            unit=self._config.units.get(cost, ""),
            step=lesson.step,
            train=int(rows.train.sum()),
            validation=int(rows.validation.sum()),
            test=int(rows.test.sum()),
            features=space.feature_map,
            space=space.describe(),
            digest=self._config.digest,
            run=self._run,
        )


def index_files(folder: Path, plan: Plan, index: int) -> IndexFiles:
    """Where the exploration's rows are kept."""
    return IndexFiles(folder, f"{plan.name}-" if index else "")


def split_of(settings: Settings, plan: Plan, index: int) -> Split:
    """How the points of an exploration are divided: by the seed, or as an earlier run did as far as it went."""
    drawn = DrawnSplit(settings.train_share, settings.validation_share, settings.seed)
    return SavedSplit(index_files(Path.cwd(), plan, index), drawn) if settings.saved_split else drawn


def positions_of(plan: Plan, store: Store, index: int, ids: Ids) -> NDArray[np.int64]:
    """(n,) where index files have the done points: rows of the table when only that is explored, else run numbers."""
    if plan.known is not None and plan.evaluator is None:
        return plan.known.rows[plan.known.find(ids)[0]]
    return store.numbers(index)[np.isin(store.known(index), ids)]


def _run_id(store: Store) -> str:
    """A name for the run directory, that no other has."""
    found = store.get_meta("run_id")
    if found is None:
        found = secrets.token_hex(8)
        store.set_meta("run_id", found)
    return str(found)


def _snapshots(learner: Learner, cost: str) -> list[Snapshot]:
    return list(learner.model.ask("Snapshots", cost=cost)) if learner.model.has("Snapshots") else []


def _present(learner: Learner, rows: Rows, about: About, errors: _Errors) -> Snapshot:
    """The model as it is; its losses are mean relative errors of points learned from, and of those that were not.

    Where a model reports no error, the latter are those that it chose weights by.
    """

    def save(folder: Path) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = learner.model.ask("Save", cost=about.cost, folder=folder)
        return facts

    unseen = about.report.mape / 100 if about.report else errors.of(rows.validation)[about.index]
    return Snapshot(0, errors.of(rows.train)[about.index], unseen, save)


class _Errors:
    """Mean relative errors of a model on points of a step; those of a part are measured once for all costs."""

    def __init__(self, learner: Learner, lesson: Lesson) -> None:
        self._learner = learner
        self._lesson = lesson
        self._found: dict[bytes, list[float]] = {}

    def of(self, part: NDArray[np.bool_]) -> list[float]:
        """One error a learned cost, NaN where there are no points; ``part`` is (n,)."""
        key = part.tobytes()
        if key not in self._found:
            rows = np.flatnonzero(part)[:MOST_CHECKED]
            reports = self._learner.check("", self._lesson.levels[rows], self._lesson.costs[rows]) if len(rows) else ()
            self._found[key] = [one.mape / 100 for one in reports] or [math.nan] * len(self._learner.learned)
        return self._found[key]
