"""What is found of a cost: the effect of each knob, interactions of two, and response curves with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["drives it", "matters", "matters little", "not visible", "does not matter", "not known"]


@dataclass(frozen=True)
class KnobEffect:
    """How much one knob does to a cost.

    Args:
        main: share of the cost's variance that this knob explains alone: Var(E[cost | knob]) / Var(cost).
        total: share that is left when all others are held: E[Var(cost | other knobs)] / Var(cost).
        main_error, total_error: half of their 90 % intervals, from drawing points; 0 where all points were taken.
        importance: how much of R2 is lost when the knob is drawn anew, on points that were not learned from; NaN
            without such points. ``importance_error`` is half of its 90 % interval.
        partner: the knob that it interacts with most strongly, or empty; ``interaction``: the share of the variance
            that takes both.
        at_scenario: its total effect as a share of the variance that is left at a given scenario: what it does to one
            workload. NaN for scenarios, and where none varies.
        scenario: it is no knob but a scenario.
        verdict: in a word, by ``at_scenario`` where that is known. ``not visible``: the effect is smaller than what
            the model leaves unexplained; ``not known``: the model explains too little of the cost.
    """

    knob: str
    main: float
    main_error: float
    total: float
    total_error: float
    importance: float
    importance_error: float
    partner: str
    interaction: float
    verdict: Verdict
    at_scenario: float = math.nan
    scenario: bool = False


@dataclass(frozen=True)
class Interaction:
    """The share of the variance that takes both knobs at once, with half of its 90 % interval."""

    one: str
    other: str
    share: float
    error: float


@dataclass(frozen=True)
class Curve:
    """A cost over one knob, each entry over the valid points that have that value.

    Args:
        values: texts of the values, or ``16..32`` where adjacent ones are taken together.
        numbers: the values as numbers, means where several are taken together; () for categories.
        points: how many points each entry is the mean of; 0 and NaN where no valid point has the value.
        mean: of the predicted cost.
        lower, upper: means of the ends of the model's 90 % intervals: how far to trust the mean.
        low, high: between these lie 90 % of the points with that value: what the other knobs do.
    """

    knob: str
    values: tuple[str, ...]
    numbers: tuple[float, ...]
    points: tuple[int, ...]
    mean: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Surface:
    """A cost over two knobs; rows are values of ``one``, columns of ``other``, as in ``Curve``.

    Args:
        points, mean, lower, upper: a tuple a row; 0 and NaN where no valid point was drawn.
    """

    one: str
    other: str
    values: tuple[tuple[str, ...], tuple[str, ...]]
    numbers: tuple[tuple[float, ...], tuple[float, ...]]
    points: tuple[tuple[int, ...], ...]
    mean: tuple[tuple[float, ...], ...]
    lower: tuple[tuple[float, ...], ...]
    upper: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class CostEffects:
    """What is found of one cost.

    Args:
        mean, std: of the predicted cost over the valid points, in its unit.
        unexplained: share of the variance of the measured cost that the model does not explain, 1 - R2; NaN where it
            is not known.
        noise: a total effect below this share may be made of noise.
        at_scenario: the share of the variance that is left at a given scenario; 1 where none varies.
        knobs: the largest total effect first.
        interactions: the strongest first; only between knobs that can have one.
        curves: one a knob, in the order of ``knobs``.
        surfaces: of the strongest interactions.
    """

    cost: str
    mean: float
    std: float
    unexplained: float
    noise: float
    at_scenario: float
    knobs: tuple[KnobEffect, ...]
    interactions: tuple[Interaction, ...] = ()
    curves: tuple[Curve, ...] = ()
    surfaces: tuple[Surface, ...] = ()

    @property
    def drivers(self) -> tuple[KnobEffect, ...]:
        """The knobs that drive the cost, or the foremost that matters; scenarios are none."""
        knobs = [knob for knob in self.knobs if not knob.scenario and knob.verdict in ("drives it", "matters")]
        return tuple(knob for knob in knobs if knob.verdict == "drives it") or tuple(knobs[:1])

    @property
    def idle(self) -> tuple[KnobEffect, ...]:
        """The knobs that do not matter."""
        return tuple(knob for knob in self.knobs if knob.verdict == "does not matter" and not knob.scenario)


@dataclass(frozen=True)
class Effects:
    """What is found of a design space.

    Args:
        points: how many valid points were predicted for it, all of them if ``exact``.
        constrained: constraints or conditions tie knobs together, so that shares need not add up.
        unseen: how many points the importance was measured on.
    """

    costs: tuple[CostEffects, ...]
    points: int
    exact: bool
    constrained: bool
    unseen: int = 0

    def to_json(self) -> dict[str, Any]:
        """JSON types; NaN becomes null."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Effects:
        """Read what ``to_json`` wrote; KeyError or TypeError for anything else."""
        costs = []
        for cost in data["costs"]:
            parts = {
                "knobs": KnobEffect,
                "interactions": Interaction,
                "curves": Curve,
                "surfaces": Surface,
            }
            lists = {name: tuple(kind(**_restored(one)) for one in cost[name]) for name, kind in parts.items()}
            costs.append(CostEffects(**{**_restored(cost), **lists}))
        return cls(**{**data, "costs": tuple(costs)})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _restored(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tuples(value) for name, value in data.items()}


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(one) for one in value)
    return math.nan if value is None else value
