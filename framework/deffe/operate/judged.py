"""What a run notes of predictions whose costs became known later, point by point, for those who look at it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEY = "judged"
MOST_KEPT = 500
"""Points of one note; of more, an even choice is kept."""


@dataclass(frozen=True)
class Judged:
    """Predictions of one cost, made before the model had seen the points, beside what was measured.

    Args:
        cost: its name.
        method: which points these are, such as ``points of step 2 before it``.
        points: how many there were; at most ``MOST_KEPT`` of them follow.
        ids: identities of the points, 16 hexadecimal digits each.
        actual, mean, lower, upper: measured cost, prediction and ends of its 90 % interval, one a point.
    """

    cost: str
    method: str
    points: int
    ids: Sequence[str] = ()
    actual: Sequence[float] = ()
    mean: Sequence[float] = ()
    lower: Sequence[float] = ()
    upper: Sequence[float] = ()

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> Judged:
        """Read what ``to_note`` wrote; KeyError, TypeError or ValueError where that makes no sense."""
        numbers = {
            name: tuple(math.nan if value is None else float(value) for value in note[name])
            for name in ("actual", "mean", "lower", "upper")
        }
        made = cls(str(note["cost"]), str(note["method"]), int(note["points"]), tuple(map(str, note["ids"])), **numbers)
        if {len(values) for values in numbers.values()} != {len(made.ids)}:
            raise ValueError("columns of different lengths")
        return made

    def to_note(self) -> dict[str, Any]:
        """The note in JSON's types."""
        told: dict[str, Any] = {"cost": self.cost, "method": self.method, "points": self.points, "ids": [*self.ids]}
        for name in ("actual", "mean", "lower", "upper"):
            values = (float(f"{value:.6g}") for value in getattr(self, name))
            told[name] = [value if math.isfinite(value) else None for value in values]
        return told


def key(exploration: int, step: int | None) -> str:
    """The key of the notes of a step, or of the points of a table that were predicted last (None)."""
    return f"{KEY}_{exploration}_{'table' if step is None else step}"


def kept(count: int) -> list[int]:
    """The positions of the points to keep of so many."""
    return [place * count // MOST_KEPT for place in range(MOST_KEPT)] if count > MOST_KEPT else list(range(count))
