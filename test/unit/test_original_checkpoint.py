"""Keras HDF5 files of the original: the same predictions as its authors published, and a clear word on broken files."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from deffe.errors import DeffeError
from deffe.models.original_cnn import Restore

h5py = pytest.importorskip("h5py")

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "deffe_checkpoint"
Arrays = list[NDArray[np.float64]]


def conv(rows: NDArray[np.float64], kernel: NDArray[np.float64], bias: NDArray[np.float64]) -> NDArray[np.float64]:
    """A convolution written out: (n, positions, in) to (n, positions - width + 1, out)."""
    width = len(kernel)
    places = range(rows.shape[1] - width + 1)
    return np.stack([np.einsum("nki,kio->no", rows[:, p : p + width], kernel) for p in places], axis=1) + bias


def expected(weights: Arrays, convs: int, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the original's network says, step by step in double precision."""
    rows = features[:, :, None] if convs else features
    while weights:
        kernel, bias, *weights = weights
        if kernel.ndim == 3:
            rows = np.tanh(conv(rows, kernel, bias))
            continue
        rows = rows.reshape(len(rows), -1) @ kernel + bias
        rows = np.tanh(rows) if len(weights) > 2 else np.maximum(rows, 0)
    return np.exp(rows[:, 0])


def make_weights(convs: int, inputs: int = 8) -> dict[str, Arrays]:
    rng = np.random.default_rng(3)
    shapes = {"conv1": (3, 1, 32), "conv2": (3, 32, 64)} if convs else {}
    dense = [64 * (inputs - 4) if convs else inputs, *([24] if convs else [24, 20, 16]), 12, 1]
    shapes |= {f"dense{i}": pair for i, pair in enumerate(pairwise(dense))}
    return {
        name: [rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1])), rng.normal(0.3, 0.1, size=shape[-1])]
        for name, shape in shapes.items()
    }


def write(path: Path, weights: dict[str, Arrays], style: str = "2.6", config: dict[str, Any] | None = None) -> Path:
    """A file as Keras 2.6, or 2.2 with suffixed layers and names as bytes, writes it."""
    suffix = "_13" if style == "2.2" else ""
    encode = (lambda names: np.array(names, dtype="S")) if style == "2.2" else list
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        layers = ["parameters", *(name + suffix for name in weights), "dropout"]
        group.attrs["layer_names"] = encode(layers)
        for layer in layers:
            pair = weights.get(layer.removesuffix(suffix), [])
            inside = group.create_group(layer)
            names = [f"{layer}/{part}:0" for part in ("kernel", "bias")][: len(pair)]
            inside.attrs["weight_names"] = encode(names) if names else np.array([])
            for name, array in zip(names, pair, strict=True):
                inside[name] = array.astype(np.float32)
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["training_config"] = json.dumps({"loss": "custom_mean_abs_log_loss"})
    return path


@pytest.mark.skipif(not DATA.is_dir(), reason="the data shared between projects is not beside the repository")
def test_the_published_predictions_come_out_again() -> None:
    published = pd.read_csv(DATA / "test-output.csv")
    features = published.iloc[:, :8].to_numpy()
    network = Restore(DATA / "kmeans.hdf5", {})
    np.testing.assert_allclose(network.Predict(features).mean[:, 0], published["predicted"], rtol=1e-5)
    assert network.loss == "custom_mean_abs_log_loss"


@pytest.mark.parametrize("style", ["2.2", "2.6"])
@pytest.mark.parametrize("convs", [0, 2])
def test_both_layouts_of_both_versions_of_keras_are_read(tmp_path: Path, convs: int, style: str) -> None:
    weights = make_weights(convs)
    features = np.random.default_rng(0).random((1300, 8))
    prediction = Restore(write(tmp_path / "a.hdf5", weights, style), {}).Predict(features)
    flat = [array.astype(np.float32).astype(float) for pair in weights.values() for array in pair]
    np.testing.assert_allclose(prediction.mean[:, 0], expected(flat, convs, features), rtol=1e-5)
    assert np.isnan(prediction.std).all()
    assert prediction.mean.shape == (1300, 1)


def test_the_order_of_the_rows_in_memory_does_not_matter(tmp_path: Path) -> None:
    network = Restore(write(tmp_path / "a.hdf5", make_weights(2)), {})
    features = np.random.default_rng(0).random((50, 8))
    np.testing.assert_array_equal(network.Predict(features).mean, network.Predict(np.asfortranarray(features)).mean)


def test_a_network_of_costs_themselves_is_read_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", make_weights(0))
    features = np.random.default_rng(0).random((5, 8))
    plain = Restore(tmp_path, {"output": "linear"}).Predict(features).mean
    np.testing.assert_allclose(np.exp(plain), Restore(path, {}).Predict(features).mean)
    with pytest.raises(DeffeError, match="log2"):
        Restore(path, {"output": "log2"})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 nothing of the kind" * 100)


def without_names(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["model_weights"].attrs["layer_names"]


def of_other_form(path: Path) -> None:
    write(path, make_weights(2) | {"dense0": [np.ones((7, 24)), np.ones(24)]})


def with_two_outputs(path: Path) -> None:
    write(path, make_weights(0) | {"dense4": [np.ones((12, 2)), np.ones(2)]})


def with_relu6(path: Path) -> None:
    layer = {"name": "dense0", "activation": "relu6"}
    write(path, make_weights(0), config={"config": {"layers": [{"config": layer}]}})


def not_finite(path: Path) -> None:
    write(path, make_weights(0) | {"dense0": [np.full((8, 24), np.nan), np.ones(24)]})


@pytest.mark.parametrize(
    "spoil", [cut, other, without_names, of_other_form, with_two_outputs, with_relu6, not_finite, Path.unlink]
)
def test_files_that_are_no_such_network_are_refused(tmp_path: Path, spoil: Any) -> None:
    path = write(tmp_path / "a.hdf5", make_weights(2))
    spoil(path)
    with pytest.raises(DeffeError, match=r"a\.hdf5"):
        Restore(path, {})


def test_features_of_another_number_are_refused(tmp_path: Path) -> None:
    network = Restore(write(tmp_path / "a.hdf5", make_weights(2)), {})
    with pytest.raises(DeffeError, match="8 inputs, not 7"):
        network.Predict(np.zeros((3, 7)))
