"""The run directory's database: what was proposed, what became of it, and what was learned at each step."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import SpaceError, StoreError
from deffe.records import Batch, Costs, Ids, Levels, Outcome, State
from deffe.space import DesignSpace, Parameter
from deffe.store import rows
from deffe.store.config_changes import config_changes
from deffe.store.database import APPLICATION_ID, DATABASE_NAME, FORMAT, connect, damaged, disconnect, faults, is_empty
from deffe.store.layout import Layout, changes
from deffe.store.lock import RunLock
from deffe.store.outcomes import costs_of, settled
from deffe.store.points import ExplorationHistory, Points
from deffe.store.stored import plain

Source = Literal["evaluated", "pre_evaluated"]
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE configurations ("when" TEXT NOT NULL, digest TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE steps (exploration INTEGER, step INTEGER, proposed INTEGER, report TEXT, PRIMARY KEY (exploration, step));
"""


_ENDED = 'CREATE TABLE IF NOT EXISTS ended (exploration INTEGER, number INTEGER, "when" REAL)'
"""When points were evaluated, in this order; databases of older versions get it when they are resumed."""


class Store:
    """The results of a run. Made by ``create_or_resume`` or ``read``; explorations are counted from 0.

    Every method that writes is one transaction: when it returns, killing the process loses nothing of it.
    One thread writes and asks; ``table`` and ``frames`` may be called from any thread.

    Raises:
        StoreError: from any method: the disk is full, the database is damaged, or held by another program.
    """

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        layouts: Sequence[Layout],
        spaces: Sequence[DesignSpace] = (),
        lock: RunLock | None = None,
    ) -> None:
        self.folder = folder
        self._path = folder / DATABASE_NAME
        self._connection = connection
        self._layouts = tuple(layouts)
        self._spaces = tuple(spaces)
        self._lock = lock
        self._loaded: dict[int, Points] = {}
        self._steps: dict[int, set[int]] = {}
        self._next_number = -1

    @classmethod
    def create_or_resume(
        cls,
        folder: Path,
        *,
        spaces: Sequence[DesignSpace],
        names: Sequence[str],
        costs: Sequence[str],
        config_text: str,
        digest: str,
        log: logging.Logger,
        parse: Callable[[str], Any] = json.loads,
        private: bool = True,
    ) -> Store:
        """Open a run directory for writing; make it if it is not there.

        Args:
            folder: the run directory.
            spaces, names: the explorations.
            costs: names of all costs.
            config_text, digest: the configuration; the database keeps the history of its changes.
            parse: reads the text of a configuration, to tell what has changed; where it cannot: ValueError or
                DeffeError.
            private: nobody else may look into the folder, if it is made.
        Raises:
            StoreError: it cannot be written, another process writes it, it is damaged, or it was made for other
                parameters, constraints or costs, or with the costs in another order; values may have been added.
        """
        folder = Path(folder).absolute()
        layouts = [Layout.of(name, space, costs) for name, space in zip(names, spaces, strict=True)]
        _make_folder(folder, private)
        with ExitStack() as undo:
            lock = RunLock(folder)
            undo.callback(lock.release)
            connection = connect(folder / DATABASE_NAME, write=True)
            undo.callback(disconnect, connection)
            store = cls(folder, connection, layouts, spaces, lock)
            if is_empty(connection):
                store._create()
            else:
                store._resume(log)
            store._note_configuration(config_text, digest, log, parse)
            undo.pop_all()
        return store

    @classmethod
    def read(cls, folder: Path) -> Store:
        """Open a run directory for reading, while it is written or not.

        ``table``, ``frames`` and the notes show what is there at the time; the rest what was there when first asked.

        Raises:
            StoreError: there is no database, or it is damaged.
        """
        folder = Path(folder).absolute()
        path = folder / DATABASE_NAME
        if not path.exists():
            raise StoreError(f"there is no run in {folder}: it has no {DATABASE_NAME}", "give the folder of a run")
        connection = connect(path, write=False)
        try:
            if is_empty(connection):
                raise StoreError(f"the run in {folder} has recorded nothing yet", "try again when it has")
            return cls(folder, connection, _read_layouts(connection, path))
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the database and let another process write the run directory."""
        if self._lock is None:
            self._connection.close()
            return
        disconnect(self._connection)
        self._lock.release()

    # what happens to points

    def propose(self, exploration: int, batch: Batch) -> Batch:
        """Keep the points of a batch that are new, as waiting, with the run's next numbers; return those.

        A proposal without new points is remembered too: ``batch`` is then empty, not None.
        """
        points = self._points(exploration)
        new = points.new(batch.ids)
        numbers = np.arange(self._number(), self._number() + len(new), dtype=np.int64)
        fresh = Batch(batch.step, batch.levels[new], batch.ids[new], numbers)
        with self._transaction():
            for start in range(0, len(fresh), rows.CHUNK):
                self._insert(exploration, fresh.take(np.arange(start, min(start + rows.CHUNK, len(fresh)))))
            self._connection.execute(
                "INSERT INTO steps VALUES (?, ?, ?, NULL) ON CONFLICT DO UPDATE"
                " SET proposed = coalesce(proposed, 0) + excluded.proposed",
                (exploration, batch.step, len(fresh)),
            )
        points.append(fresh.levels, fresh.ids, fresh.numbers, fresh.step)
        self._steps[exploration].add(batch.step)
        self._next_number += len(fresh)
        return fresh

    def record(self, exploration: int, batch: Batch, outcome: Outcome, source: Source) -> None:
        """Keep what is known of some points of a proposed batch."""
        self.record_many(exploration, batch, [outcome], source)

    def record_many(self, exploration: int, batch: Batch, outcomes: Sequence[Outcome], source: Source) -> None:
        """Keep several outcomes of one batch, all or none.

        A point counts as done only with finite costs; otherwise it has failed, and its reason says why.
        """
        layout, points = self._layouts[exploration], self._points(exploration)
        outcomes = [settled(outcome, batch, layout.costs) for outcome in outcomes]
        places = [points.places(batch.numbers[outcome.rows], batch.ids[outcome.rows]) for outcome in outcomes]
        if not outcomes:
            return
        sql = rows.update(exploration, layout)
        with self._transaction():
            for outcome in outcomes:
                for piece in rows.outcome_rows(batch, outcome, source, self.folder):
                    self._connection.executemany(sql, piece)
                if source == "evaluated":
                    self._connection.executemany(*rows.ends(exploration, batch.numbers[outcome.rows], time.time()))
        for place, outcome in zip(places, outcomes, strict=True):
            points.update(place, outcome.states, costs_of(outcome))

    # what is known of points

    def batch(self, exploration: int, step: int) -> Batch | None:
        """What a step proposed, in that order; None when it never proposed."""
        points = self._points(exploration)
        return points.of_step(step) if step in self._steps[exploration] else None

    def states(self, exploration: int, ids: Ids) -> NDArray[np.int8]:
        """(n,) State codes; -1 for points never proposed."""
        return self._points(exploration).states(ids)

    def known(self, exploration: int) -> Ids:
        """(n,) identities of all points proposed, in the order of their numbers; read-only."""
        return self._points(exploration).ids

    def numbers(self, exploration: int) -> NDArray[np.int64]:
        """(n,) running numbers of all points proposed, as ``known`` has them; read-only."""
        return self._points(exploration).numbers

    def done(self, exploration: int) -> tuple[Levels, Costs, Ids]:
        """(n, p) levels, (n, c) costs and (n,) identities of the done points, in the order of their numbers."""
        return self._points(exploration).done()

    def history(self, exploration: int) -> ExplorationHistory:
        """All points proposed so far, as they are now."""
        return self._points(exploration).history()

    def seconds(self, exploration: int) -> float:
        """Run times of all points that were evaluated, added up; of points tried again that of the last attempt."""
        sql = f"SELECT total(evaluate_s) FROM {rows.table_name(exploration)} WHERE source = 'evaluated'"
        with faults(self._path):
            return float(self._connection.execute(sql).fetchone()[0])

    def count(self, exploration: int) -> dict[State, int]:
        """How many points are in each state."""
        return self._points(exploration).count()

    def tally(self, exploration: int, column: Literal["source", "reason"]) -> dict[str, int]:
        """How many points have each text in a column: the 100 most frequent ones that are not empty."""
        sql = (
            f"SELECT {column}, count(*) AS points FROM {rows.table_name(exploration)} WHERE {column} != ''"
            f" GROUP BY {column} ORDER BY points DESC, min(number) LIMIT 100"
        )
        with faults(self._path):
            return dict(self._connection.execute(sql).fetchall())

    def table(self, exploration: int) -> pd.DataFrame:
        """The cost table: id, number, step, state, reason, source, parameters, costs, evaluate_s, extract_s, folder.

        Costs are NaN unless the state is ``done``. Where a parameter or cost has the name of another column, that
        other one gets a suffix.
        """
        return pd.concat(list(self.frames(exploration)), ignore_index=True)

    def frames(self, exploration: int) -> Iterator[pd.DataFrame]:
        """The cost table in pieces, in the order of the numbers; at least one piece, which may be empty."""
        layout, last, first = self._layouts[exploration], -1, True
        sql = rows.select_frame(exploration, layout)
        while True:
            with faults(self._path), closing(connect(self._path, write=False)) as connection:
                piece = connection.execute(sql, (last,)).fetchall()  # no lock is held between pieces
            if piece or first:
                with self._sense():
                    frame = rows.to_frame(layout, self.folder, piece)
                yield frame
            if len(piece) < rows.CHUNK:
                return
            last, first = piece[-1][0], False

    # steps and notes

    def save_step(self, exploration: int, step: int, report: dict[str, Any]) -> None:
        """Keep what was learned at a step; a later report of the step replaces it."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO steps VALUES (?, ?, NULL, ?) ON CONFLICT DO UPDATE SET report = excluded.report",
                (exploration, step, _json(report)),
            )

    def steps(self, exploration: int) -> dict[int, dict[str, Any]]:
        """The report of each step that has one."""
        sql = "SELECT step, report FROM steps WHERE exploration = ? AND report IS NOT NULL ORDER BY step"
        with faults(self._path):
            return {step: self._loads(report) for step, report in self._connection.execute(sql, (exploration,))}

    def get_meta(self, key: str, default: Any = None) -> Any:
        """A note on the run, in JSON's types."""
        with faults(self._path):
            row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else self._loads(row[0])

    def set_meta(self, key: str, value: Any) -> None:
        """Keep a note on the run."""
        with self._transaction():
            self._set_meta(key, value)

    def names(self, exploration: int) -> tuple[str, ...]:
        """The names of the parameters, then of the costs."""
        layout = self._layouts[exploration]
        return (*(parameter.name for parameter in layout.parameters), *layout.costs)

    def parameters(self, exploration: int) -> tuple[Parameter, ...]:
        """The parameters with their values, as far as the database keeps them: without scales and units."""
        return self._layouts[exploration].parameters

    def ends(self, exploration: int) -> dict[int, float]:
        """When each point was evaluated last, in seconds of Unix time, by its number; older runs do not tell."""
        with faults(self._path):
            if not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ended'").fetchone():
                return {}
            sql = 'SELECT number, "when" FROM ended WHERE exploration = ? ORDER BY rowid'
            return dict(self._connection.execute(sql, (exploration,)).fetchall())

    def configurations(self) -> list[tuple[str, str, str]]:
        """When (UTC), digest and text of each configuration the run was started or resumed with, where it changed."""
        with faults(self._path):
            return list(self._connection.execute('SELECT "when", digest, text FROM configurations ORDER BY rowid'))

    # opening

    def _create(self) -> None:
        with self._transaction():
            for statement in _TABLES.split(";")[:-1]:
                self._connection.execute(statement)
            self._connection.execute(_ENDED)
            for index, layout in enumerate(self._layouts):
                self._connection.execute(rows.create(index, layout))
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {FORMAT}")
            self._set_meta("layouts", [layout.to_json() for layout in self._layouts])

    def _resume(self, log: logging.Logger) -> None:
        before = _read_layouts(self._connection, self._path)
        forbidden, added = changes(before, self._layouts)
        if forbidden:
            raise StoreError(
                f"the run in {self.folder} was made for another design space:\n  " + "\n  ".join(forbidden),
                "undo the change, or choose another run directory; values may be added",
            )
        for line in added:
            log.info("resumed with a larger design space: %s", line)
        self._layouts = tuple(new.with_columns_of(old) for old, new in zip(before, self._layouts, strict=True))
        with self._transaction():
            self._connection.execute(_ENDED)
            if added:
                self._set_meta("layouts", [layout.to_json() for layout in self._layouts])
            for index in range(len(self._layouts)):
                self._connection.execute(
                    f"UPDATE {rows.table_name(index)} SET state = 'waiting' WHERE state = 'running'"
                )

    def _note_configuration(
        self, config_text: str, digest: str, log: logging.Logger, parse: Callable[[str], Any]
    ) -> None:
        history, config_text = self.configurations(), plain(config_text)
        if history and history[-1][1:] == (digest, config_text):
            return
        if history and history[-1][1] != digest:
            log.info("the configuration has changed since %s", history[-1][0])
            for line in config_changes(history[-1][2], config_text, parse):
                log.info("changed: %s", line)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with self._transaction():
            self._connection.execute("INSERT INTO configurations VALUES (?, ?, ?)", (now, digest, config_text))

    # details

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with faults(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite has rolled back by itself when the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    def _set_meta(self, key: str, value: Any) -> None:
        self._connection.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (key, _json(value))
        )

    def _loads(self, written: str) -> Any:
        try:
            return json.loads(written)
        except ValueError as error:
            raise damaged(self._path, f"a note cannot be read: {error}") from error

    def _number(self) -> int:
        """The running number of the next point."""
        if self._next_number < 0:
            with faults(self._path):
                tables = map(rows.table_name, range(len(self._layouts)))
                queries = (f"SELECT coalesce(max(number), -1) + 1 FROM {table}" for table in tables)
                self._next_number = max(self._connection.execute(query).fetchone()[0] for query in queries)
        return self._next_number

    def _insert(self, exploration: int, batch: Batch) -> None:
        layout = self._layouts[exploration]
        active = self._spaces[exploration].active(batch.levels) if layout.conditions else None
        self._connection.executemany(rows.insert(exploration, layout), rows.point_rows(layout, batch, active))

    @contextmanager
    def _sense(self) -> Iterator[None]:
        """For reading what SQLite takes for whole."""
        try:
            yield
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self._path, f"it holds the unknown value {error}") from error

    def _points(self, exploration: int) -> Points:
        if exploration not in self._loaded:
            self._loaded[exploration] = self._load(exploration)
        return self._loaded[exploration]

    def _load(self, exploration: int) -> Points:
        layout = self._layouts[exploration]
        points = Points(len(layout.parameters), len(layout.costs))
        with faults(self._path):
            cursor = self._connection.execute(rows.select_points(exploration, layout))
            while piece := cursor.fetchmany(rows.CHUNK):
                with self._sense():
                    rows.append(points, layout, piece)
            proposed = "SELECT step FROM steps WHERE exploration = ? AND proposed IS NOT NULL"
            self._steps[exploration] = {row[0] for row in self._connection.execute(proposed, (exploration,))}
        return points


def _make_folder(folder: Path, private: bool) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700 if private else 0o777, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the run directory {folder} cannot be made: {error.strerror or error}",
            "choose a run directory that is a folder, or can be made, where you may write",
        ) from error


def _read_layouts(connection: sqlite3.Connection, path: Path) -> list[Layout]:
    with faults(path):
        row = connection.execute("SELECT value FROM meta WHERE key = 'layouts'").fetchone()
    try:
        return [Layout.from_json(data) for data in json.loads(row[0])]
    except (TypeError, ValueError, KeyError, SpaceError) as error:
        raise damaged(path, "what it was made for cannot be read") from error


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain_number)


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be kept as JSON")
