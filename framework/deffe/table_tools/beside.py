"""Writes texts beside points, each where it covers no other."""

from __future__ import annotations

from typing import Any

from deffe.errors import UsageError
from deffe.table_tools.look import Look
from deffe.table_tools.picture import literal
from deffe.table_tools.table import Table

MOST_NOTES = 40
_PLACES = ((5, 5, "left"), (5, -12, "left"), (-5, 5, "right"), (-5, -12, "right"), (5, 16, "left"), (-5, 16, "right"))
"""Where a text may stand: points to the right and up, and its side at the point."""


def write_beside(figure: Any, axis: Any, table: Table, look: Look, rows: Any, option: str) -> None:
    """Write what -annotate names beside points; rows at one place share a text.

    A text stands above or below its point, at either side; at the first place where it covers no other text.

    Raises:
        UsageError: there are too many places to be read.
    """
    if not look.annotate:
        return
    table.require(look.annotate, "-annotate")
    x, y = table.numbers(look.x, "-x"), table.numbers(look.y[0], "-y")
    places: dict[tuple[float, float], list[str]] = {}
    for row in rows:
        text = ", ".join(str(table.frame[name].iloc[row]) for name in look.annotate)
        own = places.setdefault((float(x[row]), float(y[row])), [])
        if text not in own:
            own.append(text)
    if len(places) > MOST_NOTES:
        found = f"-annotate: {option} has {len(places)} places of points, and {MOST_NOTES} texts can be read"
        raise UsageError(found, "choose some by -condition")
    figure.draw_without_rendering()  # the layout decides where points are
    taken: list[Any] = []
    for (at_x, at_y), texts in places.items():
        shown = texts[0] + (f" (+{len(texts) - 1})" if len(texts) > 1 else "")
        taken.append(_free(figure, axis, literal(shown), (at_x, at_y), taken))


def _free(figure: Any, axis: Any, text: str, at: tuple[float, float], taken: list[Any]) -> Any:
    """Write a text at a free place; the box that it takes."""
    from matplotlib.patheffects import withStroke

    note = axis.annotate(text, at, (0, 0), textcoords="offset points", fontsize="x-small", color="0.2", zorder=4)
    note.set_path_effects([withStroke(linewidth=2, foreground="white")])
    boxes: list[tuple[int, int, int, int, str, Any]] = []
    for right, up, side in _PLACES:
        note.set(position=(right, up), horizontalalignment=side)
        box = note.get_window_extent()
        covered = sum(box.overlaps(other) for other in taken)
        outside = box.x0 < axis.bbox.x0 or box.y0 < axis.bbox.y0
        boxes.append((covered + outside, len(boxes), right, up, side, box))
        if not covered and not outside:
            return box
    _, _, right, up, side, box = min(boxes, key=lambda one: one[:2])
    note.set(position=(right, up), horizontalalignment=side)
    return box
