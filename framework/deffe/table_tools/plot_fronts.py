"""Pareto fronts over two axes: among all points, the points beside it, and how far they are from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.errors import UsageError
from deffe.table_tools.beside import write_beside
from deffe.table_tools.fronts import deviations, front_of
from deffe.table_tools.look import Look
from deffe.table_tools.picture import add_legend, label_axes, literal, note, scale
from deffe.table_tools.series import groups_of
from deffe.table_tools.table import Table

FRONT, OTHERS, DEVIATION = "-pareto", "-non-pareto", "-pareto-deviation"
_FAINT = "0.72"


def draw_front(figure: Any, table: Table, look: Look) -> None:
    """The front of the objectives, joined by steps where there are two, and all other points faint."""
    x, y = _axes(table, look, FRONT)
    front = front_of(table, look.objectives, FRONT)
    axis = figure.subplots()
    others = axis.scatter(x[~front], y[~front], s=look.marker_size**2 * 0.5, color=_FAINT, linewidths=0)
    _steps(axis, look, x[front], y[front])
    handles, labels = [], []
    for i, (name, rows) in enumerate(groups_of(table, look)):
        own = rows[front[rows]]
        if not len(own):
            continue
        handles.append(_points(axis, look, i, x[own], y[own]))
        labels.append(name or f"Pareto front ({front.sum():,})")
    _finish(axis, look, x, y)
    write_beside(figure, axis, table, look, np.flatnonzero(front), FRONT)
    if (~front).any():
        handles.append(others)
        labels.append(f"other points ({(~front).sum():,})")
    add_legend(figure, axis, look, look.group, handles, labels, "inside")


def draw_others(figure: Any, table: Table, look: Look) -> None:
    """The points that are not on the front, beside its line."""
    x, y = _axes(table, look, OTHERS)
    front = front_of(table, look.objectives, OTHERS)
    axis = figure.subplots()
    lines = _steps(axis, look, x[front], y[front])
    handles, labels = [], []
    for i, (name, rows) in enumerate(groups_of(table, look)):
        own = rows[~front[rows]]
        handles.append(axis.scatter(x[own], y[own], s=look.marker_size**2 * 0.5, color=look.color(i), alpha=0.6,
                                    marker=look.marker(i), linewidths=0))  # fmt: skip
        labels.append(name or f"not on the front ({(~front).sum():,})")
    _finish(axis, look, x, y, noted=False)
    add_legend(figure, axis, look, look.group, [*handles, *lines], [*labels, *["Pareto front"] * len(lines)], "inside")


def draw_deviation(figure: Any, table: Table, look: Look) -> None:
    """All points, coloured by how far they are from the front, in percent."""
    from matplotlib.colors import PowerNorm  # near the front small differences matter most

    x, y = _axes(table, look, DEVIATION)
    worse = deviations(table, look.objectives, DEVIATION)
    front = front_of(table, look.objectives, DEVIATION)
    if look.group:
        raise UsageError(f"{DEVIATION}: the colours tell the deviation, not -group", "choose a group by -condition")
    axis = figure.subplots()
    order = np.argsort(-np.nan_to_num(worse, nan=-1.0), kind="stable")
    top = float(np.nanpercentile(worse, 95)) or float(np.nanmax(worse)) or 1.0
    style = {"cmap": "viridis_r", "norm": PowerNorm(0.5, 0, top), "edgecolors": "0.3", "linewidths": 0.3}
    found = axis.scatter(x[order], y[order], c=worse[order], s=look.marker_size**2 * 0.6, zorder=3, **style)
    lines = _steps(axis, look, x[front], y[front], color="#D55E00")
    beyond = "max" if float(np.nanmax(worse)) > top else "neither"
    bar = figure.colorbar(found, ax=axis, extend=beyond)
    bar.set_label(literal(look.labels.get("zlabel", "worse than the Pareto front (%)")))
    _finish(axis, look, x, y)
    write_beside(figure, axis, table, look, np.flatnonzero(front), DEVIATION)
    if lines and look.legend != "none":
        axis.legend(lines, ["Pareto front"], loc="best")


def _axes(table: Table, look: Look, option: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(look.objectives) < 2 or not look.x or len(look.y) != 1:
        hint = "name them with -objectives COST COST::max, or -x and -y, which are then best low"
        raise UsageError(f"{option} is not told two objectives, and one -y", hint)
    return table.numbers(look.x, "-x"), table.numbers(look.y[0], "-y")


def _points(axis: Any, look: Look, number: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    style = {"marker": look.marker(number), "color": look.color(number), "edgecolors": "white", "linewidths": 0.6}
    return axis.scatter(x, y, s=look.marker_size**2 * 1.3, zorder=3, **style)


def _steps(axis: Any, look: Look, x: NDArray[np.float64], y: NDArray[np.float64], color: str = "0.35") -> list[Any]:
    """The border of what the front dominates, where the axes are the two objectives."""
    goals = {objective.name: objective.goal for objective in look.objectives}
    if len(goals) != 2 or {look.x, look.y[0]} != goals.keys() or not len(x):
        return []
    order = np.lexsort((y, x))
    where = "post" if goals[look.x] == "min" else "pre"
    found: list[Any] = axis.step(x[order], y[order], where=where, color=color, linewidth=look.line_width, zorder=2)
    return found


def _finish(axis: Any, look: Look, x: NDArray[np.float64], y: NDArray[np.float64], *, noted: bool = True) -> None:
    scale(axis, look, "x", x)
    scale(axis, look, "y", y)
    label_axes(axis, look, look.named(look.x), look.named(look.y[0]))
    goals = ", ".join(
        f"{objective.name} {'low' if objective.goal == 'min' else 'high'}" for objective in look.objectives
    )
    beside = f"; beside points: {', '.join(look.annotate)}" if look.annotate and noted else ""
    note(axis, literal(f"best: {goals}{beside}"))
