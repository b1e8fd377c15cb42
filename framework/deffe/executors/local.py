"""Runs jobs and calls on this machine, a thread a slot: a thread that waits for its process costs nothing."""

from __future__ import annotations

import atexit
import contextlib
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from deffe.errors import PluginError
from deffe.executors import CallEnd, Job, JobEnd
from deffe.executors.worker import Worker
from deffe.scripts import process
from deffe.scripts.guard import GRACE_S, Guard
from deffe.scripts.process import Stop

ItemT = TypeVar("ItemT")
EndT = TypeVar("EndT")
Slot = Callable[[], AbstractContextManager[Callable[[ItemT], EndT | None]]]
"""Makes what works on one item after another in a thread; it returns None for an item that was stopped."""


class LocalExecutor:
    """Executor for this machine. Nothing it started outlives it or this program, even one killed by SIGKILL.

    Args:
        workers: how many jobs or calls run at the same time.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers: expected at least 1, got {workers}")
        self.workers = workers
        self._guard = Guard()
        self._lock = threading.Lock()
        self._stops: set[Stop] = set()
        self._idle: dict[tuple[bytes, Path | None], list[Worker]] = {}
        self._closed = False
        atexit.register(self.close)

    def run(self, jobs: Iterable[Job]) -> Iterator[JobEnd]:
        with self._stopping() as stop:

            def work(job: Job) -> JobEnd | None:
                ended = process.run(
                    job.commands,
                    folder=job.folder,
                    log=job.log,
                    environment=job.environment,
                    timeout_s=job.timeout_s,
                    stop=stop,
                    guard=self._guard,
                )
                return None if ended.stopped else JobEnd(job, ended.exit_code, ended.timed_out, ended.seconds)

            yield from _unordered(jobs, lambda: contextlib.nullcontext(work), self.workers, stop)

    def call(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        timeout_s: float | None = None,
        log: Path | None = None,
    ) -> Iterator[CallEnd]:
        try:
            pickled = pickle.dumps(function)
        except Exception as error:  # pickling may fail in any way
            raise PluginError(f"{function!r} cannot be sent to worker processes: {error}") from error
        with self._stopping() as stop:
            yield from _unordered(
                enumerate(items), lambda: self._caller(pickled, timeout_s, log, stop), self.workers, stop
            )

    def close(self) -> None:
        with self._lock:
            self._closed = True
            stops = list(self._stops)
            idle = [worker for workers in self._idle.values() for worker in workers]
            self._idle.clear()
        for worker in idle:
            worker.close()
        for stop in stops:
            stop.set()
        self._guard.close()
        atexit.unregister(self.close)

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[Stop]:
        stop = Stop()
        with self._lock:
            self._stops.add(stop)
            if self._closed:
                stop.set()
        try:
            yield stop
        finally:
            with self._lock:
                self._stops.discard(stop)

    @contextlib.contextmanager
    def _caller(
        self, function: bytes, timeout_s: float | None, log: Path | None, stop: Stop
    ) -> Iterator[Callable[[tuple[int, Any]], CallEnd | None]]:
        worker: Worker | None = self._idle_worker(function, log)

        def work(numbered: tuple[int, Any]) -> CallEnd | None:
            nonlocal worker
            if worker is None or not worker.alive:
                try:
                    worker = Worker(function, log, self._guard, stop)
                except PluginError:
                    if stop.is_set():  # killed while it was loading the function
                        return None
                    raise
            start = time.monotonic()
            reply = worker.call(numbered[1], timeout_s, stop)
            seconds = time.monotonic() - start
            return None if stop.is_set() else CallEnd(numbered[0], reply.value, reply.error, reply.timed_out, seconds)

        try:
            yield work
        finally:
            if worker is not None and worker.alive:
                self._keep(worker, function, log)

    def _idle_worker(self, function: bytes, log: Path | None) -> Worker | None:
        with self._lock:
            workers = self._idle.get((function, log))
            return workers.pop() if workers else None

    def _keep(self, worker: Worker, function: bytes, log: Path | None) -> None:
        """Keep a worker for the next step, since its imports may have taken long."""
        with self._lock:
            if not self._closed:
                self._idle.setdefault((function, log), []).append(worker)
                return
        worker.close()


def _unordered(items: Iterable[ItemT], slot: Slot[ItemT, EndT], workers: int, stop: Stop) -> Iterator[EndT]:
    """Work on items in threads; yield in order of completion, drawing an item only when a slot is free."""
    todo: SimpleQueue[tuple[ItemT] | None] = SimpleQueue()
    done: SimpleQueue[EndT | BaseException | None] = SimpleQueue()
    threads: list[threading.Thread] = []
    source = iter(items)
    running, more = 0, True
    try:
        while True:
            while more and running < workers and not stop.is_set():
                try:
                    todo.put((next(source),))
                except StopIteration:
                    more = False
                    break
                running += 1
                if len(threads) < running:
                    threads.append(threading.Thread(target=_serve, args=(slot, todo, done), daemon=True))
                    threads[-1].start()
            if not running:
                return
            end = done.get()
            running -= 1
            if isinstance(end, BaseException):
                raise end
            if end is not None:
                yield end
    finally:
        if running:
            stop.set()
        for _ in threads:
            todo.put(None)
        for thread in threads:
            thread.join(GRACE_S)


def _serve(
    slot: Slot[ItemT, EndT], todo: SimpleQueue[tuple[ItemT] | None], done: SimpleQueue[EndT | BaseException | None]
) -> None:
    """Work on items until there are no more; an error is handed on and ends this slot."""
    try:
        with slot() as work:
            while (item := todo.get()) is not None:
                done.put(work(item[0]))
    except BaseException as error:  # raised in the caller's thread, whatever it is
        done.put(error)
