"""Points that are done and that failed, over time and by step, and the time that evaluating them took."""

from __future__ import annotations

import numpy as np

from deffe.report.charts import Axis, Chart, Panel, Series
from deffe.report.content import Floats, Part
from deffe.report.words import even, is_wide
from deffe.words import moment, number

MOST_PLACES = 500
MOST_STEPS = 100
BINS = 24
STATES = (
    ("done", ("done",), "measured"),
    ("failed", ("failed", "invalid"), "failed"),
    ("timed out", ("timed_out",), "ahead"),
)
UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


def progress(part: Part) -> Chart:
    """Results over time, and by step."""
    panels = [panel for panel in (_over_time(part), _by_step(part)) if panel is not None]
    text = (
        "How many points had a result at a time, of those that were evaluated: an attempt that was repeated counts as"
        " failed, and points that were looked up in a table have no time."
    )
    if not len(part.ends):
        text = "No times are known: the points were looked up in a table, or an older version evaluated them."
    return Chart("progress", "Progress and failures", text, panels, "" if panels else "No point has a result yet.")


def _over_time(part: Part) -> Panel | None:
    if not len(part.ends):
        return None
    numbers, when = part.ends[:, 0].astype(np.int64), part.ends[:, 1]
    places = np.minimum(np.searchsorted(part.points.numbers, numbers), len(part.points) - 1)
    last = np.zeros(len(numbers), dtype=bool)
    last[len(numbers) - 1 - np.unique(numbers[::-1], return_index=True)[1]] = True
    states = np.where(last & part.points.ended[places], part.points.states[places], "failed")
    order = np.argsort(when, kind="stable")
    when, states = when[order], states[order]
    unit, size = unit_of(when[-1] - when[0])
    series = []
    for name, words, role in STATES:
        found = np.isin(states.astype(str), words)
        if not found.any():
            continue
        total, rows = np.cumsum(found), even(np.arange(len(when)), MOST_PLACES)
        passed = (when[rows] - when[0]) / size
        series.append(Series(name, role, "steps", passed.tolist(), total[rows].astype(float).tolist()))
    since = f"over time, from {moment(when[0])}"
    return Panel(since, Axis(unit), Axis("points", zero=True), series) if series else None


def _by_step(part: Part) -> Panel | None:
    ended, steps = part.points.ended, part.points.steps
    if not ended.any():
        return None
    width = int(steps.max() - steps.min()) // MOST_STEPS + 1
    places = np.unique(steps // width)
    series = []
    for name, words, role in STATES:
        found = steps[np.isin(part.points.states.astype(str), words)] // width
        if len(found):
            counts = np.array([(found == place).sum() for place in places], dtype=np.float64)
            series.append(Series(name, role, "bars", (places * width).astype(float).tolist(), counts.tolist()))
    title = "by step" if width == 1 else f"by step, {width} steps a bar"
    return Panel(title, Axis("step", whole=True), Axis("points", zero=True), series)


def spending(part: Part) -> Chart:
    """Hours of evaluation by state, and how long a point takes."""
    known = ~np.isnan(part.points.seconds) & part.points.ended
    seconds = part.points.seconds[known]
    title = "Cost of the run"
    if not len(seconds) or seconds.sum() == 0:
        return Chart("cost_of_run", title, "", (), "It is not known how long the evaluation of points took.")
    unit, size = unit_of(float(seconds.sum()))
    panels = [_hours(part, known, unit, size), _durations(part, known)]
    lost = part.points.seconds[known & ~part.points.done].sum()
    text = f"Evaluating and extracting took {number(seconds.sum() / size, 4)} {unit} of points' time in all"
    text += f", {100 * lost / seconds.sum():.1f} % of it for points that failed." if lost else "."
    text += " Points that ran at the same time count each for itself."
    if part.points.looked_up[known].any():
        text += " Times that a table of known results told are among them."
    return Chart("cost_of_run", title, text, panels)


def unit_of(seconds: float) -> tuple[str, float]:
    """The unit that shows a duration best, and its seconds."""
    return next(((name, size) for name, size in UNITS if seconds >= 2 * size), UNITS[-1])


def _hours(part: Part, known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], unit: str, size: float) -> Panel:
    shown = []
    for name, words, role in STATES[::-1]:
        found = known & np.isin(part.points.states.astype(str), words)
        if found.any():
            shown.append((name, role, float(part.points.seconds[found].sum()) / size))
    series = [Series("", role, "bars", [value], [float(place)]) for place, (_, role, value) in enumerate(shown)]
    ticks = tuple(name for name, _, _ in shown)
    return Panel("by state", Axis(unit, zero=True), Axis(ticks=ticks), series, True)


def _durations(part: Part, known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Panel:
    seconds = part.points.seconds
    log = is_wide(seconds[known])
    values = np.log10(seconds[known]) if log else seconds[known]
    edges = np.histogram_bin_edges(values, bins=BINS if np.ptp(values) > 0 else 1)
    series = []
    for name, words, role in STATES:
        found = known & np.isin(part.points.states.astype(str), words)
        if found.any():
            counts, _ = np.histogram(np.log10(seconds[found]) if log else seconds[found], bins=edges)
            series.append(_stairs(name, role, 10**edges if log else edges, counts.astype(float)))
    return Panel("seconds a point", Axis("seconds", log), Axis("points", zero=True), series)


def _stairs(name: str, role: str, edges: Floats, counts: Floats) -> Series:
    """A histogram as an outline, so that those of several states can be seen behind each other."""
    x = np.repeat(edges, 2)
    y = np.concatenate([[0.0], np.repeat(counts, 2), [0.0]])
    return Series(name, role, "line", x.tolist(), y.tolist())
