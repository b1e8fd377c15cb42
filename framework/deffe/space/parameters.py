"""What a design space is made of: parameters with their values, and constraints on them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from deffe.errors import PluginError, SpaceError
from deffe.expressions import Expression
from deffe.records import Value
from deffe.values import EXACT, key, text

Scale = Literal["linear", "log2", "category"]
Array = NDArray[Any]
Predicate = Callable[[dict[str, str]], object]
_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Parameter:
    """A knob or scenario: a name and the values it can take.

    Args:
        name: its name in tables, scripts and expressions.
        values: distinct values, in the order given; a point holds their positions ("levels").
        unit: unit of the values, for people.
        scale: how models see it; None chooses ``category`` if any value is no number, ``log2`` for three
            or more powers of two, else ``linear``.
        map: a second name that scripts and tables may use; empty: the name.
        base: the value that one-dimensional designs vary around; None: the first.
        onedim_combination: whether one-dimensional designs cross it with the other such parameters.
        when: the condition under which it has a meaning; otherwise the parameter is inactive.
        kind: ``knob`` or ``scenario``.
    Raises:
        SpaceError: for a parameter without values, with repeated ones, or with a base or scale that does not fit.
    """

    name: str
    values: tuple[Value, ...]
    unit: str = ""
    scale: Scale | None = None
    map: str = ""
    base: Value | None = None
    onedim_combination: bool = False
    when: Expression | None = None
    kind: Literal["knob", "scenario"] = "knob"

    def __post_init__(self) -> None:
        if not self.name or "\0" in self.name:
            raise SpaceError(f"a parameter cannot have the name {self.name!r}", "give it a name")
        object.__setattr__(self, "values", tuple(self._checked(value) for value in self.values))
        object.__setattr__(self, "map", self.map or self.name)
        if not self.values:
            raise SpaceError(f"parameter {self.name!r} has no values", "give it at least one")
        if len(self._positions) < len(self.values):
            raise SpaceError(f"parameter {self.name!r} has a value twice", f"its values: {self.allowed}")
        if self.base is not None and self.level_of(self.base) is None:
            raise SpaceError(f"parameter {self.name!r} has the base {self.base!r}", f"its values: {self.allowed}")
        object.__setattr__(self, "scale", self._scale())

    def __len__(self) -> int:
        return len(self.values)

    @property
    def allowed(self) -> str:
        """Its values for a message, shortened."""
        shown = ", ".join(text(value) for value in self.values[:8])
        return shown if len(self) <= 8 else f"{shown}, ... ({len(self):,} values)"

    @property
    def base_level(self) -> int:
        """The level that one-dimensional designs vary around."""
        return 0 if self.base is None else self._positions[key(self.base)]

    def level_of(self, value: Value) -> int | None:
        """The level of a value, None when it is not one of the values; 4 and 4.0 are the same."""
        return self._positions.get(key(value))

    @property
    def is_numeric(self) -> bool:
        """Whether all values are numbers; True and False are not."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    @property
    def is_text(self) -> bool:
        """Whether no value can be used as a number."""
        return all(isinstance(value, str) for value in self.values)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """(v,) the values of a numeric parameter."""
        return np.array([float(value) for value in self.values], dtype=np.float64)

    @cached_property
    def operands(self) -> Array:
        """(v,) the values as expressions see them: float64 if all are numbers or booleans, else object."""
        if any(isinstance(value, str) for value in self.values):
            return self.objects
        return self.numbers

    @cached_property
    def objects(self) -> Array:
        """(v,) the values as Python objects."""
        return as_objects(self.values)

    @cached_property
    def texts(self) -> Array:
        """(v,) the canonical texts of the values, as Python objects."""
        return as_objects(text(value) for value in self.values)

    @cached_property
    def typed(self) -> Array:
        """(v,) the values in the narrowest array type that keeps each exactly: bool, int64, float64 or object."""
        kinds = {float if isinstance(value, float) else type(value) for value in self.values}
        numeric = kinds <= {int, float}
        large = numeric and any(abs(value) > EXACT for value in self.values if isinstance(value, int))
        if kinds == {bool}:
            return np.array(self.values, dtype=np.bool_)
        if kinds == {int} and not (large and max(abs(cast(int, value)) for value in self.values) >= 2**63):
            return np.array(self.values, dtype=np.int64)
        return self.numbers if numeric and not large else self.objects

    def hashes(self, levels: NDArray[np.int32]) -> NDArray[np.uint64]:
        """64-bit hashes of (name, value) at (n,) levels; only the levels met are hashed in a long parameter."""
        if len(self) <= max(len(levels), 1024):
            return self._hashes[levels]
        met, inverse = np.unique(levels, return_inverse=True)
        return self._hash(self.values[level] for level in met)[inverse]

    @cached_property
    def _hashes(self) -> NDArray[np.uint64]:
        return self._hash(self.values)

    def _hash(self, values: Iterable[Value]) -> NDArray[np.uint64]:
        prefix = self.name.encode("utf-8", "surrogatepass") + b"\0"
        digests = (hashlib.blake2b(prefix + _identity(value), digest_size=8).digest() for value in values)
        return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)

    def _checked(self, value: object) -> Value:
        """The value as a Python value; an error for one that no configuration can have."""
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(plain, str) and plain:
            return plain
        if isinstance(plain, int | float) and abs(plain) <= _LARGEST:  # false for nan
            return plain
        raise SpaceError(f"parameter {self.name!r} has the value {plain!r:.40}", "values are finite numbers or text")

    @cached_property
    def _positions(self) -> dict[tuple[bool, Value], int]:
        return {key(value): level for level, value in enumerate(self.values)}

    def _scale(self) -> Scale:
        if self.scale not in (None, "linear", "log2", "category"):
            raise SpaceError(f"parameter {self.name!r} has the scale {self.scale!r}", "allowed: linear, log2, category")
        if self.scale == "category" or (self.scale is None and not self.is_numeric):
            return "category"
        if not self.is_numeric:
            raise SpaceError(f"parameter {self.name!r} has the scale {self.scale} and values that are no numbers",
                             f"use category, or numbers only; its values: {self.allowed}")  # fmt: skip
        if self.scale == "log2" and not bool((self.numbers > 0).all()):
            raise SpaceError(f"parameter {self.name!r} has the scale log2 and values that are not positive",
                             f"use linear; its values: {self.allowed}")  # fmt: skip
        if self.scale is None:
            doubles = len(self) >= 3 and bool(((self.numbers > 0) & (np.frexp(self.numbers)[0] == 0.5)).all())
            return "log2" if doubles else "linear"
        return self.scale


@dataclass(frozen=True)
class Constraint:
    """A condition that every valid point meets; where a parameter it names is inactive, it is met.

    Args:
        names: the parameters it depends on.
        text: how it is shown to people.
        mask: {name: (n,) values} to (n,) bool.
        numeric_names: those of the names that must have numbers among their values.
        pointwise: the mask calls Python once a point, on texts, with None for inactive parameters.
    """

    names: frozenset[str]
    text: str
    mask: Callable[[Mapping[str, Array]], NDArray[np.bool_]]
    numeric_names: frozenset[str] = frozenset()
    pointwise: bool = False

    @classmethod
    def parse(cls, text: str, names: Collection[str]) -> Constraint:
        """Read an expression over parameter names; ValueError for a bad one, or one that names no parameter."""
        expression = Expression(text, names)
        if not expression.names:
            raise ValueError(f"in {text!r}: it names no parameter, so it admits all points or none")
        return cls(expression.names, text, expression.holds, expression.numeric_names)

    @classmethod
    def of_predicate(cls, predicate: Predicate, text: str, names: Collection[str]) -> Constraint:
        """A constraint from a Python function of one point, {name: text of its value} to bool.

        Args:
            predicate: the function; inactive parameters are absent from its argument.
            text: how it is shown to people, such as the file it comes from.
            names: the parameters that it may look at.
        """
        return cls(frozenset(names), text, _Pointwise(predicate, text), pointwise=True)


@dataclass(frozen=True)
class _Pointwise:
    predicate: Predicate
    text: str

    def __call__(self, columns: Mapping[str, Array]) -> NDArray[np.bool_]:
        names = sorted(columns)
        rows = zip(*(columns[name] for name in names), strict=True)
        points = ({name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows)
        return np.array([self._ask(point) for point in points], dtype=np.bool_)

    def _ask(self, point: dict[str, str]) -> bool:
        try:
            return bool(self.predicate(point))
        except Exception as error:
            shown = ", ".join(f"{name}={value}" for name, value in point.items())
            raise PluginError(f"{self.text} failed with {type(error).__name__}: {error}",
                              f"at the point {shown}; it must return True or False") from error  # fmt: skip


def as_objects(values: Iterable[object]) -> Array:
    """(v,) object array of the values as they are."""
    listed = list(values)
    result = np.empty(len(listed), dtype=object)
    result[:] = listed
    return result


def _identity(value: Value) -> bytes:
    """The text that identifies a value: that of the integer for 4.0, since 4 and 4.0 are the same value."""
    same = int(value) if isinstance(value, float) and value.is_integer() else value
    return text(float(same) if isinstance(same, float) else same).encode("utf-8", "surrogatepass")
