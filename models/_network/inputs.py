"""The features of this run as another run's network knows them: columns picked, and numbers put on its scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deffe.api import DesignSpace, FeatureMap, Features, Value
from deffe.space.columns import NumberKnob

AxisScale = tuple[str, float, float]
"""``linear`` or ``log2``, and the values at 0 and 1."""


@dataclass(frozen=True)
class Input:
    """One input of a network.

    Args:
        column: of the features here; -1 for a constant.
        here, there: how a number became that column, and how it becomes the input; None for a column taken as it is.
        constant: the input where there is no such column.
    """

    column: int
    here: AxisScale | None = None
    there: AxisScale | None = None
    constant: float = 0.0

    def __call__(self, features: Features) -> Any:
        """(n,) values of the input."""
        if self.column < 0:
            return np.full(len(features), self.constant)
        found = features[:, self.column]
        return found if self.here is None or self.there is None else place(value(found, self.here), self.there)


@dataclass(frozen=True)
class Inputs:
    """All inputs of a network, in order."""

    columns: tuple[Input, ...]

    def __call__(self, features: Features) -> Features:
        """(n, k) inputs from (n, d) features."""
        return np.stack([column(features) for column in self.columns], axis=1)

    def to_json(self) -> list[list[Any]]:
        """A form for JSON."""
        return [[c.column, c.here, c.there, c.constant] for c in self.columns]

    @classmethod
    def from_json(cls, facts: Sequence[Sequence[Any]]) -> Inputs:
        """What ``to_json`` wrote."""
        return cls(tuple(Input(int(c), _scale(here), _scale(there), float(x)) for c, here, there, x in facts))


def value(column: Any, scale: AxisScale) -> Any:
    """Numbers from their places in 0..1."""
    kind, low, high = scale
    return low * (high / low) ** column if kind == "log2" else low + (high - low) * column


def place(number: Any, scale: AxisScale) -> Any:
    """Places in 0..1 of numbers, beyond it where they are."""
    kind, low, high = scale
    if kind == "log2":
        # a number that has no logarithm is taken for the smallest that was learned
        number, low, high = np.log2(np.where(number > 0, number, low)), np.log2(low), np.log2(high)
    return (number - low) / ((high - low) or 1.0)


def inputs_between(
    space: DesignSpace, theirs: FeatureMap, mapping: Mapping[str, str], fallback: Mapping[str, Value]
) -> Inputs | str:
    """The inputs of a network that learned from the columns ``theirs``, made of the features of ``space``.

    Args:
        mapping: knobs here, each with the knob there that it corresponds to.
        fallback: values of the knobs there that nothing corresponds to.
    Returns:
        the inputs, or why there are none.
    """
    ours = space.feature_map
    own = {there: here for here, there in mapping.items()}
    columns: list[Input] = []
    for knob in theirs.knobs:
        if knob.conditional:
            return f"the knob {knob.knob} there is not always active"
        here = own.get(knob.knob, "")
        known = next((mine for mine in ours.knobs if mine.knob == here), None)
        fixed = next((p.values[0] for p in space.parameters if p.name == here), fallback.get(knob.knob))
        if known is not None and (type(known) is not type(knob) or known.conditional):
            return f"the knob {here} here is of another kind than {knob.knob} there"
        if known is None:
            columns += [Input(-1, constant=float(column[0])) for column in knob.columns(knob.read(np.array([fixed])))]
        elif isinstance(knob, NumberKnob) and isinstance(known, NumberKnob):
            columns.append(Input(ours.names.index(here), *_scales(known, knob)))
        else:
            mine = [f"{here}={name.removeprefix(f'{knob.knob}=')}" for name in knob.names]
            columns += [Input(ours.names.index(name) if name in ours.names else -1) for name in mine]
    for derived in theirs.derived:
        if derived not in ours.derived:
            return f"the feature {derived.label} is not declared here in the same way"
        columns.append(Input(ours.names.index(derived.label)))
    return Inputs(tuple(columns))


def _scales(here: NumberKnob, there: NumberKnob) -> tuple[AxisScale | None, AxisScale | None]:
    """Scales to go from and to; none for another knob that reaches beyond its range there: its place is kept."""
    scales = [(each.scale, each.low, each.high) for each in (here, there)]
    beyond = here.knob != there.knob and not there.low <= here.low <= here.high <= there.high
    return (None, None) if beyond or scales[0] == scales[1] else (scales[0], scales[1])


def _scale(facts: Sequence[Any] | None) -> AxisScale | None:
    return None if facts is None else (str(facts[0]), float(facts[1]), float(facts[2]))
