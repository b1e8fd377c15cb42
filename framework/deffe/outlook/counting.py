"""Which points count: an explorer may have others evaluated to learn from alone, such as those of a cheap fidelity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe.errors import PluginError, nearest
from deffe.prepare.plan import Plan
from deffe.records import Levels
from deffe.values import text


@dataclass(frozen=True)
class Counting:
    """The points whose costs are results; without columns all of them.

    Args:
        columns, levels: knobs, and the level of each at which a point counts.
    """

    columns: tuple[int, ...] = ()
    levels: tuple[int, ...] = ()

    def of(self, points: Levels) -> NDArray[np.bool_]:
        """(n,) which of (n, p) points count."""
        wanted = np.array(self.levels, dtype=np.int32)
        return np.asarray((points[:, np.array(self.columns, dtype=np.intp)] == wanted).all(axis=1))


ALL = Counting()


def counting(plan: Plan) -> Counting:
    """The points that count, as the explorer of a plan says; all where it says nothing.

    Raises:
        PluginError: it names no knob or value of the space.
    """
    if not plan.explorer.has("Target"):
        return ALL
    told = plan.explorer.ask("Target")
    name = f"explorer {plan.explorer.name!r}: Target"
    if told is None:
        return ALL
    if not isinstance(told, Mapping):
        allowed = "knobs and their values, such as {'simulator': 'detailed'}"
        raise PluginError(f"{name} gave {type(told).__name__}", allowed)
    found = {}
    for knob, value in told.items():
        if knob not in plan.space.names:
            raise PluginError(f"{name} names {knob!r}, which is no knob", nearest(str(knob), plan.space.names))
        parameter = plan.space.parameters[plan.space.names.index(knob)]
        level = parameter.level_of(value)
        if level is None:
            raise PluginError(f"{name}: {knob} cannot be {value!r}", f"allowed: {parameter.allowed}")
        found[plan.space.names.index(knob)] = level
    return Counting(tuple(found), tuple(found.values()))


def told(plan: Plan) -> dict[str, str] | None:
    """The same in words, {knob: value}; None where all points count."""
    found, parameters = counting(plan), plan.space.parameters
    pairs = zip(found.columns, found.levels, strict=True)
    return {parameters[i].name: text(parameters[i].values[level]) for i, level in pairs} or None
