"""The rows of a picture in groups, and what stands for several rows at one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import UsageError
from deffe.table_tools.cells import as_numbers, is_integer, is_numeric
from deffe.table_tools.look import MOST_GROUPS, Look
from deffe.table_tools.table import Table

STATISTICS = ("mean", "median", "min", "max")
_OF: dict[str, Any] = {"mean": np.mean, "median": np.median, "min": np.min, "max": np.max}


@dataclass(frozen=True)
class Places:
    """The distinct values of a column in their order.

    Args:
        texts: of each place.
        at: (n,) place of each row, -1 where the cell is empty.
        values: (k,) numbers of the places; None for text.
    """

    texts: tuple[str, ...]
    at: NDArray[np.int64]
    values: NDArray[np.float64] | None


def places_of(table: Table, name: str, option: str) -> Places:
    """Numbers in their order, texts by first appearance."""
    table.require([name], option)
    series = table.frame[name]
    if is_numeric(series) and series.dtype != np.bool_:
        numbers = as_numbers(series)
        values = np.unique(numbers[~np.isnan(numbers)])
        at = np.where(np.isnan(numbers), -1, np.searchsorted(values, numbers))
        texts = tuple(f"{int(value)}" if is_integer(series) else f"{value:g}" for value in values.tolist())
        return Places(texts, at, values)
    cells = [None if pd.isna(cell) else str(cell) for cell in series.tolist()]
    order = {text: place for place, text in enumerate(dict.fromkeys(cell for cell in cells if cell is not None))}
    return Places(tuple(order), np.array([order.get(cell or "", -1) for cell in cells], dtype=np.int64), None)


def groups_of(table: Table, look: Look) -> list[tuple[str, NDArray[np.int64]]]:
    """Name and rows of each group of ``-group``; one without a name where it is not given.

    Raises:
        UsageError: more groups than colours and markers tell apart.
    """
    if not look.group:
        return [("", np.arange(len(table)))]
    places = places_of(table, look.group, "-group")
    if len(places.texts) > MOST_GROUPS:
        found = f"-group: {look.group} has {len(places.texts)} values, and {MOST_GROUPS} can be told apart"
        raise UsageError(found, "choose some by -condition, or take another column")
    return [(text, np.flatnonzero(places.at == place)) for place, text in enumerate(places.texts)]


@dataclass(frozen=True)
class Summary:
    """What stands at each place.

    Args:
        center, low, high: (k,) the statistic, the least and the largest of its values; NaN where there is none.
        most: values at one place at most.
    """

    center: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    most: int


def summarized(at: Sequence[int] | NDArray[np.int64], values: NDArray[np.float64], count: int, how: str) -> Summary:
    """Summarise values by place.

    Args:
        at: (n,) places, -1 for rows that have none.
        count: number of places.
        how: one of ``STATISTICS``.
    """
    places = np.asarray(at)
    found = np.full((3, count), np.nan)
    most = 0
    for place in range(count):
        own = values[(places == place) & ~np.isnan(values)]
        if len(own):
            found[:, place] = _OF[how](own), own.min(), own.max()
            most = max(most, len(own))
    return Summary(found[0], found[1], found[2], most)
