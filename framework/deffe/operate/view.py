"""What stands in the database of a run at one moment, without the libraries that a run needs."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deffe.errors import StoreError
from deffe.operate.activity import ACTIVITY, Activity
from deffe.store.database import DATABASE_NAME, connect, damaged, faults, is_empty, quoted

FAILED = ("failed", "timed_out", "invalid")
STATES = ("waiting", "running", "done", *FAILED)


@dataclass(frozen=True)
class Part:
    """One exploration.

    Args:
        table: its table in the database.
        knobs, costs: name to column.
    """

    index: int
    name: str
    table: str
    knobs: dict[str, str]
    costs: dict[str, str]


@dataclass(frozen=True)
class Ended:
    """A point that has been evaluated; ``serial`` rises from one to the next."""

    serial: int
    exploration: int
    number: int
    when: float


class View:
    """A run's database, opened for one look: while it is open a run may have to wait."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.parts = self._read_parts()

    def activity(self) -> Activity | None:
        """What the run has noted of itself; None for one of an older version."""
        row = self._rows("SELECT value FROM meta WHERE key = ?", (ACTIVITY,))
        try:
            return Activity.from_note(json.loads(row[0][0])) if row else None
        except (TypeError, ValueError, AttributeError) as error:
            raise damaged(self._path, f"the note {ACTIVITY!r} cannot be read") from error

    def counts(self, part: Part) -> dict[str, int]:
        """How many points are in each state."""
        found = dict(self._rows(f"SELECT state, count(*) FROM {part.table} GROUP BY state"))
        return {state: int(found.get(state, 0)) for state in STATES}

    def last_step(self, part: Part) -> int | None:
        """The last step that has proposed points."""
        sql = "SELECT max(step) FROM steps WHERE exploration = ? AND proposed IS NOT NULL"
        step: int | None = self._rows(sql, (part.index,))[0][0]
        return step

    def reasons(self, part: Part, most: int) -> list[tuple[str, int]]:
        """The most frequent reasons of failures, each with its count."""
        words = ", ".join(f"'{state}'" for state in FAILED)
        sql = (
            f"SELECT reason, count(*) AS points FROM {part.table} WHERE state IN ({words})"
            " GROUP BY reason ORDER BY points DESC, min(number) LIMIT ?"
        )
        return [(str(reason), int(points)) for reason, points in self._rows(sql, (most,))]

    def ended_since(self, when: float) -> int:
        """How many points were evaluated after a time."""
        return int(self._rows('SELECT count(*) FROM ended WHERE "when" > ?', (when,))[0][0]) if self._tells_ends else 0

    def last_end(self) -> float | None:
        """When the last point was evaluated."""
        found = self.ends(-1, 1)
        return found[-1].when if found else None

    def ends(self, after: int, most: int) -> list[Ended]:
        """The first points evaluated after a serial number, in this order; the last ones where it is -1."""
        if not self._tells_ends:
            return []
        columns = 'SELECT rowid, exploration, number, "when" FROM ended'
        if after < 0:
            found = self._rows(f"{columns} ORDER BY rowid DESC LIMIT ?", (most,))[::-1]
        else:
            found = self._rows(f"{columns} WHERE rowid > ? ORDER BY rowid LIMIT ?", (after, most))
        return [Ended(*row) for row in found]

    def points(self, part: Part, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Points by number: ``state``, ``reason``, ``evaluate_s``, ``knobs`` and ``costs``."""
        columns = [*part.knobs.values(), *part.costs.values()]
        names = ", ".join(["number", "state", "reason", "evaluate_s", *map(quoted, columns)])
        found: dict[int, dict[str, Any]] = {}
        for number in numbers:
            for row in self._rows(f"SELECT {names} FROM {part.table} WHERE number = ?", (number,)):
                values = row[4:]
                found[number] = {
                    **dict(zip(("state", "reason", "evaluate_s"), row[1:4], strict=True)),
                    "knobs": dict(zip(part.knobs, values, strict=False)),
                    "costs": dict(zip(part.costs, values[len(part.knobs) :], strict=True)),
                }
        return found

    def _read_parts(self) -> tuple[Part, ...]:
        tables = {row[0] for row in self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self._tells_ends = "ended" in tables
        row = self._rows("SELECT value FROM meta WHERE key = 'layouts'")
        try:
            return tuple(_part(index, layout) for index, layout in enumerate(json.loads(row[0][0])))
        except (IndexError, TypeError, ValueError, KeyError) as error:
            raise damaged(self._path, "what it was made for cannot be read") from error

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with faults(self._path):
            return self._connection.execute(sql, values).fetchall()


@contextmanager
def view_of(folder: Path) -> Iterator[View]:
    """Look at a run directory.

    Raises:
        StoreError: it is damaged, of a newer version, or has nothing yet.
    """
    path = folder / DATABASE_NAME
    with closing(connect(path, write=False)) as connection:
        if is_empty(connection):
            raise StoreError(f"the run in {folder} has recorded nothing yet", "try again when it has")
        with faults(path):
            connection.execute("BEGIN")  # one moment: no point is counted in two states
        yield View(connection, path)


def now() -> float:
    """The time of the clock."""
    return time.time()


def _part(index: int, layout: Any) -> Part:
    """The exploration of a layout, as the store has noted it; of the knobs those that vary."""
    knobs = layout["parameters"]
    columns = dict(zip((knob["name"] for knob in knobs), layout["columns"], strict=False))
    varying = {knob["name"]: columns[knob["name"]] for knob in knobs if len(knob["values"]) > 1}
    costs = dict(zip(layout["costs"], layout["columns"][len(knobs) :], strict=True))
    return Part(index, layout["name"], f"exploration_{index}", varying, costs)
