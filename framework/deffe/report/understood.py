"""The effects that a run has noted, as its model sees them: shares of each knob, and response curves if there are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KEY = "effects"


@dataclass(frozen=True)
class Share:
    """Shares of a cost's variance, from 0 to 1: of a knob alone, and with all that it takes part in."""

    main: float
    total: float
    verdict: str = ""


@dataclass(frozen=True)
class Curve:
    """The predicted cost over the values of a knob, the mean over valid points, with the model's 90 % intervals."""

    values: tuple[str, ...]
    mean: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


@dataclass(frozen=True)
class Understood:
    """The effects on each cost, by knob.

    Args:
        points: how many valid points were predicted for it, all of them if ``exact``.
    """

    shares: Mapping[str, Mapping[str, Share]] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    points: int = 0
    exact: bool = False

    @classmethod
    def from_note(cls, note: Any) -> Understood:
        """Read the note of a run; nothing where there is none, or one of another version."""
        try:
            shares = {cost["cost"]: {one["knob"]: _share(one) for one in cost["knobs"]} for cost in note["costs"]}
            curves = {
                cost["cost"]: {one["knob"]: _curve(one) for one in cost.get("curves", ())} for cost in note["costs"]
            }
            return cls(shares, curves, int(note["points"]), bool(note["exact"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()


def key(exploration: int) -> str:
    """The key of the note of an exploration."""
    return f"{KEY}_{exploration}"


def _share(one: Mapping[str, Any]) -> Share:
    return Share(_number(one["main"]), _number(one["total"]), str(one["verdict"]))


def _curve(one: Mapping[str, Any]) -> Curve:
    columns = (tuple(map(_number, one[name])) for name in ("mean", "lower", "upper"))
    return Curve(tuple(map(str, one["values"])), *columns)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
