"""Features that a user declares as expressions over knobs: their declaration, and the range they span in a space."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from deffe.errors import SpaceError, nearest
from deffe.expressions import Columns, Expression
from deffe.records import Levels
from deffe.space.components import Mask
from deffe.space.parameters import Parameter

if TYPE_CHECKING:
    from deffe.space.design_space import DesignSpace

Vector = NDArray[np.float64]
MOST_ENUMERATED = 1_000_000
"""A feature's range is exact where its knobs have at most this many valid combinations, else that of a sample."""
_BLOCK = 2**16
_LOG2_FROM = 8
_NOISE = 1e-12
_DECLARATION = re.compile(r"\s*([^=<>!]*[^=<>!\s])\s*=(?!=)\s*(.+)", re.DOTALL)


@dataclass(frozen=True)
class DerivedFeature:
    """A model input computed from knobs, such as the number of sets of a cache.

    Args:
        name: name of its column.
        expression: over knobs.
        scale: how models see it; None chooses ``log2`` where all its values are positive and the largest is at least
            8 times the smallest, else ``linear``.
    """

    name: str
    expression: Expression
    scale: Literal["linear", "log2"] | None = None

    @classmethod
    def parse(cls, text: str, names: Collection[str]) -> DerivedFeature:
        """Read ``name = expression`` over knobs of these names; ValueError naming what is wrong."""
        name, expression = split_declaration(text)
        return cls(name, Expression(expression, names))


@dataclass(frozen=True)
class Span:
    """What a feature's values are over a space: the smallest and the largest."""

    low: float
    high: float

    @property
    def is_constant(self) -> bool:
        """Whether there is nothing between them but noise of rounding."""
        return self.high / 2 - self.low / 2 <= _NOISE * max(abs(self.low), abs(self.high))


def split_declaration(text: str) -> tuple[str, str]:
    """The name and the expression of ``name = expression``; ValueError for another form."""
    found = _DECLARATION.fullmatch(text)
    if not found:
        raise ValueError(f"in {text!r}: no name and expression; write it as name = expression")
    return found[1], found[2].strip()


def operands(parameters: Sequence[Parameter], names: Collection[str], levels: Levels, active: Mask | None) -> Columns:
    """The (n,) values of some parameters as expressions see them; NaN or None where a parameter is inactive.

    Args:
        levels: (n, p) levels.
        active: (n, p) bool, or None when all are.
    """
    found: dict[str, NDArray[Any]] = {}
    for column, parameter in enumerate(parameters):
        if parameter.name in names:
            values = parameter.operands[levels[:, column]]
            if parameter.when is not None and active is not None:
                values[~active[:, column]] = np.nan if values.dtype != object else None
            found[parameter.name] = values
    return found


def span_of(feature: DerivedFeature, space: DesignSpace) -> Span | None:
    """The range of a feature over the valid combinations of the knobs it names, all of them or a fixed sample.

    Returns:
        None when some knob it names is always inactive.
    Raises:
        SpaceError: for unknown names, text used as a number, and values that are not finite numbers.
    """
    _check_names(feature, space)
    low, high = np.inf, -np.inf
    few = _space_of(feature, space)
    for levels in _points(few):
        values = operands(few.parameters, feature.expression.names, levels, few.active(levels))
        known = ~missing(values)
        if not known.any():
            continue
        numbers = evaluate(feature, {name: column[known] for name, column in values.items()})
        low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
    return Span(low, high) if low <= high else None


def missing(columns: Columns) -> Mask:
    """(n,) bool: where some column has no value, NaN among numbers or None."""
    none = np.array(None, dtype=object)
    masks = [np.equal(c, none) if c.dtype == object else np.isnan(c) for c in columns.values()]
    return np.asarray(np.logical_or.reduce(masks), dtype=np.bool_)


def evaluate(feature: DerivedFeature, columns: Columns) -> Vector:
    """(n,) finite values of a feature; SpaceError naming the first point where it has none."""
    found = feature.expression.evaluate(columns)
    if found.dtype == object:
        raise SpaceError(f"the feature {feature.name!r} is text", "a feature is a number or a condition")
    numbers = found.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        point = {name: columns[name][wrong[0]] for name in sorted(columns)}
        at = ", ".join(f"{name}={value:.15g}" if isinstance(value, float) else f"{name}={value}"
                       for name, value in point.items())  # fmt: skip
        hint = "leave such points out by a constraint, or write: x / y if y else 0"
        raise SpaceError(f"the feature {feature.name!r} is {numbers[wrong[0]]} at {at}", hint)
    return numbers


def choose_scale(feature: DerivedFeature, span: Span) -> Literal["linear", "log2"]:
    """The scale that was declared, or else the one that fits."""
    if feature.scale == "log2" and span.low <= 0:
        what = f"the feature {feature.name!r} has the scale log2 and is as small as {span.low:g}"
        raise SpaceError(what, "use linear")
    wide = span.low > 0 and span.high / _LOG2_FROM >= span.low
    return feature.scale or ("log2" if wide else "linear")


def _check_names(feature: DerivedFeature, space: DesignSpace) -> None:
    where = f"the feature {feature.name!r}"
    if not feature.expression.names:
        raise SpaceError(f"{where} names no knob, so it is the same at every point", "known: " + ", ".join(space.names))
    by_name = dict(zip(space.names, space.parameters, strict=True))
    for name in sorted(feature.expression.names):
        if name not in by_name:
            raise SpaceError(f"{where} names {name!r}, which is no knob", nearest(name, space.names))
        if name in feature.expression.numeric_names and by_name[name].is_text:
            hint = f"compare text by ==, != or in; values of {name!r}: {by_name[name].allowed}"
            raise SpaceError(f"{where} uses {name!r} as a number, and its values are text", hint)


def _space_of(feature: DerivedFeature, space: DesignSpace) -> DesignSpace:
    """The space of the knobs that a feature names and those that decide on them, with the constraints among these."""
    names = set(feature.expression.names)
    while True:
        parameters = tuple(parameter for parameter in space.parameters if parameter.name in names)
        above = {name for parameter in parameters if parameter.when for name in parameter.when.names}
        if above <= names:
            break
        names |= above
    own = tuple(rule for rule in space.constraints if rule.names <= names and not rule.pointwise)
    return replace(space, parameters=parameters, constraints=own, listing=None, derived=())


def _points(space: DesignSpace) -> Iterator[Levels]:
    if space.size_is_exact and space.size <= MOST_ENUMERATED:
        yield from space.chunks(_BLOCK)
    else:
        yield space.draw(_BLOCK, np.random.default_rng(0))
