"""A run as a workbook: a summary, a table of points with filters, and the pictures as charts over their numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deffe.report.cautions import cautions
from deffe.report.charts import Panel
from deffe.report.content import Knob, Part, RunContent, front_rows
from deffe.report.drawn import Drawn
from deffe.report.recommended import EXPECTED
from deffe.report.sheets import Cell, Sheet, Sheets
from deffe.report.tables import TableOf, counted_states, tables_of
from deffe.report.words import even
from deffe.report.workbook_charts import add_panels
from deffe.tables.columns import unique_names
from deffe.words import moment

MOST_CELLS = 600_000
"""Of the tables of points, all explorations together, so that the workbook opens quickly and takes bounded memory."""


def workbook(run: RunContent, drawn: Sequence[Drawn], mark: str) -> bytes:
    """The file.

    Args:
        drawn: the charts of each exploration.
        mark: who made it, noted in its properties.
    """
    from xlsxwriter import Workbook

    file = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with Workbook(file, options) as book:
        book.set_properties({"title": run.folder.name, "comments": mark})
        sheets = Sheets(book)
        _add_summary(sheets.add("summary"), run)
        for one in drawn:
            before = f"{one.part.name} " if len(drawn) > 1 else ""
            _add_points(sheets.add(f"{before}points"), one.part, MOST_CELLS // len(drawn))
            if one.part.recommended.designs:
                _add_designs(sheets.add(f"{before}recommended"), one.part)
            for chart in one.charts:
                panels = [panel for panel in chart.panels if isinstance(panel, Panel)]
                if panels:
                    add_panels(sheets.add(f"{before}{chart.title}"), book, chart, panels)
    return file.getvalue()


def _add_summary(sheet: Sheet, run: RunContent) -> None:
    row = sheet.title(0, run.folder.name)
    for line in (run.state, *run.notes, f"Made {moment(run.made)} from {run.folder}"):
        row = sheet.line(row, line)
    for part in run.parts:
        row = sheet.line(sheet.title(row + 1, part.name), counted_states(part))
        for line in cautions(part):
            row = sheet.line(row, line)
        for table in tables_of(part):
            row = sheet.title(row + 1, table.title, small=True)
            row = sheet.table(row, [name for name, _ in table.header], _plain(table))
        if part.recommended.expected:
            row = sheet.title(row + 1, EXPECTED, small=True)
        for line in part.recommended.expected:
            row = sheet.line(row, line)
    sheet.fit()


def _plain(table: TableOf) -> Iterator[Sequence[Cell]]:
    for row in table.rows:
        yield [float(f"{cell.value:.6g}") if isinstance(cell.value, float) else cell.value for cell in row]


def _add_points(sheet: Sheet, part: Part, most: int) -> None:
    """The points of an exploration, of many those of the front, the failed ones and an even choice of the others."""
    header = _header(part)
    front = front_rows(part)
    room = max(most // len(header), 1)
    rows = np.arange(len(part.points))
    if len(rows) > room:
        rows = np.union1d(even(front, room // 2), even(rows, room))
        told = f"{len(rows):,} of {len(part.points):,} points, evenly chosen, with the front; run_deffe -export has all"
        sheet.line(0, told)
    sheet.table(1 if len(rows) < len(part.points) else 0, header, _rows(part, rows, set(front.tolist())))
    sheet.fit()


def _header(part: Part) -> list[str]:
    own = [*(knob.label for knob in part.knobs), *(cost.label for cost in part.costs)]
    return list(unique_names(["point", "step", "state", "in front", *own, "seconds", "reason", "run directory"]))


def _rows(part: Part, rows: Any, front: set[int]) -> Iterator[Sequence[Cell]]:
    points = part.points
    values = [_values(knob) for knob in part.knobs]
    for row in rows.tolist():
        levels = zip(values, points.levels[row].tolist(), strict=True)
        knobs = [found[level] if level >= 0 else None for found, level in levels]
        yield [
            int(points.numbers[row]),
            int(points.steps[row]),
            str(points.states[row]).replace("_", " "),
            "yes" if row in front else "no",
            *knobs,
            *points.costs[row].tolist(),
            float(points.seconds[row]),
            str(points.reasons[row] or ""),
            str(points.folders[row] or ""),
        ]


def _add_designs(sheet: Sheet, part: Part) -> None:
    """The recommended designs in the order of their table, the ends of 90 % intervals beside predicted costs."""
    ends = [name for cost in part.costs for name in (cost.label, f"{cost.label} from", f"{cost.label} to")]
    header = ["why", "better than all evaluated, %", *ends, *(knob.label for knob in part.knobs)]
    sheet.table(0, unique_names(header), _design_rows(part))
    sheet.fit()


def _design_rows(part: Part) -> Iterator[Sequence[Cell]]:
    for one in part.recommended.designs:
        knobs = [
            float(text) if knob.numeric and text else text for knob, text in zip(part.knobs, one.knobs, strict=True)
        ]
        yield [one.why, one.chance, *(value for cost in one.costs for value in cost), *knobs]


def _values(knob: Knob) -> list[Cell]:
    return [float(text) if knob.numeric else text for text in knob.texts]
