"""The final summary on the terminal: what was done, how far to trust it, and which points are best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from deffe.errors import counted
from deffe.operate.notes import VOLUME
from deffe.outlook.forecast import Forecast
from deffe.records import CostReport, State
from deffe.words import describe_point, grouped, number, percent, short

MOST_FRONT_LINES = 10
MOST_REASONS = 3
MOST_NAMED = 3


@dataclass(frozen=True)
class BestPoint:
    """A best point of one objective: its knobs as text and the cost; when predicted, how sure that is.

    Args:
        std, lower, upper: deviation and 90 % interval of a prediction.
        chance: how likely it is better than all evaluated points; NaN when not known.
        near: the nearest evaluated point, where the point is predicted.
    """

    objective: str
    goal: str
    value: float
    point: str
    std: float = 0.0
    lower: float = float("nan")
    upper: float = float("nan")
    chance: float = float("nan")
    near: str = ""


@dataclass
class Summary:
    """What the terminal shows of one exploration.

    Args:
        size: points of the space explored; ``about`` it when that is an estimate.
        counts: points by state; ``looked_up`` of them came from a table of known results.
        trusted: errors on points the model had not seen.
        forecast: what further evaluations are expected to bring.
        front: the non-dominated evaluated points, a row each; None with one objective.
        named: the designs that the explorer recommends, a line each.
        tabled: points predicted that the tables show; fewer than ``predicted`` where a whole space was predicted.
        likely: points of the predicted Pareto front, and how many of them are more likely than not better than every
            evaluated point; None with one objective.
        notes: what a user should know of the predictions.
        drivers: what drives each cost, a line each.
        counting: values of knobs at which points count, where not all do.
    """

    name: str
    stopped: str
    size: int
    about: bool
    counts: Mapping[State, int]
    looked_up: int
    reasons: Sequence[tuple[str, int]] = ()
    trusted: Sequence[CostReport] = ()
    best: Sequence[BestPoint] = ()
    best_predicted: Sequence[BestPoint] = ()
    predicted: int = 0
    tabled: int = 0
    front: pd.DataFrame | None = None
    forecast: Forecast = field(default_factory=Forecast)
    named: Sequence[str] = ()
    likely: tuple[int, int] | None = None
    notes: Sequence[str] = ()
    drivers: Sequence[str] = ()
    counting: Mapping[str, str] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)

    def text(self) -> str:
        """The summary as lines of text."""
        lines = [f"{self.name}: {self._counted()}", f"  stopped: {self.stopped}", *self._failures()]
        lines += [f"  {line}" for line in error_lines(self.trusted)]
        lines += [f"  {line}" for line in self.notes]
        if self.tabled < self.predicted:
            lines.append(f"  the tables show {self.tabled:,} of the predicted points, drawn at random")
        if self.counting:
            lines.append(f"  only points with {describe_point(self.counting)} count as best")
        lines += _points("best evaluated", self.best)
        lines += _points(f"best of {self.predicted:,} predicted", self.best_predicted)
        lines += self._front()
        lines += self._predicted_front()
        lines += self._named()
        if self.drivers:
            lines += ["  what drives each cost, by total effects:", *(f"    {line}" for line in self.drivers)]
        lines += [f"  {line}" for line in forecast_lines(self.forecast)]
        lines += [f"  written: {short(path)}" for path in self.written]
        return "\n".join(lines)

    def _counted(self) -> str:
        done = self.counts.get(State.DONE, 0)
        bad = sum(self.counts.get(state, 0) for state in (State.FAILED, State.TIMED_OUT, State.INVALID))
        source = f" ({self.looked_up:,} looked up in the table of known results)" if self.looked_up else ""
        size = f"{'about ' if self.about else ''}{grouped(self.size)}"
        return f"{counted(done, 'point')} evaluated{source}, {bad:,} failed, {self.predicted:,} predicted, of {size}"

    def _failures(self) -> list[str]:
        shown, others = self.reasons[:MOST_REASONS], self.reasons[MOST_REASONS:]
        lines = [f"  failed {_times(count)}: {reason}" for reason, count in shown]
        if others:
            reasons = counted(len(others), "more reason")
            lines.append(f"  failed {_times(sum(count for _, count in others))} for {reasons}")
        return lines

    def _front(self) -> list[str]:
        if self.front is None or self.front.empty:
            return []
        shown = self.front.head(MOST_FRONT_LINES).to_string(index=False).splitlines()
        more = len(self.front) - MOST_FRONT_LINES
        lines = [f"  Pareto front, {counted(len(self.front), 'evaluated point')}:", *(f"    {line}" for line in shown)]
        return [*lines, f"    and {more} more"] if more > 0 else lines

    def _predicted_front(self) -> list[str]:
        if self.likely is None:
            return []
        points, likely = self.likely
        told = counted(points, "unseen point")
        return [f"  predicted Pareto front, {told}: {likely} more likely than not better than every evaluated one"]

    def _named(self) -> list[str]:
        lines = [f"    {line}" for line in self.named[:MOST_NAMED]]
        return ["  recommended by the explorer:", *lines] if lines else []


UNSEEN = "error on points the model had not seen"


def error_lines(reports: Sequence[CostReport], heading: str = UNSEEN) -> list[str]:
    """A heading and a line a report; none without reports."""
    if not reports:
        return []
    lines = [f"{heading} (MAPE, R2, rank correlation, coverage of 90 % intervals):"]
    width = max(len(report.cost) for report in reports)
    for report in reports:
        useless = "; useless: no better than the mean" if report.r2 <= 0 else ""
        covered = "-" if np.isnan(report.coverage) else f"{report.coverage:.1f} %"
        numbers = f"{percent(report.mape):>10}  {_four(report.r2):>7}  {_four(report.rank):>7}  {covered:>7}"
        lines.append(f"  {report.cost:{width}}  {numbers}  {report.method}{useless}")
    return lines


def forecast_lines(forecast: Forecast) -> list[str]:
    """What further evaluations are expected to bring, and how sure the best is; or why that cannot be said."""
    if not forecast.evaluations:
        return [f"no forecast: {forecast.silent}"] if forecast.silent else []
    who = "chosen by the model" if forecast.guided else "drawn at random"
    lines = [f"expected of {counted(forecast.evaluations, 'further evaluation')}, {who} (90 % of the draws):"]
    now, *after = (_rounded(v, forecast) for v in (forecast.now, forecast.expected, forecast.low, forecast.high))
    lines.append(f"  {forecast.what} {now} -> {after[0]} ({after[1]} to {after[2]})")
    if not forecast.confidence:
        return [*lines, f"how sure the best is cannot be said: {forecast.silent}"]
    within = forecast.confidence[0].within
    shares = ", ".join(f"{one.objective} {_share(one.share)}" for one in forecast.confidence)
    return [*lines, f"confidence that the best evaluated is within {within:g} % of the best there is: {shares}"]


def _rounded(value: float, forecast: Forecast) -> str:
    return f"{value:.4g} %" if forecast.what == VOLUME else number(value, 6)


def _share(share: float) -> str:
    return f"{min(max(100 * share, 1), 99):.0f} %"


def _points(title: str, points: Sequence[BestPoint]) -> list[str]:
    lines = [f"  {title}:"] if points else []
    for best in points:
        known = np.isfinite(best.lower) and np.isfinite(best.upper)
        spread = f" +- {number(best.std, 2)}" if best.std and not known else ""
        place = f"  at {best.point}" if best.point else ""  # no knob varies
        lines.append(f"    {best.goal} {best.objective} = {number(best.value)}{spread}{place}")
        if best.std and known:
            beats = "" if np.isnan(best.chance) else f", better than the best evaluated: {100 * best.chance:.0f} %"
            ends = (number(_to_digits_of(best.std, end)) for end in (best.lower, best.upper))
            lines.append(f"      90 % interval {' to '.join(ends)}{beats}")
        lines += [f"      nearest evaluated: {best.near}"] if best.near else []
    return lines


def _to_digits_of(std: float, value: float) -> float:
    """The value to the second digit of its deviation."""
    return round(value, 1 - int(np.floor(np.log10(std))))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _four(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"
