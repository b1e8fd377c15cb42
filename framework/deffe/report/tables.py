"""What stands above the pictures of an exploration: its counts, its best points, the model's errors, the failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from deffe.errors import counted
from deffe.report.cautions import counting
from deffe.report.content import Part, front_rows
from deffe.report.recommended import Design
from deffe.words import number

MOST_ROWS = 12
MOST_REASONS = 8
MOST_COLUMNS = 40
MOST_DIGITS = 300
"""A number is rounded to that many at most, on either side of the point; more overflow."""
STATES = (("done", "done"), ("failed", "failed"), ("timed_out", "timed out"), ("invalid", "invalid"))


@dataclass(frozen=True)
class Said:
    """A cell: as it is read, as it is calculated with, and the row of ``Part.points`` that it leads to, or -1."""

    text: str
    value: str | float | int | None
    point: int = -1

    @classmethod
    def of(cls, value: str | float) -> Said:
        """A text or a number; a dash where it is none."""
        return cls(value, value) if isinstance(value, str) else cls(number(value), value)


@dataclass(frozen=True)
class TableOf:
    """A table.

    Args:
        header: name of each column, and whether it is one of numbers.
        more: what was left out; a few words, or empty.
    """

    title: str
    header: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[Said]]
    more: str = ""


def counted_states(part: Part) -> str:
    """How many points are in each state; a sentence."""
    counts = Counter(part.points.states.tolist())
    told = [f"{counts[state]:,} {words}" for state, words in STATES if counts[state] or state == "done"]
    waiting = counts["waiting"] + counts["running"]
    told += [f"{waiting:,} to do"] if waiting else []
    looked_up = int((part.points.looked_up & part.points.ended).sum())
    told += [f"{looked_up:,} of them looked up in a table of known results"] if looked_up else []
    told += [f"{part.predicted.total:,} predicted"] if part.predicted.total else []
    return f"{len(part.points):,} points proposed: {', '.join(told)}."


def tables_of(part: Part) -> list[TableOf]:
    """The tables that have rows."""
    return [table for table in (_best(part), _recommended(part), _errors(part), _reasons(part)) if table.rows]


def _best(part: Part) -> TableOf:
    """The best points: the front, or those that are best in the one objective."""
    rows = front_rows(part)
    title = "Best evaluated" if len(part.objectives) == 1 else f"Pareto front: {len(rows):,} evaluated points"
    title = f"{title} {counting(part)}".rstrip()
    knobs, costs = range(len(part.knobs))[:MOST_COLUMNS], part.shown[:MOST_COLUMNS]
    header = [("point", True), *((part.costs[i].label, True) for i in costs)]
    header += [(part.knobs[i].label, part.knobs[i].numeric) for i in knobs]
    lines = []
    for row in rows[:MOST_ROWS].tolist():
        cells = [_point(part, row), *(Said.of(float(part.points.costs[row, i])) for i in costs)]
        for i in knobs:
            level = int(part.points.levels[row, i])
            cells.append(_setting(part.knobs[i].texts[level] if level >= 0 else "", numeric=part.knobs[i].numeric))
        lines.append(cells)
    more = f"And {len(rows) - MOST_ROWS:,} more." if len(rows) > MOST_ROWS else ""
    return TableOf(title, header, lines, more)


def _recommended(part: Part) -> TableOf:
    """The designs that the explorer names, and unseen ones: the best of each objective, the front, the others."""
    found = part.recommended
    done = np.flatnonzero(part.points.done)
    rows = dict(zip(part.points.ids[done].tolist(), done.tolist(), strict=True))
    designs = [one for one in found.designs if one.named]
    designs += sorted((one for one in found.designs if not one.named and one.id not in rows), key=_urgency)
    knobs, costs = range(len(part.knobs))[:MOST_COLUMNS], part.shown[:MOST_COLUMNS]
    some = any(one.id in rows for one in designs[:MOST_ROWS])  # are evaluated
    header = [("point", True)] if some else []
    header += [("chance", True), *((part.costs[i].label, True) for i in costs)]
    header += [*((part.knobs[i].label, part.knobs[i].numeric) for i in knobs), ("why", False)]
    lines = [
        [
            *([_point(part, rows.get(one.id, -1))] if some else []),
            Said(f"{one.chance:.0f} %", one.chance) if math.isfinite(one.chance) else Said("", None),
            *(_interval(*one.costs[i]) for i in costs),
            *(_setting(one.knobs[i], numeric=part.knobs[i].numeric) for i in knobs),
            Said.of(one.why),
        ]
        for one in designs[:MOST_ROWS]
    ]
    left = len(found.designs) - len(lines)
    more = ["Chance: that an unseen design is better than all evaluated ones."]
    if left and found.source is not None:
        more.append(f"In {found.source.name}: {counted(left, 'further design')}, evaluated ones among them.")
    if part.ends[:, 1].max(initial=0.0) > found.written:
        more.append("Points were evaluated after these designs were recommended.")
    return TableOf("Recommended designs", header, lines, " ".join(more))


def _urgency(design: Design) -> tuple[int, float]:
    terms = design.why.split("; ")
    if any(term.startswith("best predicted") for term in terms):
        place = 0
    else:
        place = 1 if "predicted Pareto front" in terms else 2
    return place, -design.chance if math.isfinite(design.chance) else 1.0


def _point(part: Part, row: int) -> Said:
    number = int(part.points.numbers[row])
    return Said(str(number), number, row) if row >= 0 else Said("", None)


def _setting(text: str, *, numeric: bool) -> Said:
    return Said(text, float(text) if numeric and text else text)


def _interval(value: float, low: float, high: float) -> Said:
    """A measured cost, or a predicted one with its 90 % interval."""
    if not low < high:
        return Said.of(value)
    width = high - low
    digits = 1 - math.floor(math.log10(width)) if math.isfinite(width) else MOST_DIGITS  # to its second digit
    mean, low, high = (round(one, max(digits, -MOST_DIGITS)) + 0.0 for one in (value, low, high))
    return Said(f"{number(mean)} ({_end(low)} to {_end(high)})", value)


def _end(value: float) -> str:
    return str(value) if math.isinf(value) else number(value)


def _errors(part: Part) -> TableOf:
    """What is known of the error of the last model."""
    header = [("cost", False), ("measured on", False), ("step", True), ("MAPE", True), ("R2", True),
              ("rank correlation", True), ("90 % intervals hold", True)]  # fmt: skip
    return TableOf("Error on points the model had not seen", header, [*_error_rows(part)])


def _error_rows(part: Part) -> Iterator[list[Said]]:
    for cost in (part.costs[column].name for column in part.shown):
        for kind in ("errors", "ahead"):
            found = [(step, row) for step, report in part.steps.items() for row in report.get(kind, ())
                     if row["cost"] == cost]  # fmt: skip
            if found:
                step, row = found[-1]
                values = [row.get(name, math.nan) for name in ("mape", "r2", "rank", "coverage")]
                forms = ("{:.2f} %", "{:.4f}", "{:.4f}", "{:.1f} %")
                told = [Said(form.format(value) if math.isfinite(value) else "-", value)
                        for form, value in zip(forms, values, strict=True)]  # fmt: skip
                yield [Said.of(cost), Said.of(str(row["method"])), Said.of(step), *told]


def _reasons(part: Part) -> TableOf:
    failed = part.points.ended & ~part.points.done
    found = Counter(zip(part.points.reasons[failed].tolist(), part.points.states[failed].tolist(), strict=True))
    rows = [[Said.of(count), Said.of(str(state).replace("_", " ")), Said.of(str(reason)[:300])]
            for (reason, state), count in found.most_common(MOST_REASONS)]  # fmt: skip
    more = f"And {len(found) - MOST_REASONS:,} more reasons." if len(found) > MOST_REASONS else ""
    return TableOf("Failures", [("points", True), ("state", False), ("reason", False)], rows, more)
