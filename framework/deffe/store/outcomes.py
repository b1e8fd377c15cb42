"""What of an outcome is kept: outcomes come from plugins, a user's too, and must not turn into wrong results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deffe.errors import PluginError, counted
from deffe.records import Batch, Costs, Outcome, State


def settled(outcome: Outcome, batch: Batch, costs: Sequence[str]) -> Outcome:
    """The outcome with costs that are finite where a point is done, and NaN where it is not.

    A point said to be done without finite costs has failed, and its reason says so.

    Raises:
        PluginError: rows that are not in the batch, unknown states, a wrong number of costs.
    """
    _check(outcome, batch, costs)
    values = np.full((len(outcome.rows), len(costs)), np.nan) if outcome.costs is None else outcome.costs
    finite, done = np.isfinite(values), outcome.states == State.DONE
    bad = np.flatnonzero(done & ~finite.all(axis=1))
    if done.all() and not len(bad):
        return outcome if outcome.costs is not None else replace(outcome, costs=values)
    states, reasons = outcome.states.copy(), list(outcome.reasons or [""] * len(done))
    for row in bad.tolist():
        cost = int(np.argmin(finite[row]))
        states[row] = State.FAILED
        reasons[row] = reasons[row] or f"cost {costs[cost]!r} is {values[row, cost]}, not a finite number"
    values = np.where((states == State.DONE)[:, None], values, np.nan)
    return replace(outcome, states=states, reasons=tuple(reasons), costs=values)


def costs_of(outcome: Outcome) -> Costs:
    """(m, c) costs of a settled outcome."""
    assert outcome.costs is not None
    return outcome.costs


def _check(outcome: Outcome, batch: Batch, costs: Sequence[str]) -> None:
    rows, states = outcome.rows, outcome.states
    if len(rows) and not (rows.min() >= 0 and rows.max() < len(batch)):
        raise PluginError(
            f"an outcome names rows {rows.min()} to {rows.max()} of a batch of {counted(len(batch), 'point')}"
        )
    if len(states) and not (states.min() >= 0 and states.max() < len(State)):
        known = ", ".join(f"{int(state)} {state.text}" for state in State)
        raise PluginError(f"an outcome has the states {states.min()} to {states.max()}", f"states: {known}")
    if outcome.costs is not None and outcome.costs.shape[1] != len(costs):
        raise PluginError(f"an outcome has {outcome.costs.shape[1]} costs a point", f"costs: {', '.join(costs)}")
