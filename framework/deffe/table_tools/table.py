"""A table with what its rows come from, so that a fault is told with its file and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deffe.errors import TableError, counted, nearest
from deffe.table_tools.cells import NUMBER, as_numbers, is_numeric

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Origin:
    """Where rows were read.

    Args:
        name: the file, sheet or folder, for messages.
        stem: its short name, which tells its columns and rows from those of others.
        unit: what its rows are counted by: ``line`` or ``row``.
    """

    name: str
    stem: str
    unit: str


@dataclass(frozen=True)
class Table:
    """Rows and named columns.

    Args:
        frame: n rows; numbers are int64, Int64, float64 or bool, everything else is object: text, None where empty.
        origins: what the rows were read from.
        origin: (n,) position in ``origins`` of each row.
        line: (n,) line or row on which each row stands there.
    """

    frame: pd.DataFrame
    origins: tuple[Origin, ...]
    origin: Positions
    line: Positions

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        return [str(name) for name in self.frame.columns]

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return " and ".join(origin.name for origin in self.origins)

    def where(self, row: int) -> str:
        """The place of a row, such as ``kmeans.csv, line 7``."""
        origin = self.origins[int(self.origin[row])]
        return f"{origin.name}, {origin.unit} {int(self.line[row])}"

    def take(self, rows: ArrayLike) -> Table:
        """The rows of a (n,) mask, or of positions in their order."""
        chosen = np.asarray(rows)
        chosen = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.int64)
        frame = self.frame.iloc[chosen].reset_index(drop=True)
        return Table(frame, self.origins, self.origin[chosen], self.line[chosen])

    def having(self, name: str, values: Any) -> Table:
        """With this column: in the place of the one of this name, else as the last."""
        column = pd.Series(values, index=self.frame.index)
        parts = {old: self.frame[old] for old in self.names}
        parts[name] = column
        return self.with_frame(pd.DataFrame(parts, index=self.frame.index))

    def with_frame(self, frame: pd.DataFrame) -> Table:
        """The same rows with other columns."""
        return Table(frame, self.origins, self.origin, self.line)

    def require(self, names: Sequence[str], option: str) -> None:
        """TableError for a name that is no column."""
        for name in names:
            if name not in self.names:
                raise TableError(f"{option}: {self.title} has no column {name!r}", nearest(name, self.names))

    def numbers(self, name: str, option: str) -> NDArray[np.float64]:
        """(n,) values of a column, NaN where it is empty; TableError with the place of a cell that is no number."""
        self.require([name], option)
        series = self.frame[name]
        if not is_numeric(series):
            for row, cell in enumerate(series.tolist()):
                if isinstance(cell, str) and not NUMBER.fullmatch(cell):
                    hint = f"{option} takes columns of numbers: {', '.join(self.numeric_names()) or 'there are none'}"
                    raise TableError(f"{self.where(row)}, column {name!r}: {cell!r} is no number", hint)
        return as_numbers(series)

    def numeric_names(self) -> list[str]:
        """The columns of numbers."""
        return [name for name in self.names if is_numeric(self.frame[name])]

    def groups(self, names: Sequence[str], option: str) -> NDArray[np.int64]:
        """(n,) number of the group of each row, by first appearance; one group where no names are given."""
        self.require(names, option)
        if not names:
            return np.zeros(len(self), dtype=np.int64)
        made = self.frame.groupby(list(names), sort=False, dropna=False).ngroup()
        return made.to_numpy(dtype=np.int64)

    def described(self, row: int, names: Sequence[str]) -> str:
        """What a row has in these columns: ``app=fft size=4``."""
        return " ".join(f"{name}={self.frame[name].iloc[row]}" for name in names)

    def size(self) -> str:
        """How large it is, for messages."""
        return f"{counted(len(self), 'row')}, {counted(len(self.names), 'column')}"


def fresh(frame: pd.DataFrame, origin: Origin, lines: ArrayLike) -> Table:
    """A table as it was read from one place."""
    rows = np.asarray(lines, dtype=np.int64)
    return Table(frame, (origin,), np.zeros(len(rows), dtype=np.int64), rows)
