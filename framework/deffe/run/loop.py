"""The step loop: propose, evaluate, record, learn, explore; the only writer of the store."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from deffe.answer.explored import Explored
from deffe.config import Config
from deffe.errors import PluginError, TrialLimitError, counted
from deffe.learn.plots import losses_of
from deffe.learn.study import Studied, Study
from deffe.outlook.stopping import Stopper
from deffe.plugins import Lazy
from deffe.prepare.executors import Executors
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.records import FAILED, Advice, Batch, Ids, ModelReport, Outcome, State
from deffe.run import interrupt
from deffe.run.evaluation import Evaluation
from deffe.run.progress import Progress
from deffe.space.derived_costs import DerivedCosts
from deffe.space.proposals import member
from deffe.store import Source, Store

FIRST_FAILURES = 20
"""A run whose first points all fail is stopped after this many: its script is wrong, not the points."""


class StepLoop:
    """Runs the steps of one exploration."""

    def __init__(
        self,
        config: Config,
        settings: Settings,
        plan: Plan,
        index: int,
        store: Store,
        executors: Executors,
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
        self._executors = executors
        self._evaluation = self._make_evaluation()
        self._study = Study(config, settings, plan, index, store, self._derived, log)
        self._stopper = Stopper(config, settings, plan, index, store, executors, log)
        self._failed = 0
        self._evaluated = 0
        self.result = Explored(plan)

    def _make_evaluation(self) -> Evaluation | None:
        plan = self._plan
        if plan.evaluator is None or plan.extractor is None:
            return None
        on, costs = self._executors, self._config.costs
        return Evaluation(plan.evaluator, plan.extractor, on.evaluate, on.extract, costs, on.extract_threads)

    def run(self) -> Explored:
        """Run every step, or those that an earlier run of the same directory left; say why it ended."""
        self._tell_what_is_there()
        proposal: Batch | None = None
        last, total = None, self._left_out()
        for (step, count), following in self._lookahead(self._steps()):
            why = self._stopper.budget() or self._full(step)
            if why:
                return self._finish(why)
            last, total = step, total + count
            batch = self._batch(step, count, total, proposal)
            if batch is None:
                continue  # earlier runs have taken as many points already
            if len(batch) == 0:
                return self._finish(self._exhausted())
            fresh = self._evaluate(batch)
            if self._settings.dry_run:
                return self._finish("nothing was run: -no-run")
            if following is not None and self._store.batch(self._index, following[0]) is not None:
                continue  # an earlier run has gone past this step
            report = self._learn(step, batch.ids if fresh else None)
            advice = self._enough(step, report) or self._explore(step, following[1] if following else 0, report)
            if advice.stop:
                return self._finish(advice.stop)
            proposal = advice.points
        return self._finish("no step was asked for" if last is None else self._last_reason(last, total))

    def _full(self, step: int) -> str:
        """Why a step may not be proposed: its points would be beyond the budget of evaluations."""
        return "" if self._store.batch(self._index, step) is not None else self._stopper.full()

    def _enough(self, step: int, report: ModelReport | None) -> Advice | None:
        """What the rules of the run say after a step: advice to stop, or nothing."""
        stopper = self._stopper
        why = stopper.budget() or stopper.full()
        why = why or stopper.judge(stopper.history(), report, self._study.learner, step)
        return Advice(stop=why) if why else None

    def _tell_what_is_there(self) -> None:
        counts = self._store.count(self._index)
        if any(counts.values()):
            done, failed = counts[State.DONE], sum(counts[state] for state in FAILED)
            waiting = sum(counts.values()) - done - failed
            text = "going on with the run in %s: %s has %s done, %d failed, %d to do"
            self._log.info(text, self._settings.folder, self._plan.name, counted(done, "point"), failed, waiting)
        self._compare_scripts(counts[State.DONE])

    def _compare_scripts(self, done: int) -> None:
        """Warn when a script was edited since points were evaluated: their costs may mean something else."""
        plugins = (self._plan.evaluator, self._plan.extractor)
        now = {k: v for p in plugins if p is not None for k, v in getattr(p.instance, "fingerprint", {}).items()}
        before = self._store.get_meta(f"scripts_{self._index}", {})
        queued = self._executors.adoptable()
        for file in sorted(before.keys() & now.keys()):
            if before[file] != now[file] and done:
                text = "%s has changed since %s evaluated; what is known is kept, with the meaning it had then"
                self._log.warning(text, file, counted(done, "point was", "points were"))
            if before[file] != now[file] and queued:
                text = "%s has changed since %s made with it, which the run goes on with; -cancel ends those queued"
                self._log.warning(text, file, counted(queued, "Slurm trial was", "Slurm trials were"))
        if now != before:
            self._store.set_meta(f"scripts_{self._index}", {**before, **now})

    def _last_reason(self, last: int, total: int) -> str:
        known = len(self._store.known(self._index))
        if known >= self._plan.space.size or known < total:
            return self._exhausted()
        if known >= self._settings.schedule.limit:
            return f"the most points of a run, {known:,}, have been evaluated (-max-samples)"
        return f"the last step asked for, {last}, is done"

    def _finish(self, why: str) -> Explored:
        self.result.stopped, self.result.finished = why, True
        self._executors.evaluate.take_more()
        learner = self._study.learner
        if learner is not None and learner.report is None and not self._settings.dry_run:
            self._learn(self._last_step(), None)
        self.result.learner = learner if learner and learner.report else None
        if not self._settings.dry_run:
            self._stopper.meter.note(0.0)
        return self.result

    def _last_step(self) -> int:
        return max(self._store.steps(self._index), default=0)

    def _steps(self) -> Iterator[tuple[int, int]]:
        schedule = self._settings.schedule
        if self._settings.full_exploration:
            return iter([(0, min(self._plan.space.size, schedule.limit))])
        return schedule.steps(self._plan.space.size)

    def _left_out(self) -> int:
        """Points that the steps before the first one would take."""
        schedule = self._settings.schedule
        return 0 if self._settings.full_exploration else schedule.total(schedule.start - 1)

    def _exhausted(self) -> str:
        known = len(self._store.known(self._index))
        if known >= self._plan.space.size:
            return "every point there is has been evaluated"
        return f"sampler {self._plan.sampler.name!r} has no more points than {known:,}"

    @staticmethod
    def _lookahead(
        steps: Iterator[tuple[int, int]],
    ) -> Iterator[tuple[tuple[int, int], tuple[int, int] | None]]:
        current = next(steps, None)
        while current is not None:
            following = next(steps, None)
            yield current, following
            current = following

    def _batch(self, step: int, count: int, total: int, proposal: Batch | None) -> Batch | None:
        """The points of a step, recorded before they run: those of an earlier run, and what is asked for beyond.

        Args:
            count: points of the step.
            total: points of the run after it, which earlier runs with other steps may have reached already.
        """
        stored = self._store.batch(self._index, step)
        room = total - len(self._store.known(self._index))
        full = bool(self._stopper.full())
        if room <= 0 or (stored is not None and (full or not self._asks_for_more(step, total))):
            self.result.guided = bool(self._store.get_meta(self._asked(step), [0, 0, False])[2:] == [True])
            return stored
        self.result.guided = stored is None and proposal is not None and len(proposal) > 0
        if stored is None:
            wanted = proposal if proposal is not None and len(proposal) else self._sample(step, min(count, room))
        else:
            wanted = self._sample(step, room)
        fresh, cut = self._propose(step, wanted)
        self._store.set_meta(self._asked(step), [total - cut, self._plan.space.size, self.result.guided])
        return fresh if stored is None else self._store.batch(self._index, step) or fresh

    def _asked(self, step: int) -> str:
        return f"asked_{self._index}_{step}"

    def _asks_for_more(self, step: int, total: int) -> bool:
        """Whether a recorded step is asked for more points, or of a larger space, than when it was recorded.

        That it has fewer points than asked for does not tell: its sampler or explorer may have had no more.
        """
        asked = self._store.get_meta(self._asked(step))
        return asked is not None and (total > asked[0] or self._plan.space.size > asked[1])

    def _propose(self, step: int, proposal: Batch) -> tuple[Batch, int]:
        """Record the new ones of the points, as far as the budget goes; and how many it has cut off."""
        known = np.sort(self._store.known(self._index))
        new = proposal.take(~member(proposal.ids, known))
        if not self._plan.space.valid(new.levels).all():
            raise PluginError(f"sampler {self._plan.sampler.name!r} proposed points that are not in the design space")
        kept = self._stopper.trim(new)
        return self._store.propose(self._index, replace(kept, step=step)), len(new) - len(kept)

    def _sample(self, step: int, count: int) -> Batch:
        sampler, space = self._plan.sampler, self._plan.space
        known = np.sort(self._store.known(self._index))
        found = sampler.ask("Run", step=step, count=count, known=known, table=Lazy(self._table))
        if found is None:
            found = space.of_levels(step, np.empty((0, len(space.names)), dtype=np.int32))
        if not isinstance(found, Batch):
            what = f"sampler {sampler.name!r}: Run gave {type(found).__name__}"
            raise PluginError(what, "a Batch, or None at its end")
        return found

    def _table(self) -> pd.DataFrame:
        return self._store.table(self._index)

    def _evaluate(self, batch: Batch) -> bool:
        """Bring every point of the batch to its end; whether there was anything to do."""
        todo = self._todo(batch)
        if len(todo) == 0:
            return False
        self._progress.begin(f"{self._plan.name} step {batch.step}", len(todo))
        try:
            rest = self._look_up(todo)
            if len(rest):
                self._run_batch(rest)
                self._check_all_ended(rest)
        finally:
            self._progress.end()
        return True

    def _todo(self, batch: Batch) -> Batch:
        """Those of its points that have not ended, or are to be tried again."""
        states = self._store.states(self._index, batch.ids)
        again = (State.FAILED, State.TIMED_OUT) if self._settings.retry_failed else ()
        return batch.take(np.isin(states, (State.WAITING, State.RUNNING, *again)))

    def _look_up(self, batch: Batch) -> Batch:
        """Record what the table of known results has; the points it does not have are left."""
        known = self._plan.known
        if known is None:
            return batch
        rows, found = known.find(batch.ids)
        here = np.flatnonzero(found)
        if len(here):
            self._record(batch, [known.outcome(here, rows)], "pre_evaluated")
        return batch.take(~found)

    def _run_batch(self, batch: Batch) -> None:
        if self._evaluation is None:
            raise PluginError("points outside the table of known results were proposed, and nothing evaluates them")
        running = self._evaluation.start(batch, Lazy(self._table))
        try:
            for outcomes in running.outcomes(self._tell_queue):
                self._record(batch, outcomes, "evaluated")
                self._check_failures(outcomes)
                self._stopper.budget()
        finally:
            # interrupted or failed: what had ended by then is kept
            self._record(batch, running.stop(), "evaluated")

    def _tell_queue(self) -> None:
        self._progress.note(self._executors.status())
        self._stopper.budget()
        self._stopper.meter.note()

    def _check_all_ended(self, batch: Batch) -> None:
        waiting = int((self._store.states(self._index, batch.ids) == State.WAITING).sum())
        if waiting and self._plan.evaluator is not None and not self._settings.dry_run and not self._stopper.holding:
            asked = counted(len(batch), "point")
            raise PluginError(
                f"evaluator {self._plan.evaluator.name!r}: Run gave no outcome for {waiting} of {asked}",
                "exactly one Outcome a point; one that cannot be evaluated has failed",
            )

    def _record(self, batch: Batch, outcomes: Sequence[Outcome], source: Source) -> None:
        if not outcomes or self._settings.dry_run:
            return
        outcomes = [self._derived.complete(outcome, self._plan.space, batch) for outcome in outcomes]
        dropped = [o.trial.folder for o in outcomes if self._is_dropped(o) and o.trial and o.trial.folder]
        kept = [replace(o, trial=None) if self._is_dropped(o) else o for o in outcomes]
        with interrupt.held():
            self._store.record_many(self._index, batch, kept, source)
        if source == "evaluated":
            self._stopper.meter.add(outcomes)
        self._stopper.meter.note()
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
            raise TrialLimitError(
                f"{counted(self._failed, 'point')} failed, more than the {limit} allowed", _what_next(reason)
            )
        if limit is None and self._failed == self._evaluated >= FIRST_FAILURES:
            raise TrialLimitError(f"the first {self._failed} points all failed", _what_next(reason))

    def _learn(self, step: int, new: Ids | None) -> ModelReport | None:
        return self._noted(self._study.learn(self._study.lesson(step, new)))

    def _noted(self, studied: Studied) -> ModelReport | None:
        """Record what was learned."""
        self.result.ahead = studied.ahead
        if studied.report is not None:
            self.result.losses += losses_of(studied.report, studied.lesson.step, studied.kept)
        self._study.record(studied)
        return studied.report

    def _explore(self, step: int, count: int, report: ModelReport | None) -> Advice:
        return self._advice(step, count, report, np.sort(self._store.known(self._index)), Lazy(self._table))

    def _advice(self, step: int, count: int, report: ModelReport | None, known: Ids, table: Lazy) -> Advice:
        """What the explorer says after a step; the store is left alone."""
        advice = self._plan.explorer.ask(
            "Run",
            step=step,
            count=count,
            report=report,
            target_error=self._stopper.rules.target_error,
            model=self._study.learner if report is not None else None,
            known=known,
            table=table,
        )
        if advice is None:
            return Advice()
        if not isinstance(advice, Advice):
            name = self._plan.explorer.name
            raise PluginError(f"explorer {name!r}: Run gave {type(advice).__name__}", "an Advice or None")
        return advice


def _what_next(reason: str) -> str:
    return f"the last: {reason}\n  mend its cause, then give the same command with -retry-failed"
