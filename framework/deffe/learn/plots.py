"""Draws losses over epochs and errors over steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deffe.checkpoint import About
from deffe.errors import UsageError
from deffe.records import ModelReport

MOST_LABELS = 5
WIDE = 10.0
"""How many times the least loss the largest is, from where a logarithmic axis shows them better."""


@dataclass(frozen=True)
class Loss:
    """A point of the curves.

    Args:
        step, epoch, cost: when, and of which cost.
        train: number of points trained on.
        train_loss, val_loss: NaN where not known.
        error: mean absolute percentage error on points that were not trained on.
    """

    step: int
    epoch: int
    cost: str
    train: int
    train_loss: float
    val_loss: float
    error: float


def losses_of(report: ModelReport, step: int, kept: Sequence[About]) -> list[Loss]:
    """The points of a step: one a checkpoint, or one a cost where none was kept."""
    error = {entry.cost: entry.mape for entry in report.costs}
    if kept:
        return [
            Loss(step, one.epoch, one.cost, one.train, one.train_loss, one.val_loss, error.get(one.cost, math.nan))
            for one in kept
        ]
    return [Loss(step, 0, cost, report.trained_on, math.nan, math.nan, mape) for cost, mape in error.items()]


def plot_losses(path: Path, losses: Sequence[Loss], loss: str) -> Path:
    """Draw, for each cost, its losses over the epochs of all steps, and its error over steps, into an image file.

    Args:
        losses: in the order of steps and epochs.
        loss: what the losses are called.
    Returns:
        the file.
    Raises:
        UsageError: matplotlib is not installed, or the file cannot be written.
    """
    figure_class = figure_maker()
    costs = list(dict.fromkeys(one.cost for one in losses))
    figure = figure_class(figsize=(10, 3.2 * max(len(costs), 1)), layout="constrained")
    axes = figure.subplots(max(len(costs), 1), 2, squeeze=False)
    for (left, right), cost in zip(axes, costs, strict=False):
        own = [one for one in losses if one.cost == cost]
        _draw_losses(left, own, f"{cost}: {loss}")
        last = {one.step: one for one in own}
        _draw_errors(right, [(one.train, one.error) for one in last.values()], f"{cost}: error after each step")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"the plot {path} cannot be written: {error}") from error
    return path


def figure_maker() -> Any:
    """What makes figures; UsageError where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("a plot needs matplotlib (-plot-loss)", "pip install 'deffe[report]'") from error
    return Figure


def _draw_losses(axis: Any, losses: Sequence[Loss], title: str) -> None:
    places = range(len(losses))
    axis.plot(places, [one.train_loss for one in losses], marker=".", label="trained on")
    axis.plot(places, [one.val_loss for one in losses], marker=".", label="validation")
    starts = [i for i in places if i == 0 or losses[i].step != losses[i - 1].step]
    for start in starts[1:]:
        axis.axvline(start - 0.5, color="0.8", linewidth=0.8)
    axis.set(title=title, xlabel="checkpoint (step: epoch)")
    values = [loss for one in losses for loss in (one.train_loss, one.val_loss) if not math.isnan(loss)]
    if values and 0 < WIDE * min(values) < max(values):
        axis.set_yscale("log")
    shown = list(places)[:: -(-len(losses) // MOST_LABELS)]
    axis.set_xticks(shown, [f"{losses[i].step}: {losses[i].epoch}" for i in shown])
    axis.legend()


def _draw_errors(axis: Any, errors: Iterable[tuple[int, float]], title: str) -> None:
    points = list(errors)
    axis.plot([count for count, _ in points], [error for _, error in points], marker="o")
    axis.set(title=title, xlabel="points trained on", ylabel="MAPE of points not trained on, %", ylim=(0, None))
