"""The command ``-compare``: what several runs came to, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deffe.compare.groups import Band, Group, band_of_errors, bands_of_best, bands_of_quality, grouped
from deffe.compare.pictures import Panel, draw, page
from deffe.compare.progress import BestKnown
from deffe.compare.table import CURVE_COLUMNS, columns_of, lines_of, row_of, write_curves, write_table
from deffe.compare.tracks import Track, check_comparable, is_table, place_of, read_track
from deffe.config import load
from deffe.config.configuration import Objective
from deffe.errors import UsageError, counted
from deffe.tables.replacing import check_replaceable

NAME = "deffe_compare"
WIDE = 30.0
"""How many times the smallest value the largest is, from where a logarithmic axis shows them better."""
MARK = "<title>Comparison of"


def compare(named: Sequence[str], flags: Mapping[str, Any], say: Callable[[str], None]) -> int:
    """Compare runs; the exit code.

    Args:
        named: run directories, configurations or tables, each perhaps behind ``LABEL=``.
        flags: ``output``, a folder; ``config``, which tells the objectives of tables.
    Raises:
        UsageError: fewer than two runs, one named twice, other objectives or spaces, or a file that cannot be written.
    """
    if len(named) < 2:
        raise UsageError(f"-compare needs at least two runs, and {len(named)} is given", "give RUN_A RUN_B ...")
    _check_once(named)
    folder = Path(flags.get("output") or ".")
    tracks = _read(named, flags)
    check_comparable(tracks)
    known = BestKnown.of(tracks[0].objectives, np.concatenate([track.costs for track in tracks]))
    if not len(known.front):
        raise UsageError("none of the runs has a point that is done", "there is nothing to compare")
    groups = grouped(tracks)
    rows = [row_of(group, known) for group in groups]
    columns = columns_of(rows, known)
    notes = _notes(groups, known)
    say("\n".join([*notes, "", *lines_of(columns)]))
    files = _files(folder)
    curves = _curves(groups, known)
    write_table(files["table"], rows, known)
    write_curves(files["curves"], curves)
    panels, labels = _panels(curves, known), [group.label for group in groups]
    draw([files["png"], files["pdf"]], panels, labels)
    page(files["html"], f"Comparison of {counted(len(tracks), 'run')}", notes, columns, panels, labels)
    say("\n".join(f"  written: {path}" for path in files.values()))
    return 0


def _check_once(named: Sequence[str]) -> None:
    """A run that counts twice would make bands narrower than they are."""
    seen: dict[tuple[str, Path], str] = {}
    for one in named:
        label, path = place_of(one)
        run = (label, path.resolve())
        if run in seen:
            where = "" if is_table(path) else f", that in {path}"
            what = f"{one} is the same run as {seen[run]}{where}" if one != seen[run] else f"{one} is named twice"
            raise UsageError(f"-compare: {what}", "name each run once")
        seen[run] = one


def _read(named: Sequence[str], flags: Mapping[str, Any]) -> list[Track]:
    """Run directories first: they tell the objectives of tables, if no configuration does."""
    objectives: Sequence[Objective] = load(flags["config"]).objectives if flags.get("config") else ()
    tracks: dict[int, Track] = {}
    for tables in (False, True):
        for place, one in enumerate(named):
            if one.lower().endswith(".csv") == tables:
                tracks[place] = read_track(one, objectives)
                objectives = objectives or tracks[place].objectives
    return [tracks[place] for place in sorted(tracks)]


def _files(folder: Path) -> dict[str, Path]:
    """Where to write; UsageError where something else is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"-output: {folder} cannot be made: {error.strerror or error}", "name a folder") from error
    endings = {"table": ".csv", "curves": "_curves.csv", "png": ".png", "pdf": ".pdf", "html": ".html"}
    files = {what: folder / f"{NAME}{ending}" for what, ending in endings.items()}
    check_replaceable(files["table"], "-output", lambda names: "volume_ratio" in names, {})
    check_replaceable(files["curves"], "-output", lambda names: tuple(names) == CURVE_COLUMNS, {})
    for what in ("png", "pdf", "html"):
        check_replaceable(files[what], "-output", bool, {}, partial(_head, what))
    return files


def _head(what: str, path: Path) -> list[str]:
    """Something where a file may be one of ours, nothing else."""
    marks = {"png": b"\x89PNG", "pdf": b"%PDF", "html": MARK.encode()}
    try:
        with path.open("rb") as file:
            return [what] if marks[what] in file.read(400) else []
    except OSError:
        return []


def _notes(groups: Sequence[Group], known: BestKnown) -> list[str]:
    told = ", ".join(f"{o.goal} {o.cost}" for o in known.objectives)
    runs = sum(len(group.tracks) for group in groups)
    first = f"{counted(runs, 'run')} for {told}"
    if len(known.objectives) == 1:
        best = f"the best known of all of them is {known.front[0, 0]:.6g}; gap: how far the best of a run is from it"
    else:
        ends = ", ".join(f"{value:.6g}" for value in known.reference)
        best = (
            f"the best known front has {counted(len(known.front), 'point')} of all of them; volume: the share of its "
            f"hypervolume to the reference point ({ends})"
        )
    notes = [first, best]
    if any(len(group.tracks) > 1 for group in groups):
        notes.append("medians over the runs of a row; bands in the pictures: 90 % confidence of the median")
    going = ", ".join(track.label or track.name for group in groups for track in group.tracks if not track.ended)
    if going:
        notes.append(f"not at the end, and compared by the results so far: {going}")
    return notes


def _curves(groups: Sequence[Group], known: BestKnown) -> dict[str, dict[str, Band]]:
    """{curve: {label: band}}."""
    found = {"quality": bands_of_quality(groups, known)}
    for i, objective in enumerate(known.objectives):
        found[f"best {objective.cost}"] = bands_of_best(groups, known, i)
    costs = dict.fromkeys(cost for group in groups for track in group.tracks for cost in track.errors)
    for cost in costs:
        bands = {g.label: band_of_errors([track.errors.get(cost, ()) for track in g.tracks]) for g in groups}
        found[f"error {cost}"] = {label: band for label, band in bands.items() if len(band.x)}
    return found


def _panels(curves: Mapping[str, Mapping[str, Band]], known: BestKnown) -> list[Panel]:
    several, points = len(known.objectives) > 1, "points evaluated"
    panels = []
    for curve, bands in curves.items():
        what, _, cost = curve.partition(" ")
        values = np.concatenate([band.median for band in bands.values()]) if bands else np.empty(0)
        if what == "quality" and several:
            panels.append(Panel("hypervolume", points, "% of the best known", bands, zero=True))
        elif what == "quality":
            panels.append(Panel("gap to the best known", points, "%", bands, zero=True))
        elif what == "best":
            goal = next(o.goal for o in known.objectives if o.cost == cost)
            panels.append(Panel(f"best so far, {goal}", points, cost, bands, logarithmic=_is_wide(values)))
        elif bands:
            title = "error on points the model had not seen"
            panels.append(Panel(title, "points trained on", f"{cost}, MAPE in %", bands, steps=False, zero=True))
    return panels


def _is_wide(values: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    known = values[np.isfinite(values)]
    return bool(len(known)) and bool(known.min() > 0) and bool(known.max() > WIDE * known.min())
