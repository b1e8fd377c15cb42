"""Reads a run directory for a report, while the run goes on or later, and changes nothing in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deffe.errors import DeffeError
from deffe.operate.activity import Activity
from deffe.operate.judged import Judged, key
from deffe.operate.notes import effects_key, target_key
from deffe.operate.view import View, now, view_of
from deffe.report.content import INACTIVE, Cost, Ints, Knob, Part, Points, RunContent
from deffe.report.meaning import Meaning, meaning_of
from deffe.report.predictions import read_predicted
from deffe.report.recommended import read_recommended
from deffe.report.understood import Understood
from deffe.store import Store
from deffe.store.database import DATABASE_NAME, damaged
from deffe.tables.columns import bookkeeping
from deffe.values import key as value_key
from deffe.values import text
from deffe.words import moment

MOST_ENDS = 1_000_000


def gather(folder: Path) -> RunContent:
    """Read a run directory.

    Raises:
        StoreError: its database is damaged, of a newer version, or empty.
    """
    folder = folder.absolute()
    with view_of(folder) as view:
        state = _state(view.activity())
        ends = _ends(view)
    with closing(Store.read(folder)) as store:
        notes = []
        try:
            meaning = meaning_of(store.configurations())
        except (DeffeError, LookupError) as error:
            notes.append(f"the configuration cannot be read any more ({error}): all costs are taken as to be minimised")
            meaning = Meaning()
        parts = tuple(
            _part(store, index, layout, meaning, ends[index]) for index, layout in enumerate(store.get_meta("layouts"))
        )
    return RunContent(folder, now(), state, parts, tuple(notes))


def _state(activity: Activity | None) -> str:
    """Whether the run goes on, in words that stay true when the page is read later."""
    if activity is None:
        return "A run of an older version, which tells no times."
    started = f"started {moment(activity.started)} on {activity.host}"
    if activity.ended:
        return f"Ended {moment(activity.beat)}, {started}: {activity.ended}."
    if activity.is_alive() is False:
        return f"Killed after {moment(activity.beat)}, {started}; the same command goes on."
    doing = activity.doing or "learning or choosing points"
    return f"Going on as this was made, {moment(now())}, {started}: {doing}."


def _ends(view: View) -> list[Any]:
    found: list[list[tuple[int, float]]] = [[] for _ in view.parts]
    for end in view.ends(-1, MOST_ENDS):
        found[end.exploration].append((end.number, end.when))
    return [np.array(rows, dtype=np.float64).reshape(-1, 2) for rows in found]


def _part(store: Store, index: int, layout: dict[str, Any], meaning: Meaning, ends: Any) -> Part:
    try:
        told = [knob for knob in layout["parameters"] if len(knob["values"]) > 1]
        costs = tuple(
            Cost(name, "min" if meaning.goals is None else meaning.goals.get(name, ""), meaning.units.get(name, ""))
            for name in layout["costs"]
        )
        knobs = tuple(_knob(knob, meaning) for knob in told)
        points = _points(store, index, [(k["name"], k["values"]) for k in told], [cost.name for cost in costs])
        steps = store.steps(index)
        judged = tuple(_forecasts(store, index, steps))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(store.folder / DATABASE_NAME, f"it holds the unknown value {error}") from error
    understood = Understood.from_note(store.get_meta(effects_key(index), None))
    target = store.get_meta(target_key(index), None) or {}
    names = [knob["name"] for knob in layout["parameters"]]
    measured = set(points.ids[points.done].tolist())
    table = meaning.tables.get(layout["name"], "")
    predicted = read_predicted(store, table, names, knobs, costs, measured, target)
    advised = read_recommended(
        store, index, meaning.designs.get(layout["name"], ""), names,
        [knob.name for knob in knobs], [cost.name for cost in costs],
    )  # fmt: skip
    return Part(layout["name"], knobs, costs, points, predicted, steps, judged, ends, understood, advised, target)


def _knob(knob: dict[str, Any], meaning: Meaning) -> Knob:
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in knob["values"])
    return Knob(knob["name"], tuple(map(text, knob["values"])), meaning.units.get(knob["name"], ""), numeric)


def _points(store: Store, index: int, knobs: Sequence[tuple[str, Sequence[Any]]], costs: Sequence[str]) -> Points:
    frame = store.table(index)
    names = bookkeeping(store.names(index))
    levels = [_levels(frame[name], values) for name, values in knobs]
    seconds = frame[[names["evaluate_s"], names["extract_s"]]].to_numpy(dtype=np.float64)
    known = ~np.isnan(seconds).all(axis=1)
    return Points(
        levels=np.stack(levels, axis=1) if levels else np.empty((len(frame), 0), dtype=np.int64),
        costs=frame[list(costs)].to_numpy(dtype=np.float64),
        states=frame[names["state"]].to_numpy(dtype=object),
        ids=frame[names["id"]].to_numpy(dtype=object),
        reasons=frame[names["reason"]].to_numpy(dtype=object),
        folders=frame[names["folder"]].to_numpy(dtype=object),
        looked_up=(frame[names["source"]] == "pre_evaluated").to_numpy(),
        numbers=frame[names["number"]].to_numpy(dtype=np.int64),
        steps=frame[names["step"]].to_numpy(dtype=np.int64),
        seconds=np.where(known, np.nansum(seconds, axis=1), np.nan),
    )


def _levels(column: pd.Series[Any], values: Sequence[Any]) -> Ints:
    """(n,) positions of a knob's values; ``INACTIVE`` where it has none."""
    known = {value_key(value): level for level, value in enumerate(values)}
    codes, found = pd.factorize(column)
    levels = np.array([known[value_key(value)] for value in found.tolist()] + [INACTIVE], dtype=np.int64)
    return np.asarray(levels[codes])  # a missing value has the code -1


def _forecasts(store: Store, index: int, steps: dict[int, dict[str, Any]]) -> Iterator[Judged]:
    for step in (*steps, None):
        for note in store.get_meta(key(index, step), []):
            yield Judged.from_note(note)
