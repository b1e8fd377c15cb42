"""How the values of a parameter lie in the database: from levels to what SQLite holds, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.records import Value
from deffe.space.parameters import Parameter, as_objects
from deffe.values import text


def plain(written: str) -> str:
    """A text that SQLite can hold: without NUL and unpaired surrogates."""
    if written.isascii() and "\0" not in written:
        return written
    return written.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def stored(value: Value) -> Value:
    """A value as the database holds it: booleans, and integers beyond 64 bits, as text."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, bool) or (isinstance(value, int) and not -(2**63) <= value < 2**63):
        return text(value)
    return value


@dataclass(frozen=True)
class StoredParameter:
    """Translates the column of one parameter.

    Args:
        conditional: whether it may be inactive; it is NULL in the database then.
    """

    parameter: Parameter
    conditional: bool

    def write(self, levels: NDArray[np.int32], active: NDArray[np.bool_] | None) -> list[Value | None]:
        """What to store for (n,) levels; None where it is not active."""
        column = self._values[levels]
        if active is not None and self.conditional:
            column[~active] = None
        found: list[Value | None] = column.tolist()
        return found

    def read(self, column: Sequence[Value | None]) -> NDArray[np.int32]:
        """(n,) levels of stored values; 0 where it is not active; KeyError for a value it does not have."""
        return np.fromiter(map(self._levels.__getitem__, column), dtype=np.int32, count=len(column))

    def typed(self, column: Sequence[Value | None]) -> NDArray[Any]:
        """(n,) values in the narrowest type; NaN, or None among texts, where it is not active."""
        values = self.parameter.typed[self.read(column)]
        if not self.conditional:
            return values
        numeric = self.parameter.is_numeric and values.dtype != object
        values = values.astype(np.float64 if numeric else object)
        values[[value is None for value in column]] = np.nan if numeric else None
        return values

    @cached_property
    def _values(self) -> NDArray[Any]:
        return as_objects(stored(value) for value in self.parameter.values)

    @cached_property
    def _levels(self) -> dict[Value | None, int]:
        levels: dict[Value | None, int] = {value: level for level, value in enumerate(self._values)}
        return {**levels, None: 0} if self.conditional else levels
