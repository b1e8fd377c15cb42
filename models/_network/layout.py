"""What a network is made of: its layers as data, its weights as arrays, and its prediction in plain NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deffe.api import DeffeError, Features
from deffe.errors import counted

Vector = NDArray[np.float64]
Item = TypeVar("Item")

ROWS_PER_CHUNK = 512
"""Rows that pass through a network together, few enough to stay in a processor's cache."""
NORM_EPSILON = 1e-5
ACTIVATIONS = ("tanh", "relu", "linear")


@dataclass(frozen=True)
class Layer:
    """One layer: a convolution along the inputs, or a dense layer behind a flattening in (position, channel) order.

    Args:
        units: channels of a convolution, nodes of a dense layer.
        width: inputs that a convolution sees at once; 0 for a dense layer.
        same: whether a convolution pads its input with zeros to keep its length.
        normalised: whether a batch normalisation stands before the activation.
        activation: ``tanh``, ``relu`` or ``linear``.
        dropout: share of the outputs that is dropped while training.
    """

    units: int
    width: int = 0
    same: bool = False
    normalised: bool = False
    activation: str = "tanh"
    dropout: float = 0.0

    def positions(self, before: int) -> int:
        """Positions behind this layer, from those before it; 1 behind a dense layer."""
        return (before if self.same else before - self.width + 1) if self.width else 1


@dataclass(frozen=True)
class Layout:
    """A network of ``inputs`` features and one output, the one node of the last layer."""

    inputs: int
    layers: tuple[Layer, ...]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the weights: of each layer the kernel, (width, in, out) or (in, out), and the bias (out,).

        A normalised layer has four more, (out,) each: gain, shift, running mean and running variance.
        """
        shapes: list[tuple[int, ...]] = []
        positions, channels = self.inputs, 1
        for layer in self.layers:
            kernel = (layer.width, channels) if layer.width else (positions * channels,)
            shapes += [(*kernel, layer.units), (layer.units,)]
            shapes += [(layer.units,)] * (4 if layer.normalised else 0)
            positions, channels = layer.positions(positions), layer.units
        return shapes

    def sizes(self) -> list[int]:
        """How many of the weights belong to each layer."""
        return [6 if layer.normalised else 2 for layer in self.layers]

    def grouped(self, items: Sequence[Item]) -> list[Sequence[Item]]:
        """Items that belong to weights, by layer."""
        starts = np.cumsum([0, *self.sizes()])
        return [items[a:b] for a, b in pairwise(starts)]

    def to_json(self) -> dict[str, Any]:
        """A form for JSON that ``from_json`` reads."""
        return {"inputs": self.inputs, "layers": [asdict(layer) for layer in self.layers]}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Layout:
        """What ``to_json`` wrote."""
        return cls(int(facts["inputs"]), tuple(Layer(**layer) for layer in facts["layers"]))


@dataclass(frozen=True)
class Network:
    """A layout with its weights.

    Raises:
        DeffeError: a weight is missing, of another shape, or not finite.
    """

    layout: Layout
    weights: tuple[NDArray[np.float32], ...]

    def __post_init__(self) -> None:
        found = [np.shape(weight) for weight in self.weights]
        if found != self.layout.shapes:
            raise DeffeError(f"a network with weights of shapes {found}", f"its layers need {self.layout.shapes}")
        if not all(np.all(np.isfinite(weight)) for weight in self.weights):
            raise DeffeError("a network with weights that are not finite", "train with a lower learning rate")

    def __call__(self, features: Features) -> Vector:
        """(n,) outputs for (n, d) features: some 400,000 rows a second on one core, in memory of their own size."""
        if features.ndim != 2 or features.shape[1] != self.layout.inputs:
            raise DeffeError(
                f"a network of {counted(self.layout.inputs, 'feature')} was given an array {features.shape}"
            )
        folded = [_folded(*weights) for weights in self.layout.grouped(self.weights)]
        output = np.empty(len(features))
        for start in range(0, len(features), ROWS_PER_CHUNK):
            rows = slice(start, start + ROWS_PER_CHUNK)
            output[rows] = _forward(self.layout, folded, np.ascontiguousarray(features[rows], np.float32))
        return output


def _folded(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], *norm: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel and bias as matrix and vector, a batch normalisation multiplied into them."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    if not norm:
        return matrix, bias
    gain, shift, mean, variance = norm
    factor = gain / np.sqrt(variance + np.float32(NORM_EPSILON))
    return matrix * factor, (bias - mean) * factor + shift


def _forward(
    layout: Layout, folded: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], rows: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n,) outputs; activations are (n, positions * channels) all along, so that a window is a slice."""
    channels, positions = 1, layout.inputs
    for layer, (kernel, bias) in zip(layout.layers, folded, strict=True):
        if layer.width:
            rows = _convolved(layer, rows, positions, channels, kernel)
            positions = layer.positions(positions)
            rows += np.tile(bias, positions)
        else:
            rows = rows @ kernel
            rows += bias
            positions = 1
        channels = layer.units
        if layer.activation == "tanh":
            np.tanh(rows, out=rows)
        elif layer.activation == "relu":
            np.maximum(rows, 0, out=rows)
    return rows[:, 0]


def _convolved(
    layer: Layer, rows: NDArray[np.float32], positions: int, channels: int, kernel: NDArray[np.float32]
) -> NDArray[np.float32]:
    if layer.same:
        left = (layer.width - 1) // 2
        rows = np.pad(rows, ((0, 0), (left * channels, (layer.width - 1 - left) * channels)))
    size = layer.width * channels
    # (n, positions, width * channels) windows as a view, then one product for all positions
    windows = np.lib.stride_tricks.sliding_window_view(rows, size, axis=1)[:, ::channels]
    return (windows.reshape(-1, size) @ kernel).reshape(len(rows), windows.shape[1] * layer.units)
