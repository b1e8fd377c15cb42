"""What the stages of a step hand to each other: frozen arrays, their shapes checked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = int | float | str | bool
Levels = NDArray[np.int32]
"""(n, p) positions in each parameter's tuple of values; p parameters in the space's order."""
Ids = NDArray[np.int64]
"""(n,) stable identities of design points."""
Features = NDArray[np.float64]
"""(n, d) model inputs in [0, 1]."""
Costs = NDArray[np.float64]
"""(n, c) costs in the order of the configuration; NaN where there is none."""

NORMAL_90 = 1.6448536269514722
"""Standard deviations on either side of the mean that hold 90 % of a normal distribution."""
TAILS_90 = (5.0, 95.0)
"""Percentiles between which 90 % of a sample lie."""


class State(IntEnum):
    """What became of a trial. Models learn from ``DONE`` alone; failed is not missing."""

    WAITING = 0
    RUNNING = 1
    DONE = 2
    FAILED = 3
    TIMED_OUT = 4
    INVALID = 5

    @property
    def text(self) -> str:
        """The word shown in tables, such as ``timed_out``."""
        return self.name.lower()


FAILED = (State.FAILED, State.TIMED_OUT, State.INVALID)
"""States of trials that ended without costs."""


def _check(what: str, array: NDArray[np.generic], shape: tuple[int | None, ...], kind: str) -> None:
    fits = array.ndim == len(shape) and all(s is None or s == a for s, a in zip(shape, array.shape, strict=False))
    if not fits or array.dtype.kind not in kind:
        raise ValueError(f"{what}: expected shape {shape} of kind {kind!r}, got {array.shape} of {array.dtype}")


@dataclass(frozen=True)
class Batch:
    """Design points proposed together.

    Args:
        step: the step that proposed them, from 0.
        levels: (n, p) int32, the points as levels of the space's parameters.
        ids: (n,) int64, their identities.
        numbers: (n,) int64, running numbers within the run, from 0; they name the run folders.
    """

    step: int
    levels: Levels
    ids: Ids
    numbers: NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.levels)
        _check("levels", self.levels, (n, None), "i")
        _check("ids", self.ids, (n,), "i")
        _check("numbers", self.numbers, (n,), "i")

    def __len__(self) -> int:
        return len(self.levels)

    def take(self, rows: NDArray[np.generic]) -> Batch:
        """The points at some rows (positions or a mask)."""
        return Batch(self.step, self.levels[rows], self.ids[rows], self.numbers[rows])


@dataclass(frozen=True)
class Trial:
    """One design point on its way through evaluation and extraction.

    Args:
        number: the running number of the point in the run.
        values: name to value, in the space's order; inactive conditional knobs are absent.
        folder: its run directory, or None when it has none.
    """

    number: int
    values: Mapping[str, Value]
    folder: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What is known of some points of a batch: one (a script) or many (a vectorised model).

    Args:
        rows: (m,) positions in the batch.
        states: (m,) State codes, int8.
        costs: (m, c) float64 with NaN for points that are not done; None when an extractor
            still has to read the costs of a point from its folder.
        reasons: (m,) one text a point, empty when done; or () when none has one.
        seconds: (m,) wall time of the evaluation in seconds, NaN when not known.
        extract_seconds: (m,) wall time of the extraction in seconds, NaN when not known.
        trial: the trial with its folder, for outcomes of one point evaluated by a command.
        folders: (m,) folders of points that were evaluated elsewhere, empty when a point has none; or () when none
            has one, and the folder is that of the trial.
    """

    rows: NDArray[np.int64]
    states: NDArray[np.int8]
    costs: Costs | None
    reasons: tuple[str, ...] = ()
    seconds: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    extract_seconds: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    trial: Trial | None = None
    folders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        m = len(self.rows)
        for name in ("seconds", "extract_seconds"):
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, np.full(m, np.nan))
            _check(name, getattr(self, name), (m,), "f")
        _check("rows", self.rows, (m,), "i")
        _check("states", self.states, (m,), "i")
        if self.costs is not None:
            _check("costs", self.costs, (m, None), "f")
        elif m != 1:
            raise ValueError("an outcome without costs is of one point")
        for name in ("reasons", "folders"):
            if len(getattr(self, name)) not in (0, m):
                raise ValueError(f"{name}: expected 0 or {m}, got {len(getattr(self, name))}")


PARTS = ("mean", "std", "lower", "upper")
"""The arrays of a ``Prediction``."""


@dataclass(frozen=True)
class Prediction:
    """Predicted costs.

    Args:
        mean: (n, c) float64, in the units of the costs.
        std: (n, c) float64, standard deviations in the same units.
        lower, upper: (n, c) float64, the interval that is to hold 90 % of unseen points; where a model gives none, that
            of a normal distribution.
    """

    mean: Costs
    std: Costs
    lower: Costs = field(default_factory=lambda: np.empty((0, 0)))
    upper: Costs = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        if self.lower.size == 0 and self.upper.size == 0:
            object.__setattr__(self, "lower", self.mean - NORMAL_90 * self.std)
            object.__setattr__(self, "upper", self.mean + NORMAL_90 * self.std)
        _check("mean", self.mean, (None, None), "f")
        for name in ("std", "lower", "upper"):
            _check(name, getattr(self, name), self.mean.shape, "f")

    def take(self, rows: NDArray[np.generic]) -> Prediction:
        """The predictions at some rows (positions or a mask)."""
        return Prediction(self.mean[rows], self.std[rows], self.lower[rows], self.upper[rows])

    @classmethod
    def joined(cls, parts: Sequence[Prediction]) -> Prediction:
        """Predictions of several groups of points, one below the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in PARTS))

    @classmethod
    def beside(cls, parts: Sequence[Prediction]) -> Prediction:
        """Predictions of several groups of costs of the same points, side by side."""
        return cls(*(np.hstack([getattr(part, name) for part in parts]) for name in PARTS))

    @classmethod
    def exact(cls, costs: Costs) -> Prediction:
        """(n, c) costs that are known without doubt."""
        return cls(costs, np.zeros_like(costs), costs, costs)

    def of_costs(self, columns: Sequence[int]) -> Prediction:
        """The predictions of some costs."""
        return Prediction(*(getattr(self, name)[:, list(columns)] for name in PARTS))


@dataclass(frozen=True)
class CostReport:
    """How well a model predicts one cost, measured on points it had not seen.

    Args:
        cost: name of the cost.
        method: how it was measured, such as ``5-fold cross-validation`` or ``test set of 60``.
        points: number of points measured on.
        mape: mean absolute percentage error, in percent; NaN when a cost is zero.
        r2: coefficient of determination; below 0 is worse than the mean.
        rank: Spearman's rank correlation.
        coverage: percent of the points that lay inside their 90 % interval; NaN when not measured.
    """

    cost: str
    method: str
    points: int
    mape: float
    r2: float
    rank: float
    coverage: float = float("nan")


@dataclass(frozen=True)
class Unseen:
    """What a model predicted for points that it learned from later, before it had seen them.

    Args:
        rows: (m,) positions among the points that were learned from.
        mean, lower, upper: (m,) predictions of one cost, in its unit, as a ``Prediction`` has them.
    """

    rows: NDArray[np.int64]
    mean: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


@dataclass(frozen=True)
class ModelReport:
    """What a model says of itself after learning.

    Args:
        costs: one a cost.
        notes: for the log.
        unseen: predictions by which the errors were measured, by cost; what a model does not tell is absent.
    """

    model: str
    trained_on: int
    costs: tuple[CostReport, ...]
    notes: tuple[str, ...] = ()
    unseen: Mapping[str, Unseen] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """The state of a network during its training.

    Args:
        epoch: from 1.
        train_loss, val_loss: after that epoch, on the rows trained on and on those set aside; NaN when not known.
        save: writes the state into an empty folder and returns facts for JSON, as ``Save`` of a model does.
    """

    epoch: int
    train_loss: float
    val_loss: float
    save: Callable[[Path], Mapping[str, Any]]


@dataclass(frozen=True)
class Advice:
    """What an explorer asks for after a step.

    Args:
        stop: why evaluation should stop now, or empty to go on.
        points: what to evaluate in the next step, or None to leave it to the sampler.
    """

    stop: str = ""
    points: Batch | None = None


@dataclass(frozen=True)
class Answer:
    """The designs that an explorer recommends at the end of a run, the best first.

    Args:
        points: evaluated and unseen ones in any mixture.
        why: (n,) what speaks for each, in a few words; or ().
        prediction: of the objectives, in their order, at all n points; None to take what the run's model predicts.
    """

    points: Batch
    why: tuple[str, ...] = ()
    prediction: Prediction | None = None

    def __post_init__(self) -> None:
        n = len(self.points)
        if len(self.why) not in (0, n):
            raise ValueError(f"why: expected 0 or {n}, got {len(self.why)}")
        if self.prediction is not None:
            _check("prediction", self.prediction.mean, (n, None), "f")
