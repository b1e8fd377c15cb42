"""What the surrogates of a search see of a design point: the space's features, and what makes sizes fit together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deffe.api import DesignSpace, Features, Levels, Parameter

Vector = NDArray[np.float64]
FEW = 4
"""Values of a knob that need no further columns."""


class SearchFeatures:
    """The features of a space, and two more columns for each linear knob of more than a few values.

    Those are its logarithm, and how often 2 divides it: hardware likes block sizes and counts that are multiples of
    a warp, a line, a bank, and one smooth curve over the values cannot show it. The kernel finds out what matters.
    """

    def __init__(self, space: DesignSpace) -> None:
        self._space = space
        self._more = [(i, column) for i, p in enumerate(space.parameters) for column in _columns(p)]

    def __call__(self, levels: Levels) -> Features:
        """(n, d) features of (n, p) levels, in [0, 1]."""
        own = self._space.features(levels)
        more = [column[levels[:, i]] for i, column in self._more]
        return np.column_stack([own, *more]) if more else own


def _columns(parameter: Parameter) -> list[Vector]:
    """Further columns of a knob, each as the number of every level."""
    if parameter.scale != "linear" or len(parameter) <= FEW:
        return []
    numbers = parameter.numbers
    found = []
    if numbers.min() > 0 and numbers.max() >= 4 * numbers.min():
        found.append(np.log2(numbers))
    whole = np.all(numbers == np.round(numbers)) and np.abs(numbers).max() < 2**53 and np.all(numbers != 0)
    if whole:
        found.append(np.array([float((int(n) & -int(n)).bit_length() - 1) for n in numbers]))
    return [(column - column.min()) / np.ptp(column) for column in found if np.ptp(column) > 0]
