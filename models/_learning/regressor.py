"""What a learner of one cost is: a regressor of a standardised target, and the task it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deffe.api import Features
from deffe.surrogates.target import Target

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Held:
    """Predictions of points that neither taught a regressor nor chose anything in it.

    Args:
        rows: (m,) positions in the task.
        mean, std: (m,) predicted targets and their standard deviations, the latter NaN when not known.
    """

    rows: NDArray[np.intp]
    mean: Vector
    std: Vector


@dataclass(frozen=True)
class Task:
    """One cost to learn.

    Args:
        features: (n, d) in [0, 1].
        values: (n,) targets of mean 0 and variance 1; ``target`` makes costs of them.
        rng: what a regressor draws from.
        validation: (n,) bool, points set aside for choosing weights; None when there are none.
        previous: what was learned of this cost at an earlier step or elsewhere, to start from; or None.
        sibling: what the same way has learned from another part of these rows, so that a search may begin there; or
            None.
        others: (n, c - 1) targets of the other costs, for learners of several at once.
    """

    features: Features
    values: Vector
    target: Target
    rng: np.random.Generator
    validation: NDArray[np.bool_] | None = None
    previous: Any = None
    sibling: Any = None
    others: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))


class Regressor(Protocol):
    """Learns one target from at least three distinct points.

    A regressor that sets points aside by itself has an attribute ``held``, a ``Held``; others are cross-validated. One
    whose deviations take long may have ``means(features)``, the (n,) means alone.
    """

    notes: tuple[str, ...]

    def fit(self, task: Task) -> None:
        """Learn a task."""

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means and standard deviations of new observations, in units of the target; the latter NaN if unknown."""
        ...

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write what was learned into a folder, in formats that load without running code; facts for JSON."""
        ...

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> Any:
        """What ``save`` wrote; ``trust`` allows formats that could run code."""
        ...
