"""Learns after a step: what the store knows goes in, a model that was measured and kept comes out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from deffe.checkpoint import About
from deffe.config import Config
from deffe.errors import counted
from deffe.learn.keeping import Keeper, Lesson, positions_of, split_of
from deffe.learn.learner import Learner
from deffe.operate.judged import Judged, key
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.records import CostReport, Ids, ModelReport
from deffe.space.derived_costs import DerivedCosts
from deffe.store import Store
from deffe.words import percent

MANY_POINTS = 500
"""Learning from more points takes long enough to be announced."""


@dataclass(frozen=True)
class Studied:
    """What came of a lesson.

    Args:
        report: None when there were too few points.
        ahead: how well the new points were predicted before they were learned from.
        kept: the checkpoints that were written.
        judged: the predictions that ``ahead`` sums up, where they were made in this lesson.
    """

    lesson: Lesson
    report: ModelReport | None
    ahead: tuple[CostReport, ...] = ()
    kept: Sequence[About] = ()
    judged: tuple[Judged, ...] = ()


class Study:
    """The learning of one exploration, in three parts: only ``learn`` takes long, and it may run in another thread.

    Args:
        index: of the exploration.
    """

    def __init__(
        self,
        config: Config,
        settings: Settings,
        plan: Plan,
        index: int,
        store: Store,
        derived: DerivedCosts,
        log: logging.Logger,
    ) -> None:
        self._settings, self._plan, self._index, self._store, self._log = settings, plan, index, store, log
        self.learner: Learner | None = None
        self._keeper: Keeper | None = None
        if plan.model is not None and plan.learned:
            split = split_of(settings, plan, index)
            self.learner = Learner(plan.model, plan.space, config.all_costs, plan.learned, derived, split)
            if settings.checkpoints:
                self._keeper = Keeper(Path.cwd(), config, plan, index, store, log)

    def lesson(self, step: int, new: Ids | None) -> Lesson:
        """What there is to learn at a step, of which ``new`` has ended since the last lesson."""
        levels, costs, ids = self._store.done(self._index)
        earlier = self._store.steps(self._index).get(step, {}).get("ahead", ())
        positions = positions_of(self._plan, self._store, self._index, ids)
        return Lesson(step, levels, costs, ids, positions, new, tuple(CostReport(**found) for found in earlier))

    def learn(self, lesson: Lesson) -> Studied:
        """Learn, measure and keep; the store is left alone."""
        learner, step = self.learner, lesson.step
        if learner is None:
            return Studied(lesson, None)
        ahead, judged = self._check_ahead(learner, lesson)
        if len(lesson.levels) > MANY_POINTS:
            self._log.info("%s step %d: learning from %s points", self._plan.name, step, f"{len(lesson.levels):,}")
        if self._keeper and learner.report is None and self._settings.warm_start:
            self._keeper.restore(learner, step)
        report = learner.learn(lesson.levels, lesson.costs, lesson.ids, step, lesson.positions)
        if report is None:
            self._log.warning("step %d: too few results to learn from", step)
            return Studied(lesson, None, ahead)
        for note in report.notes:
            self._log.info("%s: %s", report.model, note)
        found = ", ".join(f"{cost.cost} {percent(cost.mape)}" for cost in report.costs)
        if found:
            text = "%s step %d: %s; error %s"
            self._log.info(text, self._plan.name, step, counted(report.trained_on, "point"), found)
        kept = self._keeper.keep(learner, lesson) if self._keeper else ()
        return Studied(lesson, report, ahead, kept, judged)

    def record(self, studied: Studied) -> None:
        """Write the errors that were found into the store."""
        report, step = studied.report, studied.lesson.step
        if report is None:
            return
        rows = [{"step": step, "trained_on": report.trained_on, **asdict(cost)} for cost in report.costs]
        self._store.save_step(self._index, step, {"errors": rows, "ahead": [asdict(a) for a in studied.ahead]})
        if studied.judged:
            self._store.set_meta(key(self._index, step), [forecast.to_note() for forecast in studied.judged])

    def _check_ahead(self, learner: Learner, lesson: Lesson) -> tuple[tuple[CostReport, ...], tuple[Judged, ...]]:
        """How well the model predicted the points of this step before it had seen them."""
        if lesson.new is None or learner.report is None:
            return lesson.ahead, ()
        new = np.isin(lesson.ids, lesson.new)
        if not new.any():
            return (), ()
        method = f"points of step {lesson.step} before it"
        return learner.compare(method, lesson.levels[new], lesson.costs[new], lesson.ids[new])
