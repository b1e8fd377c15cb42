"""How long Slurm is waited for while it does not do what it is asked: longer and longer."""

from __future__ import annotations

import logging

LONGEST_S = 60.0
"""The longest time between two attempts."""


class Patience:
    """What hinders the run, and until when it waits.

    Args:
        what: it is, in words: ``Slurm does not answer``.
        over: what is said when it hinders no more.
        first_s: time to wait at first; doubled at each further attempt.
    """

    def __init__(self, what: str, over: str, first_s: float, log: logging.Logger) -> None:
        self._what, self._over, self._first_s = what, over, first_s
        self._log = log
        self._pause_s = first_s
        self.until = 0.0
        self.hinders = False

    @property
    def text(self) -> str:
        """What hinders; empty when nothing does."""
        return self._what if self.hinders else ""

    def wait(self, said: str, now: float) -> None:
        """Wait for the next attempt; say so at the first."""
        if not self.hinders:
            self._log.warning("%s; the run waits for it: %s", self._what, said)
        self.hinders = True
        self.until = now + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_S)

    def end(self) -> None:
        """An attempt has succeeded."""
        if self.hinders:
            self._log.warning("%s", self._over)
        self.hinders, self.until, self._pause_s = False, 0.0, self._first_s
