"""The Pareto front of evaluated and predicted points, and the best cost found so far."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from deffe.report.catalogue import Catalogue
from deffe.report.cautions import counting, why_no_spread, why_none_done
from deffe.report.charts import Axis, Chart, Form, Panel, Series
from deffe.report.content import Ints, Part, front_rows
from deffe.report.words import even, is_wide, listed, of_all
from deffe.words import number

MOST_POINTS = 1_500
MOST_FRONT = 500
MOST_PAIRS = 6
MOST_COSTS = 6


def pareto_front(part: Part, catalogue: Catalogue) -> Chart:
    """A panel for each pair of objectives."""
    title, goals = "Pareto front", [f"{part.costs[c].goal} {part.costs[c].name}" for c in part.objectives]
    done = np.flatnonzero(part.results)
    if len(goals) < 2:
        why = f"There is one objective, {goals[0]}: see the best so far."
        return Chart("pareto_front", title, "", (), why)
    if not len(done) and not len(part.predicted):
        return Chart("pareto_front", title, "", (), why_none_done(part))
    if not {*part.objectives} & {*part.varying}:
        return Chart("pareto_front", title, "", (), why_no_spread(part))
    front = front_rows(part)
    others = even(np.setdiff1d(done, front), MOST_POINTS)
    pairs = list(combinations(part.objectives, 2))
    among = " ".join(["evaluated points", counting(part)]).rstrip()
    text = f"Objectives: {listed(goals)}. {len(front):,} of {len(done):,} {among} are in the front."
    text += of_all(len(others), len(done) - len(front), "other evaluated points")
    text += of_all(min(len(front), MOST_FRONT), len(front), "points of the front")
    if len(pairs) > 1:
        text += " The front is that of all objectives together; a panel shows two of them."
    if len(pairs) > MOST_PAIRS:
        text += f" {MOST_PAIRS} of {len(pairs)} pairs are shown."
    text += f" {_told_predicted(part)} Point at a point to see its knobs; click one to open its run directory."
    panels = [_pair(part, catalogue, pair, even(front, MOST_FRONT), others) for pair in pairs[:MOST_PAIRS]]
    return Chart("pareto_front", title, text, panels)


def _told_predicted(part: Part) -> str:
    found = part.predicted
    if found.source is None:
        return f"No predicted points: {found.note}."
    note = f" ({found.note})" if found.note else ""
    told = f"{found.total:,} predicted points are in {found.source.name}{note}"
    if len(found) < found.total:
        told += f", of which the front and a random choice are drawn, {len(found):,}"
    return f"{told}. The predicted front is the one the model expects: an optimist where it is wrong."


def _pair(part: Part, catalogue: Catalogue, pair: tuple[int, int], front: Ints, others: Ints) -> Panel:
    a, b = pair
    costs, found = part.points.costs, part.predicted
    series = []
    whole = ~np.isnan(found.mean[:, [a, b]]).any(axis=1)
    for name, role, faint, rows in (
        ("predicted", "predicted", True, np.flatnonzero(whole & ~found.front)),
        ("predicted front", "predicted", False, np.flatnonzero(whole & found.front)),
    ):
        if len(rows):
            x, y = found.mean[rows, a].tolist(), found.mean[rows, b].tolist()
            series.append(Series(name, role, "points", x, y, points=catalogue.predicted(rows), faint=faint))
    line: Form = "points"
    if len(part.objectives) == 2:  # between two points of it one has what the better one in the first objective has
        line = "stairs" if part.costs[a].goal == "min" else "stairs_before"
    for name, role, faint, rows in (
        ("evaluated", "measured", True, others),
        ("evaluated front", "front", False, front),
    ):
        if len(rows):
            x, y = costs[rows, a].tolist(), costs[rows, b].tolist()
            places = catalogue.measured(rows)
            series.append(Series(name, role, "points" if faint else line, x, y, points=places, faint=faint))
    axes = [Axis(part.costs[c].label, is_wide(np.concatenate([costs[:, c], found.mean[:, c]]))) for c in pair]
    return Panel(f"{part.costs[a].name} and {part.costs[b].name}", axes[0], axes[1], series)


def best_so_far(part: Part, catalogue: Catalogue) -> Chart:
    """The best cost over points with a result, a panel an objective."""
    rows = np.flatnonzero(part.points.ended)
    title = "Best so far"
    if not part.results.any():
        return Chart("best_so_far", title, "", (), why_none_done(part))
    if not {*part.objectives} & {*part.varying}:
        return Chart("best_so_far", title, "", (), why_no_spread(part))
    shown = part.objectives[:MOST_COSTS]
    text = "The best value of each objective after so many points with a result, in the order they were proposed."
    if part.target:
        text += f" Only points {counting(part)} count."
    if len(shown) < len(part.objectives):
        text += f" {len(shown)} of {len(part.objectives)} objectives are shown."
    panels = []
    for column in shown:
        cost = part.costs[column]
        values = np.where(part.results[rows], part.points.costs[rows, column], np.nan)
        best = np.fmin.accumulate(values) if cost.goal == "min" else np.fmax.accumulate(values)
        changes = np.flatnonzero(np.append(True, ~(best[1:] == best[:-1])) & ~np.isnan(best))
        kept = even(np.append(changes, len(best) - 1), MOST_POINTS)
        dots = even(np.flatnonzero(~np.isnan(values)), MOST_POINTS)
        series = [
            Series("evaluated", "measured", "points", (dots + 1.0).tolist(), values[dots].tolist(),
                   points=catalogue.measured(rows[dots]), faint=True),
            Series(f"best: {number(best[-1])}", "front", "steps", (kept + 1.0).tolist(), best[kept].tolist()),
        ]  # fmt: skip
        name = f"{cost.goal} {cost.label}"
        panels.append(Panel(name, Axis("points with a result"), Axis(cost.label, is_wide(values)), series))
    text += of_all(len(dots), int(part.results.sum()), "evaluated points")
    return Chart("best_so_far", title, text, panels)
