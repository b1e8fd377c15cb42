"""What a picture shows and how it looks, as the options say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deffe.errors import UsageError
from deffe.table_tools.fronts import Objective, read_objectives

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Apart for colour-blind eyes too (Okabe and Ito, 2008), without its yellow, which is faint on white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
MOST_GROUPS = 24


@dataclass(frozen=True)
class Look:
    """Args:
    x, y, z, group: columns; empty where not given.
    objectives: of fronts.
    statistic: what stands for several rows at one place.
    annotate: columns written beside points.
    units: of columns.
    labels: given texts of the title and the axes, by ``title``, ``xlabel``, ``ylabel``, ``zlabel``.
    log: which axes are logarithmic.
    limits: ends of axes.
    size: inches; None for the default.
    """

    x: str
    y: tuple[str, ...]
    z: str
    group: str
    objectives: tuple[Objective, ...]
    statistic: str
    annotate: tuple[str, ...]
    units: Mapping[str, str]
    labels: Mapping[str, str]
    log: frozenset[str]
    limits: Mapping[str, tuple[float, float]]
    size: tuple[float, float] | None
    dpi: int
    font_size: float
    legend: str
    colors: tuple[str, ...]
    markers: tuple[str, ...]
    marker_size: float
    line_width: float
    rotate: float
    grid: bool

    def named(self, column: str) -> str:
        """A column with its unit, for an axis."""
        unit = self.units.get(column) or {name.lower(): unit for name, unit in self.units.items()}.get(column.lower())
        return f"{column} ({unit})" if unit else column

    def color(self, number: int) -> str:
        """The colour of a group."""
        return self.colors[number % len(self.colors)]

    def marker(self, number: int) -> str:
        """The marker of a group; groups of one colour differ in it."""
        cycle = len(self.colors)
        return self.markers[(number + number // cycle) % len(self.markers)]


def read_look(options: Mapping[str, Any], units: Mapping[str, str]) -> Look:
    """The look that options ask for.

    Raises:
        UsageError: a value that is not allowed.
    """
    given = tuple(options.get("y", ()))
    x = options.get("x", "")
    named = options.get("objectives", [x, given[0]] if x and len(given) == 1 else [])
    objectives = read_objectives(named, "-objectives")
    y = given or tuple(objective.name for objective in objectives[1:2])
    return Look(
        x=x or next((objective.name for objective in objectives), ""),
        y=y,
        z=options.get("z", ""),
        group=options.get("group", ""),
        objectives=objectives,
        statistic=options.get("statistic", "mean"),
        annotate=tuple(options.get("annotate", ())),
        units={**units, **_units(options.get("unit", ()))},
        labels={name: options[name] for name in ("title", "xlabel", "ylabel", "zlabel") if name in options},
        log=frozenset(axis for axis in "xy" if f"log{axis}" in options),
        limits={axis: _pair(options, f"{axis}lim") for axis in "xy" if f"{axis}lim" in options},
        size=_size(options) if "figsize" in options else None,
        dpi=int(_between(options, "dpi", 150, 20, 1200)),
        font_size=_between(options, "font-size", 10, 4, 72),
        legend=options.get("legend", ""),
        colors=_colors(options.get("colors", COLORS)),
        markers=_markers(options.get("markers", MARKERS)),
        marker_size=_between(options, "marker-size", 6, 0.5, 60),
        line_width=_between(options, "line-width", 1.5, 0.1, 20),
        rotate=_between(options, "rotate", 0, -90, 90),
        grid="no-grid" not in options,
    )


def _units(words: Sequence[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for (name, mark, unit), word in zip(pairs, words, strict=True):
        if not (name and mark and unit):
            raise UsageError(f"-unit {word!r} is no unit of a column", "written as: COLUMN=UNIT, such as size=KiB")
    return {name: unit for name, _, unit in pairs}


def _pair(options: Mapping[str, Any], name: str) -> tuple[float, float]:
    values = options[name]
    if len(values) != 2 or not values[0] < values[1]:
        shown = " ".join(f"{value:g}" for value in values)
        raise UsageError(f"-{name} {shown}: these are not two ends", f"written as: -{name} LOW HIGH, LOW below HIGH")
    return float(values[0]), float(values[1])


def _size(options: Mapping[str, Any]) -> tuple[float, float]:
    values = options["figsize"]
    if len(values) != 2 or not all(1 <= value <= 60 for value in values):
        shown = " ".join(f"{value:g}" for value in values)
        raise UsageError(f"-figsize {shown}: this is no width and height", "allowed: two numbers from 1 to 60, inches")
    return float(values[0]), float(values[1])


def _between(options: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = float(options.get(name, default))
    if not least <= value <= most:
        raise UsageError(f"-{name} {value:g} is out of bounds", f"allowed: {least:g} to {most:g}")
    return value


def _colors(given: Sequence[str]) -> tuple[str, ...]:
    if given is not COLORS:
        from matplotlib.colors import is_color_like

        for color in given:
            if not is_color_like(color):
                raise UsageError(f"-colors: {color!r} is no colour", "allowed: names such as red, and #rrggbb")
    return tuple(given)


def _markers(given: Sequence[str]) -> tuple[str, ...]:
    if given is not MARKERS:
        from matplotlib.markers import MarkerStyle

        known = sorted(str(marker) for marker in MarkerStyle.markers if isinstance(marker, str) and marker.strip())
        for marker in given:
            if marker not in known:
                raise UsageError(f"-markers: {marker!r} is no marker", f"allowed: {' '.join(known)}")
    return tuple(given)
