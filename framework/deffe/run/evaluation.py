"""Evaluates a batch: each point is extracted as soon as it has run, and handed on as soon as it is known."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from deffe.errors import DeffeError, EvaluationError, PluginError
from deffe.executors import Executor
from deffe.plugins import Lazy, Plugin
from deffe.records import Batch, Outcome, State

QueueItem = Outcome | BaseException | None
Ready = queue.Queue[QueueItem]
Put = Callable[[QueueItem], None]
MOST_AT_ONCE = 256
WAIT_S = 0.5
STOP_S = 10.0


def failed(outcome: Outcome, reason: str, costs: int, seconds: float) -> Outcome:
    """The outcome of one point whose costs could not be had."""
    return replace(
        outcome,
        states=np.array([State.FAILED], dtype=np.int8),
        costs=np.full((1, costs), np.nan),
        reasons=(reason,),
        extract_seconds=np.array([seconds]),
    )


@dataclass(frozen=True)
class Evaluation:
    """Evaluator and extractor of one exploration, at work at the same time.

    Args:
        executor, extract_on: where evaluations and extractions run.
        costs: names of the measured costs.
        workers: threads that extract.
    """

    evaluator: Plugin
    extractor: Plugin
    executor: Executor
    extract_on: Executor
    costs: tuple[str, ...]
    workers: int

    def start(self, batch: Batch, table: Lazy, told: threading.Event | None = None) -> Running:
        """Start to evaluate a batch; the evaluator runs in a thread of its own, so that nothing holds it up.

        Args:
            told: set whenever something has become known.
        """
        return Running(self, batch, table, told or threading.Event())

    def feed(self, batch: Batch, table: Lazy, put: Put, stop: threading.Event) -> None:
        """Evaluate and extract; hands on each outcome, or the error that ended it all, and None last."""

        def hand_on(done: Future[Outcome]) -> None:
            error = done.exception()
            put(done.result() if error is None else error)

        try:
            with ThreadPoolExecutor(self.workers, "extract") as pool:
                for outcome in self._evaluate(batch, table):
                    if stop.is_set():
                        break
                    if outcome.costs is None:
                        pool.submit(self._extract, outcome).add_done_callback(hand_on)
                    else:
                        put(outcome)
        except BaseException as error:  # handed to the consumer, whatever it is
            put(error)
        finally:
            put(None)

    def _evaluate(self, batch: Batch, table: Lazy) -> Iterator[Outcome]:
        try:
            outcomes = self.evaluator.call("Run", batch=batch, executor=self.executor, table=table)
            if outcomes is None:
                raise PluginError(f"evaluator {self.evaluator.name!r}: Run returned None", "an iterator of Outcome")
            for outcome in outcomes:
                if not isinstance(outcome, Outcome):
                    found = type(outcome).__name__
                    raise PluginError(f"evaluator {self.evaluator.name!r}: Run gave {found}", "an iterator of Outcome")
                yield outcome
        except DeffeError:
            raise
        except Exception as error:
            raise PluginError(f"evaluator {self.evaluator.name!r} failed: {type(error).__name__}: {error}") from error

    def _extract(self, outcome: Outcome) -> Outcome:
        start = time.perf_counter()
        try:
            if outcome.trial is None:
                raise EvaluationError("the evaluator gave neither costs nor a run directory")
            costs = self._costs(self.extractor.call("Run", trial=outcome.trial, executor=self.extract_on))
        except EvaluationError as error:
            return failed(outcome, error.message, len(self.costs), time.perf_counter() - start)
        except DeffeError:
            raise
        except Exception as error:  # a user's extractor may fail in any way; the point's row says how
            reason = f"extractor {self.extractor.name!r}: {type(error).__name__}: {error}"
            return failed(outcome, reason, len(self.costs), time.perf_counter() - start)
        return replace(outcome, costs=costs[None, :], extract_seconds=np.array([time.perf_counter() - start]))

    def _costs(self, found: Mapping[str, float] | None) -> np.ndarray:
        if not isinstance(found, Mapping):
            raise EvaluationError(f"extractor {self.extractor.name!r} gave {type(found).__name__}, not cost: value")
        missing = [cost for cost in self.costs if cost not in found]
        if missing:
            raise EvaluationError(f"cost {missing[0]!r} was not extracted; found: {', '.join(found) or 'none'}")
        costs = np.array([found[cost] for cost in self.costs], dtype=np.float64)
        if not np.isfinite(costs).all():
            bad = self.costs[int(np.flatnonzero(~np.isfinite(costs))[0])]
            raise EvaluationError(f"cost {bad!r} is {found[bad]}, not a finite number")
        return costs


class Running:
    """A batch that is being evaluated; ``stop`` it in the end, whatever happens."""

    def __init__(self, evaluation: Evaluation, batch: Batch, table: Lazy, told: threading.Event) -> None:
        self._executors = (evaluation.executor, evaluation.extract_on)
        self._ready: Ready = queue.Queue()
        self._told = told
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._over = False
        self._feeder = threading.Thread(target=evaluation.feed, args=(batch, table, self._put, self._stop), daemon=True)
        self._feeder.start()

    def _put(self, item: QueueItem) -> None:
        self._ready.put(item)
        self._told.set()

    def outcomes(self, waits: Callable[[], None] = lambda: None) -> Iterator[list[Outcome]]:
        """Groups of outcomes with their costs: all that became known since the last group was taken.

        Args:
            waits: called now and then while nothing becomes known.
        Raises:
            DeffeError: what ended the evaluation; outcomes that were known before are yielded first.
        """
        more = True
        while more:
            group, more = self._collect(self._wait(waits))
            if group:
                yield group
        if self._error is not None:
            raise self._error

    def known(self) -> tuple[list[Outcome], bool]:
        """The outcomes that have become known, without waiting; the flag tells whether more may come.

        Raises:
            DeffeError: what ended the evaluation; outcomes that were known before are given first.
        """
        if self._error is not None:
            raise self._error
        try:
            group, more = self._collect(self._ready.get_nowait())
        except queue.Empty:
            return [], True
        return group, more or self._error is not None

    def stop(self) -> list[Outcome]:
        """Kill what still runs; the outcomes that were known by then and have not been taken."""
        self._stop.set()
        if not self._over and self._feeder.is_alive():
            for executor in self._executors:
                executor.close()
        self._feeder.join(STOP_S)
        left: list[Outcome] = []
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._ready.get_nowait()
                left += [item] if isinstance(item, Outcome) else []
        return left

    def _wait(self, waits: Callable[[], None]) -> Outcome | BaseException | None:
        # in pieces: Python may miss a signal that arrives during a wait without end
        while True:
            with contextlib.suppress(queue.Empty):
                return self._ready.get(timeout=WAIT_S)
            waits()

    def _collect(self, item: Outcome | BaseException | None) -> tuple[list[Outcome], bool]:
        """The item and what else is there already; the flag tells whether more may come."""
        group: list[Outcome] = []
        while isinstance(item, Outcome):
            group.append(item)
            if len(group) == MOST_AT_ONCE:
                return group, True
            try:
                item = self._ready.get_nowait()
            except queue.Empty:
                return group, True
        self._over = item is None
        if item is not None:
            self._error = item  # raised once what is known has been taken
        return group, False
