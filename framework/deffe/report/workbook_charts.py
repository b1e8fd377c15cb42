"""The panels of a picture as charts of Excel, above the numbers that they are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from deffe.report.charts import COLOURS, DOTTED, LINED, STEPPED, Axis, Chart, Panel, Series
from deffe.report.sheets import Cell, Sheet

ACROSS = 3
WIDTH, HEIGHT = 480, 330
"""Pixels of a chart; a row of cells has 20, a column of this width 89."""
COLUMN_WIDTH, LAST_COLUMN = 12, 16_383
ROWS, COLUMNS = 18, 6
"""Cells from one chart to the next."""


def add_panels(sheet: Sheet, book: Any, chart: Chart, panels: Sequence[Panel]) -> None:
    """Fill a sheet with the panels of a chart."""
    row = sheet.line(sheet.title(0, chart.title), chart.text) + 1
    sheet.sheet.set_column(0, LAST_COLUMN, COLUMN_WIDTH)
    data = row + ROWS * -(-len(panels) // ACROSS) + 1
    column = 0
    for place, panel in enumerate(panels):
        made, column = _drawn(sheet, book, panel, data, column)
        sheet.sheet.insert_chart(row + ROWS * (place // ACROSS), COLUMNS * (place % ACROSS), made)


def _drawn(sheet: Sheet, book: Any, panel: Panel, row: int, column: int) -> tuple[Any, int]:
    """A chart with its numbers from a row and column on, and the next free column."""
    made = book.add_chart(_kind(panel))
    ticks = panel.y.ticks if panel.sideways else panel.x.ticks
    sheet.line(row - 1, panel.title, column)
    shown = [one for series in panel.series for one in _parted(series)]
    for series in shown:
        if ticks is not None and series.faint:
            continue  # points between the values of an axis of names
        x, y = (series.y, series.x) if panel.sideways else (series.x, series.y)
        names: list[Cell] = [ticks[round(place)] for place in x] if ticks is not None else [*x]
        columns: list[Sequence[Cell]] = [names, y]
        header = [(panel.x if not panel.sideways else panel.y).title or "value", series.name or panel.title or "value"]
        if len(series.low):
            below = [value - low for value, low in zip(y, series.low, strict=True)]
            columns += [below, [high - value for value, high in zip(y, series.high, strict=True)]]
            header += ["down to the end", "up to the end"]
        sheet.columns(row, column, header, columns)
        made.add_series(_series(sheet, series, row + 1, column, len(names), panel))
        column += len(columns)
    made.set_size({"width": WIDTH, "height": HEIGHT})
    made.set_title({"name": panel.title or " ", "name_font": {"size": 11}, "overlay": False})
    named = ticks is not None or _kind(panel)["type"] == "column"
    made.set_x_axis(_axis(panel.x, names=named and not panel.sideways))
    made.set_y_axis(_axis(panel.y, names=named and panel.sideways))
    unnamed = [place for place, one in enumerate(shown) if not one.name]
    made.set_legend({"none": True} if len(unnamed) == len(shown) else {"position": "bottom", "delete_series": unnamed})
    return made, column + 1


def _parted(series: Series) -> Iterator[Series]:
    """Excel knows no stepped lines: these are lines with the corners as points of their own, and their points apart."""
    if series.form not in STEPPED:
        yield series
        return
    x, y = series.path
    dotted = series.form in DOTTED
    yield replace(series, form="line", x=x, y=y, name="" if dotted else series.name)
    if dotted:
        yield replace(series, form="points")


def _kind(panel: Panel) -> dict[str, str]:
    if any(series.form == "bars" for series in panel.series):
        return {"type": "bar" if panel.sideways else "column", "subtype": "stacked"}
    return {"type": "line"} if panel.x.ticks is not None else {"type": "scatter"}


def _series(sheet: Sheet, series: Series, row: int, column: int, count: int, panel: Panel) -> dict[str, Any]:
    colour, last = COLOURS[series.role], row + max(count, 1) - 1
    told: dict[str, Any] = {
        "name": series.name or panel.title,
        "categories": [sheet.name, row, column, last, column],
        "values": [sheet.name, row, column + 1, last, column + 1],
    }
    if series.form == "bars":
        return told | {"fill": {"color": colour}, "gap": 40}
    lined, dotted = series.form in LINED, series.form in DOTTED
    dash = "round_dot" if series.role == "plain" else "solid"
    told["line"] = {"color": colour, "width": 1.75, "dash_type": dash} if lined else {"none": True}
    size = 3 if series.faint else 5
    mark = {
        "type": "circle",
        "size": size,
        "fill": {"color": colour, "transparency": 60 if series.faint else 0},
        "border": {"none": True},
    }
    told["marker"] = mark if dotted else {"type": "none"}
    if len(series.low):
        minus, plus = (f"='{sheet.name}'!{_cells(row, column + i, last, column + i)}" for i in (2, 3))
        told["y_error_bars"] = {"type": "custom", "minus_values": minus, "plus_values": plus, "end_style": 0}
        told["y_error_bars"]["line"] = {"color": colour, "width": 0.75, "transparency": 50}
    return told


def _cells(*place: int) -> str:
    from xlsxwriter.utility import xl_range_abs

    return str(xl_range_abs(*place))


def _axis(axis: Axis, *, names: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": axis.title, "name_font": {"bold": False, "size": 9}, "num_font": {"size": 8}}
    told["major_gridlines"] = {"visible": not names, "line": {"color": "#e3e5e8"}}
    if names:
        return told
    told["num_format"] = '[>=1000000]0.##,,"M";[>=10000]0.##,"k";General'
    if axis.log:
        told["log_base"] = 10
    elif axis.zero:
        told["min"] = 0
    if axis.ends is not None:
        told["min"], told["max"] = axis.ends
    return told
