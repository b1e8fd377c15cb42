"""How far a step has come: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Protocol, TextIO

LINE_INTERVAL_S = 30.0


class Progress(Protocol):
    """What the loop tells of its progress."""

    def begin(self, label: str, total: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def end(self) -> None: ...


class Bar:
    """A tqdm bar, for terminals."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None

    def begin(self, label: str, total: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=total, desc=label, unit="point", file=self._stream, dynamic_ncols=True)

    def advance(self, count: int) -> None:
        self._bar.update(count)

    def end(self) -> None:
        self._bar.close()


class Lines:
    """A line at most every 30 seconds and one at the end of a step, for logs."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._label, self._total, self._done = "", 0, 0
        self._start = self._last = 0.0

    def begin(self, label: str, total: int) -> None:
        self._label, self._total, self._done = label, total, 0
        self._start = self._last = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if self._done < self._total and now - self._last >= LINE_INTERVAL_S:
            self._last = now
            left = (now - self._start) / self._done * (self._total - self._done)
            self._log.info("%s: %d of %d points, about %s left", self._label, self._done, self._total, duration(left))

    def end(self) -> None:
        spent = duration(time.monotonic() - self._start)
        self._log.info("%s: %d of %d points in %s", self._label, self._done, self._total, spent)


def for_stream(stream: TextIO, log: logging.Logger) -> Progress:
    """A bar when ``stream`` is a terminal, lines otherwise."""
    return Bar(stream) if stream.isatty() else Lines(log)


def duration(seconds: float) -> str:
    """Such as ``3.2 s``, ``4 min 10 s`` or ``2 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def default_stream() -> TextIO:
    """Progress goes to the standard error, so that the standard output holds the results alone."""
    return sys.stderr
