"""A statistic of gem5, or a formula over several: from the texts of a dump to one number."""

from __future__ import annotations

import difflib
import keyword
import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from deffe.api import EvaluationError
from deffe.expressions import Expression

from ._reading import number

_FORMULA = re.compile(r"[\s+*/%(),<>=!&|`]")
_NAME = re.compile(r"`([^`]*)`|(?<![\w.:])([A-Za-z_]\w*(?:(?:\.|::)(?:\d+-\d+\b|\w+))*)(?!\w|\s*\()")
_MOST_COMPARED = 5000


class Statistic:
    """Where the number of a cost is found.

    Args:
        text: the full name of a statistic, with ``::element`` for one of a vector; or a formula over such names.
        absent_is_zero: a name that the dump does not have stands for 0.
    Raises:
        ValueError: a formula that cannot be read.
    """

    def __init__(self, text: str, *, absent_is_zero: bool = False) -> None:
        self._text = text.strip()
        self._absent_is_zero = absent_is_zero
        self._formula = _read_formula(self._text) if _FORMULA.search(self._text) else None
        self._names = sorted(self._formula.names) if self._formula is not None else [self._text]

    def value(self, stats: Mapping[str, str], cost: str, where: str) -> float:
        """Its value in one dump.

        Args:
            stats: name to text.
            cost: what it is for.
            where: the name of the file.
        Raises:
            EvaluationError: a statistic is absent or no finite number, or the formula has no finite value.
        """
        found = {name: self._number(name, stats, cost, where) for name in self._names}
        if self._formula is None:
            return found[self._text]
        result = float(self._formula.evaluate({name: np.array([value]) for name, value in found.items()})[0])
        if not math.isfinite(result):
            values = ", ".join(f"{name} = {value:g}" for name, value in found.items())
            raise EvaluationError(f"{where}: cost {cost!r}, {self._text}, is {result} at {values}")
        return result

    def _number(self, name: str, stats: Mapping[str, str], cost: str, where: str) -> float:
        if name in stats:
            return number(stats[name], cost, f"{where}, {name}")
        if self._absent_is_zero:
            return 0.0
        raise EvaluationError(f"{where}: no statistic {name!r} for cost {cost!r}{near(name, stats)}")


def _read_formula(text: str) -> Expression:
    """Names of statistics, which are no identifiers, go in backquotes."""
    names: dict[str, None] = {}

    def quote(found: re.Match[str]) -> str:
        name = found[1] if found[1] is not None else found[2]
        if found[1] is None and keyword.iskeyword(name):
            return found[0]
        names[name] = None
        return f"`{name}`"

    quoted = _NAME.sub(quote, text)
    if not names:
        raise ValueError(f"{text!r} names no statistic")
    return Expression(quoted, names)


def near(name: str, names: Iterable[str]) -> str:
    """The statistics a wrong name may have meant: elements of that vector, else those spelled alike."""
    known = list(names)
    close = [other for other in known if other.startswith(name + "::")]
    total = f"{name}::total"
    close = [total] if total in close else close[:3]
    close = close or difflib.get_close_matches(name, known[:_MOST_COMPARED], n=2)
    return f"; near: {', '.join(close)}" if close else ""
