"""Holds the end marks of successes back for a moment, beside the next trial: Slurm may just be ending the task.

Slurm signals all processes of a task, one after the other. A script that goes on when its simulator was killed so may
look as if it had succeeded, until the signal comes to the task itself.
The machines of the cluster import this module, so it needs the standard library alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Queue
from typing import Any

HOLD_S = 0.2
"""The signal that ends a task comes this long after that of its trial at most."""
AHEAD = 1000
"""Trials that may run on while marks wait for a disk."""


class HeldMarks:
    """Puts marks in place a moment after they were added, in order, and none once the task was told to end.

    Args:
        put: writes a mark; it may raise ``OSError``.
        told: set when the task was told to end.
    """

    def __init__(self, put: Callable[[Path, Mapping[str, Any]], None], told: threading.Event) -> None:
        self._put = put
        self._told = told
        self._held: Queue[tuple[float, Path, Mapping[str, Any]] | None] = Queue(AHEAD)
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None

    def add(self, path: Path, data: Mapping[str, Any]) -> None:
        """Have a mark put in place.

        Raises:
            OSError: an earlier one cannot be written.
        """
        self._raise()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="marks", daemon=True)
            self._thread.start()
        self._held.put((time.monotonic() + HOLD_S, path, data))

    def finish(self) -> None:
        """Wait until all are in place.

        Raises:
            OSError: one cannot be written.
        """
        if self._thread is not None:
            self._held.put(None)
            self._thread.join()
            self._thread = None
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _serve(self) -> None:
        while (found := self._held.get()) is not None:
            due, path, data = found
            if self._error is None and not self._told.wait(max(due - time.monotonic(), 0)):
                try:
                    self._put(path, data)
                except OSError as error:  # told to the trials that follow
                    self._error = error
