"""Watches the memory of running commands, and kills those that take more than they may."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from deffe.scripts.process import Group

INTERVAL_S = 0.25
_PROCESSES = Path("/proc")
_MIB = 1 << 20
_SESSION, _PAGES = 3, 21
"""Places in ``/proc/PID/stat``, behind the name of the command."""


class MemoryLimit:
    """What the processes of a command may take together, in MiB; ``exceeded`` once one was killed for it."""

    def __init__(self, watch: MemoryWatch, limit_mib: int) -> None:
        self._watch, self.limit_mib = watch, limit_mib
        self.exceeded = False

    @property
    def reason(self) -> str:
        """Why its commands have ended; empty when that was not for their memory."""
        return f"memory limit of {self.limit_mib:,} MiB reached" if self.exceeded else ""

    @contextlib.contextmanager
    def over(self, group: Group) -> Iterator[None]:
        """While the body runs, the group is killed when it takes more."""
        self._watch.add(group, self)
        try:
            yield
        finally:
            self._watch.remove(group)


class MemoryWatch:
    """One thread that adds up, four times a second, the resident memory of all processes of each watched command."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[Group, MemoryLimit] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def limit(self, mib: int | None) -> MemoryLimit | None:
        """A limit for one job; None for none."""
        return None if mib is None else MemoryLimit(self, mib)

    def add(self, group: Group, limit: MemoryLimit) -> None:
        """Watch a command from now on."""
        with self._lock:
            self._watched[group] = limit
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
                self._thread.start()

    def remove(self, group: Group) -> None:
        """Watch it no more."""
        with self._lock:
            del self._watched[group]

    def close(self) -> None:
        """End the thread."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            with self._lock:
                watched = dict(self._watched)
            with contextlib.suppress(OSError):  # too many open files, perhaps: the next look may succeed
                taken = _resident({group.pid for group in watched}) if watched else {}
                for group, limit in watched.items():
                    if taken[group.pid] > limit.limit_mib * _MIB:
                        limit.exceeded = True
                        group.signal(signal.SIGKILL)


def _resident(sessions: set[int]) -> dict[int, int]:
    """Resident bytes of all processes of each session; a command leads a session of its own."""
    page = os.sysconf("SC_PAGE_SIZE")
    found = dict.fromkeys(sessions, 0)
    for name in os.listdir(_PROCESSES):
        if not name.isdigit():
            continue
        try:
            fields = (_PROCESSES / name / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        session = int(fields[_SESSION])
        if session in found:
            found[session] += int(fields[_PAGES]) * page
    return found
