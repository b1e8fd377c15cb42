"""Reads the table of designs that a run recommends, and what it expects of further evaluations."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deffe.operate.notes import VOLUME, forecast_key
from deffe.report.written import find_table
from deffe.store import Store
from deffe.tables.columns import unique_names
from deffe.tables.recommended import COLUMNS
from deffe.words import number

EXPECTED = "What more evaluations may bring"
MOST_READ = 5_000


@dataclass(frozen=True)
class Design:
    """A recommended design.

    Args:
        knobs: texts of those that vary.
        costs: (value, lower, upper) of each; the ends are NaN where it is measured, all where it is not known.
        why: what speaks for it.
        chance: percent; how likely it is better than what was evaluated, NaN where not known.
        named: by the explorer.
    """

    id: str
    knobs: tuple[str, ...]
    costs: tuple[tuple[float, float, float], ...]
    why: str
    chance: float
    named: bool


@dataclass(frozen=True)
class Recommended:
    """What a run recommends, the best first.

    Args:
        source: the table; None where there is none.
        written: when it was (``time.time``); 0 without a table.
        note: why it could not be read; empty where the run has written none.
        expected: what further evaluations may bring, and how sure the best is; sentences.
    """

    designs: tuple[Design, ...] = ()
    source: Path | None = None
    written: float = 0.0
    note: str = ""
    expected: tuple[str, ...] = ()


def read_recommended(
    store: Store, index: int, table: str, names: Sequence[str], knobs: Sequence[str], costs: Sequence[str]
) -> Recommended:
    """What an exploration recommends.

    Args:
        table: the name the run gives it, relative to the folder it was started in.
        names: all knobs, also those that do not vary.
        knobs: those that vary.
    """
    expected = tuple(expected_of(store.get_meta(forecast_key(index), None)))
    path, why = find_table(store, table, "recommended designs")
    if path is None:
        return Recommended(note=why, expected=expected)
    explorers = store.get_meta("origin", {}).get("explorer", [])
    explorer = explorers[index] if index < len(explorers) else ""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, nrows=MOST_READ)
        columns = dict(zip(COLUMNS, unique_names(COLUMNS, [*names, *costs]), strict=True))
        designs = tuple(_design(row, columns, knobs, costs, explorer) for row in frame.to_dict("records"))
        written = path.stat().st_mtime
    except (OSError, ValueError, LookupError, csv.Error) as error:
        return Recommended(note=f"the recommended designs in {path} cannot be read: {error}", expected=expected)
    return Recommended(designs, path, written, "", expected)


def _design(
    row: Mapping[Any, str], columns: Mapping[str, str], knobs: Sequence[str], costs: Sequence[str], explorer: str
) -> Design:
    found = [tuple(_number(row.get(name, "")) for name in (cost, f"{cost}_lower", f"{cost}_upper")) for cost in costs]
    return Design(
        id=row[columns["Id"]],
        knobs=tuple(row[name] for name in knobs),
        costs=tuple((value, low, high) for value, low, high in found),
        why=row[columns["Why"]],
        chance=_number(row[columns["Chance"]]),
        named=bool(explorer) and row[columns["Why"]].startswith(f"{explorer}: "),
    )


def _number(text: str) -> float:
    return float(text) if text else math.nan


def expected_of(note: Any) -> list[str]:
    """The note of a forecast as sentences; none where there is none, or one of another version."""
    try:
        return [*_gains(note), *_confidence(note)] if note else []
    except (KeyError, TypeError, ValueError):
        return []


def _gains(note: Mapping[str, Any]) -> list[str]:
    if not note["evaluations"]:
        return [f"Nothing can be said of further evaluations: {note['silent']}."] if note["silent"] else []
    volume = note["what"] == VOLUME
    now, mean, low, high = (_told(note[name], volume) for name in ("now", "expected", "low", "high"))
    who = "chosen by the model" if note["guided"] else "drawn at random"
    what = "the hypervolume of the front" if volume else f"the best {note['what']}"
    many = "One further evaluation" if note["evaluations"] == 1 else f"{note['evaluations']:,} further evaluations"
    verb = "is" if note["evaluations"] == 1 else "are"
    return [f"{many}, {who}, {verb} expected to bring {what} from {now} to {mean}; 90 % of the draws: {low} to {high}."]


def _confidence(note: Mapping[str, Any]) -> list[str]:
    if not note["evaluations"]:
        return []
    if not note["confidence"]:
        return [f"How sure the best is cannot be said: {note['silent']}."] if note["silent"] else []
    within = note["confidence"][0]["within"]
    shares = ", ".join(f"{one['objective']} {_share(one['share'])}" for one in note["confidence"])
    return [f"Confidence that the best evaluated is within {within:g} % of the best there is: {shares}."]


def _told(value: float, volume: bool) -> str:
    return f"{value:.4g} %" if volume else number(value)


def _share(share: float) -> str:
    return "less than 1 %" if share < 0.01 else "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %"
