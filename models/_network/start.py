"""Where a network starts from: an earlier one, its output set to the costs at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .inputs import Inputs
from .layout import Layout, Network
from .loss import Frame, Vector


@dataclass(frozen=True)
class Origin:
    """A network to start from.

    Args:
        frame: what its output is to the cost.
        inputs: its inputs from the features of this run; None when they are the same.
        adapts: whether its output may be scaled to the costs of this run.
    """

    network: Network
    frame: Frame
    inputs: Inputs | None = None
    adapts: bool = True

    @classmethod
    def of(cls, learned: Any) -> Origin | None:
        """The network of whatever has one; None if it has none."""
        network, frame = getattr(learned, "network", None), getattr(learned, "frame", None)
        if not isinstance(network, Network) or not isinstance(frame, Frame):
            return None
        return cls(network, frame, getattr(learned, "inputs", None))


def adaptation(output: Vector, wanted: Vector) -> tuple[float, float]:
    """Gain and shift that fit (n,) outputs to what is wanted, where that halves the squared error; else 1 and 0."""
    gain, shift = 1.0, float(np.mean(wanted - output))
    if len(wanted) > 2 and np.std(output) > 0:
        gain = max(0.0, float(np.cov(output, wanted, ddof=0)[0, 1] / np.var(output))) or 1.0
        shift = float(np.mean(wanted - gain * output))
    before, after = np.mean((wanted - output) ** 2), np.mean((wanted - gain * output - shift) ** 2)
    return (gain, shift) if after < before / 2 else (1.0, 0.0)


def affine(network: Network, gain: float, shift: float) -> Network:
    """The network whose output is ``gain * output + shift``."""
    *weights, kernel, bias = network.weights
    return Network(network.layout, (*weights, kernel * np.float32(gain), bias * np.float32(gain) + np.float32(shift)))


def rescaled(network: Network, old: Frame, new: Frame) -> Network:
    """A network of the same costs with its output in another frame; offsets of zero costs are not carried over."""
    unit = np.log(old.unit / new.unit) if old.log else 0.0
    ratio = 1.0 if old.log else old.unit / new.unit
    return affine(network, ratio * old.scale / new.scale, (ratio * old.centre + unit - new.centre) / new.scale)


def with_dropout(network: Network, dropout: float) -> Network:
    """The network with a linear output and this share dropped behind its hidden layers but the last."""
    layers = network.layout.layers
    hidden = [replace(layer, dropout=dropout) for layer in layers[:-2]]
    made = Layout(network.layout.inputs, (*hidden, *layers[-2:-1], replace(layers[-1], activation="linear")))
    return Network(made, network.weights)
