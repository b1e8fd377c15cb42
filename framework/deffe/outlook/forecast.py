"""What further evaluations are expected to bring, and how sure it is that the best is good enough: as numbers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Confidence:
    """How sure it is that the best evaluated value of an objective is good enough.

    Args:
        within: percent of the best.
        share: probability that no point that was not evaluated is better by more than that.
    """

    objective: str
    within: float
    share: float


@dataclass(frozen=True)
class Forecast:
    """What further evaluations are expected to bring.

    Args:
        evaluations: how many.
        what: name of the objective, or ``hypervolume``.
        now: its best value; a hypervolume is in percent of what it is now.
        expected, low, high: the mean after these evaluations, and bounds that hold 90 % of the draws.
        gain: percent by which the most promising point alone is expected to improve it.
        guided: the model chooses the points; else they are drawn at random.
        confidence: one for each objective; empty where it cannot be said.
        silent: why there is no number, or no confidence.
    """

    evaluations: int = 0
    what: str = ""
    now: float = math.nan
    expected: float = math.nan
    low: float = math.nan
    high: float = math.nan
    gain: float = math.nan
    guided: bool = True
    confidence: tuple[Confidence, ...] = ()
    silent: str = ""

    def to_note(self) -> dict[str, Any]:
        """In JSON's types; what is not known is None."""
        return {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in asdict(self).items()}
