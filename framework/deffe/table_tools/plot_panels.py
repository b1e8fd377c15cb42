"""Lines over an axis, with a panel for each column."""

from __future__ import annotations

from typing import Any

import numpy as np

from deffe.errors import UsageError
from deffe.table_tools.look import Look
from deffe.table_tools.picture import SIZE, add_legend, label_axes, literal, need_columns, note, scale
from deffe.table_tools.series import groups_of, places_of, summarized
from deffe.table_tools.table import Table

OPTION = "-multi-plot"
MOST_PANELS = 16
_PANEL = (4.2, 3.1)


def draw(figure: Any, table: Table, look: Look) -> None:
    """A panel for each -y over -x, and in it a line for each value of -group.

    Several rows at one place are summarised; a band then goes from the least to the largest.
    """
    need_columns(look, OPTION)
    if len(look.y) > MOST_PANELS:
        raise UsageError(f"{OPTION}: {len(look.y)} panels, and {MOST_PANELS} can be read", "name fewer columns by -y")
    across = 1 if len(look.y) == 1 else 2 if len(look.y) <= 4 else 3 if len(look.y) <= 9 else 4
    down = -(-len(look.y) // across)
    if look.size is None and len(look.y) > 1:
        side = 1.4 if look.group and look.legend == "right" else 0
        figure.set_size_inches(max(_PANEL[0] * across + side, SIZE[0]), _PANEL[1] * down)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    handles: list[Any] = []
    for axis, column in zip(axes, look.y, strict=False):
        handles = _panel(axis, table, look, column)
    for axis in axes[len(look.y) :]:
        axis.set_visible(False)
    add_legend(figure, axes[0], look, look.group, handles, [name for name, _ in groups_of(table, look)])


def _panel(axis: Any, table: Table, look: Look, column: str) -> list[Any]:
    places = places_of(table, look.x, "-x")
    across = np.arange(len(places.texts), dtype=np.float64) if places.values is None else places.values
    values = table.numbers(column, "-y")
    handles, most = [], 0
    for i, (_, rows) in enumerate(groups_of(table, look)):
        found = summarized(places.at[rows], values[rows], len(across), look.statistic)
        known = ~np.isnan(found.center)
        style = {"color": look.color(i), "marker": look.marker(i), "markersize": look.marker_size}
        handles += axis.plot(across[known], found.center[known], linewidth=look.line_width, **style)
        if found.most > 1:
            axis.fill_between(
                across[known], found.low[known], found.high[known], color=look.color(i), alpha=0.15, linewidth=0
            )
        most = max(most, found.most)
    if places.values is None:
        axis.set_xticks(across, [literal(text) for text in places.texts])
    else:
        scale(axis, look, "x", across)
    scale(axis, look, "y", values)
    label_axes(axis, look, look.named(look.x), look.named(column))
    if most > 1:
        note(axis, f"{look.statistic} of up to {most} rows; band: least to largest")
    return handles
