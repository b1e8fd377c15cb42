"""Workbooks: a sheet read as a table, and a table written as a sheet that can be filtered."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deffe.errors import TableError, UsageError, nearest
from deffe.table_tools.cells import is_integer, plain
from deffe.table_tools.libraries import need
from deffe.table_tools.table import Origin, Table, fresh
from deffe.values import EXACT

MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 1_048_575, 16_384, 32_767
"""What a sheet of Excel holds below its header."""
WIDEST = 40
_LOOKED_AT = 200


def read_sheet(path: Path, sheet: str) -> Table:
    """Read a sheet, the first one where none is named; its first row that is not empty has the names.

    Raises:
        TableError: no workbook, no such sheet, an empty one, or columns without a name or alike.
    """
    need("openpyxl", "reading XLSX", "report")
    try:
        with pd.ExcelFile(path, engine="openpyxl") as book:
            sheets = [str(name) for name in book.sheet_names]
            if sheet and sheet not in sheets:
                raise TableError(f"{path} has no sheet {sheet!r}", nearest(sheet, sheets))
            found = pd.read_excel(book, sheet_name=sheet or sheets[0], header=None, dtype=object, na_filter=False)
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise TableError(f"{path} cannot be read as XLSX: {error}", "open it and save it anew as .xlsx") from error
    place = f"{path}, sheet {sheet or sheets[0]!r}"
    cells = found.where(found.notna() & (found != ""), None)
    filled = np.flatnonzero(cells.notna().any(axis=1).to_numpy())
    if not len(filled):
        raise TableError(f"{place} is empty", "a table has a row with the names of its columns, then a row a point")
    top, body = int(filled[0]), filled[1:]
    names = _names(cells.iloc[top].tolist(), cells.iloc[body], f"{place}, row {top + 1}")
    frame = cells.iloc[body, list(names.values())].reset_index(drop=True)
    frame.columns = pd.Index(list(names))
    stem = f"{path.stem}_{sheet}" if sheet else path.stem
    return fresh(plain(frame), Origin(place, stem, "row"), body + 1)


def _names(header: list[Any], body: pd.DataFrame, place: str) -> dict[str, int]:
    """Name to position of each column; columns without any cell are left out."""
    names: dict[str, int] = {}
    for position, name in enumerate(header):
        if name is None:
            if body.iloc[:, position].notna().any():
                raise TableError(f"{place}: column {_letters(position)} has cells and no name", "give it one")
            continue
        if str(name).strip() in names:
            raise TableError(f"{place} has several columns {str(name)!r}", "rename all but one of them")
        names[str(name).strip()] = position
    return names


def _letters(position: int) -> str:
    """What Excel calls a column: A, B, ..., Z, AA."""
    text = ""
    while position >= 0:
        text = chr(ord("A") + position % 26) + text
        position = position // 26 - 1
    return text


def check_fits(frame: pd.DataFrame, path: Path) -> None:
    """UsageError where a sheet cannot hold a table."""
    if len(frame) > MOST_ROWS or len(frame.columns) > MOST_COLUMNS:
        found = f"{len(frame):,} rows and {len(frame.columns):,} columns"
        limits = f"a sheet holds {MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns"
        raise UsageError(f"{path} cannot hold {found}", f"{limits}; write .csv or .parquet")
    for name in frame.columns:
        if frame[name].dtype == object:
            longest = max((len(cell) for cell in frame[name].tolist() if isinstance(cell, str)), default=0)
            if longest > LONGEST_CELL:
                hint = f"a cell holds {LONGEST_CELL:,}; write .csv or .parquet"
                raise UsageError(f"{path}: column {name!r} has a text of {longest:,} characters", hint)


def write_sheet(frame: pd.DataFrame, path: Path) -> None:
    """Write one sheet with a header that stays, filters, and widths that fit."""
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    shown = pd.DataFrame({name: _exact(frame[name]) for name in frame.columns}, columns=frame.columns)
    with pd.ExcelWriter(path, engine="xlsxwriter", engine_kwargs={"options": options}) as writer:
        shown.to_excel(writer, sheet_name="results", index=False, inf_rep="inf")
        sheet: Any = writer.sheets["results"]
        sheet.freeze_panes(1, 0)
        if len(shown.columns):
            sheet.autofilter(0, 0, len(shown), len(shown.columns) - 1)
        for i, name in enumerate(shown.columns):
            cells = [str(name) + "  ", *map(str, shown[name].head(_LOOKED_AT).tolist())]
            sheet.set_column(i, i, min(max(map(len, cells)) + 2, WIDEST))


def _exact(series: pd.Series[Any]) -> pd.Series[Any]:
    """Integers that Excel would round become text."""
    if is_integer(series) and bool((series.dropna().abs() > EXACT).any()):
        return pd.Series([None if value is pd.NA else str(value) for value in series.tolist()], dtype=object)
    return series
