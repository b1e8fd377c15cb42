"""Looks points up in a table of known results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deffe.api import Batch, Evaluator, Field, Framework, Options, Outcome, State
from deffe.errors import ConfigError, Fault
from deffe.tables import read_results

ROWS = 100_000


class TableOptions(Options):
    """Options of the evaluator table."""

    table: str = Field(default="", description="CSV of results; default: pre_evaluated_data of the exploration")


class Table:
    """Evaluates points by looking them up; a point that is not in the table fails."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(TableOptions)

    def Initialize(self) -> None:
        """Read the table.

        Raises:
            ConfigError: there is no table.
            TableError: it does not fit the design space.
        """
        self._path = self._find()
        declared = self._framework.config.declared_space
        self._results = read_results(self._path, self._framework.space, self._framework.costs, declared=declared)

    def _find(self) -> Path:
        if not self._options.table and self._framework.exploration.pre_evaluated_data is not None:
            return self._framework.exploration.pre_evaluated_data
        path = self._framework.find(self._options.table) if self._options.table else None
        if path is None:
            found = f"there is no file {self._options.table!r}" if self._options.table else "no table is given"
            fault = Fault("evaluate.options.table", found, "a CSV file beside the configuration, or pre_evaluated_data")
            raise ConfigError(str(self._framework.config.source), [fault])
        return path

    def Run(self, batch: Batch) -> Iterator[Outcome]:
        """Look the batch up in slices; yields one outcome a slice."""
        for first in range(0, len(batch), ROWS):
            rows = np.arange(first, min(first + ROWS, len(batch)))
            yield self._look_up(batch, rows)

    def _look_up(self, batch: Batch, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Outcome:
        here, found = self._results.find(batch.ids[rows])
        states = np.full(len(rows), State.FAILED, dtype=np.int8)
        costs = np.full((len(rows), len(self._framework.costs)), np.nan)
        states[found], costs[found] = self._results.states[here], self._results.costs[here]
        reasons = np.full(len(rows), f"not in the table {self._path}", dtype=object)
        reasons[found] = self._results.reasons_at(here) or ""
        return Outcome(
            rows=rows, states=states, costs=costs, reasons=tuple(reasons) if (states != State.DONE).any() else ()
        )


def GetObject(framework: Framework) -> Evaluator:
    return Table(framework)
