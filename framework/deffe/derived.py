"""Costs computed by expression from measured costs and knobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.expressions import Expression
from deffe.records import Batch, Levels, Outcome, State
from deffe.space import DesignSpace


@dataclass(frozen=True)
class DerivedCosts:
    """Appends derived costs to measured ones.

    Args:
        measured: names of the measured costs.
        expressions: name of each derived cost to its expression over knobs and costs before it.
    """

    measured: Sequence[str]
    expressions: Mapping[str, Expression]

    def complete(self, outcome: Outcome, space: DesignSpace, batch: Batch) -> Outcome:
        """The outcome with (m, measured + derived) costs; a point whose derived cost is not finite fails."""
        if not self.expressions or outcome.costs is None:
            return outcome
        columns = _knobs(space, batch.levels[outcome.rows])
        columns |= {name: outcome.costs[:, i] for i, name in enumerate(self.measured)}
        states, reasons = outcome.states.copy(), list(outcome.reasons or [""] * len(outcome.rows))
        for name, expression in self.expressions.items():
            columns[name] = np.asarray(expression.evaluate(columns), dtype=np.float64)
            for row in np.flatnonzero((states == State.DONE) & ~np.isfinite(columns[name])):
                states[row] = State.FAILED
                reasons[row] = f"derived cost {name!r} is {columns[name][row]}: {expression.text}"
        costs = np.column_stack([columns[name] for name in (*self.measured, *self.expressions)])
        costs[states != State.DONE] = np.nan
        return replace(outcome, costs=costs, states=states, reasons=tuple(reasons))


def _knobs(space: DesignSpace, levels: Levels) -> dict[str, NDArray[Any]]:
    """(n,) operands of each parameter; NaN, or None for text, where it is not active."""
    active = space.active(levels)
    columns = {}
    for i, parameter in enumerate(space.parameters):
        column = parameter.operands[levels[:, i]]
        nothing = np.array(None) if column.dtype == object else np.array(np.nan)
        columns[parameter.name] = np.where(active[:, i], column, nothing)
    return columns
