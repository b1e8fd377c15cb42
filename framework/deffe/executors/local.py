"""Runs jobs and calls on this machine, a thread a slot: a thread that waits for its process costs nothing."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from deffe.errors import PluginError
from deffe.executors import CallEnd, Job, JobEnd
from deffe.executors.slots import Slots
from deffe.executors.worker import Worker, pickled
from deffe.scripts import process
from deffe.scripts.guard import Guard
from deffe.scripts.memory import MemoryWatch
from deffe.scripts.process import Stop


class LocalExecutor:
    """Executor for this machine. Nothing it started outlives it or this program, even one killed by SIGKILL.

    Args:
        workers: how many jobs and calls run at the same time, over all iterators.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers: expected at least 1, got {workers}")
        self.slots = workers
        self._slots = Slots(workers)
        self._guard = Guard()
        self._memory = MemoryWatch()
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
                    delay_s=job.delay_s,
                    limit=self._memory.limit(job.memory_mib),
                )
                if ended.stopped:
                    return None
                return JobEnd(job, ended.exit_code, ended.timed_out, ended.seconds, ended.reason)

            yield from self._slots.unordered(jobs, lambda: contextlib.nullcontext(work), stop)

    def call(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        timeout_s: float | None = None,
        log: Path | None = None,
    ) -> Iterator[CallEnd]:
        call = pickled(function)
        with self._stopping() as stop:
            yield from self._slots.unordered(enumerate(items), lambda: self._caller(call, timeout_s, log, stop), stop)

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
        self._memory.close()
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
