"""The command ``-predict``: what a design given by some of its knobs would cost, and what was measured near it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deffe.config import Config
from deffe.errors import FeatureError, UsageError, counted, nearest
from deffe.outlook.counting import Counting, counting
from deffe.outlook.neighbours import Surroundings, differing, nearest_rows
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.queries.recall import Recalled, Results, recall, results_of
from deffe.records import Levels, Prediction, State, Value
from deffe.space import Constraint, DesignSpace, Parameter
from deffe.tables import PredictionWriter, check_replaceable, is_prediction_header
from deffe.tables.columns import unique_names
from deffe.values import parse_literal, text
from deffe.words import describe_point, number

NEIGHBOURS = 3
MOST_BASES = 200
"""Best measured points that are tried for the knobs that are not named."""
FAILS = "chance-to-fail"
"""Column of the table; in percent."""
FORM = "-predict KNOB=VALUE ..., such as -predict l1d_size=16 l2_size=128"


@dataclass(frozen=True)
class Asked:
    """A point that is asked for.

    Args:
        named: column to level in the wider space.
        levels: (p,) of all knobs.
        base: number of the row in the done results that the other knobs are from.
        notes: what a user should know of it.
    """

    named: Mapping[int, int]
    levels: Levels
    base: int
    notes: tuple[str, ...]


def what_if(
    config: Config,
    settings: Settings,
    plans: Sequence[Plan],
    flags: Mapping[str, Any],
    log: logging.Logger,
    say: Callable[[str], None],
) -> int:
    """Predict the points that are named, beside what was measured there and near; the exit code.

    Raises:
        UsageError: an unknown knob, a value that the model cannot see, no model, or several explorations.
    """
    if len(plans) > 1:
        names = ", ".join(plan.name for plan in plans)
        raise UsageError(f"-predict predicts for one exploration; the configuration has {names}", "keep one of them")
    plan, output = plans[0], Path(flags["output"]) if flags.get("output") else None
    space = plan.exploration.space
    given = [_read(words, space) for words in flags["predict"]]
    if output:
        check_replaceable(output, "-output", is_prediction_header, {"the configuration": config.source})
    wider = _wider(space, given)
    results = results_of(config, settings.folder, plan, 0)
    model = recall(config, settings, plan, 0, results, log, anew="train_test_split" in flags)
    asker = _Asker(config, space, wider, results, counting(plan))
    asked = [asker.point(one) for one in given]
    levels = np.array([one.levels for one in asked], dtype=np.int32)
    try:
        found = model.in_space(wider, levels)
    except FeatureError as error:
        raise UsageError(f"-predict: {error.message}", error.hint) from error
    teller = _Teller(config, space, wider, results, model, levels)
    say("\n".join([f"{plan.name}: predicted by {model.how}", *teller.lines(asked, found, asker.cheap)]))
    if output:
        _write(output, config, wider, levels, model, found, teller)
        say(f"  written: {output}")
    return 0


# what is asked for


def _read(words: Sequence[str], space: DesignSpace) -> dict[int, Value]:
    """{column: value} of ``KNOB=VALUE`` words; several may share a word, between commas."""
    found: dict[int, Value] = {}
    for word in (part for written in words for part in written.split(",") if part.strip()):
        name, mark, written = (part.strip() for part in word.partition("="))
        if not (name and mark and written):
            raise UsageError(f"-predict: {word!r} names no knob and value", FORM)
        column = _column(name, space)
        value = _value(written, space.parameters[column])
        if found.setdefault(column, value) != value:
            what = f"-predict: {name} is given two values, {text(found[column])} and {text(value)}"
            raise UsageError(what, "give -predict again for another point")
    if not found:
        raise UsageError("-predict: no knob is named", FORM)
    return found


def _column(name: str, space: DesignSpace) -> int:
    for spelled in (name, name.lower()):
        for column, parameter in enumerate(space.parameters):
            own = (parameter.name, parameter.map)
            if spelled in (own if spelled == name else tuple(one.lower() for one in own)):
                return column
    raise UsageError(f"-predict: there is no knob {name!r}", nearest(name, space.names))


def _value(written: str, parameter: Parameter) -> Value:
    """The value of a knob; a number that it does not have only where the model can see it."""
    with suppress(ValueError):
        value = parse_literal(written)
        for candidate in (value, written):
            level = parameter.level_of(candidate)
            if level is not None:
                return parameter.values[level]
        number_like = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number_like and parameter.scale in ("linear", "log2") and len(parameter) > 1
        if fits and not (parameter.scale == "log2" and float(value) <= 0):
            return value
    what = f"-predict: {parameter.name} cannot be {written!r}"
    hint = f"allowed: {parameter.allowed}"
    if parameter.scale in ("linear", "log2") and len(parameter) > 1:
        above = " above 0" if parameter.scale == "log2" else ""
        hint += f"; and any other number{above}, by extrapolation"
    raise UsageError(what, hint)


def _wider(space: DesignSpace, given: Sequence[Mapping[int, Value]]) -> DesignSpace:
    """The space with the further values that are asked for, behind its own, and without constraints."""
    parameters = []
    for column, parameter in enumerate(space.parameters):
        further = [one[column] for one in given if column in one and parameter.level_of(one[column]) is None]
        distinct = tuple({float(value): value for value in further}.values())
        parameters.append(replace(parameter, values=(*parameter.values, *distinct)))
    return DesignSpace(tuple(parameters), (), None, space.derived)


class _Asker:
    """Completes points by the best measured ones.

    Attributes:
        cheap: whether all of these are of a fidelity that does not count.
    """

    def __init__(
        self, config: Config, space: DesignSpace, wider: DesignSpace, results: Results, counting: Counting
    ) -> None:
        self._space, self._wider = space, wider
        done = results.done
        objective = config.objectives[0]
        costs = done.costs[:, config.all_costs.index(objective.cost)]
        counts = counting.of(done.levels)
        self.cheap = not counts.any()
        costs = np.where(counts | self.cheap, costs, np.nan)
        order = np.argsort(costs if objective.goal == "min" else -costs, kind="stable")
        self._order = order[np.isfinite(costs[order])][:MOST_BASES]
        self._levels = done.levels

    def point(self, given: Mapping[int, Value]) -> Asked:
        """The point, its other knobs as in the best measured one that leaves it valid, if any does."""
        named = {column: self._wider.parameters[column].level_of(value) or 0 for column, value in given.items()}
        tried = self._levels[self._order].copy()
        for column, level in named.items():
            tried[:, column] = level
        tried = self._wider.canonical(tried)
        columns = list(named)
        kept = (tried[:, columns] == np.array([named[column] for column in columns])).all(axis=1)
        kept &= self._wider.active(tried)[:, columns].all(axis=1)
        inside = all(level < len(self._space.parameters[column]) for column, level in named.items())
        fine = kept & self._space.valid(tried) if inside else kept
        row = int(np.flatnonzero(fine)[0]) if fine.any() else 0
        notes = [*self._outside(named), *self._idle(columns, tried[row])]
        notes += [f"breaks the constraint {rule}" for rule in self._broken(tried[row])]
        return Asked(named, tried[row], int(self._order[row]), tuple(notes))

    def _outside(self, named: Mapping[int, int]) -> Iterator[str]:
        for column, level in named.items():
            parameter = self._space.parameters[column]
            if level >= len(parameter):
                value = self._wider.parameters[column].numbers[level]
                beyond = value < parameter.numbers.min() or value > parameter.numbers.max()
                how = "extrapolated; its interval is not to be trusted" if beyond else "between its values"
                yield f"{parameter.name}={text(self._wider.parameters[column].values[level])} is {how}"

    def _idle(self, columns: Sequence[int], levels: Levels) -> Iterator[str]:
        active = self._wider.active(levels[None])[0]
        for column in columns:
            when = self._space.parameters[column].when
            if not active[column] and when is not None:
                yield f"{self._space.names[column]} has no meaning there: it has one when {when.text}"

    def _broken(self, levels: Levels) -> Iterator[str]:
        active = self._wider.active(levels[None])[0]
        for rule in self._space.constraints:
            columns = {name: self._space.names.index(name) for name in rule.names}
            if all(active[column] for column in columns.values()) and not self._holds(rule, columns, levels):
                yield rule.text

    def _holds(self, rule: Constraint, columns: Mapping[str, int], levels: Levels) -> bool:
        found = {}
        for name, column in columns.items():
            parameter = self._wider.parameters[column]
            known = parameter.texts if rule.pointwise else parameter.operands
            found[name] = known[levels[column] : levels[column] + 1]
        return bool(rule.mask(found)[0])


# what is told


class _Teller:
    """Points, predictions and what was measured there and near, in words.

    Attributes:
        around: the points around one; None where none has failed.
        fails, failed: (n,) how likely each of (n, p) levels fails, in percent, NaN where it was evaluated; and how many
            of the points around it have failed.
    """

    def __init__(
        self,
        config: Config,
        space: DesignSpace,
        wider: DesignSpace,
        results: Results,
        model: Recalled,
        levels: Levels,
    ) -> None:
        self._config, self._space, self._wider = config, space, wider
        self._results, self._model, self._done = results, model, results.done
        self._varying = {parameter.name for parameter in space.parameters if len(parameter) > 1}
        ended = results.take(np.isin(results.states, [state.text for state in State if state >= State.DONE]))
        done = np.isin(ended.states, State.DONE.text)
        self.around = None if done.all() else Surroundings(space, ended.levels, done)
        self.fails, self.failed = np.full(len(levels), np.nan), np.zeros(len(levels), dtype=np.int64)
        if self.around is not None:
            frame: Any = wider.frame(levels)
            features = space.feature_map.features(frame)
            known = np.isin(wider.ids(levels), ended.ids)
            self.fails = np.where(known, np.nan, 100 * (1 - self.around.chance(features)))
            self.failed = self.around.failed(self.around.near(features))

    def lines(self, asked: Sequence[Asked], found: Prediction, cheap: bool) -> Iterator[str]:
        """The lines of the points, and once where their other knobs are from."""
        objective = self._config.objectives[0]
        bases = {one.base for one in asked if len(one.named) < len(self._varying)}
        if bases:
            best = f"{objective.goal} {objective.cost}"
            yield f"  knobs that are not named are as in the best measured point ({best}) that allows it"
            if cheap:
                yield "  that point is of a cheap fidelity: no point that counts is done"
        for row, one in enumerate(asked):
            yield from self._point(row, one, found.take(np.array([row])))

    def measured(self, levels: Levels) -> tuple[str, np.ndarray[Any, np.dtype[np.float64]]]:
        """What became of a (p,) point, in words, and its (c,) costs, NaN where it is not done."""
        rows = np.flatnonzero(self._results.ids == self._wider.ids(levels[None])[0])
        if not len(rows):
            return "", np.full(len(self._config.all_costs), np.nan)
        state, reason = self._results.states[rows[0]], self._results.reasons[rows[0]]
        told = "" if state == "done" else f"{state.replace('_', ' ')}{f': {reason}' if reason else ''}"
        return told, self._results.costs[rows[0]]

    def _point(self, row: int, one: Asked, found: Prediction) -> Iterator[str]:
        values = {n: v for n, v in self._wider.trial_values(one.levels).items() if n in self._varying}
        names = [self._space.names[column] for column in one.named]
        asked = describe_point({name: text(values[name]) for name in names if name in values})
        rest = describe_point({name: text(value) for name, value in values.items() if name not in names})
        yield f"  {asked}{f'  ({rest})' if rest else ''}"
        yield from (f"    note: {note}" for note in one.notes)
        became, costs = self.measured(one.levels)
        if became:
            yield f"    evaluated: {became}"
        if self.around is not None and not math.isnan(self.fails[row]):
            near = counted(self.around.count, "nearest evaluated point")
            yield f"    chance to fail: {self.fails[row]:.0f} %; of the {near} {self.failed[row] or 'none'} failed"
        yield from self._costs(found, costs)
        yield from self._near(one)

    def _costs(self, found: Prediction, costs: np.ndarray[Any, np.dtype[np.float64]]) -> Iterator[str]:
        names, units = self._model.costs, self._config.units
        shown = [number(mean) for mean in found.mean[0].tolist()]
        wide, far = max(map(len, names)), max(map(len, shown))
        for i, name in enumerate(names):
            line = f"    {name:{wide}}  {shown[i]:>{far}}{' ' + units[name] if name in units else ''}"
            lower, upper = float(found.lower[0, i]), float(found.upper[0, i])
            if upper > lower:
                line += f"  90 % interval {number(lower, 4)} to {number(upper, 4)}"
            value = float(costs[self._config.all_costs.index(name)])
            yield line if math.isnan(value) else f"{line}  measured {number(value)}"

    def _near(self, one: Asked) -> Iterator[str]:
        frame: Any = self._wider.frame(one.levels[None])
        rows = nearest_rows(self._space, self._space.feature_map.features(frame)[0], self._done.levels, NEIGHBOURS)
        values = self._wider.trial_values(one.levels)
        yield f"    nearest evaluated points{', but for those that failed' if self.around is not None else ''}:"
        for row in rows.tolist():
            pairs = zip(self._config.all_costs, self._done.costs[row].tolist(), strict=True)
            told = ", ".join(f"{name} = {number(value)}" for name, value in pairs if name in self._model.costs)
            other = differing(self._space, values, self._done.levels[row])
            yield f"      {told}  {f'at {other}' if other else 'this very point'}"


def _write(
    output: Path,
    config: Config,
    wider: DesignSpace,
    levels: Levels,
    model: Recalled,
    found: Prediction,
    teller: _Teller,
) -> None:
    known = np.array([teller.measured(one)[1] for one in levels])
    columns = [config.all_costs.index(cost) for cost in model.costs]
    values = [wider.trial_values(one) for one in levels]
    texts = [[text(one[name]) if name in one else "" for one in values] for name in wider.names]
    names = list(wider.names)
    if teller.around is not None:
        names += unique_names((FAILS,), [*names, *model.costs])
        texts.append(["" if math.isnan(chance) else f"{chance:.1f}" for chance in teller.fails.tolist()])
    with PredictionWriter(output, names, model.costs) as file:
        file.write(texts, found, known[:, columns])
