"""Reads the Keras HDF5 files of the original system, by h5py alone, into networks of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.api import DeffeError, PluginError
from deffe.errors import counted

from .layout import ACTIVATIONS, Layer, Layout, Network

EXPECTED = "expected a whole Keras HDF5 model of Conv1D layers, if any, followed by Dense layers with one output"


def read_original(path: Path) -> tuple[Network, str]:
    """The network in a file, and the name of the loss it was trained with (empty when the file does not say).

    Files of Keras 2.2 and 2.6 are read, with or without their configuration: where it is missing, activations are those
    of the original, tanh but for its last two layers. Its output is the logarithm of a cost.

    Raises:
        PluginError: h5py is missing; the file is cut short, of another kind, or of a network of another form.
    """
    try:
        import h5py  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise PluginError(f"{path} needs h5py to be read", "pip install h5py") from error
    if not path.is_file():
        raise PluginError(f"{path} does not exist", "the Keras HDF5 file of a network")
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            stored = [(name, kernel[()], bias[()]) for name, kernel, bias in _stored(group)]
            model, training = _json(file.attrs.get("model_config")), _json(file.attrs.get("training_config"))
        return _network(stored, _configs(model)), str((training or {}).get("loss") or "")
    except DeffeError as error:
        raise PluginError(f"{path} holds {error.message}", EXPECTED) from error
    except (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        raise PluginError(f"{path} is not a network that can be read: {error}", EXPECTED) from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _json(value: Any) -> Any:
    return None if value is None else json.loads(_text(value))


def _stored(group: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, kernel and bias of each layer with weights, in the order of the network."""
    for layer in (_text(name) for name in group.attrs["layer_names"]):
        names = [_text(name) for name in group[layer].attrs["weight_names"]]
        if not names:
            continue
        # "conv1_13/kernel:0": what stands before the last slash is the layer with its suffix
        parts = {name.rsplit("/", 1)[-1].split(":")[0]: group[layer][name] for name in names}
        if set(parts) != {"kernel", "bias"}:
            raise ValueError(f"layer {layer!r} has weights {', '.join(sorted(parts))}, not a kernel and a bias")
        yield layer, parts["kernel"], parts["bias"]


def _configs(model: Any) -> dict[str, Mapping[str, Any]]:
    layers = (model or {}).get("config", {})
    listed = layers.get("layers", []) if isinstance(layers, dict) else layers
    return {str(layer["config"]["name"]): layer["config"] for layer in listed if "name" in layer["config"]}


def _network(stored: list[tuple[str, NDArray[Any], NDArray[Any]]], configs: Mapping[str, Mapping[str, Any]]) -> Network:
    layers = []
    for index, (name, kernel, _) in enumerate(stored):
        usual = "tanh" if index < len(stored) - 2 else "relu"
        layers.append(_layer(name, kernel, configs.get(name, {}), usual))
    kernels = [kernel for _, kernel, _ in stored]
    if not kernels or [layer.width > 0 for layer in layers] != sorted((k.ndim == 3 for k in kernels), reverse=True):
        raise ValueError("its layers are not convolutions followed by dense layers")
    layout = Layout(_inputs(layers, kernels), tuple(layers))
    weights = [np.asarray(array, dtype=np.float32) for _, *pair in stored for array in pair]
    if layers[-1].units != 1 or layers[-1].width:
        raise ValueError(f"it has {counted(layers[-1].units, 'output')}")
    if layout.shapes != [weight.shape for weight in weights]:
        raise ValueError(f"weights of shapes {[w.shape for w in weights]} do not fit together")
    return Network(layout, tuple(weights))


def _layer(name: str, kernel: NDArray[Any], config: Mapping[str, Any], usual: str) -> Layer:
    if kernel.ndim not in (2, 3):
        raise ValueError(f"layer {name!r} has a kernel of shape {kernel.shape}")
    activation = str(config.get("activation", usual))
    if activation not in ACTIVATIONS:
        raise ValueError(f"layer {name!r} has the activation {activation!r}")
    if [config.get(key, [1])[0] for key in ("strides", "dilation_rate")] != [1, 1] or config.get("groups", 1) != 1:
        raise ValueError(f"layer {name!r} is a convolution with strides, dilation or groups")
    same = config.get("padding", "valid") == "same"
    return Layer(int(kernel.shape[-1]), len(kernel) if kernel.ndim == 3 else 0, same, activation=activation)


def _inputs(layers: list[Layer], kernels: list[NDArray[Any]]) -> int:
    """The number of features: what the first dense layer sees, counted back through the convolutions."""
    convolutions = [layer for layer in layers if layer.width]
    dense = int(kernels[len(convolutions)].shape[0])
    if not convolutions:
        return dense
    lost = sum(layer.width - 1 for layer in convolutions if not layer.same)
    return dense // convolutions[-1].units + lost
