"""Calls a Python function with a frame of many points at once: for analytical models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from deffe.api import Batch, Costs, Evaluator, Field, Framework, Options, Outcome, PluginError, State
from deffe.errors import ConfigError, Fault, nearest
from deffe.executors.worker import explain

from ._functions import find_function


class VectorisedOptions(Options):
    """Options of the evaluator vectorised."""

    function: str = Field(
        description="module:function or file.py:function; called with a DataFrame, a row a point and a column a knob; "
        "returns a DataFrame or dict with a column a cost, or an array of shape (points, costs)"
    )
    rows: int = Field(default=100_000, ge=1, description="points given to one call, at most")


class Vectorised:
    """Evaluates many points by one call of a function in this process."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(VectorisedOptions)

    def Initialize(self) -> None:
        """Import the function.

        Raises:
            ConfigError: there is no such function.
        """
        config = self._framework.config
        try:
            reference = find_function(self._options.function, self._framework.find, config.folder, config.python_path)
            self._function: Callable[[pd.DataFrame], Any] = reference.load()
        except (Exception, SystemExit) as error:  # a user's module may fail in any way on import
            fault = Fault("evaluate.options.function", str(error) if isinstance(error, ValueError) else explain(error))
            raise ConfigError(str(config.source), [fault]) from error

    def Run(self, batch: Batch) -> Iterator[Outcome]:
        """Evaluate the batch in slices; yields one outcome a slice.

        Raises:
            PluginError: the function failed, or gave no costs for just these points.
        """
        for first in range(0, len(batch), self._options.rows):
            rows = np.arange(first, min(first + self._options.rows, len(batch)))
            if self._framework.dry_run:
                self._framework.log.info("%s would be called with %d points", self._options.function, len(rows))
                yield _outcome(rows, np.full((len(rows), len(self._framework.costs)), np.nan), State.WAITING)
                continue
            start = time.perf_counter()
            costs = self._costs(batch, rows)
            seconds = (time.perf_counter() - start) / len(rows)
            yield _checked(rows, costs, self._framework.costs, seconds)

    def _costs(self, batch: Batch, rows: np.ndarray[Any, Any]) -> Costs:
        name = self._options.function
        frame = self._framework.space.frame(batch.levels[rows])
        try:
            found = self._function(frame)
        except Exception as error:  # a user's function may fail in any way
            raise PluginError(f"evaluator vectorised: {name} failed: {explain(error)}") from error
        try:
            return read_costs(found, self._framework.costs, len(rows))
        except (TypeError, ValueError) as error:
            allowed = "allowed: a number a point and cost, as DataFrame, dict of columns, or array (points, costs)"
            raise PluginError(f"evaluator vectorised: {name} returned {error}", allowed) from error


def read_costs(found: Any, costs: Sequence[str], points: int) -> Costs:
    """Costs of many points, from whatever form of table.

    Returns:
        (points, c) float64 in the order of ``costs``.
    Raises:
        TypeError, ValueError: with what was found instead.
    """
    if isinstance(found, pd.DataFrame | Mapping):
        lower = {str(name).lower(): found[name] for name in found}
        missing = [cost for cost in costs if cost not in lower]
        if missing:
            raise ValueError(f"no column {missing[0]!r} ({nearest(missing[0], lower)})")
        columns = [np.asarray(_in_order(lower[cost], points), dtype=np.float64) for cost in costs]
        for cost, column in zip(costs, columns, strict=True):
            if column.shape != (points,):
                raise ValueError(f"shape {column.shape} of cost {cost!r} for {points} points")
        return np.column_stack(columns)
    array = np.asarray(_in_order(found, points), dtype=np.float64)
    if array.shape == (points,) and len(costs) == 1:
        return array[:, None]
    if array.shape != (points, len(costs)):
        raise ValueError(f"shape {array.shape} for {points} points and {len(costs)} costs")
    return array


def _in_order(found: Any, points: int) -> Any:
    """A pandas column in the order of the frame that the function was given; a function may have sorted it."""
    frame_index = pd.RangeIndex(points)
    if not isinstance(found, pd.Series) or found.index.equals(frame_index) or len(found) != points:
        return found
    if not found.index.is_unique or not frame_index.isin(found.index).all():
        raise ValueError("a column whose index is not that of the frame it was given")
    return found.loc[frame_index]


def _checked(rows: np.ndarray[Any, Any], costs: Costs, names: Sequence[str], seconds: float) -> Outcome:
    """The outcome of a slice: a point is done when all its costs are finite."""
    finite = np.isfinite(costs)
    good = np.asarray(finite.all(axis=1))
    if good.all():
        return _outcome(rows, costs, State.DONE, seconds=seconds)
    texts = [f"cost {name!r} is not finite" for name in names]
    first_bad = np.where(good, -1, finite.argmin(axis=1)).tolist()
    reasons = tuple("" if bad < 0 else texts[bad] for bad in first_bad)
    states = np.where(good, State.DONE, State.FAILED).astype(np.int8)
    return _outcome(rows, np.where(good[:, None], costs, np.nan), states, reasons, seconds)


def _outcome(
    rows: np.ndarray[Any, Any],
    costs: Costs,
    states: np.ndarray[Any, Any] | State,
    reasons: tuple[str, ...] = (),
    seconds: float = np.nan,
) -> Outcome:
    return Outcome(
        rows=rows,
        states=np.broadcast_to(np.asarray(states, dtype=np.int8), rows.shape).copy(),
        costs=costs,
        reasons=reasons,
        seconds=np.full(len(rows), seconds),
    )


def GetObject(framework: Framework) -> Evaluator:
    return Vectorised(framework)
