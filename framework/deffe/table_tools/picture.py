"""Makes a picture: its size, texts, axes and legend, and its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.errors import UsageError
from deffe.table_tools.look import Look
from deffe.table_tools.table import Table
from deffe.table_tools.writing import MARK, put

SIZE = (8.0, 5.0)
_MOST_TICKS = 12
_PAD = 0.1  # inches


def make_picture(path: Path, option: str, draw: Callable[[Any, Table, Look], None], table: Table, look: Look) -> None:
    """Draw a table, and write the picture in the format that its ending tells.

    Raises:
        UsageError: nothing to draw, columns that are not given, or a file that cannot be written.
        TableError: a column that is not there, or not of numbers.
    """
    import matplotlib as mpl
    from cycler import cycler
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if not len(table):
        raise UsageError(f"{option}: the table has no rows", "widen -condition")
    style: Any = {
        "font.size": look.font_size,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": look.grid,
        "grid.color": "0.9",
        "axes.axisbelow": True,
        "pdf.fonttype": 42,
        "svg.hashsalt": "deffe",
        "axes.prop_cycle": cycler(color=look.colors),
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=look.size or SIZE, dpi=look.dpi, layout=ConstrainedLayoutEngine(w_pad=_PAD, h_pad=_PAD))
        draw(figure, table, look)
        if "title" in look.labels:
            figure.suptitle(literal(look.labels["title"]))
        put(path, option, lambda to: _save(figure, to))


def _save(figure: Any, path: Path) -> None:
    key = {".png": "Software", ".pdf": "Creator", ".svg": "Creator"}[path.suffix.lower()]
    metadata = {key: MARK} | ({"CreationDate": None} if key == "Creator" and path.suffix.lower() == ".pdf" else {})
    if path.suffix.lower() == ".svg":
        metadata["Date"] = None
    figure.savefig(path, metadata=metadata)


def literal(text: str) -> str:
    """A text of the user, in which nothing is a formula."""
    return text.replace("$", r"\$")


def label_axes(axis: Any, look: Look, x: str, y: str) -> None:
    """Name the axes, and set their scales, ends and texts."""
    axis.set_xlabel(literal(look.labels.get("xlabel", x)))
    axis.set_ylabel(literal(look.labels.get("ylabel", y)))
    if "x" in look.limits:
        axis.set_xlim(*look.limits["x"])
    if "y" in look.limits:
        axis.set_ylim(*look.limits["y"])
    if look.rotate:
        axis.tick_params(axis="x", labelrotation=look.rotate)


def scale(axis: Any, look: Look, which: str, values: NDArray[np.float64]) -> None:
    """Make an axis logarithmic if asked; by twos, with plain numbers, where all values are powers of two.

    Raises:
        UsageError: a value that is not positive.
    """
    if which not in look.log:
        return
    known = values[~np.isnan(values)]
    if (known <= 0).any():
        raise UsageError(f"-log{which}: the value {known.min():g} has no logarithm", f"leave -log{which} out")
    distinct = np.unique(known)
    twos = bool((np.frexp(distinct)[0] == 0.5).all()) if len(distinct) else False
    axis_of = getattr(axis, f"set_{which}scale")
    if not twos:
        axis_of("log")
        return
    axis_of("log", base=2)
    getattr(axis, f"set_{which}ticks")(distinct[:: -(-len(distinct) // _MOST_TICKS)])
    getattr(axis, f"{which}axis").set_major_formatter(lambda value, _: f"{value:g}")
    getattr(axis, f"{which}axis").set_minor_locator(_no_ticks())


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def add_legend(
    figure: Any, axis: Any, look: Look, title: str, handles: Sequence[Any], labels: Sequence[str], usual: str = "right"
) -> None:
    """A legend where it is asked for, else at its usual place; a single entry needs none."""
    if look.legend == "none" or len(handles) < 2:
        return
    shown = [literal(label if not label.startswith("_") else f" {label}") for label in labels]
    inside = (look.legend or usual) == "inside"
    place = "best" if inside else "outside right upper"
    (axis if inside else figure).legend(handles, shown, loc=place, title=literal(title) or None, frameon=inside)


def note(axis: Any, text: str) -> None:
    """A small remark above the axes, at their left."""
    axis.set_title(text, loc="left", fontsize="small", color="0.35")


def need_columns(look: Look, option: str, x: bool = True, y: bool = True) -> None:
    """UsageError where a picture is not told what to show."""
    if (x and not look.x) or (y and not look.y):
        raise UsageError(f"{option} is not told what to show", "name columns with -x and -y")
