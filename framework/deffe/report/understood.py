"""The effects that a run has noted, by cost and knob: shares of each knob, and response curves if there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deffe.understand import Curve, Effects, KnobEffect


@dataclass(frozen=True)
class Understood:
    """The effects on each cost, by knob.

    Args:
        points: how many valid points were predicted for it, all of them if ``exact``.
    """

    shares: Mapping[str, Mapping[str, KnobEffect]] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    points: int = 0
    exact: bool = False

    @classmethod
    def from_note(cls, note: Any) -> Understood:
        """Read the note of a run; nothing where there is none, or one of another version."""
        try:
            found = Effects.from_json(note)
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()
        shares = {cost.cost: {one.knob: one for one in cost.knobs} for cost in found.costs}
        curves = {cost.cost: {one.knob: one for one in cost.curves} for cost in found.costs}
        return cls(shares, curves, found.points, found.exact)
