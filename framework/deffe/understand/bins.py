"""The values of a knob as they are shown: each by itself, or adjacent numbers taken together where there are many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe.space import Parameter


@dataclass(frozen=True)
class Bins:
    """Groups of the values of one knob, numbers in rising order.

    Args:
        of_level: (v,) the group of each level.
        texts: of the groups, such as ``16`` or ``16..32``.
        numbers: (g,) means of the values; empty for categories.
    """

    of_level: NDArray[np.int64]
    texts: tuple[str, ...]
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, parameter: Parameter, most: int) -> Bins:
        """At most ``most`` groups; categories are never taken together."""
        count = len(parameter)
        shown = [str(value) for value in parameter.texts]
        if not parameter.is_numeric or parameter.scale == "category":
            return cls(np.arange(count), tuple(shown), ())
        order = np.argsort(parameter.numbers, kind="stable")
        groups = np.arange(count) * min(most, count) // count
        of_level = np.empty(count, dtype=np.int64)
        of_level[order] = groups
        texts, numbers = [], []
        for group in range(min(most, count)):
            inside = order[groups == group]
            first, last = shown[inside[0]], shown[inside[-1]]
            texts.append(first if len(inside) == 1 else f"{first}..{last}")
            numbers.append(float(np.mean(parameter.numbers[inside])))
        return cls(of_level, tuple(texts), tuple(numbers))

    def __len__(self) -> int:
        return len(self.texts)

    def groups(self, codes: NDArray[np.int32]) -> NDArray[np.int64]:
        """(n,) groups of levels; -1 where the knob is not active."""
        return np.where(codes < 0, np.int64(-1), self.of_level[codes])
