"""Which fidelities a run has, and what an evaluation in each of them costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.api import Field, Framework, Levels, Options, PluginError, Value
from deffe.errors import nearest
from deffe.tables.columns import bookkeeping
from deffe.values import text

Vector = NDArray[np.float64]


class FidelityOptions(Options):
    """The knob that sets the fidelity of an evaluation."""

    knob: str = Field(description="the knob, such as simulator or input_size")
    target: Value = Field(description="its value at which the costs count")
    seconds: dict[str, float] = Field(
        default_factory=dict, description="time of an evaluation at each of its values, in any unit; default: measured"
    )


@dataclass(frozen=True)
class Fidelity:
    """A fidelity knob in a design space.

    Args:
        column: of the knob in levels.
        target: its level at which the costs count.
        given: (k,) seconds of an evaluation at each level that the user has given; NaN where none.
    """

    name: str
    column: int
    target: int
    values: tuple[str, ...]
    given: Vector

    @classmethod
    def of(cls, framework: Framework, options: FidelityOptions) -> Fidelity:
        """The knob in the space of a run; PluginError where the options do not fit it."""
        space, name = framework.space, options.knob
        if name not in space.names:
            what = f"multi_fidelity: the space has no knob {name!r} that sets the fidelity"
            raise PluginError(what, nearest(name, space.names))
        column = space.names.index(name)
        parameter = space.parameters[column]
        if parameter.when is not None or len(parameter) < 2:
            what = f"multi_fidelity: the knob {name!r} sets no fidelity: it is conditional or has one value"
            raise PluginError(what, "name a knob with two or more values that is always there")
        target = parameter.level_of(options.target)
        if target is None:
            what = f"multi_fidelity: {options.target!r} is no value of {name!r}"
            raise PluginError(what, f"its values: {parameter.allowed}")
        values = tuple(text(value) for value in parameter.values)
        return cls(name, column, target, values, _given(name, values, options.seconds))

    def at_target(self, levels: Levels) -> NDArray[np.bool_]:
        """(n,) bool: which points are of the fidelity that counts."""
        return np.asarray(levels[:, self.column] == self.target)

    def lifted(self, levels: Levels) -> Levels:
        """(n, p) the same designs at the fidelity that counts."""
        raised: Levels = levels.copy()
        raised[:, self.column] = self.target
        return raised

    def seconds(self, table: pd.DataFrame, levels: Levels, framework: Framework) -> Vector:
        """(k,) seconds of an evaluation at each level: those given, else the mean of those that were measured.

        A level that has not been evaluated yet is taken to cost as much as the dearest that has.

        Args:
            table, levels: the cost table and its (n, p) points.
        Raises:
            PluginError: nothing is given and nothing was measured.
        """
        names = bookkeeping([*framework.space.names, *framework.config.all_costs])
        times = table.reindex(columns=[names["evaluate_s"], names["extract_s"]])
        spent = times.to_numpy(dtype=np.float64, na_value=np.nan)
        spent = np.where(np.isnan(spent), 0.0, spent).sum(axis=1)
        found: Vector = self.given.copy()
        for level in np.flatnonzero(np.isnan(found)):
            measured = spent[(levels[:, self.column] == level) & (spent > 0)]
            if len(measured):
                found[level] = measured.mean()
        if np.isnan(found).all():
            what = f"multi_fidelity: what an evaluation at each value of {self.name!r} takes is not known"
            example = ", ".join(f'"{value}": ...' for value in self.values)
            raise PluginError(what, f"give exploration.options.fidelity.seconds: {{{example}}}")
        return np.asarray(np.where(np.isnan(found), np.nanmax(found), found))


def _given(name: str, values: tuple[str, ...], seconds: dict[str, float]) -> Vector:
    found = np.full(len(values), np.nan)
    for value, time in seconds.items():
        if value not in values:
            raise PluginError(f"multi_fidelity: seconds of {value!r}, which is no value of {name!r}",
                              f"its values: {', '.join(values)}")  # fmt: skip
        if not (np.isfinite(time) and time > 0):
            raise PluginError(f"multi_fidelity: an evaluation at {value!r} takes {time} seconds", "give more than 0")
        found[values.index(value)] = time
    return found
