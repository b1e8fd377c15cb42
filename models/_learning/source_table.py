"""The rows of a source's table as points of this run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.api import DeffeError, DesignSpace, Features, Parameter, Source
from deffe.errors import SpaceError, counted
from deffe.space.columns import NumberScale, scaled, unscaled
from deffe.space.frames import MISSING, column_levels

from .regressor import Vector

MOST_ROWS = 10_000
"""Rows of a table that are learned from, at most; more would take long and say no more."""


def table_features(source: Source, cost: str, space: DesignSpace, seed: int) -> tuple[Features, Vector, str]:
    """(m, d) features of this run and (m,) costs of a source's table, and a note.

    Declared features are left out where one of them has no value at some row.

    Rows with a category or a gap that this run does not know are left out; a knob that the table does not know is at
    the middle of its values.

    Args:
        cost: the name of its column.
        seed: of the choice among very many rows.
    Raises:
        DeffeError: the table shares no knob with this run, or no row of it fits.
    """
    frame, theirs = source.frame, source.mapping
    needed = [p for p in space.parameters if p.name in space.feature_map.inputs]
    shared = [p for p in needed if p.name in theirs and (len(p) > 1 or p.is_numeric)]
    if frame is None or not shared:
        raise DeffeError(f"source {source.name!r} shares no knob with this run", "name those that correspond in map")
    actual = frame[cost].to_numpy(np.float64)
    usable = np.isfinite(actual)
    columns = {}
    for parameter in shared:
        columns[parameter.name], fits = _column(frame, theirs[parameter.name], parameter, source)
        usable &= fits
    rows = np.flatnonzero(usable)
    if not len(rows):
        raise DeffeError(f"source {source.name!r}: none of its rows fits this run", "compare the values of its knobs")
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    taken = {name: column[rows] for name, column in columns.items()}
    lacking = [p for p in needed if p not in shared]
    values = {**taken, **{p.name: _middle(p, len(rows)) for p in lacking}}
    try:
        features = space.feature_map.features(values)
    except SpaceError:  # a declared feature may have no value between those that a knob has here
        features = replace(space.feature_map, derived=()).features(values)
    return features, actual[rows], _note(source, usable, rows, [p.name for p in lacking if len(p) > 1])


def _column(
    frame: pd.DataFrame, theirs: str, parameter: Parameter, source: Source
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """(n,) values of a knob of this run, and which of them it can have."""
    conditional = parameter.when is not None
    if parameter.scale == "category":
        levels = column_levels(parameter, frame[theirs], len(frame))
        return frame[theirs].to_numpy(object), (levels >= 0) | (conditional & (levels == MISSING))
    try:
        numbers = frame[theirs].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        found = f"source {source.name!r}: column {theirs!r} has a value that is no number ({error})"
        raise DeffeError(found, f"{parameter.name} here: {parameter.allowed}") from error
    fits = np.isfinite(numbers) | (conditional & np.isnan(numbers))
    if theirs != parameter.name and fits.any():
        numbers = _into(numbers, parameter)
    return numbers, fits & ~(numbers <= 0) if parameter.scale == "log2" else fits


def _into(numbers: Vector, parameter: Parameter) -> Vector:
    """Values of another knob as values of this one: where they reach beyond its range, by their place in their own."""
    low, high = float(parameter.numbers.min()), float(parameter.numbers.max())
    least, most = np.nanmin(numbers), np.nanmax(numbers)
    if low <= least and most <= high:
        return numbers
    scale: NumberScale = "log2" if least > 0 and low > 0 else "linear"
    return unscaled(scale, low, high, scaled(scale, least, most, numbers))


def _middle(parameter: Parameter, rows: int) -> NDArray[Any]:
    return np.full(rows, parameter.operands[len(parameter) // 2])


def _note(source: Source, usable: NDArray[np.bool_], rows: NDArray[np.intp], lacking: list[str]) -> str:
    left = f"{len(rows):,} of " if len(rows) < len(usable) else ""
    told = f"; it does not know {', '.join(lacking)}" if lacking else ""
    return f"source {source.name}: {left}{counted(len(usable), 'row')}{told}"
