"""Charts as Plotly's figures: plain data that the page draws, without colours of the background, which it knows."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from deffe.report.charts import COLOURS, DOTTED, LINED, STEPPED, Axis, Panel, Parallel, Series, round_numbers, short
from deffe.report.words import brief

HEIGHT = 340
ROW = 26
AXIS_WIDTH = 84
"""Pixels that a parallel axis needs at least."""
MOST_TICKS = 12
TITLES = {"x": 28, "y": 26}
BACK = [[0.0, COLOURS["measured"]], [0.5, "#9aa3ad"], [1.0, COLOURS["predicted"]]]


def figure(panel: Panel | Parallel) -> dict[str, Any]:
    """``data``, ``layout``, and for the page ``height``, ``legend`` and ``wide``: pixels that it may not be below."""
    return _parallel(panel) if isinstance(panel, Parallel) else _panel(panel)


def _panel(panel: Panel) -> dict[str, Any]:
    rows = len(panel.y.ticks or ()) if panel.sideways else 0
    layout = {
        "margin": {"l": 56, "r": 18, "t": 26, "b": 50, "pad": 0},
        "showlegend": False,
        "barmode": "stack",
        "hovermode": "closest",
        "xaxis": _axis(panel.x, panel, "x"),
        "yaxis": _axis(panel.y, panel, "y"),
    }
    return {
        "data": [_trace(series, panel) for series in panel.series],
        "layout": layout,
        "height": min(HEIGHT, 96 + ROW * rows) if rows and rows < 9 else 96 + ROW * rows if rows else HEIGHT,
        "legend": [[s.name, COLOURS[s.role], f"{s.form}{' faint' * s.faint}"] for s in panel.series],
        "wide": 0,
    }


def _axis(axis: Axis, panel: Panel, which: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "title": {"text": escaped(short(axis.title, TITLES[which])), "standoff": 8},
        "automargin": True,
    }
    made["zeroline"] = False
    if axis.log:
        made |= {"type": "log", "exponentformat": "SI", "dtick": _decades(axis, panel, which)}
        made["minorloglabels"] = "complete"
    elif axis.ticks is not None:
        places = range(0, len(axis.ticks), -(-len(axis.ticks) // MOST_TICKS) if not panel.sideways else 1)
        made |= {"type": "linear", "tickmode": "array", "tickvals": [*places]}
        made |= {"ticktext": [escaped(axis.ticks[place]) for place in places], "zeroline": False}
        made["range"] = [-0.6, len(axis.ticks) - 0.4]
        made["showgrid"] = False
    else:
        made |= {"type": "linear", "nticks": 4 if panel.sideways else 7, "exponentformat": "SI"}
        made["rangemode"] = "tozero" if axis.zero else "normal"
        if axis.whole:
            ends = [place for series in panel.series for place in (series.x if which == "x" else series.y)] or [0.0]
            made |= {"tick0": 0, "dtick": int(max(ends) - min(ends)) // 7 + 1}
    if axis.ends is not None:
        made["range"] = [math.log10(end) if axis.log else end for end in axis.ends]
    return made


def _decades(axis: Axis, panel: Panel, which: str) -> str | int:
    """Ticks of a logarithmic axis: at 1, 2 and 5 over few decades, at each power of ten over more, or not at each."""
    ends = [(series.x,) if which == "x" else (series.y, series.low, series.high) for series in panel.series]
    values = axis.ends or [value for parts in ends for part in parts for value in part if 0 < value < math.inf]
    decades = math.log10(max(values) / min(values)) if values else 0.0
    return "D2" if decades < 2.5 else math.ceil(decades / 7)


def _trace(series: Series, panel: Panel) -> dict[str, Any]:
    colour = COLOURS[series.role]
    made: dict[str, Any] = {"name": escaped(series.name), "x": _numbers(series.x), "y": _numbers(series.y)}
    if series.form == "bars":
        hover = "%{x:.5~g}<extra></extra>" if panel.sideways else "step %{x}: %{y}<extra>%{fullData.name}</extra>"
        return made | {
            "type": "bar",
            "orientation": "h" if panel.sideways else "v",
            "marker": {"color": colour},
            "hovertemplate": hover,
        }
    mode = "+".join(["lines"] * (series.form in LINED) + ["markers"] * (series.form in DOTTED))
    made |= {"type": "scatter", "mode": mode}
    if "lines" in mode:
        made["line"] = {"color": colour, "width": 2, "shape": STEPPED.get(series.form, "linear")}
        if series.role == "plain":
            made["line"] |= {"width": 1, "dash": "dot"}
            made["hoverinfo"] = "skip"
    if "markers" in mode:
        made["marker"] = {"color": colour, "size": 5 if series.faint else 8, "opacity": 0.45 if series.faint else 0.95}
        made["marker"]["symbol"] = "diamond" if series.role == "front" else "circle"
    if len(series.low):
        made["error_y"] = _errors(series, colour)
    if len(series.points):
        made |= {"points": list(series.points), "hovertemplate": "%{text}<extra></extra>"}
    else:
        made["hovertemplate"] = "%{x}, %{y:.6~g}<extra>%{fullData.name}</extra>"
    return made


def _errors(series: Series, colour: str) -> dict[str, Any]:
    above = [high - y if high >= y else 0.0 for high, y in zip(series.high, series.y, strict=True)]
    below = [y - low if low <= y else 0.0 for low, y in zip(series.low, series.y, strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "array": _numbers(above),
        "arrayminus": _numbers(below),
        "color": _pale(colour, 0.45),
        "thickness": 1.2,
        "width": 0,
    }


def _parallel(panel: Parallel) -> dict[str, Any]:
    dimensions = []
    for dimension in panel.dimensions:
        one: dict[str, Any] = {"label": escaped(dimension.label), "values": _numbers(dimension.places)}
        if dimension.ticks is not None:
            every = -(-len(dimension.ticks) // MOST_TICKS)
            places = range(0, len(dimension.ticks), every)
            one |= {
                "tickvals": [*places],
                "ticktext": [dimension.ticks[place] for place in places],
            }  # shown as they are
            one["range"] = [0, max(len(dimension.ticks) - 1, 1)]
        elif dimension.log:
            marks = round_numbers(min(dimension.values), max(dimension.values), MOST_TICKS)
            one |= {"tickvals": [math.log10(mark) for mark in marks], "ticktext": [brief(mark) for mark in marks]}
        dimensions.append(one)
    chosen = panel.dimensions[panel.colour].places
    trace = {
        "type": "parcoords",
        "dimensions": dimensions,
        "labelangle": -18,
        "line": {"color": _numbers(chosen), "colorscale": BACK, "reversescale": not panel.small_is_good},
    }
    layout = {"margin": {"l": 92, "r": 64, "t": 92, "b": 20}}
    wide = AXIS_WIDTH * len(dimensions) + 60
    return {"data": [trace], "layout": layout, "height": 440, "legend": [], "wide": wide}


def escaped(label: str) -> str:
    """A label that Plotly shows as it is: it understands some HTML."""
    return html.escape(label, quote=False)


def _numbers(values: Sequence[float]) -> list[float | int | None]:
    """Six digits are more than a screen shows; what is not finite is left out."""
    return [_rounded(value) if math.isfinite(value) else None for value in values]


def _rounded(value: float) -> float | int:
    return int(value) if value == int(value) and abs(value) < 1e15 else float(f"{value:.7g}")


def _pale(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
