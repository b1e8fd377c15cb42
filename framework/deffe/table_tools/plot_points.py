"""Points over two or three axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from deffe.errors import UsageError
from deffe.table_tools.beside import write_beside
from deffe.table_tools.look import Look
from deffe.table_tools.picture import add_legend, label_axes, literal, need_columns, scale
from deffe.table_tools.series import groups_of
from deffe.table_tools.table import Table

SCATTER, THREE = "-plot-scatter", "-plot3d"
_MANY = 500


def draw_scatter(figure: Any, table: Table, look: Look) -> None:
    """Points of -y over -x, in the colours of -group; with -z, coloured by its value."""
    need_columns(look, SCATTER)
    _one_y(look, SCATTER)
    if look.z and look.group:
        raise UsageError(f"{SCATTER}: -z and -group both tell colours", "give one of them")
    x, y = table.numbers(look.x, "-x"), table.numbers(look.y[0], "-y")
    axis = figure.subplots()
    alpha = 0.5 if len(table) > _MANY else 0.85
    size = look.marker_size**2 * (0.5 if len(table) > _MANY else 1)
    handles = []
    for i, (_, rows) in enumerate(groups_of(table, look)):
        color: Any = {"c": table.numbers(look.z, "-z")[rows], "cmap": "viridis"} if look.z else {"color": look.color(i)}
        handles.append(
            axis.scatter(x[rows], y[rows], s=size, marker=look.marker(i), alpha=alpha, linewidths=0, **color)
        )
    scale(axis, look, "x", x)
    scale(axis, look, "y", y)
    label_axes(axis, look, look.named(look.x), look.named(look.y[0]))
    if look.z:
        figure.colorbar(handles[0], ax=axis, label=literal(look.labels.get("zlabel", look.named(look.z))))
    write_beside(figure, axis, table, look, np.flatnonzero(~np.isnan(x) & ~np.isnan(y)), SCATTER)
    add_legend(figure, axis, look, look.group, handles, [name for name, _ in groups_of(table, look)])


def draw_three(figure: Any, table: Table, look: Look) -> None:
    """Points of -z over -x and -y, in the colours of -group, else coloured by -z."""
    need_columns(look, THREE)
    _one_y(look, THREE)
    if not look.z:
        raise UsageError(f"{THREE} is not told what to show", "name columns with -x, -y and -z")
    if look.log or look.limits:
        raise UsageError(f"{THREE} has linear axes with ends of their own", "compute logarithms by -arith")
    x, y, z = (table.numbers(name, f"-{axis}") for axis, name in zip("xyz", (look.x, look.y[0], look.z), strict=True))
    axis = figure.add_subplot(projection="3d")
    handles = []
    for i, (_, rows) in enumerate(groups_of(table, look)):
        color: Any = {"color": look.color(i)} if look.group else {"c": z[rows], "cmap": "viridis"}
        handles.append(
            axis.scatter(
                x[rows], y[rows], z[rows], s=look.marker_size**2, marker=look.marker(i), depthshade=False, **color
            )
        )
    label_axes(axis, look, look.named(look.x), look.named(look.y[0]))
    axis.set_zlabel("" if not look.group else literal(look.labels.get("zlabel", look.named(look.z))))
    if not look.group:
        bar = figure.colorbar(handles[0], ax=axis, shrink=0.7, pad=0.1)
        bar.set_label(literal(look.labels.get("zlabel", look.named(look.z))))
    add_legend(figure, axis, look, look.group, handles, [name for name, _ in groups_of(table, look)])


def _one_y(look: Look, option: str) -> None:
    if len(look.y) > 1:
        raise UsageError(f"{option} shows one column over the other, and -y names {len(look.y)}", "take -multi-plot")
