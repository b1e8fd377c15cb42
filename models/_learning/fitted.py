"""One learned cost: its target, the ways that predict it with their shares, and the width of its intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deffe.api import Features
from deffe.records import NORMAL_90
from deffe.surrogates.target import Target, Vector

from .blend import combine
from .way import Member

LEAST_DEVIATION = 0.05
"""Of the root mean square error on unseen points: trees that agree are not certain, and intervals scale with it."""


@dataclass(frozen=True)
class FittedCost:
    """What was learned of one cost; without members it is the mean of what was seen.

    Args:
        target: the scale on which it was learned.
        members: what predicts it, with their (k,) weights.
        spreads: (k,) root mean square errors of the members on unseen points, for deviations that they do not know.
        width: deviations on either side of the mean that hold 90 % of unseen points; NaN when not known.
        spread: standard deviation of the targets seen.
    """

    target: Target
    members: tuple[Member, ...] = ()
    weights: tuple[float, ...] = ()
    spreads: tuple[float, ...] = ()
    width: float = float("nan")
    spread: float = float("nan")

    def predict(self, features: Features) -> tuple[Vector, Vector, Vector, Vector]:
        """(n,) costs, standard deviations, and lower and upper bounds, of features with every column."""
        mean, std = self._targets(features)
        cost, deviation = self.target.backward(mean, std)
        # without unseen points to set it, the width is that of a normal distribution
        half = (NORMAL_90 if np.isnan(self.width) else self.width) * std
        return cost, deviation, self.target.cost(mean - half), self.target.cost(mean + half)

    def means(self, features: Features) -> Vector:
        """(n,) costs as ``predict`` gives them."""
        if not self.members:
            return self.target.cost(np.zeros(len(features)))
        total = np.zeros(len(features))
        for member, weight in zip(self.members, self.weights, strict=True):
            total += weight * member.means(features)
        return self.target.cost(total)

    def _targets(self, features: Features) -> tuple[Vector, Vector]:
        if not self.members:
            return np.zeros(len(features)), np.full(len(features), self.spread)
        means, stds = [], []
        for member, spread in zip(self.members, self.spreads, strict=True):
            mean, std = member.predict(features)
            means.append(mean)
            stds.append(known_deviations(std, spread))
        return combine(np.array(self.weights), means, stds)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the members into folders named by their number; facts for JSON."""
        return {
            "target": self.target.to_json(),
            "members": [member.save(folder / str(i)) for i, member in enumerate(self.members)],
            "weights": list(self.weights),
            "spreads": [_or_none(number) for number in self.spreads],
            "width": _or_none(self.width),
            "spread": _or_none(self.spread),
        }

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> FittedCost:
        """What ``save`` wrote; KeyError, TypeError or ValueError for facts that are not of it."""
        return cls(
            Target(**facts["target"]),
            tuple(Member.restore(folder / str(i), each, trust) for i, each in enumerate(facts["members"])),
            tuple(map(float, facts["weights"])),
            tuple(map(_or_nan, facts["spreads"])),
            _or_nan(facts["width"]),
            _or_nan(facts["spread"]),
        )


def known_deviations(std: Vector, spread: float) -> Vector:
    """(n,) deviations with ``spread`` in place of those that a learner does not know, and a share of it at least."""
    return np.maximum(np.where(np.isnan(std), spread, std), LEAST_DEVIATION * spread)


def share_text(labels: Sequence[str], weights: Iterable[float]) -> str:
    """Such as ``0.80 gaussian_process, 0.20 extra_trees``, largest first, without those of no weight."""
    shares = sorted(zip(weights, labels, strict=True), key=lambda share: -share[0])
    return ", ".join(f"{weight:.2f} {label}" for weight, label in shares if weight > 0)


def _or_none(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _or_nan(number: float | None) -> float:
    return float("nan") if number is None else float(number)
