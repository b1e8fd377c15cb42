"""From cells to typed columns, and from columns to what expressions are evaluated on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.tables.asked import NOT_KNOWN

INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
NUMBER = re.compile(
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|0*\.[0-9]+(?:[eE][+-]?[0-9]+)?|inf|infinity)",
    re.IGNORECASE,
)
"""A number; with leading zeros, such as ``007``, it is text."""
EMPTY = frozenset({*NOT_KNOWN, "nan"})
_TRUTH = {"true": True, "false": False}
_LARGEST = 2**63 - 1


def typed(cells: Sequence[str]) -> pd.Series[Any]:
    """A column of texts with its type.

    Returns:
        (n,) int64, Int64 where some are empty, float64, bool, or object: text, with None for empty cells. A column with
        a cell that is no number is text as a whole. ``NULL``, ``nan`` and the like are empty beside numbers.
    """
    stripped = [cell.strip() for cell in cells]
    distinct = set(stripped)
    words = {cell for cell in distinct if cell.lower() not in EMPTY}
    if words and all(INTEGER.fullmatch(cell) for cell in words):
        if all(abs(int(cell)) <= _LARGEST for cell in words):
            return _integers(stripped, distinct)
        return _texts(stripped)  # as numbers they would lose digits
    if words and all(NUMBER.fullmatch(cell) for cell in words):
        values = {cell: float(cell) if cell in words else np.nan for cell in distinct}
        return pd.Series([values[cell] for cell in stripped], dtype=np.float64)
    if words == distinct and {cell.lower() for cell in distinct} <= _TRUTH.keys() and distinct:
        return pd.Series([_TRUTH[cell.lower()] for cell in stripped], dtype=np.bool_)
    return _texts(stripped)


def _integers(cells: Sequence[str], distinct: set[str]) -> pd.Series[Any]:
    values = {cell: None if cell.lower() in EMPTY else int(cell) for cell in distinct}
    return pd.Series([values[cell] for cell in cells], dtype="Int64" if None in values.values() else "int64")


def _texts(cells: Sequence[str]) -> pd.Series[Any]:
    return pd.Series([cell or None for cell in cells], dtype=object)


def is_numeric(series: pd.Series[Any]) -> bool:
    """Whether a column holds numbers, switches included."""
    return bool(pd.api.types.is_numeric_dtype(series.dtype))


def is_integer(series: pd.Series[Any]) -> bool:
    """Whether a column holds whole numbers by its type."""
    return bool(pd.api.types.is_integer_dtype(series.dtype))


def as_numbers(series: pd.Series[Any]) -> NDArray[np.float64]:
    """(n,) float64; NaN for empty cells and for text that is no number."""
    if is_numeric(series):
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    return np.array([_number(value) for value in series.tolist()], dtype=np.float64)


def _number(value: Any) -> float:
    if isinstance(value, str):
        return float(value) if NUMBER.fullmatch(value) else np.nan
    return np.nan if value is None or value is pd.NA else float(value)


def as_operand(series: pd.Series[Any]) -> NDArray[Any]:
    """(n,) of a column as expressions see it: float64, or texts; a text that is a number is one there."""
    if is_numeric(series):
        return as_numbers(series)
    cells = np.empty(len(series), dtype=object)
    cells[:] = [_seen(value) for value in series.tolist()]
    return cells


def _seen(value: Any) -> Any:
    if value is None or value is pd.NA:
        return None
    if not isinstance(value, str):
        return float(value)
    return float(value) if NUMBER.fullmatch(value) else value


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of any file format with the types that tables here have.

    Raises:
        ValueError: a column holds lists or other nested values, naming it.
    """
    columns = {name: _plain(str(name), frame[name]) for name in frame.columns}
    made: pd.DataFrame = pd.DataFrame(columns, index=frame.index)
    return made


def _plain(name: str, series: pd.Series[Any]) -> pd.Series[Any]:
    if is_numeric(series):
        if is_integer(series) and not series.isna().any() and series.dtype.kind != "u":
            return series.astype("int64")
        if is_integer(series):
            fits = bool((series.dropna() <= _LARGEST).all())
            return series.astype("Int64") if fits else _texts([str(cell) for cell in series.tolist()])
        if series.dtype.kind == "b":
            return series.astype(object).where(series.notna(), None) if series.isna().any() else series.astype("bool")
        return pd.Series(as_numbers(series), index=series.index)
    cells = [None if _is_missing(name, value) else _cell(value) for value in series.tolist()]
    if (
        cells
        and all(isinstance(cell, int | float) or cell is None for cell in cells)
        and any(c is not None for c in cells)
    ):
        return typed(["" if cell is None else str(cell) for cell in cells])
    return pd.Series(cells, index=series.index, dtype=object)


def _is_missing(name: str, value: Any) -> bool:
    if isinstance(value, list | dict | np.ndarray | tuple):
        raise ValueError(f"column {name!r} holds {type(value).__name__}s; a cell holds one number or text")
    return bool(pd.isna(value))


def _cell(value: Any) -> Any:
    """A cell as text or number; times as ISO 8601."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | float | np.number):
        return value.item() if isinstance(value, np.number) else value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
