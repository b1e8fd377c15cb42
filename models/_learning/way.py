"""One way to learn a cost: a learner, the features it is shown, and what it does with a prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deffe.api import Features

from .regressor import Regressor, Task, Vector

PriorUse = Literal["none", "feature", "residual"]

DEVIATION = 0.25
"""Of what a source predicts, in its column."""


@dataclass(frozen=True)
class Shape:
    """Which columns of a table of features are what.

    Args:
        knobs: columns of knobs.
        derived: columns of declared features.
        priors: columns of what sources of transfer predict, around 0.5; after all others.
    """

    knobs: tuple[int, ...]
    derived: tuple[int, ...] = ()
    priors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Way:
    """A learner, and what it is shown.

    Args:
        learner: its name in ``registry``, by which a checkpoint finds it again.
        make: a new regressor.
        derived: shown the declared features, besides the knobs.
        prior: ``feature``: shown what the sources predict; ``residual``: learns what a straight line through it leaves.
        sets_aside: the regressor keeps points of its own to be judged by, and is not cross-validated.
    """

    learner: str
    make: Callable[[], Regressor]
    derived: bool = True
    prior: PriorUse = "none"
    sets_aside: bool = False

    @property
    def label(self) -> str:
        """What reports call it."""
        told = {"none": "", "feature": "source as feature", "residual": "residual of source"}[self.prior]
        parts = [told] if told else []
        if not self.derived:
            parts.append("knobs alone")
        return f"{self.learner} ({', '.join(parts)})" if parts else self.learner

    def columns(self, shape: Shape) -> NDArray[np.intp]:
        """The columns that the regressor is shown."""
        shown = (
            shape.knobs + (shape.derived if self.derived else ()) + (shape.priors if self.prior == "feature" else ())
        )
        return np.array(shown, dtype=np.intp)

    def fit(self, task: Task, shape: Shape) -> Member:
        """Learn a task whose features have every column."""
        columns = self.columns(shape)
        priors = np.array(shape.priors if self.prior == "residual" else (), dtype=np.intp)
        line = straight_line(task.features[:, priors], task.values) if len(priors) else np.zeros(0)
        left = task.values - _along(line, task.features[:, priors])
        # the regressor expects values of variance 1
        scale = (float(np.std(left)) or 1.0) if len(priors) else 1.0
        regressor = self.make()
        regressor.fit(replace(task, features=task.features[:, columns], values=left / scale))
        return Member(self.label, self.learner, regressor, columns, priors, line, scale)


@dataclass(frozen=True)
class Member:
    """What one way has learned: a regressor of some columns, and the line through the priors that it goes out from.

    Args:
        label, learner: of the way.
        columns, priors: columns of the features that the regressor and the line are shown.
        line: its constant, then a slope a prior; empty when there is none.
        scale: of the regressor's values.
    """

    label: str
    learner: str
    regressor: Regressor
    columns: NDArray[np.intp]
    priors: NDArray[np.intp]
    line: Vector
    scale: float

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means and standard deviations of targets, from features with every column."""
        mean, std = self.regressor.predict(np.ascontiguousarray(features[:, self.columns]))
        return _along(self.line, features[:, self.priors]) + self.scale * mean, self.scale * std

    def means(self, features: Features) -> Vector:
        """(n,) means of ``predict``, by less work where the regressor has a method for them."""
        alone = getattr(self.regressor, "means", None) or (lambda shown: self.regressor.predict(shown)[0])
        mean = alone(np.ascontiguousarray(features[:, self.columns]))
        return np.asarray(_along(self.line, features[:, self.priors]) + self.scale * mean)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the regressor into a new folder; facts for JSON."""
        folder.mkdir()
        return {
            "label": self.label,
            "learner": self.learner,
            "columns": self.columns.tolist(),
            "priors": self.priors.tolist(),
            "line": self.line.tolist(),
            "scale": self.scale,
            "facts": dict(self.regressor.save(folder)),
        }

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> Member:
        """What ``save`` wrote.

        Raises:
            DeffeError: it was written by a learner that is not known here, or is damaged.
        """
        from .registry import regressor_class

        kind = regressor_class(str(facts["learner"]))
        return cls(
            str(facts["label"]),
            str(facts["learner"]),
            kind.restore(folder, facts["facts"], trust),
            np.array(facts["columns"], dtype=np.intp),
            np.array(facts["priors"], dtype=np.intp),
            np.array(facts["line"], dtype=np.float64),
            float(facts["scale"]),
        )


def straight_line(priors: Features, values: Vector) -> Vector:
    """(1 + s,) constant and slopes of the line through (n,) values over (n, s) priors.

    Deviation for deviation, each slope is drawn towards 1 / s, as much as one point at one deviation would: few points
    barely tell it.
    """
    s = priors.shape[1]
    centre, middle = priors.mean(axis=0), float(values.mean())
    moved = (priors - centre) / DEVIATION
    slopes = np.linalg.solve(moved.T @ moved + np.eye(s), moved.T @ (values - middle) + np.full(s, 1.0 / s)) / DEVIATION
    return np.concatenate([[middle - slopes @ centre], slopes])


def _along(line: Vector, priors: Features) -> Vector:
    return line[0] + priors @ line[1:] if len(line) else np.zeros(len(priors))
