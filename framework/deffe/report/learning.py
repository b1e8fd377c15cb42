"""The learning curve, and predictions beside what was measured later: only points that had not been learned from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from deffe import metrics
from deffe.operate.judged import Judged
from deffe.report.catalogue import Catalogue
from deffe.report.cautions import why_no_spread, why_none_done
from deffe.report.charts import Axis, Chart, Panel, Series
from deffe.report.content import Floats, Part
from deffe.report.words import even, is_wide
from deffe.words import number

MOST_COSTS = 6
MOST_POINTS = 1_000
BEYOND = 0.75
"""How far intervals are drawn beyond the points, in ranges of these."""
MAPE, REST = "error (MAPE), %", "unexplained variance (1 - R2), %"


def learning_curve(part: Part) -> Chart:
    """Error over points trained on, a panel a cost."""
    costs = [part.costs[column] for column in part.varying]
    panels = [panel for cost in costs if (panel := _curve(part, cost.name)) is not None]
    text = (
        "The error of the model after each step. Held-out error is measured on points of the run that were left out"
        " of the training, by cross-validation or a test set. Error ahead is measured on the points of the next step,"
        " predicted before they were evaluated."
    )
    if len(panels) > MOST_COSTS:
        text += f" {MOST_COSTS} of {len(panels)} costs are shown."
    return Chart("learning_curve", "Learning curve", text, panels[:MOST_COSTS], "" if panels else _why_no_model(part))


def _why_no_model(part: Part) -> str:
    if not part.points.done.any():
        return why_none_done(part)
    if not part.varying:
        return why_no_spread(part)
    return "Nothing was learned: the run has no model, or the first step has not ended."


def _curve(part: Part, cost: str) -> Panel | None:
    held = [(row["trained_on"], row) for report in part.steps.values() for row in report["errors"]]
    held = [(trained, row) for trained, row in held if row["cost"] == cost]
    ahead = list(_ahead(part, cost))
    rows = [row for _, row in (*held, *ahead)]
    by_mape = not rows or any(math.isfinite(row["mape"]) for row in rows)
    series = [
        made
        for name, role, found in (("held out", "measured", held), ("ahead", "ahead", ahead))
        if (made := _line(name, role, found, by_mape)) is not None
    ]
    if not series:
        return None
    wide = is_wide(np.array([value for one in series for value in one.y]))
    return Panel(cost, Axis("points learned from"), Axis(MAPE if by_mape else REST, wide, zero=not wide), series)


def _ahead(part: Part, cost: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Errors ahead, at the number of points that the model had learned from then."""
    trained = None
    for report in part.steps.values():
        for row in report.get("ahead", ()):
            if row["cost"] == cost and trained is not None:
                yield trained, row
        own = [row["trained_on"] for row in report["errors"] if row["cost"] == cost]
        trained = own[0] if own else trained


def _line(name: str, role: str, found: list[tuple[int, dict[str, Any]]], by_mape: bool) -> Series | None:
    values = [(trained, row["mape"] if by_mape else 100 * (1 - row["r2"])) for trained, row in found]
    values = [(trained, value) for trained, value in values if math.isfinite(value)]
    if not values:
        return None
    rows = even(np.arange(len(values)), MOST_POINTS).tolist()
    return Series(name, role, "both", [values[row][0] for row in rows], [values[row][1] for row in rows])


def judged(part: Part, catalogue: Catalogue) -> Chart:
    """Predicted against measured, with 90 % intervals, a panel a cost."""
    panels, words = [], []
    shown = [part.costs[column] for column in part.varying][:MOST_COSTS]
    for cost in shown:
        found = [one for one in part.judged if one.cost == cost.name and one.ids]
        if found:
            panel, told = _compared(cost.label, found, catalogue)
            panels.append(panel)
            words.append(told)
    text = (
        "Predictions beside what was measured later, with their 90 % intervals. No model had learned from these points"
        " when it predicted them. " + " ".join(words)
    )
    why = "No point was predicted before it was measured: a run notes such points from its second step on."
    if not part.points.done.any() or not part.varying:
        why = why_no_spread(part)
    return Chart("predicted_measured", "Predicted against measured", text, panels, "" if panels else why)


def _compared(label: str, found: list[Judged], catalogue: Catalogue) -> tuple[Panel, str]:
    series, inside, known, total = [], 0, 0, 0
    room = max(MOST_POINTS // len(found), 20)
    tables = [one for one in found if not one.method.startswith("points of step")]
    for name, role, group in (
        ("points of the next step", "measured", [one for one in found if one not in tables]),
        ("points of the table", "predicted", tables),
    ):
        rows = [(one, row) for one in group[-MOST_POINTS // 20 :] for row in even(np.arange(len(one.ids)), room)]
        if not rows:
            continue
        x, y, low, high = (
            np.array([getattr(one, part)[row] for one, row in rows]) for part in ("actual", "mean", "lower", "upper")
        )
        bounded = np.isfinite(low) & np.isfinite(high)
        inside, known = inside + int(((low <= x) & (x <= high) & bounded).sum()), known + int(bounded.sum())
        total += sum(one.points for one in group)
        places = catalogue.by_id(one.ids[row] for one, row in rows)
        series.append(Series(name, role, "points", x.tolist(), y.tolist(), low.tolist(), high.tolist(), places))
    values = np.array([value for one in series for value in (*one.x, *one.y)])
    values = values[np.isfinite(values)]
    ends = [float(values.min()), float(values.max())] if len(values) else [0.0, 1.0]
    series.append(Series("equal", "plain", "line", ends, ends))
    wide = is_wide(values)
    count = sum(len(one.x) for one in series[:-1])
    told = f"{label}: {count:,} of {total:,} such points" if count < total else f"{label}: {total:,} points"
    if known:
        told += f", {100 * inside / known:.1f} % of those drawn inside their interval"
    actual, mean = (np.concatenate([getattr(one, axis) for one in series[:-1]]) for axis in ("x", "y"))
    error = metrics.mape(actual, mean)
    told += f", error {number(round(error, 2))} %." if math.isfinite(error) else "."
    bounds = _cut(values, np.concatenate([(*one.low, *one.high) for one in series[:-1]]), wide)
    told += " Longer intervals are cut off." if bounds else ""
    return Panel(label, Axis("measured", wide), Axis("predicted", wide, ends=bounds), series), told


def _cut(values: Floats, ends: Floats, log: bool) -> tuple[float, float] | None:
    """Ends of an axis that shows these values well where the ends of intervals are far beyond them; else None."""
    ends = ends[np.isfinite(ends)]
    if len(values) == 0 or len(ends) == 0:
        return None
    if log:
        values, ends = np.log(values), np.log(ends[ends > 0]) if (ends > 0).any() else np.log(values)
    room = BEYOND * max(float(np.ptp(values)), 1e-9 * float(np.abs(values).max()))
    low, high = float(values.min()) - room, float(values.max()) + room
    if low <= ends.min() and ends.max() <= high:
        return None
    low, high = max(low, float(ends.min()) - room / 10), min(high, float(ends.max()) + room / 10)
    low, high = min(low, float(values.min()) - room / 10), max(high, float(values.max()) + room / 10)
    return (math.exp(low), math.exp(high)) if log else (low, high)
