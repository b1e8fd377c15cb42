"""A small process beside the run that kills the run's process groups when the run dies, even by SIGKILL.

The run holds the only write end of the guardian's standard input and names each group there as it
starts (``+pid``) and before it is reaped (``-pid``). End of file means that the run is gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 3.0


class Guard:
    """The run's end of the guardian."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guardian: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the guardian if it does not run; call this before a group is started, for it takes a while."""
        with self._lock:
            if self._guardian is None:
                self._guardian = _start()

    def add(self, group: int) -> None:
        """Have the guardian kill this process group if the run dies."""
        self._tell(f"+{group}\n")

    def discard(self, group: int) -> None:
        """Forget a group; call this before its leader is reaped, while its number cannot be reused."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let the guardian kill what it was told of and not since told to forget, and end."""
        with self._lock:
            guardian, self._guardian = self._guardian, None
        if guardian is not None:
            guardian.communicate()

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._guardian is not None and self._guardian.stdin is not None:
                with contextlib.suppress(BrokenPipeError):  # somebody killed the guardian; the run goes on without
                    os.write(self._guardian.stdin.fileno(), line.encode())


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def _signal_all(groups: set[int], number: int) -> set[int]:
    """Signal the groups; return those that are still there."""
    alive = set()
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            alive.add(group)
    return alive


def watch(stream: int) -> None:
    """Read group numbers until end of file, then end the groups that are left: TERM, a grace time, KILL."""
    groups: set[int] = set()
    rest = b""
    while chunk := os.read(stream, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    alive = _signal_all(groups, signal.SIGTERM)
    end = time.monotonic() + GRACE_S
    while alive and time.monotonic() < end:
        time.sleep(0.05)
        alive = _signal_all(alive, 0)
    _signal_all(alive, signal.SIGKILL)


if __name__ == "__main__":
    watch(0)
