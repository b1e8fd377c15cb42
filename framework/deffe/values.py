"""Knob values: from the text of a configuration to typed Python values, and back to text."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction

from deffe.records import Value

MOST_VALUES = 1_000_000
"""A knob may have at most this many values."""
EXACT = 2**53
"""Integers up to this size, of either sign, are exact as float64."""

_NUMBER = r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER_ONLY = re.compile(_NUMBER)
_INTEGER_ONLY = re.compile(r"-?(?:0|[1-9][0-9]*)")
_RANGE = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})(?:\s*-\s*({_NUMBER}))?")
_BRACKETS = re.compile(rf"\[\s*({_RANGE.pattern})\s*\]")
_NOT_FINITE = frozenset(sign + word for sign in ("", "-", "+") for word in ("nan", "inf", "infinity"))
_LONGEST_NUMERAL = 400
_SYNTAX = "allowed: numbers, text, ranges a-b or a-b-step without the end b, and prefix[a-b-step]suffix"


class Numeral(float):
    """A number that scripts and tables see as it was written, such as ``3.10`` or ``1e3``."""

    written: str

    @classmethod
    def of(cls, number: float, written: str) -> Numeral:
        """The number, remembered as ``written``."""
        numeral = cls(number)
        numeral.written = written
        return numeral


def parse_values(raw: object, *, delimiter: str = ",") -> tuple[Value, ...]:
    """Read the values of a knob as written in a configuration.

    Args:
        raw: a number, boolean or text, or a list of them; every text is split at the delimiter.
            ``2-4`` is 2, 3 (the end is excluded), ``100-400-100`` is 100, 200, 300,
            ``l[1-3]k`` is l1k, l2k; anything else is one value, with ``$VAR`` expanded.
        delimiter: what separates items within a text.
    Returns:
        the distinct values in the order given; True and 1 are not the same value.
    Raises:
        ValueError: for anything that is not a value, naming it and what is allowed; for one number written in two
            ways, such as 1 and 1.0, since models could not tell them apart.
    """
    entries = raw if isinstance(raw, list | tuple) else [raw]
    if not entries:
        raise ValueError(f"the list of values is empty; {_SYNTAX}")
    found: dict[tuple[bool, Value], Value] = {}
    for entry in entries:
        for value in _entry(entry, delimiter):
            first = found.setdefault(key(value), value)
            if text(first) != text(value):
                what = f"{text(first)!r} and {text(value)!r} are the same number"
                raise ValueError(f"{what}; keep one, or make them text, such as v{text(first)} and v{text(value)}")
            if len(found) > MOST_VALUES:
                raise ValueError(f"more than {MOST_VALUES:,} values; widen the step of the range")
    return tuple(found.values())


def key(value: Value) -> tuple[bool, Value]:
    """What two values share when they are the same value."""
    return isinstance(value, bool), value


def text(value: Value) -> str:
    """The text of a value: ``4``, ``0.5``, ``True``, a numeral as it was written, or the text itself."""
    if isinstance(value, Numeral):
        return value.written
    return value if isinstance(value, str) else repr(value)


def parse_literal(written: str) -> Value:
    """Read one value: an integer, a finite float, ``True``, ``False``, or else the text itself.

    Raises:
        ValueError: for nan, infinities and numbers outside the range of a float64.
    """
    if written in ("True", "False"):
        return written == "True"
    if written.lower() in _NOT_FINITE:
        raise ValueError(f"{written!r} is not a finite number; {_SYNTAX}")
    if not _NUMBER_ONLY.fullmatch(written):
        return written
    exact = _exact(written)
    if _INTEGER_ONLY.fullmatch(written):
        return int(exact)
    number = float(written)  # keeps the sign of -0.0
    return number if repr(number) == written else Numeral.of(number, written)


def _entry(entry: object, delimiter: str) -> Iterator[Value]:
    """The values of one entry of the list."""
    if isinstance(entry, str):
        for item in entry.split(delimiter):
            yield from _item(item.strip(), entry)
    elif isinstance(entry, bool):
        yield entry
    elif isinstance(entry, int | float):
        yield parse_literal(repr(entry))
    else:
        kind = {"NoneType": "null", "dict": "an object", "list": "a list in a list"}.get(type(entry).__name__)
        raise ValueError(f"a value cannot be {kind or type(entry).__name__}; {_SYNTAX}")


def _item(item: str, entry: str) -> Iterable[Value]:
    """The values of one item between delimiters."""
    if not item:
        raise ValueError(f"empty item in {entry!r}; {_SYNTAX}")
    if plain := _RANGE.fullmatch(item):
        return _range(*plain.groups())
    brackets = list(_BRACKETS.finditer(item))
    if len(brackets) > 1:
        raise ValueError(f"{item!r} has {len(brackets)} bracketed ranges; at most one is allowed")
    if brackets:
        before, after = (os.path.expandvars(part) for part in (item[: brackets[0].start()], item[brackets[0].end() :]))
        return (parse_literal(before + text(value) + after) for value in _range(*brackets[0].groups()[1:]))
    return [parse_literal(os.path.expandvars(item))]


def _range(first: str, end: str, step: str | None) -> Iterator[Value]:
    """Count from first towards end, which is excluded, in exact decimal arithmetic."""
    written = f"{first}-{end}" + (f"-{step}" if step is not None else "")
    start, stop, increment = (_exact(part) for part in (first, end, step or "1"))
    if increment == 0:
        raise ValueError(f"the range {written!r} has step 0; give a step that leads from {first} to {end}")
    count = math.ceil((stop - start) / increment)
    if count <= 0:
        raise ValueError(f"the range {written!r} is empty; it excludes its end, so write it as start-end-step")
    if count > MOST_VALUES:
        raise ValueError(f"the range {written!r} has more than {MOST_VALUES:,} values; widen its step")
    if all(_INTEGER_ONLY.fullmatch(part) for part in (first, end, step or "1")):
        return iter(range(int(start), int(start) + count * int(increment), int(increment)))
    # Integers over one denominator: their quotient is the float nearest to the exact decimal, without noise.
    scale = math.lcm(start.denominator, increment.denominator)
    numerator, stride = int(start * scale), int(increment * scale)
    return ((numerator + i * stride) / scale for i in range(count))


def _exact(numeral: str) -> Fraction:
    """The exact value of a numeral, if a float64 can hold it: that of 1e999999999 would fill the memory."""
    nearest = float(numeral) if len(numeral) <= _LONGEST_NUMERAL else math.inf
    mantissa = re.split("[eE]", numeral)[0]
    if math.isinf(nearest) or (nearest == 0 and re.search("[1-9]", mantissa)):
        shown = numeral if len(numeral) <= 40 else numeral[:37] + "..."
        raise ValueError(f"{shown} does not fit a float64; allowed: magnitudes of 1e-300 to 1e300")
    return Fraction(numeral)
