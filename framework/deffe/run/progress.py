"""How far a step has come: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Protocol, TextIO

from deffe.errors import counted
from deffe.words import duration

LINE_INTERVAL_S = 30.0


class Progress(Protocol):
    """What the loop tells of its progress."""

    def begin(self, label: str, total: int) -> None: ...

    def grow(self, count: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def note(self, text: str) -> None: ...

    def end(self) -> None: ...


class Bar:
    """A tqdm bar, for terminals."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None
        self._note = ""

    def begin(self, label: str, total: int) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=total, desc=label, unit="point", file=self._stream, dynamic_ncols=True)

    def grow(self, count: int) -> None:
        self._bar.total += count
        self._bar.refresh()

    def advance(self, count: int) -> None:
        self._bar.update(count)

    def note(self, text: str) -> None:
        if text != self._note:
            self._note = text
            self._bar.set_postfix_str(text)

    def end(self) -> None:
        self._bar.close()


class Lines:
    """A line at most every 30 seconds and one at the end of a step, for logs."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._label, self._total, self._done, self._note = "", 0, 0, ""
        self._start = self._last = 0.0

    def begin(self, label: str, total: int) -> None:
        self._label, self._total, self._done, self._note = label, total, 0, ""
        self._start = self._last = time.monotonic()

    def grow(self, count: int) -> None:
        self._total += count

    def advance(self, count: int) -> None:
        self._done += count
        self._tell()

    def note(self, text: str) -> None:
        self._note = text
        if text:
            self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if self._done < self._total and now - self._last >= LINE_INTERVAL_S:
            self._last = now
            parts = [f"{self._label}: {self._done} of {counted(self._total, 'point')}"]
            if self._done:
                parts.append(f"about {duration((now - self._start) / self._done * (self._total - self._done))} left")
            self._log.info("%s", ", ".join([*parts, *([self._note] if self._note else [])]))

    def end(self) -> None:
        spent = duration(time.monotonic() - self._start)
        self._log.info("%s: %d of %s in %s", self._label, self._done, counted(self._total, "point"), spent)


def for_stream(stream: TextIO, log: logging.Logger) -> Progress:
    """A bar when ``stream`` is a terminal, lines otherwise."""
    return Bar(stream) if stream.isatty() else Lines(log)


def default_stream() -> TextIO:
    """Progress goes to the standard error, so that the standard output holds the results alone."""
    return sys.stderr
