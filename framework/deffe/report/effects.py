"""How much each knob alone explains of a cost, and how the cost responds to it, on evaluated points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe.report.cautions import why_no_spread
from deffe.report.charts import Axis, Chart, Panel, Series, short, slug
from deffe.report.content import INACTIVE, Floats, Ints, Knob, Part
from deffe.report.words import even, is_wide, listed, of_all
from deffe.tables.columns import unique_names

MOST_GROUPS = 12
MOST_COSTS = 6
MOST_BARS = 20
MOST_RESPONSES = 8
MOST_POINTS = 300
MOST_NAMED = 8
LEAST = 3
MEASURED = (
    "The share of a cost's variance among evaluated points that a knob explains by itself, corrected for chance."
    " Interactions are in none of these shares, so that they need not add up to 100 %; where points were chosen for"
    " being good, knobs that were chosen together share their effects."
)
MODELLED = "The mean that the model predicts over all valid points with that value, with its 90 % interval. "


@dataclass(frozen=True)
class Groups:
    """Points by the value of a knob; neighbouring values share a group where there are many.

    Args:
        of: (n,) the group of each point, -1 where the knob has no meaning.
        names: of the groups, in the order of the values.
    """

    of: Ints
    names: tuple[str, ...]


def groups_of(knob: Knob, levels: Ints) -> Groups:
    """Group (n,) levels of a knob: at most ``MOST_GROUPS`` groups of about as many values."""
    found = np.unique(levels[levels != INACTIVE])
    if knob.numeric:
        found = found[np.argsort([float(knob.texts[level]) for level in found.tolist()], kind="stable")]
    count = min(len(found), MOST_GROUPS)
    place = np.full(len(knob.texts) + 1, -1, dtype=np.int64)  # the last one is that of INACTIVE
    place[found] = np.arange(len(found)) * count // max(len(found), 1)
    names = []
    for group in range(count):
        own = found[place[found] == group]
        first, last = knob.texts[own[0]], knob.texts[own[-1]]
        names.append(first if len(own) == 1 else f"{first}..{last}")
    return Groups(place[levels], tuple(names))


def explained(groups: Groups, values: Floats) -> float:
    """The share of the variance of (n,) values that the groups explain, in percent; NaN where that cannot be said.

    It is corrected for chance, so that a knob without effect is near 0 whatever its number of values, and never below.

    Source: Kelley, PNAS 21(9), 1935, doi:10.1073/pnas.21.9.554 (epsilon squared).
    """
    active = groups.of >= 0
    of, values = groups.of[active], values[active]
    counts = np.bincount(of, minlength=len(groups.names))
    used = int((counts > 0).sum())
    if used < 2 or len(values) <= used:
        return float("nan")
    centred = values - values.mean()
    scale = np.abs(centred).max()
    if scale == 0:
        return float("nan")
    centred = centred / scale
    total = float(centred @ centred)
    sums = np.bincount(of, weights=centred, minlength=len(counts))
    between = float((sums**2 / np.maximum(counts, 1)).sum())
    chance = (used - 1) * (total - between) / (len(values) - used)
    return float(np.clip(100 * (between - chance) / total, 0, 100))


def effects_of(part: Part, column: int) -> Floats:
    """(p,) percent of a cost's variance that each knob takes part in, as the model sees it, else by itself."""
    noted = part.understood.shares.get(part.costs[column].name, {})
    if noted:
        shares = [noted[knob.name].total if knob.name in noted else np.nan for knob in part.knobs]
        return np.minimum(100 * np.array(shares, dtype=np.float64), 100)  # what is drawn may give more
    return _measured(part, column)[0]


def _measured(part: Part, column: int) -> tuple[Floats, bool]:
    """(p,) percent that each knob explains by itself among evaluated points, and whether of the cost's logarithm."""
    done = part.points.done
    values = part.points.costs[done, column]
    log = is_wide(values)
    values = np.log(values) if log else values
    levels = part.points.levels[done]
    found = [explained(groups_of(knob, levels[:, i]), values) for i, knob in enumerate(part.knobs)]
    return np.array(found, dtype=np.float64), log


def effects(part: Part) -> Chart:
    """Bars of what each knob explains, a panel a cost."""
    panels = [panel for column in part.shown[:MOST_COSTS] if (panel := _bars(part, column)) is not None]
    names = [part.costs[column].name for column in part.shown[:MOST_COSTS]]
    by_model = [name for name in names if name in part.understood.shares]
    measured = [name for name in names if name not in part.understood.shares]
    text = " ".join([*([_told_model(part, by_model)] if by_model else []), *([MEASURED] if measured else [])])
    if by_model and measured:
        text = f"{text} That is so for {listed(measured)}."
    if len(part.knobs) > MOST_BARS:
        text += f" The {MOST_BARS} knobs of {len(part.knobs):,} with the largest effects are shown."
    return Chart("effects", "Effect of each knob", text, panels, "" if panels else _why_not(part))


def _told_model(part: Part, costs: list[str]) -> str:
    found = part.understood
    which = f"all {found.points:,} valid points" if found.exact else f"{found.points:,} valid points drawn at random"
    text = (
        f"The share of a cost's variance that each knob takes part in, over {which} as the last model predicts them:"
        " by itself, and together with other knobs (Sobol indices)."
    )
    for cost in costs:
        idle = [knob for knob, share in found.shares[cost].items() if share.verdict == "does not matter"]
        text += f" Without effect on {cost}: {listed(idle[:MOST_NAMED])}." if idle else ""
    return text


def _bars(part: Part, column: int) -> Panel | None:
    """The effects on one cost, the largest on top."""
    cost, found = part.costs[column].name, effects_of(part, column)
    order = [i for i in np.argsort(-found, kind="stable").tolist() if np.isfinite(found[i])][:MOST_BARS][::-1]
    if not order:
        return None
    places = list(map(float, range(len(order))))
    ticks = Axis(ticks=unique_names(short(part.knobs[i].name) for i in order))
    noted = part.understood.shares.get(cost, {})
    if noted:
        alone = [min(max(100 * noted[part.knobs[i].name].main, 0.0), float(found[i])) for i in order]
        others = [float(found[i]) - own for i, own in zip(order, alone, strict=True)]
        bars = [
            Series("by itself", "measured", "bars", alone, places),
            Series("with other knobs", "ahead", "bars", others, places),
        ]
        return Panel(cost, Axis("% of its variance", zero=True), ticks, bars, True)
    title = f"log {cost}" if _measured(part, column)[1] else cost
    bars = [Series("", "measured", "bars", found[order].tolist(), places)]
    return Panel(title, Axis("% of its variance", zero=True), ticks, bars, True)


def _why_not(part: Part) -> str:
    if not part.knobs:
        return "No knob varies."
    return why_no_spread(part)


def responses(part: Part) -> list[Chart]:
    """How each cost responds to its knobs, a panel a knob; a chart a cost."""
    charts = []
    shown = part.shown[:MOST_COSTS]
    keys = unique_names(f"response_{slug(part.costs[column].name)}" for column in shown)
    for column, key in zip(shown, keys, strict=True):
        cost = part.costs[column]
        found = effects_of(part, column)
        order = np.argsort(-np.nan_to_num(found, nan=-1.0), kind="stable")[:MOST_RESPONSES]
        values = part.points.costs[part.points.done, column]
        enough = len(values) >= LEAST and np.ptp(values) > 0
        panels = [_response(part, column, knob) for knob in order.tolist()] if enough else []
        text = MODELLED if part.understood.curves.get(cost.name) else ""
        text += (
            "The median cost of the evaluated points at each value of a knob, and the range that holds 80 % of them,"
            " whatever the other knobs are."
        )
        if len(part.knobs) > MOST_RESPONSES:
            text += f" The {MOST_RESPONSES} of {len(part.knobs):,} knobs with the largest effects, largest first."
        done = int(part.points.done.sum())
        text += of_all(min(done, MOST_POINTS), done, "evaluated points")
        charts.append(Chart(key, f"Response of {cost.name}", text, panels, "" if panels else _why_not(part)))
    return charts


def _response(part: Part, column: int, which: int) -> Panel:
    cost, knob = part.costs[column], part.knobs[which]
    done = np.flatnonzero(part.points.done)
    values, groups = part.points.costs[done, column], groups_of(knob, part.points.levels[done, which])
    spread = np.array([_spread(values[groups.of == group]) for group in range(len(groups.names))]).reshape(-1, 3)
    dots = even(np.flatnonzero(groups.of >= 0), MOST_POINTS)
    aside = 0.5 * ((dots * 0.6180339887) % 1 - 0.5)  # spread out evenly, so that equal costs are seen
    series = [
        Series("evaluated", "measured", "points", (groups.of[dots] + aside).tolist(), values[dots].tolist(),
               faint=True),
        Series("median, 80 % range", "front", "both", list(map(float, range(len(spread)))), spread[:, 1].tolist(),
               spread[:, 0].tolist(), spread[:, 2].tolist()),
    ]  # fmt: skip
    series += _modelled(part, column, which, groups)
    names = tuple(short(name, 14) for name in groups.names)
    return Panel(knob.name, Axis(knob.unit, ticks=names), Axis(cost.label, is_wide(values)), series)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.quantile(values, [0.1, 0.5, 0.9])


def _modelled(part: Part, column: int, which: int, groups: Groups) -> list[Series]:
    """The model's response at the values that have a place on the axis, a number a place."""
    knob = part.knobs[which]
    curve = part.understood.curves.get(part.costs[column].name, {}).get(knob.name)
    if curve is None:
        return []
    order = sorted(knob.texts, key=float) if knob.numeric else knob.texts
    places = {text: place for place, text in enumerate(order)}
    middles = np.array([np.mean(_span(name, places)) for name in curve.values])
    ends = np.array([curve.mean, curve.lower, curve.upper])
    known = np.isfinite(ends).all(axis=0)
    found = np.full((3, len(groups.names)), np.nan)
    for group, name in enumerate(groups.names):
        first, last = _span(name, places)
        inside = known & (first <= middles) & (middles <= last)
        if inside.any():
            found[:, group] = ends[:, inside].mean(axis=1)
    if np.isnan(found).all():
        return []
    aside = [place + 0.12 for place in range(len(groups.names))]  # beside the measured range
    mean, lower, upper = found.tolist()
    return [Series("predicted, 90 % interval", "predicted", "both", aside, mean, lower, upper)]


def _span(name: str, places: Mapping[str, int]) -> tuple[float, float]:
    """Places of the first and the last value of a group; NaN where these are not known."""
    if name in places:
        return places[name], places[name]
    first, _, last = name.partition("..")
    return places.get(first, np.nan), places.get(last, np.nan)
