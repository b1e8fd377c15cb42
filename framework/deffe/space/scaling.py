"""Model inputs: design points as numbers in [0, 1], one block of columns a parameter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deffe.records import Features, Levels
from deffe.space.components import Mask
from deffe.space.parameters import Parameter


class Scaling:
    """The map from levels to features.

    A number is scaled between the smallest and largest of its parameter, on the parameter's scale; a category gets a
    column a value; a conditional parameter is 0 where inactive and gets a column that says so. Parameters of one value
    have no column.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._blocks = [
            (column, parameter, _table(parameter)) for column, parameter in enumerate(parameters) if len(parameter) > 1
        ]
        self.names = tuple(name for _, parameter, _ in self._blocks for name in _names(parameter))

    def features(self, levels: Levels, active: Mask | None) -> Features:
        """(n, d) float64 in [0, 1] of (n, p) levels; active is (n, p) bool, None when all are."""
        features = np.empty((len(levels), len(self.names)))
        place = 0
        for column, parameter, table in self._blocks:
            conditional = parameter.when is not None and active is not None
            shown = active[:, column].astype(np.float64) if conditional and active is not None else None
            for values in table:
                features[:, place] = values[levels[:, column]]
                if shown is not None:
                    features[:, place] *= shown
                place += 1
            if shown is not None:
                features[:, place] = shown
                place += 1
        return features


def _table(parameter: Parameter) -> list[NDArray[np.float64]]:
    """The columns of a parameter as functions of its level, (v,) each."""
    if parameter.scale == "category":
        return list(np.eye(len(parameter)))
    # Halves, so that the difference of the largest floats is finite.
    numbers = np.log2(parameter.numbers) if parameter.scale == "log2" else parameter.numbers / 2
    low, high = numbers.min(), numbers.max()
    return [(numbers - low) / ((high - low) or 1.0)]


def _names(parameter: Parameter) -> list[str]:
    values = parameter.texts if parameter.scale == "category" else ()
    names = [f"{parameter.name}={value}" for value in values] or [parameter.name]
    return names + ([f"{parameter.name} active"] if parameter.when is not None else [])
