"""The objectives of a search: those that surrogates learn, and those that the knobs alone tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, Features, Framework, Levels
from deffe.space.derived_costs import DerivedCosts
from deffe.surrogates.target import Target

from .pools import ExactPool, Learned, Pool
from .proposal import Acquisition, Proposal

Vector = NDArray[np.float64]
Exact = Callable[[Levels], Vector]
"""(n, p) levels to the (n,) values of a cost that needs no evaluation."""


@dataclass(frozen=True)
class SignedTarget:
    """Between costs of an objective and targets of mean 0 and variance 1, to be minimised.

    Args:
        sign: -1 for costs that are negative: of an objective to be maximised.
    """

    target: Target
    sign: float

    @classmethod
    def of(cls, costs: Vector) -> SignedTarget:
        """Of (n,) costs to be minimised; the logarithm is taken where all have one sign."""
        sign = -1.0 if np.all(costs <= 0) and np.any(costs < 0) else 1.0
        return cls(Target.of(sign * costs), sign)

    def forward(self, costs: Vector) -> Vector:
        """(n,) costs to targets."""
        return np.asarray(self.sign * self.target.forward(self.sign * costs))


@dataclass(frozen=True)
class Objective:
    """One objective that varies.

    Args:
        values: (n,) targets of the points that are done.
        exact: its values of any points, where the knobs alone tell them.
    """

    values: Vector
    scale: SignedTarget
    exact: Exact | None


def exact_costs(framework: Framework) -> list[Exact | None]:
    """For each objective of a run how the knobs alone tell it, negated if it is to be maximised; None if not."""
    config, space = framework.config, framework.space
    derived = DerivedCosts(config.costs, config.derived_costs)
    names = derived.exact

    def told(cost: str, sign: float) -> Exact:
        return lambda levels: sign * derived.of_knobs(space, levels)[:, names.index(cost)]

    return [told(o.cost, -1.0 if o.goal == "max" else 1.0) if o.cost in names else None for o in config.objectives]


def varying(costs: Costs, exact: list[Exact | None]) -> list[Objective]:
    """The objectives of which the (n, m) costs, to be minimised, are not all the same."""
    found = []
    for column, tells in zip(costs.T, exact, strict=True):
        scale = SignedTarget.of(column)
        values = scale.forward(column)
        if np.ptp(values) > 0:
            found.append(Objective(values, scale, tells))
    return found


class Beliefs(Protocol):
    """What is believed of the objectives, by which candidates are compared."""

    def proposal(self, levels: Levels, features: Features, chance: Vector, rng: np.random.Generator) -> Acquisition:
        """Compare (k, p) candidates of (k, d) features, whose (k,) chance not to fail is given."""


class Surrogates:
    """What surrogates believe of several objectives, in as many ways as each of them has members.

    Args:
        rows: the points that are learned from.
        learn: the members of an objective, from its (n,) values at these points; as many of each.
    """

    def __init__(
        self,
        objectives: list[Objective],
        rows: NDArray[np.intp],
        learn: Callable[[Vector], Sequence[Learned]],
    ) -> None:
        self._objectives = objectives
        self._rows = rows
        self._learned = [None if o.exact else learn(o.values[rows]) for o in objectives]
        self._members = max((len(members) for members in self._learned if members), default=1)

    def proposal(
        self, levels: Levels, features: Features, chance: Vector, rng: np.random.Generator, members: int | None = None
    ) -> Proposal:
        """Compare candidates.

        Args:
            levels, features: (k, p) and (k, d) of the candidates.
            members: only the first so many.
        """
        used = range(self._members if members is None else members)
        told = [o.scale.forward(o.exact(levels)) if o.exact else None for o in self._objectives]
        pools = [[self._pool(j, i, told[j], features) for j in range(len(self._objectives))] for i in used]
        return Proposal([self._believed(i) for i in used], pools, chance, rng)

    def _pool(self, objective: int, member: int, told: Vector | None, features: Features) -> Pool:
        learned = self._learned[objective]
        return ExactPool(np.asarray(told)) if learned is None else learned[member].pool(features)

    def _believed(self, member: int) -> Costs:
        """(n, m) targets of the points that are learned from, without noise."""
        return np.column_stack(
            [
                o.values[self._rows] if learned is None else learned[member].fitted
                for o, learned in zip(self._objectives, self._learned, strict=True)
            ]
        )
