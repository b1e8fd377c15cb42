"""The step loop without a barrier: the next points start as slots fall free, and learning goes on meanwhile."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deffe.answer.explored import Explored
from deffe.errors import PluginError
from deffe.learn.keeping import Lesson
from deffe.learn.study import Studied
from deffe.plugins import Lazy
from deffe.records import Advice, Batch, Ids, ModelReport, Outcome
from deffe.run.evaluation import WAIT_S, Running
from deffe.run.loop import StepLoop

MOST_AHEAD = 10
"""Points that are under way at most, over the slots."""


@dataclass
class _Flight:
    """Points of a step that are being evaluated, ``left`` of which have not ended."""

    batch: Batch
    running: Running
    left: int


@dataclass(frozen=True)
class _Thought:
    """What learning and the explorer came to, and how many seconds that took."""

    studied: Studied | None
    advice: Advice
    seconds: float


class PipelineLoop(StepLoop):
    """Runs the steps of one exploration so that slots do not wait for the slowest point of a step.

    A step begins as soon as the points under way are no more than the slots, plus as many as end while the model
    learns and until the executor has filled a slot again. Its points are chosen by what had ended by then.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._flights: list[_Flight] = []
        self._told = threading.Event()
        self._thinking: Future[_Thought] | None = None
        self._report: ModelReport | None = None
        self._learned: Ids = np.empty(0, dtype=np.int64)
        self._learning_s, self._run_s, self._runs = 0.0, 0.0, 0
        self._why = ""

    def run(self) -> Explored:
        """Run every step, or those that an earlier run of the same directory left; say why it ended."""
        self._tell_what_is_there()
        self._upcoming = self._lookahead(self._steps())
        self._next = next(self._upcoming, None)
        self._last: int | None = None
        self._total = self._left_out()
        self._progress.begin(self._plan.name, 0)
        with ThreadPoolExecutor(1, "learn") as thinker:
            try:
                self._fly(thinker)
            finally:
                # interrupted or failed: what had ended by then is kept
                for flight, known in [(flight, flight.running.stop()) for flight in self._flights]:
                    self._record(flight.batch, known, "evaluated")
                self._progress.end()
        self._learn_the_rest()
        return self._finish(self._why)

    def _fly(self, thinker: ThreadPoolExecutor) -> None:
        while True:
            self._start_what_fits(thinker)
            if not self._flights and (self._why or self._thinking is None):
                return
            self._told.wait(WAIT_S)  # in pieces: Python may miss a signal that arrives during a wait without end
            self._told.clear()
            self._tell_queue()
            self._why = self._why or self._stopper.budget()
            for flight in list(self._flights):
                self._collect(flight)

    def _collect(self, flight: _Flight) -> None:
        outcomes, more = flight.running.known()
        if outcomes:  # there may be others behind these
            self._told.set()
        self._record(flight.batch, outcomes, "evaluated")
        for outcome in outcomes:
            flight.left -= len(outcome.rows)
            self._note_times(outcome)
        self._check_failures(outcomes)
        if not more:
            self._flights.remove(flight)
            self._check_all_ended(flight.batch)

    def _note_times(self, outcome: Outcome) -> None:
        seconds = outcome.seconds[np.isfinite(outcome.seconds)]
        self._run_s += float(seconds.sum())
        self._runs += len(seconds)

    def _start_what_fits(self, thinker: ThreadPoolExecutor) -> None:
        while not self._why and sum(flight.left for flight in self._flights) <= self._ahead():
            if self._next is None:
                self._why = self._ended()
                return
            step, count = self._next[0]
            self._why = self._stopper.budget() or self._full(step)
            if self._why:
                return
            advice = self._advised(count, thinker)
            if advice is None:
                return
            if advice.stop:
                self._why = advice.stop
                return
            self._begin(step, count, advice.points)

    def _ended(self) -> str:
        return "no step was asked for" if self._last is None else self._last_reason(self._last, self._total)

    def _begin(self, step: int, count: int, proposal: Batch | None) -> None:
        self._last, self._next = step, next(self._upcoming, None)
        self._total += count
        batch = self._batch(step, count, self._total, proposal)
        if batch is None:
            return  # earlier runs have taken as many points already
        if len(batch) == 0:
            self._why = self._exhausted()
            return
        todo = self._todo(batch)
        if len(todo) == 0:
            return
        self._progress.grow(len(todo))
        rest = self._look_up(todo)
        if len(rest):
            if self._evaluation is None:
                raise PluginError("points outside the table of known results were proposed, and nothing evaluates them")
            running = self._evaluation.start(rest, Lazy(self._table), self._told)
            self._flights.append(_Flight(rest, running, len(rest)))

    def _ahead(self) -> int:
        """Points under way at which the next step is prepared."""
        executor = self._evaluation.executor if self._evaluation is not None else None
        slots = int(getattr(executor, "slots", self._settings.workers))
        waits_s = self._learning_s + float(getattr(executor, "latency_s", 0.0))
        typical_s = self._run_s / self._runs if self._runs else math.inf
        meanwhile = math.ceil(slots * waits_s / typical_s) if typical_s > 0 else slots * MOST_AHEAD
        return min(slots + meanwhile, slots * MOST_AHEAD)

    def _advised(self, count: int, thinker: ThreadPoolExecutor) -> Advice | None:
        """What the explorer says before the next step; None while it, or the model, thinks."""
        if self._last is None or (self._next and self._store.batch(self._index, self._next[0][0]) is not None):
            return Advice()  # the first step, or one that an earlier run has chosen
        if self._thinking is None:
            self._thinking = self._think(count, thinker)
        if not self._thinking.done():
            return None
        thought, self._thinking = self._thinking.result(), None
        if thought.studied is not None:
            self._learning_s = thought.seconds
            self._report = self._noted(thought.studied) or self._report
        return thought.advice

    def _think(self, count: int, thinker: ThreadPoolExecutor) -> Future[_Thought]:
        """Learn what has ended since, if anything, and ask the explorer, in the background."""
        step, lesson = self._last or 0, self._fresh_lesson()
        history = self._stopper.history()
        known = np.sort(self._store.known(self._index))

        def think() -> _Thought:
            start = time.monotonic()
            studied = self._study.learn(lesson) if lesson is not None else None
            report = (studied.report if studied else None) or self._report
            why = self._stopper.judge(history, report, self._study.learner, step)
            advice = Advice(stop=why) if why else self._advice(step, count, report, known, Lazy(self._table))
            return _Thought(studied, advice, time.monotonic() - start)

        future = thinker.submit(think)
        future.add_done_callback(lambda _: self._told.set())
        return future

    def _fresh_lesson(self) -> Lesson | None:
        """What there is to learn; None when nothing has ended since the last lesson, or nothing learns."""
        if self._study.learner is None or self._last is None:
            return None
        lesson = self._study.lesson(self._last, None)
        new = np.setdiff1d(lesson.ids, self._learned)
        if not len(new):
            return None
        self._learned = lesson.ids
        return replace(lesson, new=new)

    def _learn_the_rest(self) -> None:
        """Points that ended after the last choice count as well."""
        if self._thinking is not None:  # a budget ended the run meanwhile
            thought = self._thinking.result()
            if thought.studied is not None:
                self._noted(thought.studied)
        lesson = self._fresh_lesson()
        if lesson is not None:
            self._noted(self._study.learn(lesson))
