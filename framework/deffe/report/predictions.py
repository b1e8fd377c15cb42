"""Reads the table of predictions that a run wrote: its front and a random choice, in bounded memory."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe import metrics
from deffe.report.content import INACTIVE, Cost, Floats, Ints, Knob, Predicted, at_target
from deffe.report.written import find_table
from deffe.store import Store
from deffe.tables.columns import TABLE_COLUMNS, unique_names

MOST_KEPT = 2_000
"""Points of the random choice."""
MOST_FRONT = 500
MOST_READ = 1_000_000
PIECE = 50_000
NONE = "the run has not predicted any points yet"


def read_predicted(
    store: Store,
    table: str,
    names: Sequence[str],
    knobs: Sequence[Knob],
    costs: Sequence[Cost],
    known: Collection[str],
    target: Mapping[str, str],
) -> Predicted:
    """The predictions of an exploration, without points that have been evaluated since.

    Args:
        table: the name the run gives it, relative to the folder it was started in.
        names: all knobs, also those that do not vary.
        known: identities of points with measured costs.
        target: knob to value of the points that may be in the front.
    """
    nothing = Predicted.nothing(len(knobs), len(costs), NONE)
    path, why = find_table(store, table, "predictions")
    if path is None:
        return replace(nothing, note=why or NONE)
    try:
        columns = _Columns.of(path, names, knobs, costs)
        choice = _Choice(knobs, costs, target)
        for frame in pd.read_csv(
            path, dtype=str, keep_default_na=False, chunksize=PIECE, usecols=columns.used, nrows=MOST_READ
        ):
            frame = frame[~frame[columns.id].isin(known)]
            choice.add(columns.levels(frame), *columns.costs(frame))
    except (OSError, ValueError, LookupError, csv.Error) as error:
        return replace(nothing, note=f"the predictions in {path} cannot be read: {error}")
    return choice.made(path) if choice.total else replace(nothing, note=f"there are no predictions in {path}")


@dataclass(frozen=True)
class _Columns:
    """Where a table has what: columns by name, and how their texts are read."""

    id: str
    knobs: Sequence[tuple[Knob, str]]
    means: Sequence[str]
    spreads: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, path: Path, names: Sequence[str], knobs: Sequence[Knob], costs: Sequence[Cost]) -> _Columns:
        with path.open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file), [])
        own = [*names, *(cost.name for cost in costs)]
        plain = unique_names(TABLE_COLUMNS, own)
        found = cls(
            plain[TABLE_COLUMNS.index("Id")],
            [(knob, knob.name) for knob in knobs],
            [cost.name for cost in costs],
            [(f"{cost.name}_lower", f"{cost.name}_upper") if f"{cost.name}_lower" in header else ("", "")
             for cost in costs],
        )  # fmt: skip
        lacking = [name for name in found.used if name not in header]
        if lacking:
            raise LookupError(f"it has no column {lacking[0]!r}")
        return found

    @property
    def used(self) -> list[str]:
        wanted = [self.id, *(name for _, name in self.knobs), *self.means, *(n for pair in self.spreads for n in pair)]
        return list(dict.fromkeys(name for name in wanted if name))

    def levels(self, frame: pd.DataFrame) -> Ints:
        columns = [_levels(frame[name], knob) for knob, name in self.knobs]
        return np.stack(columns, axis=1) if columns else np.empty((len(frame), 0), dtype=np.int64)

    def costs(self, frame: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
        """(n, c) means and ends of the intervals."""
        low, high = zip(*self.spreads, strict=True) if self.spreads else ((), ())
        made = [[_numbers(frame, name) for name in names] for names in (self.means, low, high)]
        mean, lower, upper = (np.stack(columns, axis=1) for columns in made)
        return mean, lower, upper


def _levels(column: pd.Series[Any], knob: Knob) -> Ints:
    read: Callable[[str], Any] = float if knob.numeric else str
    known = {read(text): level for level, text in enumerate(knob.texts)}
    codes, found = pd.factorize(column)
    levels = np.array([known[read(text)] if text else INACTIVE for text in found.tolist()], dtype=np.int64)
    return np.asarray(levels[codes])


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    if not name:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[name].replace("", "nan"), errors="raise").to_numpy(dtype=np.float64)


class _Choice:
    """Keeps the front of what passes by, and a random choice of the rest."""

    def __init__(self, knobs: Sequence[Knob], costs: Sequence[Cost], target: Mapping[str, str]) -> None:
        self._knobs, self._target = knobs, target
        self._columns = [column for column, cost in enumerate(costs) if cost.goal]
        self._goals = [cost.goal for cost in costs if cost.goal]
        self._rng = np.random.default_rng(0)
        self.total = 0
        self._kept: list[tuple[Any, ...]] = []

    def add(self, levels: Ints, mean: Floats, lower: Floats, upper: Floats) -> None:
        self.total += len(levels)
        draw = self._rng.random(len(levels))
        self._kept.append((levels, mean, lower, upper, draw))
        levels, mean, lower, upper, draw = (np.concatenate(arrays) for arrays in zip(*self._kept, strict=True))
        front = self._front(levels, mean)
        chosen = front.copy()
        chosen[np.argsort(draw)[:MOST_KEPT]] = True
        self._kept = [(levels[chosen], mean[chosen], lower[chosen], upper[chosen], draw[chosen])]

    def made(self, path: Path) -> Predicted:
        levels, mean, lower, upper, draw = self._kept[0]
        front = self._front(levels, mean)
        kept = np.zeros(len(front), dtype=bool)
        kept[np.flatnonzero(front)[:MOST_FRONT]] = True
        kept[np.argsort(draw)[:MOST_KEPT]] = True
        cut = f"only the first {MOST_READ:,} of them were read" if self.total >= MOST_READ else ""
        arrays = (levels[kept], mean[kept], lower[kept], upper[kept], front[kept])
        return Predicted(*arrays, total=self.total, source=path, note=cut)

    def _front(self, levels: Ints, mean: Floats) -> NDArray[np.bool_]:
        front = at_target(self._knobs, self._target, levels)
        front[front] = metrics.pareto_mask(mean[front][:, self._columns], self._goals)
        return front
