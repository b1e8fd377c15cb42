"""Sheets of a workbook: names that Excel takes, tables with filters, and columns that are wide enough."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from deffe.tables.columns import unique_names

Cell = str | float | int | None
LONGEST_NAME, LONGEST_CELL = 31, 32_767
"""What Excel takes."""
WIDEST, LOOKED_AT = 40, 200
LONGEST_LINE = 150
HEADER_HEIGHT = 45


class Sheets:
    """The sheets of a book of xlsxwriter, added one by one."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self._bold = book.add_format({"bold": True, "font_size": 14})
        self._small = book.add_format({"bold": True})
        self._wrapped = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        self._names: list[str] = []

    def add(self, name: str) -> Sheet:
        """A new sheet, named nearly so."""
        plain = re.sub(r"[\[\]:*?/\\\x00-\x1f']", "_", clean(name)).strip() or "_"
        cut = plain if len(plain) <= LONGEST_NAME - 4 else f"{plain[:12]}…{plain[-(LONGEST_NAME - 17) :]}"
        self._names = [*unique_names([*self._names, cut])]
        made = self.book.add_worksheet(self._names[-1])
        made.set_landscape()
        made.fit_to_pages(1, 0)
        return Sheet(made, self._names[-1], self._bold, self._small, self._wrapped)


class Sheet:
    """One sheet; rows count from 0. What writes returns the next free row."""

    def __init__(self, sheet: Any, name: str, bold: Any, small: Any, wrapped: Any) -> None:
        self.sheet, self.name = sheet, name
        self._bold, self._small, self._wrapped = bold, small, wrapped
        self._widths: dict[int, int] = {}

    def title(self, row: int, text: str, *, small: bool = False) -> int:
        """A line in bold."""
        self.sheet.write_string(row, 0, clean(text), self._small if small else self._bold)
        return row + 1

    def line(self, row: int, text: str, column: int = 0) -> int:
        """Sentences, over as many rows as they need."""
        lines = textwrap.wrap(clean(text), LONGEST_LINE) or [""]
        for offset, line in enumerate(lines):
            self.sheet.write_string(row + offset, column, line)
        return row + len(lines)

    def table(self, row: int, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> int:
        """A table that can be sorted and filtered."""
        names = unique_names(clean(name)[:200] or "_" for name in header)
        data = [[_plain(cell) for cell in cells] for cells in rows]
        place = (row, 0, row + max(len(data), 1), len(names) - 1)
        columns = [{"header": name} for name in names]
        self.sheet.add_table(*place, {"data": data, "columns": columns, "style": "Table Style Light 1"})
        self._note(0, [names, *data[:LOOKED_AT]])
        return place[2] + 1

    def columns(self, row: int, first: int, header: Sequence[str], columns: Sequence[Sequence[Cell]]) -> None:
        """Columns of cells, each below its name."""
        self.sheet.set_row(row, HEADER_HEIGHT)
        for place, (name, cells) in enumerate(zip(header, columns, strict=True), first):
            self.sheet.write_string(row, place, clean(name), self._wrapped)
            for offset, cell in enumerate(map(_plain, cells), row + 1):
                if cell is not None:
                    self.sheet.write(offset, place, cell)

    def fit(self) -> None:
        """Make columns as wide as what stands in their tables."""
        for column, width in self._widths.items():
            self.sheet.set_column(column, column, min(width + 3, WIDEST))

    def _note(self, first: int, rows: Sequence[Sequence[Cell]]) -> None:
        for row in rows:
            for column, cell in enumerate(row, first):
                text = f"{cell:.6g}" if isinstance(cell, float) else str("" if cell is None else cell)
                self._widths[column] = max(self._widths.get(column, 6), len(text))


def clean(text: str) -> str:
    """Text that a cell takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:LONGEST_CELL]


def _plain(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return clean(cell)
    if cell is None or not math.isfinite(cell):
        return None
    return cell if isinstance(cell, int) else float(f"{cell:.12g}")
