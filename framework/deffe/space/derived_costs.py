"""Costs computed by expression from measured costs and knobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.expressions import Expression
from deffe.records import Batch, Costs, Levels, Outcome, State
from deffe.space.design_space import DesignSpace


@dataclass(frozen=True)
class DerivedCosts:
    """Appends derived costs to measured ones.

    Args:
        measured: names of the measured costs.
        expressions: name of each derived cost to its expression over knobs and costs before it.
    """

    measured: Sequence[str]
    expressions: Mapping[str, Expression]

    @property
    def exact(self) -> tuple[str, ...]:
        """Those computed from knobs alone: they need neither evaluation nor learning."""
        found: list[str] = []
        for name, expression in self.expressions.items():
            if not expression.names & (set(self.measured) | self.expressions.keys() - set(found)):
                found.append(name)
        return tuple(found)

    def of_knobs(self, space: DesignSpace, levels: Levels) -> Costs:
        """(n, e) values of the exact ones at (n, p) points."""
        return self._values(self.exact, space, levels, np.empty((len(levels), 0)))

    def extend(self, space: DesignSpace, levels: Levels, costs: Costs) -> Costs:
        """(n, measured + derived) costs of (n, p) points from the (n, measured) ones."""
        return np.hstack([costs, self._values(self.expressions, space, levels, costs)])

    def complete(self, outcome: Outcome, space: DesignSpace, batch: Batch) -> Outcome:
        """The outcome with its derived costs; a point with one that is not finite fails."""
        if not self.expressions or outcome.costs is None:
            return outcome
        costs = self.extend(space, batch.levels[outcome.rows], outcome.costs)
        states, reasons = outcome.states.copy(), list(outcome.reasons or [""] * len(outcome.rows))
        for i, (name, expression) in enumerate(self.expressions.items(), start=len(self.measured)):
            for row in np.flatnonzero((states == State.DONE) & ~np.isfinite(costs[:, i])):
                states[row] = State.FAILED
                reasons[row] = f"derived cost {name!r} is {costs[row, i]}: {expression.text}"
        costs[states != State.DONE] = np.nan
        return replace(outcome, costs=costs, states=states, reasons=tuple(reasons))

    def _values(self, names: Collection[str], space: DesignSpace, levels: Levels, costs: Costs) -> Costs:
        columns = _knobs(space, levels)
        columns |= dict(zip(self.measured, costs.T, strict=False))
        values = np.empty((len(levels), len(names)), dtype=np.float64)
        for i, name in enumerate(names):
            columns[name] = values[:, i] = self.expressions[name].evaluate(columns)
        return values


def _knobs(space: DesignSpace, levels: Levels) -> dict[str, NDArray[Any]]:
    """(n,) operands of each parameter; NaN, or None for text, where it is not active."""
    active = space.active(levels)
    columns = {}
    for i, parameter in enumerate(space.parameters):
        column = parameter.operands[levels[:, i]]
        nothing = np.array(None) if column.dtype == object else np.array(np.nan)
        columns[parameter.name] = np.where(active[:, i], column, nothing)
    return columns
