"""Charts as PNG and PDF files by Matplotlib, for papers and slides."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from deffe.report.charts import COLOURS, DOTTED, LINED, STEPPED, Axis, Chart, Dimension, Panel, Parallel, Series, short
from deffe.report.words import brief

COLUMNS = 3
PANEL_INCHES = (4.6, 3.4)
DPI = 150
LETTERS_AN_INCH = 13
MOST_TICKS = 12
DRAWN = {"": "default", "hv": "steps-post", "vh": "steps-pre"}
STYLE: Any = {
    "text.parse_math": False,  # names of users are no formulas
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e5e8",
    "axes.titlesize": 10,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "pdf.fonttype": 42,
}


def rendered(chart: Chart, title: str, mark: str) -> Iterator[tuple[str, bytes]]:
    """Draw a chart: ``png`` and ``pdf``, and the file.

    Args:
        title: what stands above it.
        mark: who made it, noted in the files.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    noted = {"png": {"Software": mark}, "pdf": {"Creator": mark, "CreationDate": None}}
    with rc_context(STYLE), warnings.catch_warnings():  # letters that the font does not have are drawn as boxes
        warnings.simplefilter("ignore", UserWarning)
        made = _drawn(chart, title, Figure)
        for form, metadata in noted.items():
            file = io.BytesIO()
            made.savefig(file, format=form, dpi=DPI, metadata=metadata)
            made.set_layout_engine("none")  # where things are is settled, and takes long to find
            yield form, file.getvalue()


def _drawn(chart: Chart, title: str, figure_class: Callable[..., Any]) -> Any:
    wide = any(isinstance(panel, Parallel) for panel in chart.panels)
    columns = 1 if wide else min(COLUMNS, len(chart.panels))
    rows = -(-len(chart.panels) // columns)
    size = (11.0, 4.6) if wide else (max(PANEL_INCHES[0] * columns, 5.2), _height(chart, columns))
    made = figure_class(figsize=size, layout="constrained")
    made.get_layout_engine().set(h_pad=0.1, w_pad=0.1)
    made.suptitle(title, fontsize=12)
    axes = made.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axis, panel in zip(axes, chart.panels, strict=False):
        if isinstance(panel, Parallel):
            _draw_parallel(axis, panel)
        else:
            _draw(axis, panel)
    for axis in axes[len(chart.panels) :]:
        axis.set_visible(False)
    named = {text: handle for axis in axes for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    if named:
        room = int(size[0] * LETTERS_AN_INCH) // (max(map(len, named)) + 7)
        made.legend(named.values(), named.keys(), loc="outside lower center", ncols=max(1, min(len(named), room)))
    return made


def _height(chart: Chart, columns: int) -> float:
    """Inches: bars that lie need room for each."""
    rows = [chart.panels[start : start + columns] for start in range(0, len(chart.panels), columns)]
    most = [max(len(p.y.ticks or ()) if isinstance(p, Panel) and p.sideways else 0 for p in row) for row in rows]
    return 0.8 + sum(max(PANEL_INCHES[1], 1.0 + 0.22 * count) for count in most)


def _draw(axis: Any, panel: Panel) -> None:
    axis.set_title(short(panel.title, 44))
    below: dict[float, float] = {}
    for series in panel.series:
        if series.form == "bars":
            _draw_bars(axis, panel, series, below)
        else:
            _draw_series(axis, panel, series)
    _prepare(axis, panel.x, "x", panel)
    _prepare(axis, panel.y, "y", panel)


def _draw_bars(axis: Any, panel: Panel, series: Series, below: dict[float, float]) -> None:
    places, lengths = (series.y, series.x) if panel.sideways else (series.x, series.y)
    start = [below.get(place, 0.0) for place in places]
    width = 0.7 * (min(np.diff(np.unique(places)), default=1.0) if not panel.sideways else 1.0)
    look = {"color": COLOURS[series.role], "label": series.name or None}
    if panel.sideways:
        axis.barh(places, lengths, height=0.7, left=start, **look)
    else:
        axis.bar(places, lengths, width=width, bottom=start, **look)
    for place, length in zip(places, lengths, strict=True):
        below[place] = below.get(place, 0.0) + length


def _draw_series(axis: Any, panel: Panel, series: Series) -> None:
    x = list(series.x)
    colour, plain = COLOURS[series.role], series.role == "plain"
    look: dict[str, Any] = {"color": colour, "label": series.name or None, "zorder": 2 if series.faint else 3}
    if series.form in LINED:
        look |= {"linewidth": 1.0 if plain else 1.6, "linestyle": ":" if plain else "-"}
        look["drawstyle"] = DRAWN[STEPPED.get(series.form, "")]
    else:
        look["linestyle"] = "none"
    if series.form in DOTTED:
        look |= {"marker": "D" if series.role == "front" else "o", "markersize": 2.6 if series.faint else 4.2}
        look |= {"markeredgewidth": 0, "alpha": 0.45 if series.faint else 0.95}
    axis.plot(x, series.y, **look)
    if len(series.low):
        low, high = (np.array(ends) for ends in (series.low, series.high))
        y = np.array(series.y)
        axis.vlines(x, np.minimum(low, y), np.maximum(high, y), color=colour, alpha=0.4, linewidth=1.0, zorder=2)


def _prepare(axis: Any, told: Axis, which: str, panel: Panel) -> None:
    getattr(axis, f"set_{which}label")(short(told.title, 48))
    if told.ticks is None:
        _write_numbers(axis, which, told.log)
    if told.ticks is not None:
        places = range(0, len(told.ticks), 1 if panel.sideways else -(-len(told.ticks) // MOST_TICKS))
        turned = which == "x" and sum(len(told.ticks[place]) + 2 for place in places) > 44
        look = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if turned else {}
        getattr(axis, f"set_{which}ticks")([*places], [told.ticks[place] for place in places], **look)
        getattr(axis, f"set_{which}lim")(-0.6, len(told.ticks) - 0.4)
    elif told.whole:
        axis.xaxis.get_major_locator().set_params(integer=True)
    elif told.zero and not told.log:
        getattr(axis, f"set_{which}lim")(**{"left" if which == "x" else "bottom": 0})
    if told.ends is not None:
        getattr(axis, f"set_{which}lim")(*told.ends)


def _write_numbers(axis: Any, which: str, log: bool) -> None:
    from matplotlib import ticker

    if log:
        getattr(axis, f"set_{which}scale")("log")
    one = axis.xaxis if which == "x" else axis.yaxis
    one.set_major_formatter(ticker.FuncFormatter(lambda value, _: brief(value)))
    one.set_minor_formatter(ticker.NullFormatter())


def _draw_parallel(axis: Any, panel: Parallel) -> None:
    """Lines over axes of the same height; the ends of each axis, or its levels, stand beside it."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    heights = []
    for place, dimension in enumerate(panel.dimensions):
        values = np.array(dimension.places)
        low, high = (0.0, len(dimension.ticks) - 1.0) if dimension.ticks else (values.min(), values.max())
        heights.append((values - low) / (high - low) if high > low else np.full(len(values), 0.5))
        axis.axvline(place, color="#8a8f98", linewidth=1)
        for at, told in _marks(dimension, low, high):
            axis.text(place + 0.03, at, told, fontsize=7, va="center", zorder=5, bbox=_behind())
    order = [COLOURS["measured"], "#9aa3ad", COLOURS["predicted"]]
    colours = LinearSegmentedColormap.from_list("good", order if panel.small_is_good else order[::-1])
    lines = np.stack([np.tile(np.arange(len(heights)), (len(heights[0]), 1)), np.array(heights).T], axis=2)
    drawn = LineCollection(list(lines), linewidths=0.7, alpha=0.6, cmap=colours, array=heights[panel.colour])
    axis.add_collection(drawn)
    axis.set_xlim(-0.1, len(heights) - 0.6)
    axis.set_ylim(-0.05, 1.05)
    axis.set_xticks(range(len(heights)), [one.label for one in panel.dimensions], rotation=20, ha="right")
    axis.tick_params(axis="x", length=0)
    axis.set_yticks([])
    axis.grid(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)


def _marks(dimension: Dimension, low: float, high: float) -> Iterator[tuple[float, str]]:
    ticks = dimension.ticks
    if ticks is None:
        ends = [brief(10**end if dimension.log else end) for end in (low, high)]
        yield from ((0.0, ends[0]), (1.0, ends[1])) if high > low else ((0.5, ends[0]),)
        return
    every = -(-len(ticks) // MOST_TICKS)
    for place in range(0, len(ticks), every):
        yield (place / (len(ticks) - 1) if len(ticks) > 1 else 0.5), ticks[place]


def _behind() -> dict[str, Any]:
    return {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
