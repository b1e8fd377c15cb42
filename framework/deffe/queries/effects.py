"""The command ``-effects``: what drives each cost of a run, as tables on the terminal and CSV files."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deffe.answer.drivers import unexplained
from deffe.config import Config
from deffe.errors import UsageError, counted
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.queries.recall import LEAST_UNSEEN, Recalled, Results, recall, results_of, unseen_by
from deffe.tables.csv_out import write_rows
from deffe.tables.replacing import check_replaceable
from deffe.understand import CostEffects, Effects, Unseen, understand
from deffe.words import grouped, number

EFFECTS, CURVES, SURFACES = "deffe_effects.csv", "deffe_response.csv", "deffe_response_pairs.csv"
EFFECT_COLUMNS = (
    *("exploration", "cost", "knob", "main", "main_error", "total", "total_error", "at_scenario"),
    *("importance", "importance_error", "strongest_partner", "interaction", "verdict"),
)
CURVE_COLUMNS = ("exploration", "cost", "knob", "value", "points", "mean", "lower", "upper", "low", "high")
SURFACE_COLUMNS = (
    *("exploration", "cost", "knob", "value", "other_knob", "other_value", "points", "mean", "lower", "upper"),
)
FILES = {EFFECTS: EFFECT_COLUMNS, CURVES: CURVE_COLUMNS, SURFACES: SURFACE_COLUMNS}
HEAD = ("knob", "main", "total", "at a scenario", "importance", "strongest interaction", "verdict")
NUMBERS, SCENARIO = range(1, 5), 3


def effects(
    config: Config,
    settings: Settings,
    plans: Sequence[Plan],
    flags: Mapping[str, Any],
    log: logging.Logger,
    say: Callable[[str], None],
) -> int:
    """Say what drives each cost, and write three tables; the exit code.

    Raises:
        UsageError: there is no model, too little to learn from, or a file cannot be written.
    """
    folder = Path(flags.get("output") or ".")
    for name, columns in FILES.items():
        check_replaceable(folder / name, "-output", partial(_is_own, columns), {})
    found: dict[str, Effects] = {}
    for index, plan in enumerate(plans):
        results = results_of(config, settings.folder, plan, index)
        model = recall(config, settings, plan, index, results, log, anew="train_test_split" in flags)
        found[plan.name] = _of_plan(config, settings, plan, index, results, model, log)
        say("\n".join(_lines(plan, found[plan.name], model, results)))
    say("\n".join(f"  written: {path}" for path in _write(folder, found)))
    return 0


def _is_own(columns: Sequence[str], found: Sequence[str]) -> bool:
    return tuple(found) == tuple(columns)


def _of_plan(
    config: Config, settings: Settings, plan: Plan, index: int, results: Results, model: Recalled, log: logging.Logger
) -> Effects:
    fresh = unseen_by(config, settings, plan, index, results, model, log)
    unseen = None
    if fresh is not None:
        columns = [config.all_costs.index(cost) for cost in model.costs]
        unseen = Unseen(fresh[0].levels, fresh[0].costs[:, columns], fresh[1].predict)
    rng = np.random.default_rng([settings.seed, index, len(model.learned)])
    return understand(
        plan.exploration.space,
        model.predict,
        model.costs,
        rng,
        unseen=unseen,
        unexplained=unexplained(model.costs, model.reports),
    )


# what is said


def _lines(plan: Plan, found: Effects, model: Recalled, results: Results) -> list[str]:
    space = plan.exploration.space
    about = "" if space.size_is_exact else "about "
    drawn = f"all {grouped(space.size)} points" if found.exact else (
        f"{found.points:,} points drawn from {about}{grouped(space.size)}"
    )  # fmt: skip
    lines = [f"{plan.name}: what drives each cost, over {drawn}, by {model.how}"]
    if found.unseen:
        lines.append(f"  importance: loss of R2 on {counted(found.unseen, 'measured point')} not learned from")
    else:
        lines.append(f"  importance is not known: {_no_importance(results.done, model)}")
    if found.constrained:
        lines.append("  constraints tie knobs together: shares need not add up (see docs/understanding.md)")
    for cost in found.costs:
        lines += ["", *_table(cost)]
        if found.unseen and cost.std and all(math.isnan(knob.importance) for knob in cost.knobs):
            lines.append(f"    importance is not known: {cost.cost} is the same at all of these points")
    return lines


def _no_importance(done: Results, model: Recalled) -> str:
    """Why no knob has an importance, and what to do."""
    count = len(done.ids)
    unseen = count - int(np.isin(done.ids, model.learned).sum())
    but = f" but {unseen}" if unseen else ""
    why = f"the model has learned from all{but} of the {counted(count, 'measured point')}"
    if count < 3 * LEAST_UNSEEN:
        return f"{why}, too few to hold some back; evaluate more"
    share = min(np.floor(10 - 15 * LEAST_UNSEEN / count) / 10, 0.8)  # a few more than needed: they are drawn
    return f"{why}; give -train-test-split {share:g} to hold some back"


def _table(cost: CostEffects) -> list[str]:
    first = f"  {cost.cost}: {number(cost.mean)} on average, +- {number(cost.std, 3)}"
    if not cost.std:
        return [f"  {cost.cost}: {number(cost.mean)} everywhere, as far as is known; nothing drives it"]
    if math.isfinite(cost.unexplained):
        first += f"; the model explains {100 * max(1 - cost.unexplained, 0):.1f} % of what varies"
    rows = [HEAD, *(_row(cost, place) for place in range(len(cost.knobs)))]
    shown = [i for i in range(len(HEAD)) if i != SCENARIO or any(row[i] != "-" for row in rows[1:])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return [first, *("    " + "  ".join(_padded(row[i], widths[i], i) for i in shown).rstrip() for row in rows)]


def _padded(cell: str, width: int, column: int) -> str:
    return f"{cell:>{width}}" if column in NUMBERS else f"{cell:{width}}"


def _row(cost: CostEffects, place: int) -> tuple[str, ...]:
    knob = cost.knobs[place]
    lost = "-" if math.isnan(knob.importance) else f"{knob.importance:.3f} +- {knob.importance_error:.3f}"
    with_whom = f"{knob.partner} {_percent(knob.interaction)}" if knob.partner else "-"
    shares = map(_percent, (knob.main, knob.total, knob.at_scenario))
    return knob.knob, *shares, lost, with_whom, knob.verdict


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"


# what is written


def _write(folder: Path, found: Mapping[str, Effects]) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"-output: {folder} cannot be made: {error.strerror or error}", "name a folder") from error
    rows: dict[str, list[list[str]]] = {name: [] for name in FILES}
    for exploration, effects in found.items():
        for cost in effects.costs:
            start = [exploration, cost.cost]
            rows[EFFECTS] += [start + row for row in _effect_rows(cost)]
            rows[CURVES] += [start + row for row in _curve_rows(cost)]
            rows[SURFACES] += [start + row for row in _surface_rows(cost)]
    for name, columns in FILES.items():
        write_rows(folder / name, columns, rows[name])
    return [folder / name for name in FILES]


def _effect_rows(cost: CostEffects) -> list[list[str]]:
    return [
        [knob.knob, *map(_cell, (knob.main, knob.main_error, knob.total, knob.total_error, knob.at_scenario)),
         *map(_cell, (knob.importance, knob.importance_error)), knob.partner, _cell(knob.interaction), knob.verdict]
        for knob in cost.knobs
    ]  # fmt: skip


def _curve_rows(cost: CostEffects) -> list[list[str]]:
    return [
        [curve.knob, *map(_cell, cells)]
        for curve in cost.curves
        for cells in zip(
            *(curve.values, curve.points, curve.mean, curve.lower, curve.upper, curve.low, curve.high), strict=True
        )
    ]


def _surface_rows(cost: CostEffects) -> list[list[str]]:
    return [
        [surface.one, one, surface.other, other, *(_cell(part[i][j]) for part in
         (surface.points, surface.mean, surface.lower, surface.upper))]
        for surface in cost.surfaces
        for i, one in enumerate(surface.values[0])
        for j, other in enumerate(surface.values[1])
    ]  # fmt: skip


def _cell(value: str | float) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return str(value)
