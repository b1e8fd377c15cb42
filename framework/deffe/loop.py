"""The step loop: propose, evaluate, record, learn, explore; the only writer of the store."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from deffe import interrupt
from deffe.config import Config
from deffe.derived import DerivedCosts
from deffe.errors import PluginError, TrialLimitError
from deffe.evaluation import Evaluation
from deffe.executors import Executor
from deffe.learning import Learner
from deffe.plan import Plan
from deffe.plugins import Lazy
from deffe.progress import Progress
from deffe.records import Advice, Batch, CostReport, Costs, Ids, Levels, ModelReport, Outcome, State
from deffe.remainder import member
from deffe.settings import Settings
from deffe.store import Source, Store

FIRST_FAILURES = 20
"""A run whose first points all fail is stopped after this many: its script is wrong, not the points."""


@dataclass
class Explored:
    """What came of the steps of one exploration.

    Args:
        stopped: why evaluation ended.
        learner: the model after the last step, or None.
        ahead: how well the points of each step were predicted before they were evaluated.
    """

    plan: Plan
    stopped: str = ""
    learner: Learner | None = None
    ahead: tuple[CostReport, ...] = ()


class StepLoop:
    """Runs the steps of one exploration."""

    def __init__(
        self,
        config: Config,
        settings: Settings,
        plan: Plan,
        index: int,
        store: Store,
        executor: Executor,
        progress: Progress,
        log: logging.Logger,
    ) -> None:
        self._config = config
        self._settings = settings
        self._plan = plan
        self._index = index
        self._store = store
        self._progress = progress
        self._log = log
        self._derived = DerivedCosts(config.costs, config.derived_costs)
        self._evaluation = self._make_evaluation(executor)
        self._learner = self._make_learner()
        self._failed = 0
        self._evaluated = 0
        self.result = Explored(plan)

    def _make_evaluation(self, executor: Executor) -> Evaluation | None:
        plan = self._plan
        if plan.evaluator is None or plan.extractor is None:
            return None
        return Evaluation(plan.evaluator, plan.extractor, executor, self._config.costs, self._settings.workers)

    def _make_learner(self) -> Learner | None:
        plan, settings = self._plan, self._settings
        if plan.model is None or not plan.learned:
            return None
        return Learner(
            plan.model, plan.space, self._config.all_costs, plan.learned, settings.train_share, settings.seed
        )

    def run(self) -> Explored:
        """Run every step, or those that an earlier run of the same directory left; say why it ended."""
        proposal: Batch | None = None
        steps = list(self._lookahead(self._steps()))
        for (step, count), following in steps:
            batch = self._batch(step, count, proposal)
            if len(batch) == 0:
                return self._finish("every point of the design space has been proposed")
            fresh = self._evaluate(batch)
            if self._settings.dry_run:
                return self._finish("nothing was run: -no-run")
            if following is not None and self._store.batch(self._index, following[0]) is not None:
                continue  # an earlier run has gone past this step
            report = self._learn(step, batch, fresh)
            advice = self._explore(step, following[1] if following else 0, report)
            if advice.stop:
                return self._finish(advice.stop)
            proposal = advice.points
        return self._finish(
            f"the last step asked for, {steps[-1][0][0]}, is done" if steps else "no step was asked for"
        )

    def _finish(self, why: str) -> Explored:
        self.result.stopped = why
        if self._learner is not None and self._learner.report is None and not self._settings.dry_run:
            self._learn(self._last_step(), None, fresh=False)
        self.result.learner = self._learner if self._learner and self._learner.report else None
        return self.result

    def _last_step(self) -> int:
        return max(self._store.steps(self._index), default=0)

    def _steps(self) -> Iterator[tuple[int, int]]:
        schedule = self._settings.schedule
        if self._settings.full_exploration:
            return iter([(0, min(self._plan.space.size, schedule.limit))])
        return schedule.steps(self._plan.space.size)

    @staticmethod
    def _lookahead(
        steps: Iterator[tuple[int, int]],
    ) -> Iterator[tuple[tuple[int, int], tuple[int, int] | None]]:
        current = next(steps, None)
        while current is not None:
            following = next(steps, None)
            yield current, following
            current = following

    def _batch(self, step: int, count: int, proposal: Batch | None) -> Batch:
        """The points of a step: as recorded by an earlier run, else as proposed now, and recorded before they run."""
        stored = self._store.batch(self._index, step)
        if stored is not None:
            return stored
        if proposal is None or len(proposal) == 0:
            proposal = self._sample(step, count)
        known = self._store.known(self._index)
        new = proposal.take(~member(proposal.ids, np.sort(known)))
        if not self._plan.space.valid(new.levels).all():
            raise PluginError(f"sampler {self._plan.sampler.name!r} proposed points that are not in the design space")
        return self._store.propose(self._index, replace(new, step=step))

    def _sample(self, step: int, count: int) -> Batch:
        sampler = self._plan.sampler
        known = np.sort(self._store.known(self._index))
        found = sampler.call("Run", step=step, count=count, known=known, table=Lazy(self._table))
        if found is None:
            return self._plan.space.of_levels(step, np.empty((0, len(self._plan.space.names)), dtype=np.int32))
        if not isinstance(found, Batch):
            raise PluginError(
                f"sampler {sampler.name!r}: Run gave {type(found).__name__}", "a Batch, or None at its end"
            )
        return found

    def _table(self) -> pd.DataFrame:
        return self._store.table(self._index)

    def _evaluate(self, batch: Batch) -> bool:
        """Bring every point of the batch to its end; whether there was anything to do."""
        states = self._store.states(self._index, batch.ids)
        todo = batch.take(np.isin(states, (State.WAITING, State.RUNNING)))
        if len(todo) == 0:
            return False
        self._progress.begin(f"{self._plan.name} step {batch.step}", len(todo))
        try:
            rest = self._look_up(todo)
            if len(rest):
                self._run_batch(rest)
        finally:
            self._progress.end()
        return True

    def _look_up(self, batch: Batch) -> Batch:
        """Record what the table of known results has; the points it does not have are left."""
        known = self._plan.known
        if known is None:
            return batch
        rows, found = known.find(batch.ids)
        here = np.flatnonzero(found)
        if len(here):
            outcome = Outcome(
                rows=here, states=known.states[rows], costs=known.costs[rows], reasons=known.reasons_at(rows)
            )
            self._record(batch, [outcome], "pre_evaluated")
        return batch.take(~found)

    def _run_batch(self, batch: Batch) -> None:
        if self._evaluation is None:
            raise PluginError("points outside the table of known results were proposed, and nothing evaluates them")
        running = self._evaluation.start(batch, Lazy(self._table))
        try:
            for outcomes in running.outcomes():
                self._record(batch, outcomes, "evaluated")
                self._check_failures(outcomes)
        finally:
            # interrupted or failed: what had ended by then is kept
            self._record(batch, running.stop(), "evaluated")

    def _record(self, batch: Batch, outcomes: Sequence[Outcome], source: Source) -> None:
        if not outcomes or self._settings.dry_run:
            return
        outcomes = [self._derived.complete(outcome, self._plan.space, batch) for outcome in outcomes]
        dropped = [o.trial.folder for o in outcomes if self._is_dropped(o) and o.trial and o.trial.folder]
        kept = [replace(o, trial=None) if self._is_dropped(o) else o for o in outcomes]
        with interrupt.held():
            self._store.record_many(self._index, batch, kept, source)
        for folder in dropped:  # only once its result is safe
            self._remove(folder)
        self._progress.advance(sum(len(o.rows) for o in outcomes))

    def _is_dropped(self, outcome: Outcome) -> bool:
        keep = self._settings.keep
        done = bool((outcome.states == State.DONE).all())
        return outcome.trial is not None and (keep == "none" or (keep == "failed" and done))

    def _remove(self, folder: Path) -> None:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            self._log.warning("%s could not be removed: %s", folder, error)

    def _check_failures(self, outcomes: Sequence[Outcome]) -> None:
        self._evaluated += sum(len(o.rows) for o in outcomes)
        self._failed += sum(int((o.states > State.DONE).sum()) for o in outcomes)
        reason = next((text for o in outcomes for text in o.reasons if text), "")
        limit = self._settings.max_failed
        if limit is not None and self._failed > limit:
            raise TrialLimitError(f"{self._failed} points failed, more than the {limit} allowed", f"the last: {reason}")
        if limit is None and self._failed == self._evaluated >= FIRST_FAILURES:
            raise TrialLimitError(f"the first {self._failed} points all failed", f"the last: {reason}")

    def _learn(self, step: int, batch: Batch | None, fresh: bool) -> ModelReport | None:
        if self._learner is None:
            return None
        levels, costs, ids = self._store.done(self._index)
        if fresh and batch is not None and self._learner.report is not None:
            self.result.ahead = self._check_ahead(self._learner, batch, levels, costs, ids)
        report = self._learner.learn(levels, costs, ids, step)
        if report is None:
            self._log.warning("step %d: too few results to learn from", step)
            return None
        for note in report.notes:
            self._log.info("%s: %s", report.model, note)
        rows = [{"step": step, "trained_on": report.trained_on, **asdict(cost)} for cost in report.costs]
        found = ", ".join(f"{cost.cost} {cost.mape:.2f} %" for cost in report.costs)
        if found:
            points = f"{report.trained_on:,} points"
            self._log.info("%s step %d: learned from %s; error %s", self._plan.name, step, points, found)
        self._store.save_step(self._index, step, {"errors": rows, "ahead": [asdict(a) for a in self.result.ahead]})
        return report

    def _check_ahead(
        self, learner: Learner, batch: Batch, levels: Levels, costs: Costs, ids: Ids
    ) -> tuple[CostReport, ...]:
        """How well the model predicted the points of this step before it had seen them."""
        new = np.isin(ids, batch.ids)
        if not new.any():
            return ()
        return learner.check(f"points of step {batch.step} before it", levels[new], costs[new])

    def _explore(self, step: int, count: int, report: ModelReport | None) -> Advice:
        advice = self._plan.explorer.call(
            "Run",
            step=step,
            count=count,
            report=report,
            target_error=self._settings.target_error,
            model=self._learner if report is not None else None,
            known=np.sort(self._store.known(self._index)),
            table=Lazy(self._table),
        )
        if advice is None:
            return Advice()
        if not isinstance(advice, Advice):
            name = self._plan.explorer.name
            raise PluginError(f"explorer {name!r}: Run gave {type(advice).__name__}", "an Advice or None")
        return advice
