"""What a run notes of itself in its database, for those who look at it from outside."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ACTIVITY = "activity"
"""The note's key."""
BEAT_S = 2.0
"""How often it is renewed while points are evaluated."""
MOST_SHOWN = 20
"""Points under way that are named in it."""


@dataclass(frozen=True)
class Activity:
    """How far a run is.

    Args:
        host, process: what runs it.
        started: when this start of it began; this and all times in seconds of the clock (``time.time``).
        beat: when this was noted.
        doing: the step that is evaluated; empty while the model learns, or points are chosen.
        doing_since: when that began.
        under_way: how many points are with the executor.
        longest: number and start of those that have been there longest; -1 where the number is not known.
        queue: what the executor says of its queue.
        planned: exploration to the most points it will have.
        target: evaluation may end earlier, at a target error.
        ended: why it ended; empty while it runs.
    """

    host: str = field(default_factory=socket.gethostname)
    process: int = field(default_factory=os.getpid)
    started: float = 0.0
    beat: float = 0.0
    doing: str = ""
    doing_since: float = 0.0
    under_way: int = 0
    longest: tuple[tuple[int, float], ...] = ()
    queue: str = ""
    planned: Mapping[str, int] = field(default_factory=dict)
    target: bool = False
    ended: str = ""

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> Activity:
        """Read what ``to_note`` wrote; keys of other versions are left out."""
        known = {name: note[name] for name in cls.__dataclass_fields__ if name in note}
        known["longest"] = tuple((int(number), float(since)) for number, since in known.get("longest", ()))
        return cls(**known)

    def to_note(self) -> dict[str, Any]:
        """The note in JSON's types."""
        return asdict(self)

    def is_alive(self) -> bool | None:
        """Whether the run goes on; None where it did at its last sign of life, on another machine."""
        if self.ended:
            return False
        if self.host != socket.gethostname():
            return None
        with contextlib.suppress(PermissionError):
            try:
                os.kill(self.process, 0)
            except ProcessLookupError:
                return False
        return True
