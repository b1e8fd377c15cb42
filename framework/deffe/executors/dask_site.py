"""What a Dask worker keeps for a run: jobs and calls, in processes that can be killed.

A Dask worker cannot end what one of its threads runs. So scripts and functions have processes of their own, which are
ended when the time is over, when Dask no longer wants the result (the run has been stopped, or is gone), and when the
Dask worker ends, even by SIGKILL. Only what a function returns is unpickled in the Dask worker on its way back, with
whatever its class does then.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deffe.errors import DeffeError, PluginError
from deffe.executors.worker import Worker
from deffe.scripts import process
from deffe.scripts.guard import Guard
from deffe.scripts.memory import MemoryWatch
from deffe.scripts.process import Stop

POLL_S = 0.2
IDLE_S = 60.0
"""A process without work is ended after this time: its run may be gone."""
Answer = tuple[Any, ...]
"""``ended`` and what is known of it, ``stopped``, or ``plugin``, ``fault`` and the message and hint of an error."""


@dataclass
class _Idle:
    """A process that holds a function, and waits for its next call."""

    key: tuple[str, str]
    worker: Worker
    since: float = field(default_factory=time.monotonic)


class Site:
    """One worker's part of a run.

    Args:
        wanted: tells of the key of a task whether its result is still wanted.
    """

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self._guard = Guard()
        self._memory = MemoryWatch()
        self._lock = threading.Lock()
        self._running: dict[str, Stop] = {}
        self._idle: list[_Idle] = []
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    def job(
        self,
        key: str,
        commands: Sequence[Sequence[str]],
        folder: str,
        log: str,
        environment: Mapping[str, str],
        unset: Sequence[str],
        timeout_s: float | None,
        memory_mib: int | None,
        delay_s: float,
    ) -> Answer:
        """Run the commands of a job: ``ended``, exit code, whether the time was over, seconds, which limit ended it.

        Args:
            environment: over that of this machine, without the variables ``unset``; ``*`` are all of them.
        """
        if not Path(folder).is_dir():
            what = f"the folder {folder} is not on the Dask worker {socket.gethostname()}"
            return "fault", what, "scripts need a run directory that all workers share"
        own = {} if "*" in unset else {name: text for name, text in os.environ.items() if name not in unset}
        with self._stopping(key) as stop:
            try:
                ended = process.run(
                    commands,
                    folder=Path(folder),
                    log=Path(log),
                    environment={**own, **environment},
                    timeout_s=timeout_s,
                    stop=stop,
                    guard=self._guard,
                    delay_s=delay_s,
                    limit=self._memory.limit(memory_mib),
                )
            except DeffeError as error:
                return "fault", f"Dask worker {socket.gethostname()}: {error.message}", error.hint
        if ended.stopped:
            return ("stopped",)
        return "ended", ended.exit_code, ended.timed_out, ended.seconds, ended.reason

    def call(
        self, key: str, function: bytes, item: bytes, timeout_s: float | None, log: str | None, folder: str
    ) -> Answer:
        """Call a function: ``ended``, the value, the error, whether the time was over, seconds.

        Args:
            function, item: both pickled.
            log: where what the function prints goes, if that folder is here.
            folder: where the function is called, if it is here.
        """
        output = Path(log) if log is not None and Path(log).parent.is_dir() else None
        name = (hashlib.blake2b(function, digest_size=16).hexdigest(), str(output))
        with self._stopping(key) as stop:
            try:
                worker = self._waiting(name) or Worker(
                    function, output, self._guard, stop, Path(folder) if Path(folder).is_dir() else None
                )
            except DeffeError as error:
                if stop.is_set():  # killed while it was loading the function
                    return ("stopped",)
                kind = "plugin" if isinstance(error, PluginError) else "fault"
                return kind, f"Dask worker {socket.gethostname()}: {error.message}", error.hint
            start = time.monotonic()
            reply = worker.call_pickled(item, timeout_s, stop)
            seconds = time.monotonic() - start
            if worker.alive:
                self._keep(_Idle(name, worker))
            if stop.is_set():
                return ("stopped",)
        return "ended", reply.value, reply.error, reply.timed_out, seconds

    def close(self) -> None:
        """Kill what runs, and start nothing any more."""
        self._closed.set()
        with self._lock:
            stops, idle = list(self._running.values()), self._idle
            self._idle = []
        for waiting in idle:
            waiting.worker.close()
        for stop in stops:
            stop.set(0)
        self._guard.close()
        self._memory.close()

    @contextmanager
    def _stopping(self, key: str) -> Iterator[Stop]:
        stop = Stop()
        with self._lock:
            self._running[key] = stop
            if self._watch is None:
                self._watch = threading.Thread(target=self._look_after, daemon=True, name="deffe-site")
                self._watch.start()
        if self._closed.is_set():
            stop.set(0)
        try:
            yield stop
        finally:
            with self._lock:
                if self._running.get(key) is stop:
                    del self._running[key]

    def _look_after(self) -> None:
        """Stop what is no longer wanted, and end what has waited for long, until the site is closed."""
        while not self._closed.wait(POLL_S):
            with self._lock:
                unwanted = [s for key, s in self._running.items() if not s.is_set() and not self._wanted(key)]
                old = [waiting for waiting in self._idle if time.monotonic() - waiting.since > IDLE_S]
                self._idle = [waiting for waiting in self._idle if waiting not in old]
            for waiting in old:
                waiting.worker.close()
            for stop in unwanted:  # each has its grace time
                threading.Thread(target=stop.set, daemon=True).start()

    def _waiting(self, key: tuple[str, str]) -> Worker | None:
        with self._lock:
            found = next((waiting for waiting in self._idle if waiting.key == key), None)
            if found is None:
                return None
            self._idle.remove(found)
            return found.worker

    def _keep(self, waiting: _Idle) -> None:
        with self._lock:
            if not self._closed.is_set():
                self._idle.append(waiting)
                return
        waiting.worker.close()
