"""What a picture shows, whoever draws it: panels with axes and series, or parallel axes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Form = Literal["line", "points", "both", "steps", "stairs", "stairs_before", "bars"]
"""``steps``: a line that holds a value up to the next point; ``stairs``: with the points, too; ``stairs_before``: takes
the next value at once."""
STEPPED: Mapping[str, str] = {"steps": "hv", "stairs": "hv", "stairs_before": "vh"}
"""Which way a stepped line runs from one point to the next: horizontal then vertical, or the other way."""
LINED = ("line", "both", *STEPPED)
DOTTED = ("points", "both", "stairs", "stairs_before")

COLOURS = {
    "measured": "#3b8bd0",
    "predicted": "#e08a1e",
    "front": "#0f9d76",
    "failed": "#d5504a",
    "ahead": "#b06fb0",
    "plain": "#8a8f98",
}
"""One a role: told apart by the colour-blind, and seen on white and on dark grey. After Okabe and Ito, 2008."""
LONGEST_LABEL = 20


@dataclass(frozen=True)
class Axis:
    """An axis.

    Args:
        ticks: what stands at 0, 1, 2, ...; None for numbers.
        zero: it begins at 0.
        whole: there is nothing between whole numbers.
        ends: what is beyond is cut off; None to show all.
    """

    title: str = ""
    log: bool = False
    ticks: tuple[str, ...] | None = None
    zero: bool = False
    whole: bool = False
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class Series:
    """What is drawn in one colour.

    Args:
        name: empty for one that the legend leaves out.
        low, high: ends of error bars in the direction of y, one a point, or none.
        points: places in the list of points that the page shows when one is pointed at, or none.
        faint: small and pale, behind the others.
    """

    name: str
    role: str
    form: Form
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    points: Sequence[int] = ()
    faint: bool = False

    @property
    def path(self) -> tuple[list[float], list[float]]:
        """x and y of the line, with the corners where it is stepped."""
        shape = STEPPED.get(self.form)
        if shape is None:
            return [*self.x], [*self.y]
        x, y = ([value for value in values for _ in range(2)] for values in (self.x, self.y))
        return (x[1:], y[:-1]) if shape == "hv" else (x[:-1], y[1:])


@dataclass(frozen=True)
class Panel:
    """A pair of axes.

    Args:
        sideways: bars run to the right, one below the other.
    """

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    sideways: bool = False


@dataclass(frozen=True)
class Dimension:
    """One of several parallel axes: a number of each point, and the names of its levels where these have some."""

    label: str
    values: Sequence[float]
    ticks: tuple[str, ...] | None = None
    log: bool = False

    @property
    def places(self) -> list[float]:
        """Where the points are on a plain axis."""
        return [math.log10(value) for value in self.values] if self.log else [*self.values]


@dataclass(frozen=True)
class Parallel:
    """Points as lines across parallel axes.

    Args:
        colour: the dimension that colours the lines.
        small_is_good: whether small values of it are good, or large ones.
    """

    title: str
    dimensions: Sequence[Dimension]
    colour: int
    small_is_good: bool = True


@dataclass(frozen=True)
class Chart:
    """One picture with its words.

    Args:
        key: names the file.
        text: what it shows, and of which points; sentences.
        empty: why it shows nothing; it has no panels then.
    """

    key: str
    title: str
    text: str
    panels: Sequence[Panel | Parallel] = field(default_factory=tuple)
    empty: str = ""


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """At most so many round numbers between two positive ones, for a logarithmic axis; these where there is none."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits, every in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 5), ((1,), 20), ((1,), 100)):
        found = [float(f"{digit}e{power}") for power in range(first, last + 1, every) for digit in digits]
        found = [number for number in found if low <= number <= high]
        if len(found) <= most:
            break
    return found if len(found) > 1 else [low, high]


def short(label: str, most: int = LONGEST_LABEL) -> str:
    """A label that fits beside an axis; of a long one both ends, where names differ."""
    label = " ".join(label.split())
    head = most // 2
    return label if len(label) <= most else f"{label[:head]}…{label[len(label) - (most - head - 1) :]}"


def slug(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:60] or "_"
