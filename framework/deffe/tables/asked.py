"""Reads the points of a CSV file that are to be predicted: block by block, every row as it stands."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.errors import TableError
from deffe.records import Costs, State
from deffe.tables.columns import TABLE_COLUMNS, unique_names
from deffe.tables.csv_in import CsvFile

NOT_KNOWN = ("", "null", "none", "na", "n/a", "<na>", "-")
"""What stands, in any case, in a cell for a cost that is not known, besides nan and infinities."""


@dataclass(frozen=True)
class Asked:
    """Some rows of the file.

    Args:
        first: number of the first row, from 0.
        carried: a list of texts for each column that is not a cost.
        costs: (n, c) true costs; NaN where not known.
    """

    first: int
    carried: Mapping[str, Sequence[str]]
    costs: Costs

    def __len__(self) -> int:
        return len(self.costs)

    def numbers(self, name: str) -> NDArray[Any]:
        """(n,) float64 of a column, NaN for empty cells; texts as objects if a cell is no number."""
        cells = self.carried[name]
        try:
            return np.array(list(map(float, cells)))
        except ValueError:
            pass
        try:
            return np.array([float(cell) if cell.strip() else math.nan for cell in cells])
        except ValueError:
            return self.texts(name)

    def texts(self, name: str) -> NDArray[np.object_]:
        """(n,) cells of a column as text; None for empty ones."""
        cells = np.empty(len(self), dtype=object)
        cells[:] = [cell.strip() or None for cell in self.carried[name]]
        return cells


class AskedPoints:
    """A CSV file of points to predict, with true costs beside them where they are known.

    Args:
        path: the file; fields separated by commas, semicolons or tabs.
        knobs: names of columns that are looked for.
        costs: names of costs, whose columns hold true costs, in any case. In a table of ours those of points that are
            not done are no true costs.
    Attributes:
        names: the columns that are not costs, in the order of the file.
        costs: as given.
    Raises:
        TableError: the file cannot be read, or has a column twice.
    """

    def __init__(self, path: Path, knobs: Collection[str], costs: Sequence[str]) -> None:
        self.path = path
        self._file = CsvFile(path, {*knobs, *costs})
        self.costs = tuple(costs)
        header = self._file.names
        lowered = [name.lower() for name in header]
        for name in header:
            if header.count(name) > 1 or (name.lower() in costs and lowered.count(name.lower()) > 1):
                raise TableError(f"{path} has several columns {name!r}", "keep one of them")
        self._cost_places = [lowered.index(cost) if cost in lowered else None for cost in costs]
        self._places = {name: i for i, name in enumerate(header) if i not in self._cost_places}
        self.names = tuple(self._places)
        ours = dict(zip(TABLE_COLUMNS, unique_names(TABLE_COLUMNS, [*knobs, *costs]), strict=True))
        state, reason = ours["State"], ours["Reason"]
        self._state = state if state in self.names and reason in self.names else None

    def column(self, *wanted: str) -> str | None:
        """The name of the column of one of these names: as written, else in any case; None where there is none.

        Raises:
            TableError: several columns fit.
        """
        for fold in (str, str.lower):
            fitting = [name for name in self.names if fold(name) in {fold(word) for word in wanted}]
            if len(fitting) > 1:
                raise TableError(f"{self.path} has several columns for {wanted[0]!r}: {', '.join(fitting)}", "keep one")
            if fitting:
                return fitting[0]
        return None

    def blocks(self) -> Iterator[Asked]:
        """Yield all rows, in order and in pieces; TableError for a broken row, with its line."""
        first = 0
        for rows in self._file.blocks():
            if not rows:
                continue
            fields = list(zip(*rows, strict=True))
            carried = {name: fields[place] for name, place in self._places.items()}
            done = np.ones(len(rows), dtype=bool)
            if self._state is not None:
                done[:] = [word == State.DONE.text for word in carried[self._state]]
            costs = np.full((len(rows), len(self.costs)), np.nan)
            for i, place in enumerate(self._cost_places):
                if place is not None:
                    costs[done, i] = self._known(i, fields[place], done, first)
            yield Asked(first, carried, costs)
            first += len(rows)

    def _known(self, cost: int, cells: Sequence[str], done: NDArray[np.bool_], first: int) -> list[float]:
        """The true costs of the rows that are done; TableError for a cell that holds something else."""
        found = []
        for row in np.flatnonzero(done).tolist():
            try:
                found.append(_cost(cells[row]))
            except ValueError as error:
                name = self._file.names[self._cost_places[cost] or 0]
                where = f"{self.path}, line {self.line(first + row)}, column {name!r}"
                hint = "a cost is a number; an empty cell, NULL or nan says that it is not known"
                raise TableError(f"{where}: {cells[row].strip()!r} is no number", hint) from error
        return found

    def line(self, row: int) -> int:
        """The line on which a row stands."""
        return self._file.line(row)


def _cost(cell: str) -> float:
    """The number in a cell, NaN for one that says that there is none or that is not finite; ValueError for text."""
    try:
        number = float(cell)
    except ValueError:
        if cell.strip().lower() not in NOT_KNOWN:
            raise
        return math.nan
    return number if math.isfinite(number) else math.nan
