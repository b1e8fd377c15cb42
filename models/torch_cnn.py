"""Convolutional networks on PyTorch: the original's variants for it and its Keras layouts, on CPU or GPU as found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deffe.api import DeffeError, Field, Framework, PluginError

from ._learning.learner import restore
from ._network.layout import NORM_EPSILON, Layer, Layout, Network
from ._network.learner import NetworkLearner
from ._network.options import NetworkOptions, keras_layout
from ._network.regressor import NetworkRegressor
from ._network.training import Course, Judge

INSTALL = "pip install 'deffe[torch]'"
NORM_MOMENTUM = 0.1
VARIANTS = {
    "torch_wl_cnn_gen": (64, 32, 16, 3),
    "torch_wl_cnn": (32, 64, 32, 3),
    "torch_wl_cnn_5": (32, 64, 32, 5),
    "torch_wl_cnn_16": (32, 16, 16, 3),
    "torch_wl_cnn_64": (64, 32, 16, 3),
}
"""Channels of the two convolutions, nodes of the dense layer, and width of the convolutions of each variant."""


class TorchOptions(NetworkOptions):
    """Options of networks on PyTorch."""

    network: Literal[
        "keras", "torch_wl_cnn_gen", "torch_wl_cnn", "torch_wl_cnn_5", "torch_wl_cnn_16", "torch_wl_cnn_64"
    ] = Field(default="torch_wl_cnn_gen", description="the layers: a variant of the original for PyTorch, or keras")
    batch_norm: bool = Field(
        default=False, description="normalise behind convolutions, as the original did; from few rows far less accurate"
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, or cuda:1 and so on")


def torch_layout(inputs: int, options: TorchOptions) -> Layout:
    """The original's network for PyTorch, for any number of inputs; its output is linear, see ``keras_layout``."""
    if options.network == "keras":
        return keras_layout(inputs, options)
    first, second, nodes, width = VARIANTS[options.network]
    norm = options.batch_norm
    return Layout(
        inputs,
        (
            Layer(first, width, same=True, normalised=norm),
            Layer(second, width, same=True, normalised=norm, dropout=options.dropout),
            Layer(nodes, dropout=options.dropout),
            Layer(1, activation="linear"),
        ),
    )


class TorchRegressor(NetworkRegressor):
    """A network trained by PyTorch, its weights kept as safetensors, which load without PyTorch."""

    file = "network.safetensors"

    defaults = TorchOptions

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__(options)
        self._torch = options if isinstance(options, TorchOptions) else TorchOptions()

    def layout(self, inputs: int) -> Layout:
        """The layers of the variant that was asked for."""
        return torch_layout(inputs, self._torch)

    def train(self, course: Course, judge: Judge) -> tuple[str, ...]:
        """Train on the device that was asked for; on the CPU where a GPU's memory is too small."""
        torch = _torch()
        device = find_device(self._torch.device)
        try:
            _train(course, judge, device)
        except torch.cuda.OutOfMemoryError:
            if device == "cpu":
                raise
            judge.forget()
            torch.cuda.empty_cache()
            _train(course, judge, "cpu")
            return (f"the memory of {device} is too small: trained on the CPU",)
        return ()

    def write(self, network: Network, path: Path) -> None:
        """Write the weights as arrays ``layer0.kernel``, ``layer0.bias`` and so on."""
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        arrays = dict(zip(_names(network.layout), map(np.ascontiguousarray, network.weights), strict=True))
        try:
            save_file(arrays, path)
        except SafetensorError as error:
            raise OSError(str(error)) from error

    @classmethod
    def read(cls, layout: Layout, path: Path) -> Network:
        """The weights in a file of ``write``."""
        try:
            from safetensors import SafetensorError
            from safetensors.numpy import load_file
        except ImportError as error:
            raise PluginError(f"{path} needs safetensors to be read", "pip install safetensors") from error
        try:
            arrays = load_file(path)
        except SafetensorError as error:
            raise DeffeError(f"no weights can be read: {error}", "it is cut short or of another kind") from error
        return Network(layout, tuple(arrays[name] for name in _names(layout)))


def _names(layout: Layout) -> list[str]:
    parts = ("kernel", "bias", "gain", "shift", "mean", "variance")
    return [f"layer{i}.{part}" for i, size in enumerate(layout.sizes()) for part in parts[:size]]


def _torch() -> Any:
    try:
        import safetensors.numpy  # noqa: F401
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise PluginError(f"torch_cnn needs {error.name}, which is not installed", INSTALL) from error
    return torch


def find_device(wanted: str) -> str:
    """The device to train on.

    Raises:
        PluginError: it is not there.
    """
    torch = _torch()
    try:
        if wanted == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise PluginError(
            f"torch_cnn: device {wanted!r} cannot be used: {reason}", "auto, cpu, cuda, cuda:1"
        ) from error
    return wanted


def _train(course: Course, judge: Judge, device: str) -> None:
    torch = _torch()
    seeds = torch.Generator().manual_seed(course.seed)
    with _own_state(course.seed, device):
        parameters = _parameters(course, seeds, device)
        data = [
            torch.as_tensor(np.ascontiguousarray(array, dtype=np.float32), device=device)
            for array in (course.examples.features, course.examples.wanted, course.examples.weights)
        ]
        steps = -(-len(course.examples) // course.batch_size)
        optimiser = torch.optim.Adam(_learned(course, parameters), lr=course.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * course.epochs)
        for epoch in range(1, course.epochs + 1):
            order = torch.randperm(len(course.examples), generator=seeds).to(device)
            loss = _epoch(course, parameters, data, order, optimiser, schedule)
            if not judge.see(epoch, loss, [weight.detach().cpu().numpy().copy() for weight in parameters]):
                return


def _epoch(course: Course, parameters: list[Any], data: list[Any], order: Any, optimiser: Any, schedule: Any) -> float:
    """Pass once over the rows in this order; the mean loss."""
    torch = _torch()
    total = torch.zeros((), device=order.device)
    features, wanted, weights = (array[order] for array in data)
    for start in range(0, len(order), course.batch_size):
        rows = slice(start, start + course.batch_size)
        output = _forward(course, parameters, features[rows])
        loss = course.loss.penalty(output - wanted[rows], weights[rows], torch).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        total += loss.detach() * len(output)
    return float(total) / len(order)


@contextmanager
def _own_state(seed: int, device: str) -> Iterator[None]:
    """One thread, which is quickest for networks this small, and random numbers that leave those of others alone."""
    torch = _torch()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with torch.random.fork_rng(devices=[] if device == "cpu" else [torch.device(device)]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def _parameters(course: Course, seeds: Any, device: str) -> list[Any]:
    """Weights to start from: those given, or random ones.

    Source: Glorot, Bengio, AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html, uniform.
    """
    torch = _torch()
    if course.start is not None:
        return [torch.tensor(weight, device=device) for weight in course.start.weights]
    made = []
    for layer, (kernel, bias, *norm) in zip(
        course.layout.layers, course.layout.grouped(course.layout.shapes), strict=True
    ):
        fans = int(np.prod(kernel[:-1])) + kernel[-1] * max(layer.width, 1)
        bound = float(np.sqrt(6 / fans))
        made += [torch.empty(kernel).uniform_(-bound, bound, generator=seeds), torch.zeros(bias)]
        made += [torch.full(shape, value) for shape, value in zip(norm, (1.0, 0.0, 0.0, 1.0), strict=False)]
    return [weight.to(device) for weight in made]


def _learned(course: Course, parameters: list[Any]) -> list[Any]:
    """Those weights that are learned: not those of frozen layers, nor running means and variances."""
    learned = [weight for group in course.layout.grouped(parameters)[course.frozen :] for weight in group[:4]]
    for weight in learned:
        weight.requires_grad_(True)
    return learned


def _forward(course: Course, parameters: Sequence[Any], rows: Any) -> Any:
    """(n,) outputs of (n, d) rows while training."""
    functional = _torch().nn.functional
    layout = course.layout
    positions = layout.inputs
    rows = rows[:, :, None]
    for index, (layer, weights) in enumerate(zip(layout.layers, layout.grouped(parameters), strict=True)):
        if layer.width:
            positions = layer.positions(positions)
            rows = _windows(layer, rows, positions)
        elif rows.dim() == 3:
            rows = rows.flatten(1)
        kernel, bias, *norm = weights
        rows = functional.linear(rows, kernel.flatten(0, -2).T, bias)
        if norm:
            rows = _normalised(rows, norm, learning=index >= course.frozen)
        if layer.activation != "linear":
            rows = rows.tanh() if layer.activation == "tanh" else rows.relu()
        if layer.dropout:
            rows = functional.dropout(rows, layer.dropout)
    return rows[:, 0]


def _windows(layer: Layer, rows: Any, positions: int) -> Any:
    """(n, positions, width * channels): the windows of a convolution, as slices, whose gradients are deterministic."""
    torch = _torch()
    if layer.same:
        left = (layer.width - 1) // 2
        rows = torch.nn.functional.pad(rows, (0, 0, left, layer.width - 1 - left))
    return torch.cat([rows[:, k : k + positions] for k in range(layer.width)], dim=2)


def _normalised(rows: Any, norm: Sequence[Any], learning: bool) -> Any:
    gain, shift, mean, variance = norm
    flat = rows.flatten(0, -2)
    arguments = (mean, variance, gain, shift, learning, NORM_MOMENTUM, NORM_EPSILON)
    return _torch().nn.functional.batch_norm(flat, *arguments).view_as(rows)


def GetObject(framework: Framework) -> NetworkLearner:
    options = framework.options(TorchOptions)
    find_device(options.device)
    return NetworkLearner(framework, options, partial(TorchRegressor, options))


Restore = restore
