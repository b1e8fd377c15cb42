"""What a source of transfer says of the points of this run, as a column that learners are shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from deffe.api import DeffeError, DesignSpace, FeatureMap, Features, Source, Value
from deffe.checkpoint import CheckpointModel, Inputs, read, write_side_file
from deffe.surrogates.target import Target

from .fitted import FittedCost
from .fitting import Job, learn_cost
from .folds import distinct, fold_of
from .regressor import Vector
from .source_table import table_features
from .way import DEVIATION, Shape, Way

FOLDS = 3
SAMPLED = 256
"""Points of this run that a checkpoint is asked for, to find the scale of its costs."""


class Known(Protocol):
    """What predicts the cost of a source."""

    def costs(self, features: Features) -> Vector:
        """(n,) costs there of points of this run."""
        ...

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write it into a folder; facts for JSON."""
        ...


@dataclass(frozen=True)
class KnownTable:
    """What was learned of a source's table, from the features of this run."""

    fitted: FittedCost

    def costs(self, features: Features) -> Vector:
        """See ``Known``."""
        return self.fitted.predict(features)[0]

    def save(self, folder: Path) -> Mapping[str, Any]:
        """See ``Known``."""
        return {"fitted": self.fitted.save(folder)}

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> KnownTable:
        """What ``save`` wrote."""
        return cls(FittedCost.restore(folder, facts["fitted"], trust))


@dataclass(frozen=True)
class KnownCheckpoint:
    """A checkpoint, asked with the values of knobs that the features of this run show.

    Args:
        features: the map of this run.
        fixed: knobs of this run that have one value.
    """

    source: Source
    features: FeatureMap
    fixed: Mapping[str, Value]

    @classmethod
    def of(cls, source: Source, space: DesignSpace) -> KnownCheckpoint:
        """For the points of a space."""
        return cls(source, space.feature_map, {p.name: p.values[0] for p in space.parameters if len(p) == 1})

    def costs(self, features: Features) -> Vector:
        """See ``Known``."""
        fixed = {name: np.full(len(features), value) for name, value in self.fixed.items()}
        cost = self.source.Predict({**fixed, **self.features.values(features)}).mean[:, 0]
        if not np.all(np.isfinite(cost)):
            raise DeffeError(f"source {self.source.name!r}: its predictions for this run are not all finite")
        return cost

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copy the checkpoint; see ``Known``."""
        learned: Any = self.source.learned
        copied = folder / learned.path.name
        if learned.path.is_dir():
            shutil.copytree(learned.path, copied)
        else:
            shutil.copy(learned.path, copied)
            write_side_file(copied, Inputs({knob.knob: (knob.low, knob.high) for knob in learned.features.knobs}))
        return {
            "checkpoint": copied.name,
            "mapping": dict(self.source.mapping),
            "features": self.features.to_json(),
            "fixed": dict(self.fixed),
        }

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> KnownCheckpoint:
        """What ``save`` wrote."""
        name = Path(facts["checkpoint"]).name
        learned = CheckpointModel(read(folder / name), lambda file: None, trust=trust)
        source = Source(name, {}, facts["mapping"], learned=learned)
        return cls(source, FeatureMap.from_json(facts["features"]), facts["fixed"])


@dataclass(frozen=True)
class Prior:
    """A source's prediction of one cost, between 0 and 1 over most of what the source has seen.

    Args:
        scale: what makes its costs comparable.
    """

    known: Known
    scale: Target

    def column(self, features: Features) -> Vector:
        """(n,) of points given by (n, d) features of this run."""
        place = DEVIATION * self.scale.forward(self.known.costs(features))
        return np.asarray(0.5 + np.clip(place, -1, 1))

    def save(self, folder: Path) -> dict[str, Any]:
        """Write it into a new folder; facts for JSON."""
        folder.mkdir()
        return {"scale": self.scale.to_json(), **self.known.save(folder)}

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> Prior:
        """What ``save`` wrote; KeyError, TypeError or ValueError for facts that are not of it."""
        kind = KnownCheckpoint if "checkpoint" in facts else KnownTable
        return cls(kind.restore(folder, facts, trust), Target(**facts["scale"]))


def make_priors(
    sources: Sequence[Source], cost: str, space: DesignSpace, ways: Callable[[int], Sequence[Way]], seed: int
) -> tuple[list[Prior], list[str]]:
    """A prior of each source that knows something of a cost, and notes.

    Args:
        ways: how a table of so many rows is learned.
    Raises:
        DeffeError: nothing in a source fits this run.
    """
    priors, notes = [], []
    for source in sources:
        if cost not in source.costs:
            continue
        rng = np.random.default_rng(seed)
        if source.frame is None:
            known = KnownCheckpoint.of(source, space)
            sampled = space.features(space.sample(SAMPLED, rng))
            priors.append(Prior(known, Target.of(known.costs(sampled))))
            continue
        features, actual, note = table_features(source, source.costs[cost], space, seed)
        shape, folds = Shape(tuple(range(features.shape[1]))), fold_of(distinct(features), FOLDS, rng)
        learned = learn_cost(ways(len(actual)), Job(cost, features, shape, actual, folds, rng, log=True))
        priors.append(Prior(KnownTable(learned.fitted), Target.of(actual)))
        notes.append(note)
    return priors, notes
