"""Evaluated points across parallel axes: knobs on the left, costs on the right."""

from __future__ import annotations

import numpy as np

from deffe.report.cautions import why_no_spread, why_none_done
from deffe.report.charts import Chart, Dimension, Parallel, short
from deffe.report.content import INACTIVE, Knob, Part, front_rows
from deffe.report.effects import effects_of
from deffe.report.words import even, is_wide, of_all
from deffe.tables.columns import unique_names

MOST_KNOBS = 10
MOST_COSTS = 4
MOST_LINES = 800
MOST_TICKS = 8
LABEL = 16


def parallel(part: Part) -> Chart:
    """The knobs with the largest effects on the first objective, and the objectives."""
    title, done = "Parallel coordinates", np.flatnonzero(part.points.done)
    if not len(done) or not part.knobs:
        why = why_none_done(part) if part.knobs else "No knob varies."
        return Chart("parallel", title, "", (), why)
    if not {*part.objectives} & {*part.varying}:
        return Chart("parallel", title, "", (), why_no_spread(part))
    front = even(front_rows(part), MOST_LINES // 4)
    rows = np.union1d(front, even(done, MOST_LINES))
    first = part.objectives[0]
    found = effects_of(part, first)
    chosen = sorted(np.argsort(-np.nan_to_num(found, nan=-1.0), kind="stable")[:MOST_KNOBS].tolist())
    columns = part.objectives[:MOST_COSTS]
    dimensions = [_knob(part.knobs[i], part.points.levels[rows, i]) for i in chosen]
    dimensions += [_cost(part, column, rows) for column in columns]
    colour = len(chosen)
    text = (
        f"Each line is an evaluated point, coloured by {part.costs[first].name}: blue is good, orange is bad. Drag"
        " along an axis to keep only the lines that cross it there, click the axis to have all again; drag a name to"
        " move its axis."
    )
    if len(chosen) < len(part.knobs):
        text += f" The {len(chosen)} of {len(part.knobs):,} knobs with the largest effects on that cost are shown."
    text += of_all(len(rows), len(done), "evaluated points")
    return Chart("parallel", title, text, [Parallel("", dimensions, colour, part.costs[first].goal == "min")])


def _knob(knob: Knob, levels: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Dimension:
    order = sorted(range(len(knob.texts)), key=lambda level: float(knob.texts[level])) if knob.numeric else None
    place = np.arange(len(knob.texts) + 1)
    if order is not None:
        place[order] = np.arange(len(order))
    texts = [knob.texts[level] for level in order or range(len(knob.texts))]
    ticks = list(unique_names(short(text, 11) for text in texts))  # Plotly takes equal names for one place
    if INACTIVE in levels:
        ticks.append("-")
        place[INACTIVE] = len(texts)
    return Dimension(short(knob.name, LABEL), place[levels].astype(float).tolist(), tuple(ticks))


def _cost(part: Part, column: int, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Dimension:
    values, name = part.points.costs[rows, column], part.costs[column].name
    return Dimension(short(name, LABEL), values.tolist(), log=is_wide(values))
