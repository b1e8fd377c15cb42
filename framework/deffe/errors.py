"""Every error a user can meet: what was found, where, what is allowed and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class DeffeError(Exception):
    """Base of all errors that are shown to the user without a traceback.

    Args:
        message: what was found and where, one sentence without a final period.
        hint: what is allowed or what to do; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(DeffeError):
    """The call or a file given to it is wrong; nothing was run."""

    exit_code = 2


@dataclass(frozen=True)
class Fault:
    """One fault of an input, at its place (such as ``knobs[2].values``)."""

    place: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text} ({self.hint})" if self.hint else text


class ConfigError(UsageError):
    """A configuration with one or more faults, all of them listed."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.source = source
        self.faults = tuple(faults)
        super().__init__(
            "\n".join([f"{source}: {counted(len(self.faults), 'fault')}", *(f"  {fault}" for fault in self.faults)])
        )
        self.args = (source, self.faults)  # of which pickle makes it anew


class SpaceError(UsageError):
    """A design space that cannot be explored, or a point that is not in it."""


class FeatureError(UsageError):
    """Values of knobs that a saved model cannot see, or a map of features that cannot be read."""


class TableError(UsageError):
    """A CSV table that cannot be read, or does not fit the design space."""


class PluginError(UsageError):
    """A plugin that cannot be found, loaded, or does not keep its contract."""


class CheckpointError(UsageError):
    """A checkpoint that cannot be read, does not fit, or cannot be restored."""


class StoreError(UsageError):
    """A run directory that cannot be opened, written or resumed."""


class EvaluationError(DeffeError):
    """Evaluating or extracting one design point failed; the reason goes to its row."""


class JobsCancelledError(DeffeError):
    """The jobs of the run were ended by another call, ``-cancel``."""


class TrialLimitError(DeffeError):
    """The run stopped because more trials failed than are allowed."""

    exit_code = 3


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its words, for messages: ``1 row``, ``2,000 rows``; ``many`` where it is not ``one`` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming the closest known name, and all of them: ``did you mean 'a'? known: a, b``."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    listed = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
    return f"{hint}known: {listed}" if names else "none are known here"
