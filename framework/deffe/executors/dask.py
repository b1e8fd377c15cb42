"""Runs jobs and calls on a Dask cluster; of what a lost worker ran, every item gets another attempt elsewhere."""

from __future__ import annotations

import atexit
import logging
import os
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from deffe.errors import DeffeError, PluginError
from deffe.executors import CallEnd, Job, JobEnd
from deffe.executors.dask_cluster import ClusterOptions, check_installed
from deffe.executors.dask_link import Link
from deffe.executors.dask_site import Answer
from deffe.executors.worker import pickled, unsendable

ItemT = TypeVar("ItemT")
Send = Callable[[Link, ItemT], Any]
"""Starts an item; gives its future, or its answer where that is known already."""
WAIT_S = 0.5
INLINE_BYTES = 50_000
"""A function of more bytes is sent to the cluster once, and not with each item."""
KILLED = -9
UNKNOWN_S = float("nan")


class DaskExecutor:
    """Executor for a Dask cluster, which is found or made when the first item is there.

    Functions and scripts run in processes of their own on the workers. These need the run directory for scripts, and
    the module of a function. An item whose worker dies is given to another one; it fails when that has happened too
    often, the last times with no other such item on the cluster, so that none fails for what another has done.

    Args:
        options: which cluster.
        workers: processes of a cluster that is made on this machine.
    Raises:
        UsageError: Dask is not installed.
    """

    def __init__(self, options: ClusterOptions, workers: int, log: logging.Logger) -> None:
        check_installed()
        self._options = options
        self._workers = workers
        self._log = log
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._suspect = threading.Lock()
        self._link: Link | None = None
        self._rounds: set[_Round[Any]] = set()
        self._closed = False
        atexit.register(self.close)

    @classmethod
    def of(cls, section: Mapping[str, Any], workers: int, log: logging.Logger | None = None) -> DaskExecutor:
        """The executor that the section ``dask`` of a configuration describes."""
        return cls(ClusterOptions(**section), workers, log or logging.getLogger(__name__))

    @property
    def slots(self) -> int:
        """How many jobs or calls may run at the same time; it may grow and shrink."""
        link = self._link
        return max(1, link.slots()) if link is not None else self._workers if self._options.is_here else 1

    def run(self, jobs: Iterable[Job]) -> Iterator[JobEnd]:
        def send(link: Link, job: Job) -> Any:
            commands = [list(command) for command in job.commands]
            environment, unset = _environment(job, whole=self._options.is_here)
            limits = (job.timeout_s, job.memory_mib, job.delay_s)
            return link.submit("job", commands, str(job.folder), str(job.log), environment, unset, *limits)

        for job, (kind, *found) in self._unordered(jobs, send):
            if kind == "died":
                yield JobEnd(job, KILLED, False, UNKNOWN_S, found[0])
            else:
                yield JobEnd(job, *found)

    def call(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        timeout_s: float | None = None,
        log: Path | None = None,
    ) -> Iterator[CallEnd]:
        call = pickled(function)
        rest = (timeout_s, str(log) if log is not None else None, str(Path.cwd()))
        held: list[Any] = []

        def send(link: Link, numbered: tuple[int, Any]) -> Any:
            try:
                item = pickle.dumps(numbered[1])
            except Exception as error:  # an item may fail to pickle in any way
                return ("ended", None, unsendable(error), False, 0.0)
            if not held:
                held.append(call if len(call) <= INLINE_BYTES else link.hold(call))
            return link.submit("call", held[0], item, *rest)

        for (index, _), (kind, *found) in self._unordered(enumerate(items), send):
            if kind == "died":
                yield CallEnd(index, None, found[0], False, UNKNOWN_S)
            else:
                yield CallEnd(index, *found)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            link, self._link = self._link, None
            rounds = list(self._rounds)
        for each in rounds:
            each.wake()
        if link is not None:
            link.close()
        atexit.unregister(self.close)

    def _unordered(self, items: Iterable[ItemT], send: Send[ItemT]) -> Iterator[tuple[ItemT, Answer]]:
        """Work on items; yield in the order of completion, with a few more of them drawn than the cluster has slots."""
        source, more = iter(items), True
        link = self._linked()
        if link is None:
            return
        current = _Round(link, send, self._suspect)
        with self._lock:
            self._rounds.add(current)
        try:
            while not self._closed:
                while more and not self._closed and self._fits(current, link):
                    try:
                        item = next(source)
                    except StopIteration:
                        more = False
                        break
                    current.add(item)
                if not len(current):
                    return
                yield from current.ended()
        except DeffeError:
            if not self._closed:  # else the error is that the cluster was left
                raise
        finally:
            with self._lock:
                self._rounds.discard(current)
            current.cancel()

    def _fits(self, current: _Round[Any], link: Link) -> bool:
        """Whether another item may be drawn: as many are out as run, and some that wait there, so that no slot idles.

        Every iterator has one at least.
        """
        if not len(current):
            return True
        slots = link.slots()
        with self._lock:
            return sum(map(len, self._rounds)) < slots + max(2, slots // 4)

    def _linked(self) -> Link | None:
        """The connection, made by whoever needs it first; None once this is closed."""
        with self._connecting:
            if self._link is None and not self._closed:
                link = Link(self._options, self._workers, self._log)
                with self._lock:
                    if not self._closed:
                        self._link = link
                if self._closed:
                    link.close()
            return self._link


class _Round(Generic[ItemT]):
    """The items of one iteration that are on the cluster.

    Args:
        suspect: held while an item is on the cluster that was running on workers that died.
    """

    def __init__(self, link: Link, send: Send[ItemT], suspect: threading.Lock) -> None:
        self._link = link
        self._send = send
        self._suspect = suspect
        self._flying: dict[str, tuple[ItemT, Any]] = {}
        self._known: list[tuple[ItemT, Answer]] = []
        self._suspects: deque[ItemT] = deque()
        self._tried = ""
        self._ended: SimpleQueue[Any] = SimpleQueue()

    def __len__(self) -> int:
        return len(self._flying) + len(self._known) + len(self._suspects)

    def add(self, item: ItemT) -> str:
        """Start an item; the key of its task, empty where it has ended at once."""
        sent = self._send(self._link, item)
        if isinstance(sent, tuple):
            self._known.append((item, sent))
            return ""
        self._flying[sent.key] = (item, sent)
        sent.add_done_callback(self._ended.put)
        return str(sent.key)

    def ended(self) -> Iterator[tuple[ItemT, Answer]]:
        """The items that have ended; none where none has within a moment."""
        known, self._known = self._known, []
        yield from known
        ended = self._take(wait=not known)
        answers = self._link.answers(ended)
        fault: DeffeError | None = None  # raised once the others have been told
        for future, answer in zip(ended, answers, strict=True):
            item, _ = self._flying.pop(future.key)
            if answer[0] in ("plugin", "fault"):
                fault = (PluginError if answer[0] == "plugin" else DeffeError)(*answer[1:])
                continue
            tried = self._is_tried(future.key)
            if answer[0] == "died" and not tried:
                self._suspects.append(item)
            else:
                yield item, answer
        if fault is not None:
            raise fault
        self._try_next()

    def wake(self) -> None:
        """End a wait."""
        self._ended.put(None)

    def cancel(self) -> None:
        """End what is left."""
        self._link.cancel([future for _, future in self._flying.values()])
        if self._tried:
            self._is_tried(self._tried)

    def _is_tried(self, key: str) -> bool:
        """Whether this was the suspect that was tried; another one may be tried then."""
        if key != self._tried:
            return False
        self._tried = ""
        self._suspect.release()
        return True

    def _try_next(self) -> None:
        """Give the next suspect another attempt, if no other suspect has one."""
        if self._suspects and not self._tried and self._suspect.acquire(blocking=False):
            self._tried = self.add(self._suspects.popleft())

    def _take(self, wait: bool) -> list[Any]:
        found = []
        try:
            found.append(self._ended.get(timeout=WAIT_S) if wait else self._ended.get_nowait())
            while True:
                found.append(self._ended.get_nowait())
        except Empty:
            if not found and wait:
                self._link.check()
        return [future for future in found if future is not None]


def _environment(job: Job, whole: bool) -> tuple[dict[str, str], list[str]]:
    """The environment to send with a job, and what a worker's own has to be rid of.

    Args:
        whole: all of it; else what was made for the job, for the rest may hold secrets.
    """
    if whole:
        return dict(job.environment), ["*"]
    made = {name: value for name, value in job.environment.items() if os.environ.get(name) != value}
    return {**made, **job.variables}, [name for name in os.environ if name not in job.environment]
