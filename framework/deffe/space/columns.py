"""How one knob, or one feature that a user declares, becomes columns of features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deffe.errors import FeatureError
from deffe.expressions import Columns, Expression
from deffe.records import Features, Value
from deffe.space.components import Mask
from deffe.space.derived import DerivedFeature, choose_scale, evaluate, missing, span_of
from deffe.space.parameters import Parameter, as_objects
from deffe.values import Numeral, text

if TYPE_CHECKING:
    from deffe.space.design_space import DesignSpace

Vector = NDArray[np.float64]
NumberScale = Literal["linear", "log2"]
BITS = 44
"""Of a number that is read back from a column; those behind are noise."""


def scaled(scale: NumberScale, low: float, high: float, numbers: Vector) -> Vector:
    """(n,) numbers with ``low`` at 0 and ``high`` at 1; numbers outside extrapolate."""
    # Halves, so that the difference of the largest floats is finite.
    ends, numbers = (np.log2(x) if scale == "log2" else x / 2 for x in (np.array([low, high]), numbers))
    return np.asarray((numbers - ends[0]) / ((ends[1] - ends[0]) or 1.0))


def unscaled(scale: NumberScale, low: float, high: float, column: Vector) -> Vector:
    """(n,) numbers that ``scaled`` made the column of, to 13 digits, so that whole numbers are whole again."""
    ends = np.log2([low, high]) if scale == "log2" else np.array([low, high]) / 2
    place = ends[0] + column * (ends[1] - ends[0])
    with np.errstate(over="ignore"):
        mantissa, exponent = np.frexp(np.exp2(place) if scale == "log2" else 2 * place)
    return np.asarray(np.ldexp(np.round(mantissa * 2**BITS) / 2**BITS, exponent))


@dataclass(frozen=True)
class NumberKnob:
    """A knob as one column of numbers, and one that says where it is active if it is conditional."""

    knob: str
    scale: NumberScale
    low: float
    high: float
    conditional: bool = False

    @property
    def label(self) -> str:
        """Name of the knob."""
        return self.knob

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (self.knob, f"{self.knob} active") if self.conditional else (self.knob,)

    def read(self, column: ArrayLike) -> Vector:
        """(n,) values as numbers, NaN where there is none."""
        try:
            numbers = np.ascontiguousarray(column, dtype=np.float64)
        except (TypeError, ValueError) as error:
            what = f"the knob {self.knob!r} has a value that is no number: {error}"
            raise FeatureError(what, f"its values were {self}") from None
        _check_missing(self.knob, self.conditional, np.isnan(numbers))
        outside = np.isinf(numbers) | ((numbers <= 0) & (self.scale == "log2"))
        if outside.any():
            what = f"the knob {self.knob!r} has the value {numbers[outside][0]:g}, which its scale cannot show"
            raise FeatureError(what, f"its values were {self}")
        return numbers

    def operand(self, read: NDArray[Any]) -> NDArray[Any]:
        """What expressions see of the values that were read."""
        return read

    def columns(self, read: NDArray[Any]) -> list[Vector]:
        """The (n,) columns of the values that were read."""
        column = scaled(self.scale, self.low, self.high, read)
        if not self.conditional:
            return [column]
        active = ~np.isnan(read)
        return [np.where(active, column, 0.0), active.astype(np.float64)]

    def values_of(self, columns: Features) -> Vector:
        """(n,) values that (n, w) columns show, NaN where there is none."""
        numbers = unscaled(self.scale, self.low, self.high, columns[:, 0])
        return np.where(columns[:, 1] > 0.5, numbers, np.nan) if self.conditional else numbers

    def levels(self, parameter: Parameter) -> NDArray[Any]:
        """All values of the parameter as ``read`` gives them."""
        return parameter.numbers

    def to_json(self) -> dict[str, Any]:
        """JSON types."""
        return {"kind": self.scale, "knob": self.knob, "low": self.low, "high": self.high,
                "conditional": self.conditional}  # fmt: skip

    def __str__(self) -> str:
        return f"{self.low!r} to {self.high!r}, {self.scale}" + (", conditional" if self.conditional else "")


@dataclass(frozen=True)
class CategoryKnob:
    """A knob as one column a value, 1 where it has that value, and one for activity if it is conditional."""

    knob: str
    values: tuple[Value, ...]
    conditional: bool = False

    @property
    def label(self) -> str:
        """Name of the knob."""
        return self.knob

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        names = tuple(f"{self.knob}={text(value)}" for value in self.values)
        return (*names, f"{self.knob} active") if self.conditional else names

    def read(self, column: ArrayLike) -> NDArray[np.int32]:
        """(n,) positions of the values, -1 where there is none; values compare as values (4 is 4.0 is "4")."""
        import pandas as pd

        from deffe.space import frames

        cells = pd.Series(np.asarray(column))
        found = frames.column_levels(self._parameter, cells, len(cells))
        if bool((unknown := found == frames.UNKNOWN).any()):
            value = cells[np.flatnonzero(unknown)[0]]
            what = f"the knob {self.knob!r} has the value {value!r}, which the features do not know"
            raise FeatureError(what, f"known: {self._parameter.allowed}")
        _check_missing(self.knob, self.conditional, found < 0)
        return np.asarray(np.maximum(found, -1), dtype=np.int32)

    def operand(self, read: NDArray[Any]) -> NDArray[Any]:
        """What expressions see of the values that were read."""
        known = self._parameter.operands
        absent = np.array([None if known.dtype == object else np.nan], dtype=known.dtype)
        return np.asarray(np.concatenate([known, absent])[read])

    def columns(self, read: NDArray[Any]) -> list[Vector]:
        """The (n,) columns of the values that were read."""
        columns = [(read == level).astype(np.float64) for level in range(len(self.values))]
        return [*columns, (read >= 0).astype(np.float64)] if self.conditional else columns

    def values_of(self, columns: Features) -> NDArray[Any]:
        """(n,) values that (n, w) columns show, None where there is none."""
        count = len(self.values)
        known = as_objects([*self.values, None])
        level = columns[:, :count].argmax(axis=1)
        return known[np.where(columns[:, count] > 0.5, level, count)] if self.conditional else known[level]

    def levels(self, parameter: Parameter) -> NDArray[Any]:
        """All values of the parameter as ``read`` gives them."""
        return np.arange(len(parameter), dtype=np.int32)

    def to_json(self) -> dict[str, Any]:
        """JSON types."""
        return {"kind": "category", "knob": self.knob, "values": [_plain(value) for value in self.values],
                "texts": [text(value) for value in self.values], "conditional": self.conditional}  # fmt: skip

    @cached_property
    def _parameter(self) -> Parameter:
        return Parameter(self.knob, self.values, scale="category")

    def __str__(self) -> str:
        return f"one of {self._parameter.allowed}" + (", conditional" if self.conditional else "")


@dataclass(frozen=True)
class DerivedColumn:
    """A declared feature as one column, cut off at the ends of its range, and 0 where a knob it names is inactive."""

    feature: DerivedFeature
    scale: NumberScale
    low: float
    high: float

    @property
    def label(self) -> str:
        """Name of the column."""
        return self.feature.name

    def column(self, values: Columns) -> Vector:
        """The (n,) column, from the values of the knobs that the expression names, or of more."""
        own = {name: values[name] for name in self.feature.expression.names}
        known = ~missing(own)
        column = np.zeros(len(known))
        numbers = evaluate(self.feature, {name: operand[known] for name, operand in own.items()})
        column[known] = scaled(self.scale, self.low, self.high, np.clip(numbers, self.low, self.high))
        return column

    def to_json(self) -> dict[str, Any]:
        """JSON types."""
        return {"kind": "derived", "name": self.label, "expression": self.feature.expression.text,
                "names": sorted(self.feature.expression.names), "declared_scale": self.feature.scale,
                "scale": self.scale, "low": self.low, "high": self.high}  # fmt: skip

    def __str__(self) -> str:
        return f"{self.feature.expression.text}, {self.low!r} to {self.high!r}, {self.scale}"


KnobColumns = NumberKnob | CategoryKnob


def knob_columns(parameter: Parameter) -> KnobColumns:
    """The columns of a parameter."""
    conditional = parameter.when is not None
    if parameter.scale == "category":
        return CategoryKnob(parameter.name, parameter.values, conditional)
    scale: NumberScale = "log2" if parameter.scale == "log2" else "linear"
    low, high = float(parameter.numbers.min()), float(parameter.numbers.max())
    return NumberKnob(parameter.name, scale, low, high, conditional)


def derived_column(feature: DerivedFeature, space: DesignSpace) -> DerivedColumn | str:
    """The column of a declared feature, or why it has none; SpaceError where it has no value."""
    span = span_of(feature, space)
    if span is None:
        return f"the feature {feature.name!r} is left out: a knob it names is never active"
    if span.is_constant:
        return f"the feature {feature.name!r} is left out: it is {span.low:g} at every point"
    return DerivedColumn(feature, choose_scale(feature, span), span.low, span.high)


def _plain(value: Value) -> Value:
    return float(value) if isinstance(value, float) else value


def _number(raw: object) -> float:
    number = float(raw) if isinstance(raw, int | float) else np.nan
    if not np.isfinite(number):
        raise ValueError(f"{raw!r} is no finite number")
    return number


def knob_from_json(data: Mapping[str, Any]) -> KnobColumns:
    """What ``to_json`` of a knob's columns described; an error of any kind for anything else."""
    kind, name, conditional = data["kind"], str(data["knob"]), bool(data.get("conditional", False))
    if kind == "category":
        pairs = zip(data["values"], data["texts"], strict=True)
        values = [Numeral.of(v, t) if isinstance(v, float) and text(v) != t else v for v, t in pairs]
        return CategoryKnob(name, Parameter(name, tuple(values)).values, conditional)
    if kind not in ("linear", "log2"):
        raise ValueError(f"unknown kind of column {kind!r}")
    return NumberKnob(name, kind, _number(data["low"]), _number(data["high"]), conditional)


def derived_from_json(data: Mapping[str, Any]) -> DerivedColumn:
    """What ``to_json`` of a declared feature described; an error of any kind for anything else."""
    if not isinstance(data["expression"], str):
        raise TypeError(f"{data['expression']!r} is no expression")
    expression = Expression(data["expression"], data["names"])
    if data["scale"] not in ("linear", "log2") or data["declared_scale"] not in ("linear", "log2", None):
        raise ValueError(f"unknown scale {data['scale']!r}")
    feature = DerivedFeature(str(data["name"]), expression, data["declared_scale"])
    return DerivedColumn(feature, data["scale"], _number(data["low"]), _number(data["high"]))


def _check_missing(knob: str, conditional: bool, empty: Mask) -> None:
    if not conditional and bool(empty.any()):
        raise FeatureError(f"the knob {knob!r} has no value in row {int(np.flatnonzero(empty)[0]) + 1}",
                           "only conditional knobs may have none")  # fmt: skip
