"""The HTML page: words, tables and figures in one file that needs no network."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from deffe.report.catalogue import Catalogue
from deffe.report.cautions import cautions
from deffe.report.charts import Chart, Parallel
from deffe.report.content import RunContent
from deffe.report.drawn import Drawn
from deffe.report.figures import figure
from deffe.report.recommended import EXPECTED, Recommended
from deffe.report.tables import Said, TableOf, counted_states, tables_of
from deffe.words import moment

# Plotly draws parallel coordinates by code that it makes itself; else only the scripts of the page run, and a page
# loads and sends nothing, but for a served one, which asks its server
POLICY = "default-src 'none'; script-src {scripts} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
ASKING = "; connect-src 'self'"
WORDS = ("reason", "why")
"""Columns of whole sentences."""


@dataclass(frozen=True)
class Shown:
    """What a page shows of a run.

    Args:
        html: heading and explorations.
        content: of the script: the figures, and the points that they point at.
    """

    title: str
    html: str
    content: dict[str, Any]


def shown(run: RunContent, drawn: Sequence[Drawn]) -> Shown:
    """What a page is to show of a run, with the charts of each exploration."""
    figures: list[dict[str, Any]] = []
    body = "".join(_part(one, place, figures) for place, one in enumerate(drawn))
    made = f"Read {moment(run.made)} by deffe from {escape(str(run.folder))}."
    html = f"<header>\n{_head(run, drawn)}</header>\n{body}<footer>{made}</footer>\n"
    content = {"figures": figures, "entries": [one.catalogue.entries for one in drawn]}
    return Shown(f"{run.folder.name}: report of a run", html, content)


def page(what: Shown, plotly: str, mark: str, live: str = "") -> str:
    """The page.

    Args:
        plotly: the script of Plotly.
        mark: who made it, noted in the page.
        live: what the page asks its server for news with; empty for one that stands by itself.
    """
    own = _text("page.js")
    scripts = " ".join(f"'sha256-{_digest(script)}'" for script in (plotly, own))
    note = '<p id="live" role="status"></p>\n' if live else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="{escape(mark)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY.format(scripts=scripts)}{ASKING if live else ""}">
<title>{escape(what.title)}</title>
<style>
{_text("page.css")}</style>
</head>
<body data-live="{escape(live)}">
{note}<main>
{what.html}</main>
<script>{plotly}</script>
<script type="application/json" id="content">{as_script(what.content)}</script>
<script>{own}</script>
</body>
</html>
"""


def _digest(script: str) -> str:
    return b64encode(sha256(script.encode("utf-8")).digest()).decode("ascii")


def as_script(value: Any) -> str:
    """JSON that may stand in a script of a page."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _text(name: str) -> str:
    return (files("deffe.report") / name).read_text(encoding="utf-8")


def _head(run: RunContent, drawn: Sequence[Drawn]) -> str:
    lines = [f"<h1>{escape(run.folder.name)}</h1>", f'<p class="quiet">{_words(run.state)}</p>']
    lines += [f'<p class="note">{_words(note)}</p>' for note in run.notes]
    if len(drawn) > 1:
        links = (f'<a href="#part{i}">{escape(one.part.name)}</a>' for i, one in enumerate(drawn))
        lines.append(f"<nav>{''.join(links)}</nav>")
    return "\n".join(lines) + "\n"


def _part(drawn: Drawn, place: int, figures: list[dict[str, Any]]) -> str:
    part = drawn.part
    head = [f'<section id="part{place}">', f"<h2>{escape(part.name)}</h2>", f"<p>{_words(counted_states(part))}</p>"]
    head += [f'<p class="note">{_words(line)}</p>' for line in cautions(part)]
    if len(drawn.charts):
        links = (
            f'<a href="#{_anchor(place, chart)}">{escape(chart.title)}</a>' for chart in drawn.charts if chart.panels
        )
        head.append(f"<nav>{''.join(links)}</nav>")
    head += [_table(table, drawn.catalogue) for table in tables_of(part)]
    head += [_expected(part.recommended)]
    sections = [_chart(chart, place, figures) for chart in drawn.charts]
    return "\n".join([*(line for line in head if line), *sections, "</section>\n"])


def _expected(found: Recommended) -> str:
    lines = [f"<p>{_words(line)}</p>" for line in (*found.expected, *([f"{found.note}."] if found.note else []))]
    return "\n".join([f"<h3>{EXPECTED}</h3>", *lines]) if lines else ""


def _words(line: str) -> str:
    """A line of text; no line begins with a percent sign."""
    return escape(line).replace(" %", "&nbsp;%")


def _anchor(place: int, chart: Chart) -> str:
    return escape(f"part{place}-{chart.key}")


def _chart(chart: Chart, place: int, figures: list[dict[str, Any]]) -> str:
    head = f'<h3 id="{_anchor(place, chart)}">{escape(chart.title)}</h3>'
    if not chart.panels:
        return f'{head}\n<p class="empty">{_words(chart.empty)}</p>'
    lines = [head, f'<p class="quiet">{_words(chart.text)}</p>', '<div class="panels">']
    for panel in chart.panels:
        made = figure(panel)
        wide = " wide" if isinstance(panel, Parallel) else " alone" if len(chart.panels) == 1 else ""
        key = escape(f"{place} {chart.key} {panel.title}")
        lines.append(f'<div class="panel{wide}" data-key="{key}" data-figure="{len(figures)}" data-part="{place}">')
        lines.append(f"<h4>{escape(panel.title)}</h4>" if panel.title else "")
        lines.append(_legend(made["legend"]))
        size = f"height:{made['height']}px" + (f";min-width:{made['wide']}px" if made["wide"] else "")
        lines.append(f'<div class="scroll"><div class="plot" style="{size}"></div></div><div class="told"></div></div>')
        figures.append({"data": made["data"], "layout": made["layout"]})
    return "\n".join([*(line for line in lines if line), "</div>"])


def _legend(entries: Sequence[tuple[str, str, str]]) -> str:
    buttons = [
        f'<button type="button" aria-pressed="true" data-trace="{trace}">'
        f'<i class="{form}" style="background:{colour}"></i>{escape(name)}</button>'
        for trace, (name, colour, form) in enumerate(entries)
        if name
    ]
    return f'<div class="legend">{"".join(buttons)}</div>' if buttons else ""


def _table(table: TableOf, catalogue: Catalogue) -> str:
    """A table; columns are of numbers, short texts or whole sentences."""
    kinds = ["words" if name in WORDS else "number" if numeric else "text" for name, numeric in table.header]
    head = "".join(
        f'<th class="{kind}">{escape(name)}</th>' for (name, _), kind in zip(table.header, kinds, strict=True)
    )
    lines = [
        "".join(f'<td class="{kind}">{_cell(said, catalogue)}</td>' for said, kind in zip(row, kinds, strict=True))
        for row in table.rows
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    more = f'\n<p class="quiet">{escape(table.more)}</p>' if table.more else ""
    made = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f'<h3>{escape(table.title)}</h3>\n<div class="scroll">{made}</div>{more}'


def _cell(said: Said, catalogue: Catalogue) -> str:
    link = catalogue.link(said.point) if said.point >= 0 else ""
    if not link:
        return escape(said.text)
    return f'<a href="{escape(link)}" target="_blank" rel="noopener">{escape(said.text)}</a>'
