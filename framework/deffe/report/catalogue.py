"""The points that a page tells about when they are pointed at: each once, with its knobs, costs and folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deffe.report.content import INACTIVE, Ints, Part
from deffe.words import number

MOST_KNOBS = 16
Link = Callable[[int, str], str]
"""Number of a point and its folder to a URL relative to the page."""


class Catalogue:
    """Collects points of one exploration.

    Args:
        link: where a page finds the folders of points.
    """

    def __init__(self, part: Part, link: Link) -> None:
        self._part = part
        self._link = link
        self._places: dict[tuple[str, int], int] = {}
        self._by_id = {name: row for row, name in enumerate(part.points.ids.tolist())}
        self.entries: list[dict[str, Any]] = []
        """``lines`` of text and ``link``, a relative URL, empty without a folder."""

    def measured(self, rows: Iterable[int]) -> list[int]:
        """The places of points of the run."""
        return [self._place("measured", int(row)) for row in rows]

    def predicted(self, rows: Iterable[int]) -> list[int]:
        """The places of points of the table of predictions."""
        return [self._place("predicted", int(row)) for row in rows]

    def by_id(self, ids: Iterable[str]) -> list[int]:
        """The places of points of the run by identity; -1 for others."""
        return [self._place("measured", self._by_id[name]) if name in self._by_id else -1 for name in ids]

    def _place(self, kind: str, row: int) -> int:
        place = self._places.setdefault((kind, row), len(self.entries))
        if place == len(self.entries):
            self.entries.append(self._measured(row) if kind == "measured" else self._predicted(row))
        return place

    def _measured(self, row: int) -> dict[str, Any]:
        points = self._part.points
        head = f"point {points.numbers[row]}, step {points.steps[row]}, {points.states[row]}"
        values = [f"{cost.label}: {number(points.costs[row, i])}" for i, cost in enumerate(self._part.costs)]
        told = [head, *self.knobs(points.levels[row]), *(values if points.states[row] == "done" else [])]
        if points.reasons[row]:
            told.append(str(points.reasons[row])[:200])
        return {"lines": told, "link": self.link(row)}

    def _predicted(self, row: int) -> dict[str, Any]:
        found = self._part.predicted
        told = ["predicted", *self.knobs(found.levels[row])]
        for i, cost in enumerate(self._part.costs):
            mean, low, high = found.mean[row, i], found.lower[row, i], found.upper[row, i]
            if mean == mean:
                ends = f" ({number(low)} to {number(high)})" if low < high else ""
                told.append(f"{cost.label}: {number(mean)}{ends}")
        return {"lines": told, "link": ""}

    def knobs(self, levels: Ints) -> list[str]:
        """The knobs of a point, a line each; of many the first."""
        active = [(knob, int(level)) for knob, level in zip(self._part.knobs, levels, strict=True) if level != INACTIVE]
        lines = [f"{knob.name} = {knob.texts[level]}{' ' * bool(knob.unit)}{knob.unit}" for knob, level in active]
        more = [f"and {len(lines) - MOST_KNOBS} more knobs"] if len(lines) > MOST_KNOBS else []
        return [*(line[:120] for line in lines[:MOST_KNOBS]), *more]

    def link(self, row: int) -> str:
        """Where the page finds the folder of a point; empty where that is not there."""
        folder = str(self._part.points.folders[row])
        return self._link(int(self._part.points.numbers[row]), folder) if folder and os.path.isdir(folder) else ""


def beside(page: Path) -> Link:
    """Links of a page in this folder."""

    def link(number: int, folder: str) -> str:
        relative = os.path.relpath(folder, page)
        return "./" + quote(relative.encode("utf-8", "surrogateescape")) + "/"

    return link
