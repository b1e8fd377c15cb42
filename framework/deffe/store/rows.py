"""The rows of an exploration in the database: from batches and outcomes, and back to points and the cost table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.records import Batch, Outcome, State
from deffe.store.database import quoted
from deffe.store.layout import Layout
from deffe.store.outcomes import costs_of
from deffe.store.points import Points
from deffe.store.stored import plain
from deffe.tables.columns import bookkeeping, id_texts

CHUNK = 2_048
"""Points that are Python objects at the same time."""

Row = tuple[Any, ...]
_WORDS = np.array([state.text for state in State], dtype=object)
_CODES = {state.text: int(state) for state in State}
_FIRST = ("number", "id", "step", "state", "reason", "source")
_LAST = ("evaluate_s", "extract_s", "folder")


def table_name(exploration: int) -> str:
    """The table of an exploration."""
    return f"exploration_{exploration}"


def create(exploration: int, layout: Layout) -> str:
    """The statement that makes the table of an exploration."""
    # Parameters have no type, so that SQLite keeps numbers and texts such as "007" exactly as they are.
    columns = [*map(quoted, layout.parameter_columns), *(f"{quoted(name)} REAL" for name in layout.cost_columns)]
    return (
        f"CREATE TABLE {table_name(exploration)} (number INTEGER PRIMARY KEY, id INTEGER NOT NULL,"
        " step INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'waiting', reason TEXT NOT NULL DEFAULT '',"
        f" source TEXT NOT NULL DEFAULT '', {', '.join(columns)},"
        " evaluate_s REAL, extract_s REAL, folder TEXT NOT NULL DEFAULT '')"
    )


def insert(exploration: int, layout: Layout) -> str:
    """The statement that adds a row of ``point_rows``."""
    columns = ["number", "id", "step", *map(quoted, layout.parameter_columns)]
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table_name(exploration)} ({', '.join(columns)}) VALUES ({places})"


def point_rows(layout: Layout, batch: Batch, active: NDArray[np.bool_] | None) -> Iterator[Row]:
    """The rows of new points.

    Args:
        active: (n, p) where a parameter has a meaning; None when all have.
    """
    values = [
        column.write(batch.levels[:, i], None if active is None else active[:, i])
        for i, column in enumerate(layout.stored)
    ]
    return zip(batch.numbers.tolist(), batch.ids.tolist(), repeat(batch.step), *values)


def update(exploration: int, layout: Layout) -> str:
    """The statement that sets a row of ``outcome_rows``."""
    columns = ["state", "reason", "source", *_LAST, *map(quoted, layout.cost_columns)]
    return f"UPDATE {table_name(exploration)} SET {' = ?, '.join(columns)} = ? WHERE number = ?"


def outcome_rows(batch: Batch, outcome: Outcome, source: str, root: Path) -> Iterator[Iterator[Row]]:
    """The rows of a settled outcome, in pieces; SQLite keeps NaN as NULL.

    Args:
        root: the run directory; a trial's folder in it is kept relative to it, so that it can be moved. Folders of
            points that were evaluated elsewhere are kept as they are.
    """
    folder = _relative(outcome.trial.folder, root) if outcome.trial and outcome.trial.folder else ""
    costs = costs_of(outcome)
    for start in range(0, len(outcome.rows), CHUNK):
        part = slice(start, start + CHUNK)
        yield zip(
            _WORDS[outcome.states[part]].tolist(),
            map(plain, outcome.reasons[part]) if outcome.reasons else repeat(""),
            repeat(source),
            outcome.seconds[part].tolist(),
            outcome.extract_seconds[part].tolist(),
            map(plain, outcome.folders[part]) if outcome.folders else repeat(folder),
            *costs[part].T.tolist(),
            batch.numbers[outcome.rows[part]].tolist(),
        )


def ends(exploration: int, numbers: NDArray[np.int64], when: float) -> tuple[str, Iterator[Row]]:
    """The statement, and its rows, that notes when points were evaluated (``time.time``)."""
    return "INSERT INTO ended VALUES (?, ?, ?)", zip(repeat(exploration), numbers.tolist(), repeat(when))


def select_points(exploration: int, layout: Layout) -> str:
    """The query for the rows that ``append`` takes."""
    columns = ", ".join(["number", "id", "step", "state", *map(quoted, layout.columns)])
    return f"SELECT {columns} FROM {table_name(exploration)} ORDER BY number"


def append(points: Points, layout: Layout, rows: Sequence[Row]) -> None:
    """Add rows of ``select_points``; KeyError, TypeError or ValueError where they make no sense."""
    numbers, ids, steps, states, *values = zip(*rows, strict=True)
    first, split = len(points), len(layout.parameters)
    levels = np.empty((len(rows), split), dtype=np.int32)
    costs = np.empty((len(rows), len(layout.costs)))
    for i, column in enumerate(layout.stored):
        levels[:, i] = column.read(values[i])
    for i in range(len(layout.costs)):
        costs[:, i] = values[split + i]
    codes = np.array([_CODES[state] for state in states], dtype=np.int8)
    points.append(levels, *(np.array(column, dtype=np.int64) for column in (ids, numbers, steps)))
    points.update(np.arange(first, len(points)), codes, costs)


def select_frame(exploration: int, layout: Layout) -> str:
    """The query for a piece of the cost table: the rows that ``to_frame`` takes, after a number."""
    columns = ", ".join([*_FIRST, *map(quoted, layout.columns), *_LAST])
    return f"SELECT {columns} FROM {table_name(exploration)} WHERE number > ? ORDER BY number LIMIT {CHUNK}"


def to_frame(layout: Layout, root: Path, rows: Sequence[Row]) -> pd.DataFrame:
    """A piece of the cost table from rows of ``select_frame``; KeyError, TypeError or ValueError as for ``append``."""
    width = len(_FIRST) + len(layout.columns) + len(_LAST)
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    number, ids, step, state, reason, source = columns[: len(_FIRST)]
    evaluate_s, extract_s, folders = columns[-len(_LAST) :]
    values = columns[len(_FIRST) : -len(_LAST)]
    parameters = [parameter.name for parameter in layout.parameters]
    names = bookkeeping([*parameters, *layout.costs])
    typed = [column.typed(found) for column, found in zip(layout.stored, values, strict=False)]
    costs = [np.array(found, dtype=np.float64) for found in values[len(parameters) :]]
    frame: pd.DataFrame = pd.DataFrame(
        {
            names["id"]: _texts(id_texts(np.array(ids, dtype=np.int64))),
            names["number"]: np.array(number, dtype=np.int64),
            names["step"]: np.array(step, dtype=np.int64),
            names["state"]: _texts(state),
            names["reason"]: _texts(reason),
            names["source"]: _texts(source),
            **dict(zip(parameters, typed, strict=True)),
            **dict(zip(layout.costs, costs, strict=True)),
            names["evaluate_s"]: np.array(evaluate_s, dtype=np.float64),
            names["extract_s"]: np.array(extract_s, dtype=np.float64),
            names["folder"]: _texts([str(root / path) if path else "" for path in folders]),
        }
    )
    return frame


def _relative(folder: Path, root: Path) -> str:
    try:
        return plain(str(folder.relative_to(root)))
    except ValueError:
        return plain(str(folder))


def _texts(values: Sequence[str]) -> NDArray[Any]:
    """An object array that holds equal texts once."""
    seen: dict[str, str] = {}
    column = np.empty(len(values), dtype=object)
    column[:] = [seen.setdefault(value, value) for value in values]
    return column
