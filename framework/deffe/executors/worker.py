"""A Python process that calls one function on item after item, and can be killed with all that it started."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, NamedTuple

from deffe.errors import DeffeError, PluginError
from deffe.scripts.guard import Guard
from deffe.scripts.process import Group, Stop, describe

# The child takes its import path from the parent before it imports anything of ours.
_BOOT = (
    "import sys; from multiprocessing.connection import Connection; parent = Connection(int(sys.argv[1])); "
    "sys.path[:] = parent.recv(); from deffe.executors.worker import serve; serve(parent)"
)
TEXT_LIMIT = 500
_LONGEST_S = 2_000_000.0
"""Beyond this, a time limit is none: the system call that waits cannot hold it."""


class Reply(NamedTuple):
    """What a call gave; ``error`` is empty when ``value`` counts."""

    value: Any
    error: str
    timed_out: bool = False


class Worker:
    """The parent's side: one worker process that holds one function.

    Args:
        function: the pickled function.
        log: file to which everything that the worker prints is appended.
        folder: where it works; None for the current folder.
    Raises:
        DeffeError: the process cannot be started.
        PluginError: the function cannot be loaded there.
    """

    def __init__(self, function: bytes, log: Path | None, guard: Guard, stop: Stop, folder: Path | None = None) -> None:
        self._child, theirs = Pipe()
        command = [sys.executable, "-c", _BOOT, str(theirs.fileno())]
        try:
            with theirs, (log or Path(os.devnull)).open("ab") as output:
                ends = (theirs.fileno(),)
                self._group = Group(command, folder=folder, output=output, environment=None, guard=guard, pass_fds=ends)
        except OSError as error:
            raise DeffeError(f"cannot start a worker process: {error}") from error
        self.alive = True
        with stop.over(self._group):
            with contextlib.suppress(ConnectionError):  # a dead worker shows in the reply
                self._child.send(sys.path)
                self._child.send_bytes(function)
            reply = self._receive(None)
        if reply.error:
            if self.alive:
                self.close()
            raise PluginError(f"a worker process cannot load the function: {reply.error}")

    def call(self, item: Any, timeout_s: float | None, stop: Stop) -> Reply:
        """Call the function; afterwards ``alive`` tells whether the worker can be used again."""
        try:
            pickled = pickle.dumps(item)
        except Exception as error:  # an item may fail to pickle in any way
            return Reply(None, unsendable(error))
        return self.call_pickled(pickled, timeout_s, stop)

    def call_pickled(self, item: bytes, timeout_s: float | None, stop: Stop) -> Reply:
        """Call the function with an item that is pickled already."""
        with stop.over(self._group):
            with contextlib.suppress(ConnectionError):  # a dead worker shows in the reply
                self._child.send_bytes(item)
            return self._receive(timeout_s)

    def close(self) -> int:
        """Kill the worker and all that it started; its exit code."""
        self.alive = False
        self._group.signal(signal.SIGKILL)
        code, _, _ = self._group.reap()
        self._child.close()
        return code

    def _receive(self, timeout_s: float | None) -> Reply:
        limit = timeout_s if timeout_s is not None and timeout_s < _LONGEST_S else None
        if not self._child.poll(limit):
            self.close()
            return Reply(None, f"time limit of {timeout_s:g} s reached", timed_out=True)
        try:
            return Reply(*self._child.recv())
        except (EOFError, ConnectionError):
            return Reply(None, f"the worker process died: {describe(self.close())}")
        except Exception as error:  # the value's class may refuse to be unpickled in any way
            return Reply(None, f"the result cannot be read: {explain(error)}")


def serve(parent: Connection) -> None:
    """The worker's side: load the function, then answer each item with ``(value, error)``, until the parent is gone."""
    os.set_inheritable(parent.fileno(), False)  # what the function starts must not hold the connection
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            function = parent.recv()
        except Exception as error:  # a user's module may fail in any way on import
            parent.send((None, explain(error)))
            return
        parent.send((None, ""))
        while True:
            value, error_text = _answer(function, parent)
            sys.stdout.flush()
            try:
                parent.send((value, error_text))
            except ConnectionError:
                return
            except Exception as error:  # the value's class may refuse to be pickled in any way
                parent.send((None, f"the result cannot be sent back: {explain(error)}"))


def _answer(function: Callable[[Any], Any], parent: Connection) -> tuple[Any, str]:
    try:
        item = parent.recv()
    except (EOFError, ConnectionError):
        raise
    except (Exception, SystemExit) as error:  # the value's class may refuse to be loaded in any way
        return None, f"cannot be read by a worker process: {explain(error)}"
    try:
        return function(item), ""
    except (Exception, SystemExit) as error:  # the point's row says how it failed
        return None, explain(error)


def pickled(function: Callable[[Any], Any], where: str = "worker processes") -> bytes:
    """A function as it is sent to others.

    Raises:
        PluginError: it cannot be pickled.
    """
    try:
        return pickle.dumps(function)
    except Exception as error:  # pickling may fail in any way
        raise PluginError(f"{function!r} cannot be sent to {where}: {error}") from error


def unsendable(error: Exception) -> str:
    """What is said of an item that cannot be pickled."""
    return f"cannot be sent to a worker process: {explain(error)}"


def explain(error: BaseException) -> str:
    """An exception's type, text and place, on one line of bounded length; of our own errors the message."""
    if isinstance(error, DeffeError):
        return error.message
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return (text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 3] + "...") + place
