"""What each way of exploring came to, a row each: on the terminal and as CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deffe.compare.groups import Band, Group
from deffe.compare.progress import BestKnown, reached
from deffe.tables.csv_out import write_rows
from deffe.words import duration

WITHIN = (10.0, 5.0, 1.0)


@dataclass(frozen=True)
class Row:
    """A group in numbers; medians over its runs, NaN where there is none.

    Args:
        best: of each objective.
        gap: percent to the best known, of one objective; ``volume``: share of the best known hypervolume, of several.
        reached: evaluations to come within each of ``WITHIN`` percent of the best known; infinite where fewer than
            half of the runs do.
        times: how many runs did.
        errors: cost to the last error of the model, percent.
    """

    label: str
    runs: int
    evaluations: float
    failed: float
    best: tuple[float, ...]
    gap: float
    volume: float
    reached: tuple[float, ...]
    times: tuple[int, ...]
    errors: dict[str, float]
    wall_s: float
    evaluate_s: float


def row_of(group: Group, known: BestKnown) -> Row:
    """A group in numbers."""
    tracks, several = group.tracks, len(known.objectives) > 1
    quality = [known.quality(track.costs) for track in tracks]
    first = np.array([[reached(one, within) for within in WITHIN] for one in quality])
    costs = dict.fromkeys(cost for track in tracks for cost in track.errors)
    last = {cost: [track.errors[cost][-1][1] for track in tracks if track.errors.get(cost)] for cost in costs}
    ends = [float(one[-1]) for one in quality]
    return Row(
        group.label,
        len(tracks),
        _median([len(track) for track in tracks]),
        _median([track.failed for track in tracks]),
        tuple(
            _median([known.best_so_far(track.costs, i)[-1] for track in tracks]) for i in range(len(known.objectives))
        ),
        math.nan if several else _median(ends),
        1 - _median(ends) / 100 if several else math.nan,
        tuple(float(np.median(np.where(np.isnan(column), np.inf, column))) for column in first.T),
        tuple(int(np.isfinite(column).sum()) for column in first.T),
        {cost: _median(values) for cost, values in last.items()},
        _median([track.wall_s for track in tracks]),
        _median([track.evaluate_s for track in tracks]),
    )


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return float(np.median(known)) if known else math.nan


def columns_of(rows: Sequence[Row], known: BestKnown) -> list[tuple[str, list[str]]]:
    """Head and cells of each column that has something to tell."""
    several = len(known.objectives) > 1
    goals = [f"best ({o.goal} {o.cost})" for o in known.objectives]
    costs = list(dict.fromkeys(cost for row in rows for cost in row.errors))
    what = "% of volume" if several else "%"
    steps = [f"to {100 - within:g} {what}" if several else f"within {within:g} {what}" for within in WITHIN]
    columns = [
        ("", [row.label for row in rows]),
        ("runs", [str(row.runs) for row in rows]),
        ("points", [_whole(row.evaluations) for row in rows]),
        ("failed", [_whole(row.failed) for row in rows]),
        *((goal, [_number(row.best[i]) for row in rows]) for i, goal in enumerate(goals)),
        ("volume", [_number(row.volume) for row in rows]) if several else ("gap", [_percent(row.gap) for row in rows]),
        *((step, [_reached(row, i) for row in rows]) for i, step in enumerate(steps)),
        *((f"error {cost}", [_percent(row.errors.get(cost, math.nan)) for row in rows]) for cost in costs),
        ("wall time", [_time(row.wall_s) for row in rows]),
        ("evaluating", [_time(row.evaluate_s) for row in rows]),
    ]
    return [(head, cells) for head, cells in columns if not head or any(cell != "-" for cell in cells)]


def lines_of(columns: Sequence[tuple[str, list[str]]]) -> list[str]:
    """The columns as lines of text."""
    widths = [max(len(head), *map(len, cells)) for head, cells in columns]
    table = [[head for head, _ in columns], *([cells[i] for _, cells in columns] for i in range(len(columns[0][1])))]
    return [
        "  ".join(
            f"{cell:{width}}" if i == 0 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def write_curves(path: Path, bands: dict[str, dict[str, Band]]) -> None:
    """Write {curve: {label: band}} as CSV: label, curve, x, median, low, high."""
    rows = [
        [label, curve, f"{x:g}", *(_cell(value) for value in values)]
        for curve, found in bands.items()
        for label, band in found.items()
        for x, *values in zip(band.x.tolist(), band.median.tolist(), band.low.tolist(), band.high.tolist(), strict=True)
    ]
    write_rows(path, CURVE_COLUMNS, rows)


CURVE_COLUMNS = ("label", "curve", "x", "median", "low", "high")
ROW_COLUMNS = (
    *("label", "runs", "points", "failed", "gap_percent", "volume_ratio"),
    *(f"within_{within:g}_percent" for within in WITHIN),
    *("wall_s", "evaluate_s"),
)


def write_table(path: Path, rows: Sequence[Row], known: BestKnown) -> None:
    """Write the rows as CSV."""
    costs = list(dict.fromkeys(cost for row in rows for cost in row.errors))
    names = [*ROW_COLUMNS, *(f"best_{o.cost}" for o in known.objectives), *(f"error_{cost}" for cost in costs)]
    cells = [
        [row.label, str(row.runs), *map(_cell, (row.evaluations, row.failed, row.gap, row.volume, *row.reached)),
         *map(_cell, (row.wall_s, row.evaluate_s, *row.best, *(row.errors.get(cost, math.nan) for cost in costs)))]
        for row in rows
    ]  # fmt: skip
    write_rows(path, names, cells)


def _reached(row: Row, i: int) -> str:
    partly = f" ({row.times[i]} of {row.runs})" if 0 < row.times[i] < row.runs else ""
    return "-" if not row.times[i] else f"{_whole(row.reached[i]) if math.isfinite(row.reached[i]) else '-'}{partly}"


def _cell(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""


def _whole(value: float) -> str:
    return "-" if value != value else f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _number(value: float) -> str:
    return "-" if value != value else f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.5g}"


def _percent(value: float) -> str:
    return "-" if value != value else f"{value:.2f} %"


def _time(value: float) -> str:
    return "-" if value != value or value <= 0 else duration(value)
