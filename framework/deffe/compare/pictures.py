"""The curves as a picture for a paper, and as a page for a browser, which needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from deffe.compare.groups import Band
from deffe.errors import UsageError

COLOURS = ("#3b8bd0", "#e08a1e", "#0f9d76", "#d5504a", "#b06fb0", "#8a6d3b", "#4bb3c4", "#8a8f98")
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 78rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; } .wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { padding: .25rem .7rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr + tr { border-top: 1px solid #8884; } th { font-weight: 600; }
"""


@dataclass(frozen=True)
class Panel:
    """Curves with the same axes.

    Args:
        bands: label to curve.
        steps: the curve changes at its points alone.
        zero: the axis begins at 0.
    """

    title: str
    x: str
    y: str
    bands: Mapping[str, Band]
    steps: bool = True
    logarithmic: bool = False
    zero: bool = False


def colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label."""
    return {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}


def draw(paths: Sequence[Path], panels: Sequence[Panel], labels: Sequence[str]) -> None:
    """Draw the panels into image files.

    Raises:
        UsageError: matplotlib is not there, or a file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("the pictures of -compare need matplotlib", "pip install 'deffe[report]'") from error
    across = 1 if len(panels) == 1 else 2
    down = -(-len(panels) // across)
    figure = Figure(figsize=(5.6 * across, 3.7 * down + 0.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(down, across)).reshape(-1)
    for axis, panel in zip(axes, panels, strict=False):
        _panel(axis, panel, colours(labels))
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(len(names), 4), frameon=False)
    for path in paths:
        try:
            figure.savefig(path, dpi=150)
        except (OSError, ValueError) as error:
            raise UsageError(f"the picture {path} cannot be written: {error}") from error


def _panel(axis: Any, panel: Panel, colour: Mapping[str, str]) -> None:
    for label, band in panel.bands.items():
        look = {"drawstyle": "steps-post"} if panel.steps else {"marker": "o", "markersize": 3}
        axis.plot(band.x, band.median, color=colour[label], label=label, linewidth=1.6, **look)
        if np.isfinite(band.low).any():
            step = {"step": "post"} if panel.steps else {}
            axis.fill_between(band.x, band.low, band.high, color=colour[label], alpha=0.18, linewidth=0, **step)
    axis.set_title(panel.title, fontsize=10)
    axis.set_xlabel(panel.x)
    axis.set_ylabel(panel.y)
    axis.grid(alpha=0.25, linewidth=0.6)
    if panel.logarithmic:
        axis.set_yscale("log")
    elif panel.zero:
        axis.set_ylim(0, None)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def page(path: Path, title: str, notes: Sequence[str], columns: Sequence[tuple[str, list[str]]],
         panels: Sequence[Panel], labels: Sequence[str]) -> None:  # fmt: skip
    """Write the table and the panels as one HTML file.

    Raises:
        UsageError: plotly is not there, or the file cannot be written.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise UsageError("the page of -compare needs plotly", "pip install 'deffe[report]'") from error
    figure = _figure(panels, colours(labels))
    drawn = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"responsive": True, "displayModeBar": False}
    )
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(title)}</title><style>{STYLE}</style><script>{get_plotlyjs()}</script>",
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(note)}</p>" for note in notes),
        f"<div class=wide>{_table(columns)}</div>{drawn}<script>{DARK}</script></html>",
    ]
    try:
        path.write_text("\n".join(parts), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the page {path} cannot be written: {error.strerror or error}") from error


DARK = """
const dark = matchMedia('(prefers-color-scheme: dark)');
const look = () => document.querySelectorAll('.plotly-graph-div').forEach(plot => {
  const ink = dark.matches ? '#d8dce2' : '#2b2f36', change = {'font.color': ink};
  for (const key of Object.keys(plot.layout)) if (/^[xy]axis/.test(key)) change[key + '.gridcolor'] = '#8884';
  Plotly.relayout(plot, change);
});
dark.addEventListener('change', look); look();
"""
"""Letters that can be read on a dark page."""


def _table(columns: Sequence[tuple[str, list[str]]]) -> str:
    rows = [[cells[i] for _, cells in columns] for i in range(len(columns[0][1]))]
    head = "".join(f"<th>{escape(head)}</th>" for head, _ in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _figure(panels: Sequence[Panel], colour: Mapping[str, str]) -> Any:
    from plotly.subplots import make_subplots

    titles = [panel.title for panel in panels]
    figure = make_subplots(rows=len(panels), cols=1, subplot_titles=titles, vertical_spacing=0.32 / max(len(panels), 2))
    for row, panel in enumerate(panels, start=1):
        for label, band in panel.bands.items():
            _curve(figure, row, panel, label, band, colour[label])
        figure.update_xaxes(title_text=panel.x, row=row, col=1)
        scale: dict[str, Any] = {"type": "log", "dtick": "D2"} if panel.logarithmic else {}
        figure.update_yaxes(title_text=panel.y, row=row, col=1, rangemode="tozero" if panel.zero else "normal", **scale)
    figure.update_layout(
        height=380 * len(panels) + 60,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="x unified",
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "top", "yref": "container"},
        margin={"l": 70, "r": 20, "t": 90, "b": 50},
    )
    return figure


def _curve(figure: Any, row: int, panel: Panel, label: str, band: Band, colour: str) -> None:
    import plotly.graph_objects as go

    shape = "hv" if panel.steps else "linear"
    if np.isfinite(band.low).any():
        both = {
            "x": band.x,
            "line": {"width": 0, "shape": shape},
            "mode": "lines",
            "hoverinfo": "skip",
            "showlegend": False,
            "legendgroup": label,
        }
        red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
        figure.add_trace(go.Scatter(y=band.low, **both), row=row, col=1)
        fill = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.18)"}
        figure.add_trace(go.Scatter(y=band.high, **fill, **both), row=row, col=1)
    curve = go.Scatter(
        x=band.x,
        y=band.median,
        name=label,
        legendgroup=label,
        showlegend=row == 1,
        mode="lines" if panel.steps else "lines+markers",
        line={"color": colour, "shape": shape, "width": 2},
    )
    figure.add_trace(curve, row=row, col=1)
