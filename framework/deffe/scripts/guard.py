"""A small process beside the run that kills what commands have left when they end, and all of them when the run dies.

The run holds the only write end of the guardian's standard input. There it announces each command by a number
(``+7``), names its process group once it has started (``=7 4711``), and tells when it has ended (``-7``). End of file
means that the run is gone, even by SIGKILL. All that a command starts inherits its number in a variable, by which
it is found where it has left the process group, or was started just when the run died.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

GRACE_S = 3.0
VARIABLE = "DEFFE_GUARD"
SWEEP_S = 1.0
"""What has left the group of its command lives this long after it at most."""
LOOK_S = 0.1
START_S = 1.0
"""A command that was announced when the run died shows up within this time."""


class Guard:
    """The run's end of the guardian."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guardian: subprocess.Popen[bytes] | None = None
        self._token = os.urandom(8).hex()
        self._count = 0

    def announce(self) -> tuple[int, dict[str, str]]:
        """A command is about to start: its number, and what to add to its environment."""
        with self._lock:
            if self._guardian is None:
                self._guardian = _start(self._token)
            self._count += 1
            number = self._count
            self._tell(f"+{number}\n")
        return number, {VARIABLE: f"{self._token}.{number}"}

    def add(self, number: int, group: int) -> None:
        """The command leads this process group."""
        with self._lock:
            self._tell(f"={number} {group}\n")

    def discard(self, number: int) -> None:
        """The command has ended; call this before it is reaped, while the number of its group cannot be reused."""
        with self._lock:
            self._tell(f"-{number}\n")

    def close(self) -> None:
        """Let the guardian kill what has not ended, and end."""
        with self._lock:
            guardian, self._guardian = self._guardian, None
        if guardian is not None:
            guardian.communicate()

    def _tell(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # somebody killed the guardian; the run goes on without
                os.write(self._guardian.stdin.fileno(), line.encode())


def _start(token: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, token],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != VARIABLE},  # of a run around this one
    )


class Watch:
    """The guardian's end.

    Args:
        stream: descriptor of what the run tells.
        token: begins the value of the variable of every command.
    """

    def __init__(self, stream: int, token: str) -> None:
        self._stream = stream
        self._mark = re.compile(rb"(?:^|\0)%s=%s\.(\d+)(?:\0|$)" % (VARIABLE.encode(), token.encode()))
        self._rest = b""
        self._live: dict[int, int | None] = {}
        """Process groups of commands by their number; None where none was told yet."""
        self._ended = False

    def run(self) -> None:
        """Kill what is left of commands that have ended until the run is gone, then all."""
        due = None
        while self._read(None if due is None else max(due - time.monotonic(), 0)):
            if self._ended and due is None:
                due = time.monotonic() + SWEEP_S
            if due is not None and time.monotonic() >= due:
                self._ended = False
                if not self._sweep():
                    break
                due = None
        self._end_all()

    def _read(self, wait_s: float | None) -> bool:
        """Read what the run tells, waiting so long for it; whether the run is there."""
        if not select.select([self._stream], [], [], wait_s)[0]:
            return True
        chunk = os.read(self._stream, 65536)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            number, _, group = line[1:].partition(b" ")
            if line[:1] == b"-":
                self._live.pop(int(number), None)
                self._ended = True
            else:
                self._live[int(number)] = int(group) if group else None
        return bool(chunk)

    def _sweep(self) -> bool:
        """Kill what is left of commands that have ended; whether the run is there."""
        found = self._marked()
        there = self._read(0)  # each that was found had been announced by now
        for process, number in found.items():
            if number not in self._live and self._number(process) == number:
                _signal(os.kill, process, signal.SIGKILL)
                self._ended = True  # it may have started another meanwhile
        return there

    def _end_all(self) -> None:
        """End all commands: TERM, a grace time, KILL."""
        begun = time.monotonic()
        told: set[int] = set()
        groups = {group for group in self._live.values() if group is not None}
        alive = {group for group in groups if _signal(os.killpg, group, signal.SIGTERM)}
        while time.monotonic() < begun + GRACE_S:
            marked = self._marked()
            for process in marked.keys() - told:
                _signal(os.kill, process, signal.SIGTERM)
            told |= marked.keys()
            alive = {group for group in alive if _signal(os.killpg, group, 0)}
            late = None in self._live.values() and not marked and time.monotonic() < begun + START_S
            if not alive and not marked and not late:
                return
            time.sleep(LOOK_S)
        for group in alive:
            _signal(os.killpg, group, signal.SIGKILL)
        for process in self._marked():
            _signal(os.kill, process, signal.SIGKILL)

    def _marked(self) -> dict[int, int]:
        """The processes that have the variable, each with the number of its command; none where there is no /proc."""
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir("/proc") if name.isdigit()]
            return {int(name): number for name in names if (number := self._number(int(name))) is not None}
        return {}

    def _number(self, process: int) -> int | None:
        with contextlib.suppress(OSError), open(f"/proc/{process}/environ", "rb") as file:
            found = self._mark.search(file.read())
            return int(found[1]) if found else None
        return None


def _signal(send: Callable[[int, int], None], target: int, number: int) -> bool:
    """Signal a process or a group; whether it is there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(target, number)
        return True
    return False


if __name__ == "__main__":
    Watch(0, sys.argv[1]).run()
