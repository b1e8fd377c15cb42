"""Runs the commands of one job: a process group with a time limit and a log, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from deffe.errors import DeffeError
from deffe.scripts.guard import GRACE_S, Guard

NOT_STARTED = 127
TAIL_BYTES = 8192
LINE_LIMIT = 200
_TIMING = re.compile(r"(real|user|sys) \d+\.\d+")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Ended:
    """How the commands of a job ended.

    Args:
        exit_code: 0, or that of the first command that failed; a negative one is the signal that killed it.
        timed_out: the time limit was reached.
        seconds: wall time of all commands.
        stopped: ended by ``Stop``; what the job left behind is of no use.
        reason: of the limit that has ended the job; empty where none has.
    """

    exit_code: int
    timed_out: bool
    seconds: float
    stopped: bool = False
    reason: str = ""


class Group:
    """One command in a session of its own. It can be signalled until it has been reaped.

    Raises:
        OSError, ValueError: the command cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path | None,
        output: int | BinaryIO,
        environment: Mapping[str, str] | None,
        guard: Guard | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._lock = threading.Lock()
        self._reaped = threading.Event()
        self._guard = guard
        self._number = 0
        if guard is not None:
            self._number, variable = guard.announce()
            environment = {**(os.environ if environment is None else environment), **variable}
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
        except BaseException:
            self._forget()
            raise
        if guard is not None:
            guard.add(self._number, self._process.pid)

    @property
    def pid(self) -> int:
        """The number of the process, of its group and of its session."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Signal every process of the group; nothing happens once it has been reaped."""
        with self._lock:
            if not self._reaped.is_set():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)

    def end(self, grace_s: float = GRACE_S) -> None:
        """Ask the group to end, and kill it if it has not been reaped after ``grace_s``. Something else reaps it."""
        self.signal(signal.SIGTERM)
        if not self._reaped.wait(max(grace_s, 0)):
            self.signal(signal.SIGKILL)

    def wait(self) -> None:
        """Block until the command has ended; its number stays taken, so that the group can be signalled safely."""
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)

    def reap(self) -> tuple[int, float, float]:
        """Wait for the command, kill what it left running, and free its number.

        Returns:
            the exit code, user and system CPU time in seconds.
        """
        self.wait()
        self.signal(signal.SIGKILL)
        self._forget()
        with self._lock:
            _, status, usage = os.wait4(self._process.pid, 0)
            self._reaped.set()
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode, usage.ru_utime, usage.ru_stime

    def _forget(self) -> None:
        if self._guard is not None:
            self._guard.discard(self._number)


class Stop:
    """Ends, from any thread and for good, the groups that run under it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[Group] = set()
        self._set = threading.Event()

    def is_set(self) -> bool:
        return self._set.is_set()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until ``set``."""
        if seconds > 0:
            self._set.wait(seconds)

    def set(self, grace_s: float = GRACE_S) -> None:
        """TERM to all groups at once, and KILL to those that are there after ``grace_s``."""
        with self._lock:
            self._set.set()
            groups = list(self._groups)
        for group in groups:
            group.signal(signal.SIGTERM)
        until = time.monotonic() + grace_s
        for group in groups:
            group.end(until - time.monotonic())

    @contextlib.contextmanager
    def over(self, group: Group) -> Iterator[None]:
        """While the body runs, ``set`` ends this group too."""
        with self._lock:
            self._groups.add(group)
            late = self._set.is_set()
        if late:
            group.signal(signal.SIGKILL)
        try:
            yield
        finally:
            with self._lock:
                self._groups.discard(group)


class Limit(Protocol):
    """What a job may take; it kills the commands that take more."""

    @property
    def reason(self) -> str:
        """What was exceeded; empty when nothing was."""
        ...

    def over(self, group: Group) -> AbstractContextManager[object]:
        """Entered while a command runs."""
        ...


def run(
    commands: Sequence[Sequence[str]],
    *,
    folder: Path,
    log: Path,
    environment: Mapping[str, str],
    timeout_s: float | None = None,
    stop: Stop | None = None,
    guard: Guard | None = None,
    delay_s: float = 0.0,
    limit: Limit | None = None,
) -> Ended:
    """Run commands in order until one fails, and kill whatever they leave running.

    After each command its ``real``, ``user`` and ``sys`` seconds are appended to the log, in the form of ``time -p``.

    Args:
        commands: argument lists; no shell is involved.
        folder: working directory.
        log: file to which standard output and standard error are appended.
        environment: the complete environment.
        timeout_s: wall time for all commands together.
        stop: ends the commands from another thread.
        guard: ends them when this program dies.
        delay_s: time to wait first; it does not count.
        limit: what else may end it, beside the time.
    Raises:
        DeffeError: the log cannot be written.
    """
    stop = stop or Stop()
    stop.wait(delay_s)
    start = time.monotonic()
    with _opened(log) as output:
        for command in commands:
            left = None if timeout_s is None else timeout_s - (time.monotonic() - start)
            code, timed_out = _run_one(command, folder, output, environment, left, stop, guard, limit)
            if code or timed_out or stop.is_set():
                break
        else:
            return Ended(0, False, time.monotonic() - start)
    reason = limit.reason if limit is not None and code else ""
    return Ended(code, timed_out, time.monotonic() - start, stop.is_set(), reason)


def _opened(log: Path) -> BinaryIO:
    try:
        return log.open("ab", buffering=0)
    except OSError as error:
        raise DeffeError(
            f"cannot write {log}: {error.strerror}", "free space or allow writing, then run again"
        ) from error


def _run_one(
    command: Sequence[str],
    folder: Path,
    output: BinaryIO,
    environment: Mapping[str, str],
    timeout_s: float | None,
    stop: Stop,
    guard: Guard | None,
    limit: Limit | None,
) -> tuple[int, bool]:
    start = time.monotonic()
    if stop.is_set():
        return NOT_STARTED, False
    try:
        group = Group(command, folder=folder, output=output, environment=environment, guard=guard)
    except (OSError, ValueError) as error:
        _append(output, f"{command[0]} cannot be started: {error}\n")
        return NOT_STARTED, False
    expired = threading.Event()
    try:
        with (
            stop.over(group),
            _limit(group, timeout_s, expired),
            limit.over(group) if limit else contextlib.nullcontext(),
        ):
            group.wait()
            timed_out = expired.is_set()
            code, user, system = group.reap()
    except KeyboardInterrupt:
        group.signal(signal.SIGKILL)
        group.reap()
        raise
    _append(output, f"real {time.monotonic() - start:.2f}\nuser {user:.2f}\nsys {system:.2f}\n")
    return code, timed_out


@contextlib.contextmanager
def _limit(group: Group, timeout_s: float | None, expired: threading.Event) -> Iterator[None]:
    if timeout_s is None:
        yield
        return

    def expire() -> None:
        expired.set()
        group.end()

    watchdog = threading.Timer(min(max(timeout_s, 0), threading.TIMEOUT_MAX), expire)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _append(output: BinaryIO, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk must not lose a job that has ended; the next job meets it
        output.write(text.encode(errors="surrogateescape"))


def describe(exit_code: int) -> str:
    """An exit code in words: ``exit status 3``, ``killed by SIGSEGV``."""
    number = -exit_code if exit_code < 0 else exit_code - 128 if 128 < exit_code < 192 else 0
    try:
        name = signal.Signals(number).name if number else ""
    except ValueError:
        name = ""
    hint = ", perhaps out of memory" if name == "SIGKILL" else ""
    if exit_code < 0:
        return f"killed by {name or f'signal {number}'}{hint}"
    return f"exit status {exit_code}" + (f" ({name}{hint})" if name else "")


def last_line(log: Path) -> str:
    """The last line of a log that says something, at most 200 characters; empty when there is none."""
    text = next(reversed(last_lines(log)), "")
    return text if len(text) <= LINE_LIMIT else "..." + text[3 - LINE_LIMIT :]


def last_lines(log: Path, size: int = TAIL_BYTES) -> list[str]:
    """The lines among the last ``size`` bytes of a log that say something; none when it cannot be read.

    Control characters and the lines of timing are left out.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - size, 0))
            tail = file.read(size)
    except OSError:
        return []
    lines = (_CONTROL.sub("", line).strip() for line in re.split(r"[\r\n]+", tail.decode("utf-8", "replace")))
    return [text for text in lines if text and not _TIMING.fullmatch(text)]
