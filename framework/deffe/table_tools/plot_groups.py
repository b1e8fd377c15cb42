"""Bars over categories, side by side for groups or for columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from deffe.errors import UsageError
from deffe.table_tools.look import MOST_GROUPS, Look
from deffe.table_tools.picture import add_legend, label_axes, literal, need_columns, note
from deffe.table_tools.series import groups_of, places_of, summarized
from deffe.table_tools.table import Table

OPTION = "-group-plot"
MOST_BARS = 160
_FILLED = 0.82


def draw(figure: Any, table: Table, look: Look) -> None:
    """Bars of -y over -x: one for each value of -group, and for each -y where there are several.

    Several rows for one bar are summarised; a thin line then goes from the least to the largest.
    """
    need_columns(look, OPTION)
    places = places_of(table, look.x, "-x")
    series = [
        (" ".join(part for part in (group, column if len(look.y) > 1 else "") if part), rows, column)
        for group, rows in groups_of(table, look)
        for column in look.y
    ]
    _check(look, len(places.texts), len(series))
    axis = figure.subplots()
    base, width, handles, most, negative = np.arange(len(places.texts)), _FILLED / len(series), [], 0, False
    for i, (_, rows, column) in enumerate(series):
        values = table.numbers(column, "-y")[rows]
        found = summarized(places.at[rows], values, len(places.texts), look.statistic)
        at = base + (i - (len(series) - 1) / 2) * width
        hatch = "///" if i >= len(look.colors) else None
        handles.append(axis.bar(at, found.center, width * 0.94, color=look.color(i), hatch=hatch, edgecolor="white"))
        if found.most > 1:
            axis.vlines(at, found.low, found.high, color="0.25", linewidth=1)
        most, negative = max(most, found.most), negative or bool((values <= 0).any())
    if "y" in look.log:
        if negative:
            raise UsageError("-logy: a value is not positive, and has no logarithm", "leave -logy out")
        axis.set_yscale("log")
    axis.set_xticks(base, [literal(text) for text in places.texts])
    axis.grid(visible=False, axis="x")
    label_axes(axis, look, look.named(look.x), look.named(look.y[0]) if len(look.y) == 1 else _unit_of_all(look))
    if most > 1:
        note(axis, f"bars: {look.statistic} of up to {most} rows; lines: least to largest")
    add_legend(figure, axis, look, look.group, handles, [name for name, _, _ in series])


def _unit_of_all(look: Look) -> str:
    """The unit of the columns, if they share one."""
    units = {look.units.get(column, "") for column in look.y}
    return units.pop() if len(units) == 1 else ""


def _check(look: Look, places: int, series: int) -> None:
    hint = "choose some by -condition, or take -multi-plot"
    if series > MOST_GROUPS:
        raise UsageError(f"{OPTION}: {series} bars side by side, and {MOST_GROUPS} can be told apart", hint)
    if places * series > MOST_BARS:
        found = f"{OPTION}: {places} values of {look.x} times {series} make {places * series} bars"
        raise UsageError(f"{found}, and {MOST_BARS} can be read", hint)
