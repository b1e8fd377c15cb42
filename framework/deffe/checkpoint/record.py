"""What a checkpoint tells of itself: what was learned, when, from how much, and how well."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deffe.records import CostReport, Ids, Value
from deffe.space import FeatureMap

_NAME = re.compile(
    r"step(?P<step>\d+)-cost(?P<cost>\d+)-train(?P<train>\d+)-val(?P<val>\d+)-weights-improvement-(?P<epoch>\d+)"
    r"(-loss(?P<loss>[-+.\w]+?)-valloss(?P<valloss>[-+.\w]+?))?(\.hdf5|\.h5)?"
)


@dataclass(frozen=True)
class About:
    """What a checkpoint tells of itself.

    Args:
        model: name of the model plugin; ``file`` is that of a user's own, else empty.
        cost, index, unit: the cost, its place among the learned ones, and its unit.
        step, epoch: when; the epoch is 0 for models that have none.
        train, validation, test: numbers of points.
        train_loss, val_loss: NaN where not known.
        features: the map from knobs to what the model saw.
        space: ``DesignSpace.describe()`` of the run.
        digest, run: of the configuration, and of the run directory that it was written by.
        report: the error on points that were not learned from.
    """

    model: str
    cost: str
    features: FeatureMap
    file: str = ""
    index: int = 0
    unit: str = ""
    step: int = 0
    epoch: int = 0
    train: int = 0
    validation: int = 0
    test: int = 0
    train_loss: float = math.nan
    val_loss: float = math.nan
    space: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    run: str = ""
    report: CostReport | None = None

    @property
    def name(self) -> str:
        """The folder's name: of the form that the original gave its files."""
        return (
            f"step{self.step}-cost{self.index}-train{self.train}-val{self.validation}"
            f"-weights-improvement-{self.epoch:02d}-loss{self.train_loss:.4f}-valloss{self.val_loss:.4f}"
        )

    def to_json(self) -> dict[str, Any]:
        """JSON types; NaN becomes null."""
        report = {k: _number(v) for k, v in asdict(self.report).items()} if self.report else None
        plain = {name: _number(value) for name, value in vars(self).items() if name not in ("features", "report")}
        return {**plain, "features": self.features.to_json(), "report": report}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> About:
        """Read what ``to_json`` wrote; KeyError, TypeError or a DeffeError for anything else."""
        numbers: Any = {k: math.nan if v is None else v for k, v in (data["report"] or {}).items()}
        report = CostReport(**numbers) if numbers else None
        losses = {name: math.nan if data[name] is None else float(data[name]) for name in ("train_loss", "val_loss")}
        return cls(**{**data, **losses, "features": FeatureMap.from_json(data["features"]), "report": report})


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and found whole.

    Args:
        path: its folder, or the file of another system.
        facts: what the model noted, for its ``Restore``.
        points: sorted identities of the points that were learned from; None where not known.
        validation: those of them that only chose the weights; None where not known.
    """

    path: Path
    about: About
    facts: Mapping[str, Any]
    points: Ids | None = None
    validation: Ids | None = None

    @property
    def fallback(self) -> dict[str, Value]:
        """For each knob it needs, a value from the middle of what was learned."""
        described = {p["name"]: p["values"] for p in self.about.space.get("parameters", ())}
        return {name: _middle(described[name]) for name in self.about.features.inputs if name in described}


def parse_name(name: str) -> dict[str, Any]:
    """The parts of a checkpoint's name that tell of it, as arguments of ``About``; {} for another name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return {}
    numbers = {"step": "step", "index": "cost", "train": "train", "validation": "val", "epoch": "epoch"}
    losses = {"train_loss": "loss", "val_loss": "valloss"}
    return {
        **{field: int(found[part]) for field, part in numbers.items()},
        **{field: float(found[part]) if found[part] else math.nan for field, part in losses.items()},
    }


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _middle(values: Sequence[Value]) -> Value:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    ordered = sorted(values, key=float) if numbers else list(values)
    return ordered[len(ordered) // 2] if numbers else ordered[0]
