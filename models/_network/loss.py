"""What networks are trained to make small, and how their output becomes a cost again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

LossName = Literal["custom_mean_abs_log_loss", "custom_mean_abs_exp_loss", "custom_mean_abs_loss", "mean_squared_error"]
LOSS_ALIASES: dict[str, LossName] = {
    "log": "custom_mean_abs_log_loss",
    "exp": "custom_mean_abs_exp_loss",
    "abs": "custom_mean_abs_loss",
    "mse": "mean_squared_error",
    "custom_mean_squared_error": "mean_squared_error",
    "mean_squared_error_int": "mean_squared_error",
}
"""Other names of the losses, those of older configurations among them."""
LARGEST_LOG = 709.0
"""The largest whole number whose exponential is finite."""
STEEP = 5.0
"""Logarithm of the ratio beyond which the relative error goes on as a straight line, so that gradients stay finite."""


@dataclass(frozen=True)
class Frame:
    """How the output o becomes a cost y: p = centre + scale * o, and y = unit * exp(p) - offset or y = unit * p.

    Args:
        log: whether p is the logarithm of the cost.
        centre, scale: of p over the training rows, so that outputs have mean 0 and variance 1.
        unit: what costs are counted in.
        offset: added to a cost before the logarithm, where there are costs of 0.
    """

    log: bool
    centre: float = 0.0
    scale: float = 1.0
    unit: float = 1.0
    offset: float = 0.0

    def plain(self, cost: Vector) -> Vector:
        """p for (n,) costs."""
        if not self.log:
            return cost / self.unit
        return np.asarray(np.log((cost + self.offset) / self.unit))

    def forward(self, cost: Vector) -> Vector:
        """(n,) outputs that stand for (n,) costs."""
        return (self.plain(cost) - self.centre) / self.scale

    def backward(self, output: Vector) -> Vector:
        """(n,) costs for (n,) outputs; never infinite, whatever the output."""
        p = self.centre + self.scale * output
        if not self.log:
            return p * self.unit
        p = np.minimum(p + np.log(self.unit), LARGEST_LOG)
        return np.asarray(np.exp(p) - self.offset)


@dataclass(frozen=True)
class Loss:
    """A loss as a weighted penalty of the difference z between the output and what it should be.

    Source of the first three: the losses of the original system,

    - ``custom_mean_abs_log_loss``: mean of abs(p - ln y) / ln y,
    - ``custom_mean_abs_exp_loss``: mean of abs(exp(p) - y) / y,
    - ``custom_mean_abs_loss``: mean of abs(p - y) / y,
    - ``mean_squared_error``: mean of (p - y)^2, as a share of the variance of y.

    Args:
        name: which.
        scale: of the frame, see ``Frame``.
    """

    name: LossName
    scale: float

    def weights(self, cost: Vector, frame: Frame) -> Vector:
        """(n,) weights of the penalties of (n,) costs."""
        if self.name == "custom_mean_abs_log_loss":
            # the unit makes ln y at least 1 where the network learned; elsewhere it could be 0
            return self.scale / np.maximum(np.abs(frame.plain(cost)), 1.0)
        if self.name == "custom_mean_abs_loss":
            size = np.abs(cost)
            floor = 0.5 * float(np.min(size[size > 0], initial=np.inf))
            return self.scale * frame.unit / np.maximum(size, floor)
        return np.ones(len(cost))

    def penalty(self, difference: Any, weights: Any, ops: Any = np) -> Any:
        """(n,) penalties of arrays of whatever library; ``ops`` is its module."""
        if self.name == "mean_squared_error":
            return weights * difference * difference
        if self.name != "custom_mean_abs_exp_loss":
            return weights * ops.abs(difference)
        ratio = self.scale * difference
        inside = ops.clip(ratio, -1e30, STEEP)
        return weights * (ops.abs(ops.expm1(inside)) + float(np.exp(STEEP)) * (ratio - inside))


def frame_of(cost: Vector, name: LossName, factor: float = 1.0) -> tuple[Frame, Loss, tuple[str, ...]]:
    """The frame in which (n,) costs are learned under a loss, the loss itself, and what to tell the user.

    The log loss counts costs in a unit that makes each at least e, where they are not so by themselves. Costs of 0 are
    learned with half the smallest positive cost added to all, which is taken off predictions. With costs below 0 there
    is no logarithm: the mean squared error of the costs themselves is taken instead.

    Args:
        factor: what costs are multiplied by for the loss; predictions are divided by it.
    """
    notes: tuple[str, ...] = ()
    log = name in ("custom_mean_abs_log_loss", "custom_mean_abs_exp_loss")
    if np.ptp(cost) == 0:
        notes = (f"is {cost[0]:g} at all points trained on: mean_squared_error is used",)
        log, name = False, "mean_squared_error"
    elif log and np.min(cost) < 0:
        notes = (f"has values below 0, which {name} cannot learn: mean_squared_error is used",)
        log, name = False, "mean_squared_error"
    offset = 0.0
    if log and np.min(cost) == 0:
        offset = 0.5 * float(np.min(cost[cost > 0]))
        notes = (f"has values of 0: {offset:g}, half the smallest other one, is added for {name} and taken off again",)
    unit = 1 / factor
    if name == "custom_mean_abs_log_loss":
        unit = min(unit, (float(np.min(cost)) + offset) / np.e)
    frame = Frame(log, unit=unit, offset=offset)
    plain = frame.plain(cost)
    frame = Frame(log, float(np.mean(plain)), float(np.std(plain)) or 1.0, unit, offset)
    return frame, Loss(name, frame.scale), notes
