"""A run's connection to a Dask cluster: tasks out, answers back, and the run's site on each worker.

What is sent is made in functions here, so that Dask sends it whole: neither the scheduler nor, until the site has put
the run's folders on its path, a worker needs to find deffe.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from deffe.errors import DeffeError
from deffe.executors.dask_cluster import ClusterOptions, connect, lost
from deffe.executors.dask_site import Answer
from deffe.executors.worker import explain

SLOTS_S = 2.0
"""How old the number of slots may be."""
ALONE_S = 30.0
"""Without any worker for this long, that is told."""


class Link:
    """A connection. All methods may be called from any thread.

    Raises:
        DeffeError: no scheduler answers, or, from any method, it is gone.
        UsageError: the cluster cannot be made.
    """

    def __init__(self, options: ClusterOptions, workers: int, log: logging.Logger) -> None:
        self._log = log
        self._name = f"deffe-{uuid.uuid4().hex}"
        self._client, self._disconnect = connect(options, workers, log)
        self._where = options.address or options.scheduler_file or options.cluster or "this machine"
        self._lock = threading.Lock()
        self._slots, self._counted = 0, float("-inf")
        self._alone_since, self._told = time.monotonic(), False
        self._task = _make_task(self._name)
        try:
            self._client.register_plugin(_make_plugin(self._name, sys.path, options.is_here))
        except BaseException:
            self.close()
            raise

    def slots(self) -> int:
        """How many tasks the cluster runs at the same time; it may grow and shrink."""
        with self._lock:
            now = time.monotonic()
            if now - self._counted > SLOTS_S:
                with contextlib.suppress(OSError, TimeoutError, AttributeError):  # a lost scheduler shows in the tasks
                    self._slots = sum(self._client.nthreads().values())
                self._counted = time.monotonic()
                self._note_alone(now)
            return self._slots

    def submit(self, kind: str, *arguments: Any) -> Any:
        """Start a task of the site on some worker; its future."""
        key = f"{self._name}-{uuid.uuid4().hex}"
        try:
            return self._client.submit(self._task, kind, *arguments, key=key, pure=False)
        except RuntimeError as error:
            raise self._failure(error) from error

    def hold(self, data: bytes) -> Any:
        """Data that many tasks need: sent once, and sent again where the worker that holds it dies."""
        return self._client.submit(_make_identity(), data, key=f"{self._name}-{uuid.uuid4().hex}", pure=False)

    def answers(self, futures: Sequence[Any]) -> list[Answer]:
        """What became of futures that have ended; ``died`` and a reason where workers died again and again."""
        if not futures:
            return []
        self.check()
        finished = [future for future in futures if future.status == "finished"]
        found: dict[str, Answer] = {}
        with contextlib.suppress(Exception):  # asked for one by one then
            values = self._client.gather(finished)
            found = {future.key: value for future, value in zip(finished, values, strict=True)}
        return [found[future.key] if future.key in found else self._answer(future) for future in futures]

    def check(self) -> None:
        """See that the scheduler is still there."""
        if self._client.status != "running":
            raise lost(self._where)

    def cancel(self, futures: Sequence[Any]) -> None:
        """End tasks; the sites see it within a moment."""
        with contextlib.suppress(Exception):  # nothing is left to be done where the scheduler is gone
            if futures and self._client.status == "running":
                self._client.cancel(list(futures), force=True)

    def close(self) -> None:
        """Kill what runs on the workers, and leave the cluster, or end it where it was made for this run."""
        with contextlib.suppress(Exception):  # the sites see by themselves that this run is gone
            if self._client.status == "running":
                self._client.unregister_worker_plugin(self._name)
        self._disconnect()

    def _answer(self, future: Any) -> Answer:
        from distributed import KilledWorker

        try:
            answer: Answer = future.result()
            return answer
        except KilledWorker as error:
            return "died", f"the Dask worker that ran it died, {error.allowed_failures + 1} times"
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> DeffeError:
        from concurrent.futures import CancelledError

        if self._client.status != "running" or isinstance(error, CancelledError):
            return lost(self._where)
        return DeffeError(f"the Dask cluster at {self._where} failed: {explain(error)}", "see the log of its workers")

    def _note_alone(self, now: float) -> None:
        """Tell once when no worker has been there for long."""
        if self._slots:
            self._alone_since, self._told = now, False
        elif not self._told and now - self._alone_since > ALONE_S:
            self._log.warning("the Dask cluster at %s has no worker yet: points wait for one", self._where)
            self._told = True


def _make_identity() -> Callable[[Any], Any]:
    def deffe_data(data: Any) -> Any:
        return data

    return deffe_data


def _make_task(name: str) -> Callable[..., Any]:
    def deffe_task(kind: str, *arguments: Any) -> Any:
        from distributed import get_worker

        plugin: Any = get_worker().plugins[name]
        return plugin.run(kind, arguments)

    return deffe_task


def _make_plugin(site_name: str, paths: Sequence[str], with_us: bool) -> Any:
    """What makes the site on each worker.

    Args:
        paths: folders to import from, besides those that the worker has.
        with_us: the workers get the signals of the terminal that this run gets, which ends them itself.
    """
    from distributed import WorkerPlugin

    folders = list(paths)

    class DeffeSite(WorkerPlugin):
        """Makes the site on each worker."""

        name = site_name

        def setup(self, worker: Any) -> None:
            import sys as workers_sys

            if with_us:
                import signal

                signal.signal(signal.SIGINT, lambda number, frame: None)
            workers_sys.path += [folder for folder in folders if folder not in workers_sys.path]
            self.node, self.site, self.fault = worker, None, ""
            try:
                from deffe.executors.dask_site import Site
            except ImportError as error:
                self.fault = str(error)
                return

            def wanted(key: str) -> bool:
                task = worker.state.tasks.get(key)
                return task is not None and task.state in ("executing", "long-running")

            self.site = Site(wanted)

        def teardown(self, worker: Any) -> None:
            if self.site is not None:
                self.site.close()

        def run(self, kind: str, arguments: Any) -> Any:
            if self.site is None:
                what = f"the Dask worker {self.node.address} cannot import deffe: {self.fault}"
                return "fault", what, "install the same version of deffe and its dependencies there"
            answer = getattr(self.site, kind)(self.node.get_current_task(), *arguments)
            if answer[0] == "stopped":  # by the end of this worker, if anyone still wants to know: another one takes it
                from distributed import Reschedule

                raise Reschedule
            return answer

    return DeffeSite()
