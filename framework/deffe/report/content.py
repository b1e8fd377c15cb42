"""What a report is made from: a run at one moment, in arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.operate.judged import Judged
from deffe.report.recommended import Recommended
from deffe.report.understood import Understood

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Strings = NDArray[np.object_]
INACTIVE = -1
"""Stands for the level of a conditional knob that has no meaning at a point."""


@dataclass(frozen=True)
class Knob:
    """A knob that varies: its values as texts, in their order."""

    name: str
    texts: tuple[str, ...]
    unit: str = ""
    numeric: bool = True

    @property
    def label(self) -> str:
        """Name and unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True)
class Cost:
    """A cost; ``goal`` is ``min`` or ``max``, or empty for one that is no objective."""

    name: str
    goal: str = ""
    unit: str = ""

    @property
    def label(self) -> str:
        """Name and unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True)
class Points:
    """Proposed points in the order of their numbers.

    Args:
        levels: (n, p) positions of the knobs' values, or ``INACTIVE``.
        costs: (n, c); NaN unless the point is done.
        states, ids, reasons, folders: (n,) texts; a folder is absolute, or empty.
        looked_up: (n,) whether a table of known results told its costs.
        numbers, steps: (n,).
        seconds: (n,) of evaluation and extraction together; NaN where not known.
    """

    levels: Ints
    costs: Floats
    states: Strings
    ids: Strings
    reasons: Strings
    folders: Strings
    looked_up: NDArray[np.bool_]
    numbers: Ints
    steps: Ints
    seconds: Floats

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def done(self) -> NDArray[np.bool_]:
        """(n,) which have costs."""
        return np.asarray(self.states == "done")

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(n,) which have a result, failures too."""
        return np.asarray(~np.isin(self.states.astype(str), ("waiting", "running")))


@dataclass(frozen=True)
class Predicted:
    """Points of the table of predictions: those of its front, and a random choice of the others.

    Args:
        levels: (n, p) as in ``Points``.
        mean, lower, upper: (n, c) with the ends of 90 % intervals; NaN for costs that are not predicted.
        front: (n,) whether no predicted point is better in every objective.
        total: points predicted.
        source: the table; None where there is none.
        note: why there is none, or what was left out.
    """

    levels: Ints
    mean: Floats
    lower: Floats
    upper: Floats
    front: NDArray[np.bool_]
    total: int = 0
    source: Path | None = None
    note: str = ""

    def __len__(self) -> int:
        return len(self.levels)

    @classmethod
    def nothing(cls, knobs: int, costs: int, note: str) -> Predicted:
        """No predictions, and why."""
        none = np.empty((0, costs))
        return cls(np.empty((0, knobs), dtype=np.int64), none, none, none, np.empty(0, dtype=bool), note=note)


def at_target(knobs: Sequence[Knob], target: Mapping[str, str], levels: Ints) -> NDArray[np.bool_]:
    """(n,) which of (n, p) points have the values of knobs at which points count."""
    mask = np.ones(len(levels), dtype=bool)
    for column, knob in enumerate(knobs):
        if knob.name in target:
            mask &= levels[:, column] == knob.texts.index(target[knob.name])
    return mask


@dataclass(frozen=True)
class Part:
    """One exploration.

    Args:
        costs: in the order of the columns of ``points.costs``.
        steps: step to its report, as the store has it.
        judged: predictions of points that had not been learned from, beside what was measured.
        ends: (m, 2) number and time (``time.time``) of each evaluation, in this order.
        understood: the effects that the run has noted.
        recommended: the designs that the run recommends.
        target: knob to value of the points that count as results, where not all do.
    """

    name: str
    knobs: tuple[Knob, ...]
    costs: tuple[Cost, ...]
    points: Points
    predicted: Predicted
    steps: dict[int, dict[str, Any]] = field(default_factory=dict)
    judged: Sequence[Judged] = ()
    ends: Floats = field(default_factory=lambda: np.empty((0, 2)))
    understood: Understood = field(default_factory=Understood)
    recommended: Recommended = field(default_factory=Recommended)
    target: Mapping[str, str] = field(default_factory=dict)

    @property
    def results(self) -> NDArray[np.bool_]:
        """(n,) which points are done and count."""
        return np.asarray(self.points.done & at_target(self.knobs, self.target, self.points.levels))

    @property
    def objectives(self) -> list[int]:
        """The columns of the costs that are objectives."""
        return [column for column, cost in enumerate(self.costs) if cost.goal]

    @property
    def varying(self) -> list[int]:
        """The columns of ``shown`` whose costs are not all equal, as far as is known."""
        costs = self.points.costs[self.points.done]
        return [column for column in self.shown if len(costs) < 2 or np.ptp(costs[:, column]) > 0]

    @property
    def shown(self) -> list[int]:
        """The columns of all costs, objectives first."""
        return sorted(range(len(self.costs)), key=lambda column: not self.costs[column].goal)


@dataclass(frozen=True)
class RunContent:
    """A run.

    Args:
        folder: the run directory.
        made: when this was read (``time.time``).
        state: whether it goes on, or when and why it ended; a sentence.
        notes: what a reader should know of what is missing.
    """

    folder: Path
    made: float
    state: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()


def front_rows(part: Part) -> Ints:
    """The results that no other one is better than in every objective, by the first objective."""
    done = np.flatnonzero(part.results)
    costs = part.points.costs[done][:, part.objectives]
    rows = done[metrics.pareto_mask(costs, [part.costs[column].goal for column in part.objectives])]
    return np.asarray(rows[np.argsort(part.points.costs[rows, part.objectives[0]], kind="stable")])
