"""Tables of known results: from a CSV file to points, costs and states, with every row accounted for."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import TableError, counted, nearest
from deffe.records import Costs, Ids, Levels, Outcome, State
from deffe.space import DesignSpace, Parameter
from deffe.space.frames import MISSING, UNKNOWN, column_levels, find_columns
from deffe.tables.columns import PREDICTED, TABLE_COLUMNS, unique_names
from deffe.tables.csv_in import CsvFile
from deffe.tables.csv_out import PredictionWriter, TablePaths, table_paths, write_min_max, write_tables
from deffe.tables.repeats import Repeats

__all__ = [
    "PredictionWriter",
    "Results",
    "TablePaths",
    "read_results",
    "table_paths",
    "write_min_max",
    "write_tables",
]

_ELSEWHERE = -3  # a value that the configuration declares, but not for this exploration
_MOST_FAULTS = 5
_KNOWN = {state.text: int(state) for state in (State.DONE, State.FAILED, State.TIMED_OUT, State.INVALID)}
_UNKNOWN = (State.WAITING.text, State.RUNNING.text, PREDICTED)


@dataclass(frozen=True)
class Results:
    """Known results: distinct points of a design space.

    Args:
        levels: (n, p) int32.
        ids: (n,) int64.
        costs: (n, c) float64; NaN where the state is not ``DONE``.
        states: (n,) int8 State codes.
        reasons: n texts, or () when no point failed.
        folders: n absolute paths, empty texts where a point has none; or () when no point has one.
        seconds: (n,) wall times of the evaluations in seconds, NaN where not known.
        extract_seconds: (n,) the same of the extractions.
        rows: (n,) positions in the table, from 0 behind its header.
        notes: what a user should know of the table, a line each.
    """

    levels: Levels
    ids: Ids
    costs: Costs
    states: NDArray[np.int8]
    reasons: tuple[str, ...]
    folders: tuple[str, ...]
    seconds: NDArray[np.float64]
    extract_seconds: NDArray[np.float64]
    rows: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, ids: Ids) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Look points up.

        Args:
            ids: (m,) identities.
        Returns:
            the rows of those that are here, in the order of ``ids``, and (m,) bool: which those are.
        """
        if not len(self):
            return np.empty(0, dtype=np.int64), np.zeros(len(ids), dtype=bool)
        place = np.searchsorted(self.ids, ids, sorter=self._order)
        rows = self._order.take(place, mode="clip")
        found = self.ids[rows] == ids
        return rows[found], found

    def reasons_at(self, rows: NDArray[np.int64]) -> tuple[str, ...]:
        """The reasons of some rows, or () when no point failed."""
        return tuple(self.reasons[row] for row in rows.tolist()) if self.reasons else ()

    def outcome(self, rows: NDArray[np.int64], at: NDArray[np.int64]) -> Outcome:
        """What is known of (m,) rows of a batch; ``at`` says where ``find`` found them."""
        return Outcome(
            rows=rows,
            states=self.states[at],
            costs=self.costs[at],
            reasons=self.reasons_at(at),
            seconds=self.seconds[at],
            extract_seconds=self.extract_seconds[at],
            folders=tuple(self.folders[row] for row in at.tolist()) if self.folders else (),
        )

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self.ids)


def read_results(
    path: Path,
    space: DesignSpace,
    costs: Sequence[str],
    *,
    declared: DesignSpace | None = None,
    costs_optional: bool = False,
) -> Results:
    """Read a table of results, of deffe or of any other origin.

    Columns are found by parameter name or map, costs in any case; the column of a parameter with one value may be
    absent. Of rows for the same point the first counts. A row whose cost is no finite number is a failed point.
    ``EvaluateTime``, ``ExtractTime`` and ``RunDir`` are read where these columns are there.

    Args:
        path: a CSV file with a header; fields separated by commas, semicolons or tabs.
        space: the design space that rows are looked up in.
        costs: names of the costs to read.
        declared: the space of all values that the configuration declares: rows with these are left out, not faults.
        costs_optional: for tables of points of which some or all costs are not known; those are NaN, and the points
            are waiting.
    Raises:
        TableError: with file and line: an absent column, a value that the space does not have, a broken row.
    """
    return _Reader(Path(path), space, tuple(costs), declared, costs_optional).read()


@dataclass
class _Block:
    """Rows that give points; ``rows`` are their numbers in the table, from 0, the rest is as in ``Results``."""

    levels: Levels
    costs: Costs
    states: NDArray[np.int8]
    reasons: NDArray[np.object_]
    folders: NDArray[np.object_]
    seconds: NDArray[np.float64]
    extract_seconds: NDArray[np.float64]
    rows: NDArray[np.int64]

    @classmethod
    def joined(cls, blocks: Sequence[_Block]) -> _Block:
        return cls(*(np.concatenate([getattr(block, column.name) for block in blocks]) for column in fields(cls)))

    def take(self, rows: NDArray[np.generic]) -> _Block:
        return _Block(*(getattr(self, column.name)[rows] for column in fields(self)))


class _Reader:
    """Reads one table, block by block."""

    def __init__(
        self, path: Path, space: DesignSpace, costs: tuple[str, ...], declared: DesignSpace | None, costs_optional: bool
    ) -> None:
        names = [name for p in space.parameters for name in (p.name, p.map)]
        self._file = CsvFile(path, {*names, *costs})
        self._path = path
        self._space = space
        self._costs = costs
        self._optional = costs_optional
        places = find_columns(space.parameters, self._file.names, str(path))
        others = {p.name: p for p in declared.parameters} if declared else {}
        self._columns = [
            _LevelColumn(p, others.get(p.name), place) for p, place in zip(space.parameters, places, strict=True)
        ]
        self._cost_places = [self._cost_place(cost) for cost in costs]
        self._own_places = self._find_own()
        self._first = 0
        self._skipped = {"other values": 0, "constraints": 0, "without result": 0, "repeated": 0}

    def read(self) -> Results:
        blocks = [self._block(rows) for rows in self._file.blocks() if rows]
        if not blocks:
            raise TableError(f"{self._path} has no rows, only the names of its columns", "add a row a point")
        block = _Block.joined(blocks)
        ids = self._space.ids(block.levels)
        repeats = Repeats.of(ids)
        self._skipped["repeated"] = len(repeats.again)
        conflicts = repeats.conflicts(block.costs, self._costs, lambda at: self._file.line(int(block.rows[at])))
        first = block.take(repeats.kept)
        failed = bool(((first.states != State.DONE) & (first.states != State.WAITING)).any())
        return Results(
            levels=first.levels,
            ids=ids[repeats.kept],
            costs=first.costs,
            states=first.states,
            reasons=tuple(first.reasons) if failed else (),
            folders=tuple(first.folders) if first.folders.any() else (),
            seconds=first.seconds,
            extract_seconds=first.extract_seconds,
            rows=first.rows,
            notes=tuple(self._notes(first, conflicts)),
        )

    def _block(self, rows: Sequence[Sequence[str]]) -> _Block:
        fields = list(zip(*rows, strict=True))
        levels, inside = self._levels(fields, len(rows))
        costs = np.full((len(rows), len(self._costs)), np.nan)
        for i, place in enumerate(self._cost_places):
            if place is not None:
                costs[:, i] = _numbers(fields[place])
        states, reasons = self._states(fields, costs, inside)
        seconds, extract_seconds = (self._times(fields, name, len(rows)) for name in ("EvaluateTime", "ExtractTime"))
        folders, numbers = self._folders(fields, len(rows)), np.arange(self._first, self._first + len(rows))
        self._first += len(rows)
        block = _Block(levels, costs, states, reasons, folders, seconds, extract_seconds, numbers)
        block = block.take(inside & (states >= 0))
        block.costs[block.states > State.DONE] = np.nan
        return block

    def _levels(self, fields: Sequence[Sequence[str]], rows: int) -> tuple[Levels, NDArray[np.bool_]]:
        """(n, p) levels and (n,) bool: which rows are points of the space."""
        levels = np.empty((rows, len(self._columns)), dtype=np.int32)
        for i, column in enumerate(self._columns):
            levels[:, i] = column.levels(fields)
        active = self._space.active(np.maximum(levels, 0))
        bad = active & (levels < 0)
        if (bad & (levels != _ELSEWHERE)).any():
            raise self._faults(fields, levels, bad)
        inside = ~bad.any(axis=1)
        levels = np.where(active & ~bad, levels, np.int32(0))
        self._skipped["other values"] += int((~inside).sum())
        valid = inside.copy()
        valid[inside] = self._space.valid(levels[inside])
        self._skipped["constraints"] += int((inside & ~valid).sum())
        return levels, valid

    def _faults(self, fields: Sequence[Sequence[str]], levels: Levels, bad: NDArray[np.bool_]) -> TableError:
        rows, columns = np.nonzero(bad & (levels != _ELSEWHERE))
        lines = []
        for row, i in list(zip(rows.tolist(), columns.tolist(), strict=True))[:_MOST_FAULTS]:
            column = self._columns[i]
            parameter = column.parameter
            cell = "" if column.place is None else fields[column.place][row].strip()
            found = repr(cell) if cell else "no value"
            where = f"line {self._line(row)}, column {parameter.name!r}"
            lines.append(f"{where}: {found}; allowed: {parameter.allowed}")
        return TableError(f"{self._path} has a value that the design space does not have", "\n  ".join(lines))

    def _states(
        self, fields: Sequence[Sequence[str]], costs: Costs, inside: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int8], NDArray[np.object_]]:
        """(n,) State codes, -1 for rows that hold no result, and (n,) reasons."""
        states = np.full(len(costs), State.DONE, dtype=np.int8)
        reasons = np.full(len(costs), "", dtype=object)
        if {"State", "Reason"} <= self._own_places.keys():
            words = fields[self._own_places["State"]]
            states[:] = [self._code(word, row) for row, word in enumerate(words)]
            failed = states > State.DONE
            reasons[failed] = np.array(fields[self._own_places["Reason"]], dtype=object)[failed]
            costs[states < 0] = np.nan  # a predicted cost is not a known one
            if self._optional:
                states[states < 0] = State.WAITING
            self._skipped["without result"] += int((inside & (states < 0)).sum())
        lacking = (states == State.DONE) & ~np.isfinite(costs).all(axis=1)
        if self._optional:
            states[lacking] = State.WAITING
            return states, reasons
        for row in np.flatnonzero(lacking & inside).tolist():
            states[row], reasons[row] = State.FAILED, self._why(fields, costs, row)
        return states, reasons

    def _code(self, word: str, row: int) -> int:
        code = -1 if word in _UNKNOWN else _KNOWN.get(word)
        if code is None:
            raise TableError(
                f"{self._path}, line {self._line(row)}: the state {word!r} is not known",
                f"states: {', '.join([*_KNOWN, *_UNKNOWN])}; rename the column if it holds something else",
            )
        return code

    def _why(self, fields: Sequence[Sequence[str]], costs: Costs, row: int) -> str:
        i = int(np.argmin(np.isfinite(costs[row])))
        place = self._cost_places[i]
        found = "" if place is None else fields[place][row].strip()
        fault = f"is {found!r}, not a finite number" if found else "is empty"
        return f"row {self._first + row + 1} of {self._path.name}: cost {self._costs[i]!r} {fault}"

    def _cost_place(self, cost: str) -> int | None:
        names = [name.lower() for name in self._file.names]
        if names.count(cost.lower()) > 1:
            raise TableError(f"{self._path} has several columns for the cost {cost!r}", "keep one of them")
        if cost.lower() in names:
            return names.index(cost.lower())
        if self._optional:
            return None
        raise TableError(f"{self._path} has no column for the cost {cost!r}", nearest(cost, self._file.names))

    def _find_own(self) -> dict[str, int]:
        """Where a table of our own, or of the original, has what it tells of a point besides its costs."""
        wanted = unique_names(TABLE_COLUMNS, [*self._space.names, *self._costs])
        names = [name.lower() for name in self._file.names]
        places = zip(TABLE_COLUMNS, (column.lower() for column in wanted), strict=True)
        return {name: names.index(column) for name, column in places if names.count(column) == 1}

    def _times(self, fields: Sequence[Sequence[str]], name: str, rows: int) -> NDArray[np.float64]:
        """(n,) seconds; NaN where the table tells none."""
        place = self._own_places.get(name)
        times = np.full(rows, np.nan) if place is None else _numbers(fields[place])
        times[~(np.isfinite(times) & (times >= 0))] = np.nan
        return times

    def _folders(self, fields: Sequence[Sequence[str]], rows: int) -> NDArray[np.object_]:
        """(n,) absolute paths; empty texts where the table tells none."""
        folders = np.full(rows, "", dtype=object)
        if (place := self._own_places.get("RunDir")) is not None:
            base = str(self._path.parent.absolute())
            told = (cell.strip() for cell in fields[place])
            folders[:] = [os.path.join(base, folder) if folder else "" for folder in told]
        return folders

    def _line(self, row: int) -> int:
        return self._file.line(self._first + row)

    def _notes(self, first: _Block, conflicts: str) -> Iterator[str]:
        what = "" if self._optional else " with results"
        yield f"{counted(len(first.rows), 'point')}{what} in {counted(self._first, 'row')}"
        whys = {
            "other values": ("row has", "rows have", "values that are not of this exploration"),
            "constraints": ("row breaks", "rows break", "the constraints"),
            "without result": ("row holds", "rows hold", "no result"),
            "repeated": ("row repeats", "rows repeat", f"the point of an earlier row, which counts{conflicts}"),
        }
        for why, (one, many, fault) in whys.items():
            if count := self._skipped[why]:
                yield f"{counted(count, one, many)} {fault}"
        failed = np.flatnonzero(first.states > State.DONE)
        if len(failed):
            reason = first.reasons[failed[0]] or "for no stated reason"
            yield f"{counted(len(failed), 'point')} failed, the first: {reason}"


@dataclass
class _LevelColumn:
    """One column of a table as levels of a parameter; each distinct text is looked at once.

    Args:
        other: the parameter with all the values that the configuration declares.
        place: of the column in the table; None where it has none.
    """

    parameter: Parameter
    other: Parameter | None
    place: int | None

    def __post_init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._exact = {written: level for level, written in enumerate(self.parameter.texts.tolist())}

    def levels(self, fields: Sequence[Sequence[str]]) -> NDArray[np.int32]:
        """(n,) levels; negative for cells that are none."""
        if self.place is None:
            return column_levels(self.parameter, None, len(fields[0]))
        cells = fields[self.place]
        if new := list(set(cells).difference(self._seen)):
            self._seen.update(zip(new, self._look(new), strict=True))
        return np.fromiter(map(self._seen.__getitem__, cells), dtype=np.int32, count=len(cells))

    def _look(self, cells: list[str]) -> list[int]:
        column = pd.Series(cells, dtype=object)
        levels = column_levels(self.parameter, column, len(cells))
        if self.other is not None:
            declared = column_levels(self.other, column, len(cells)) >= 0
            levels[(levels == UNKNOWN) & declared] = _ELSEWHERE
        blank = np.array([not cell.strip() for cell in cells], dtype=bool)
        levels[blank & (levels == UNKNOWN)] = MISSING
        return [self._exact.get(cell, level) for cell, level in zip(cells, levels.tolist(), strict=True)]


def _numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    """(n,) float64; NaN where a cell is no number."""
    try:
        return np.array(list(map(float, cells)))
    except ValueError:
        return np.array([_number(cell) for cell in cells])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
