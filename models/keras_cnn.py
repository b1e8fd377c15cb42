"""Convolutional networks on Keras 3, with whichever of TensorFlow, PyTorch and JAX is installed."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from deffe.api import DeffeError, Framework, PluginError

from ._learning.learner import restore
from ._network.layout import Layout, Network
from ._network.learner import NetworkLearner
from ._network.options import NetworkOptions, keras_layout
from ._network.regressor import NetworkRegressor
from ._network.training import Course, Judge

INSTALL = "pip install 'deffe[keras]', and one of tensorflow, torch and jax"
BACKENDS = ("tensorflow", "torch", "jax")


class KerasRegressor(NetworkRegressor):
    """A network trained by Keras, its weights kept as ``.keras``, loaded in Keras' safe mode."""

    file = "network.keras"
    batches = 12  # its steps have a high price of their own

    def layout(self, inputs: int) -> Layout:
        """The original's layers."""
        return keras_layout(inputs, self._options)

    def train(self, course: Course, judge: Judge) -> tuple[str, ...]:
        """Train with the library that Keras runs on."""
        keras = _keras()
        model = _model(course.layout, course.frozen, course.seed)
        if course.start is not None:
            model.set_weights(course.start.weights)
        _compile(model, course)
        rng = np.random.default_rng(course.seed)
        examples = course.examples
        features = examples.features.astype(np.float32)
        wanted = np.stack([examples.wanted, examples.weights], axis=1).astype(np.float32)
        for epoch in range(1, course.epochs + 1):
            order, loss = rng.permutation(len(examples)), float("nan")
            model.reset_metrics()
            for start in range(0, len(order), course.batch_size):
                rows = order[start : start + course.batch_size]
                loss = model.train_on_batch(features[rows], wanted[rows])  # the mean of the epoch so far
            weights = [np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights]
            if not judge.see(epoch, float(loss), weights):
                break
        return ()

    def write(self, network: Network, path: Path) -> None:
        """Write a model that Keras loads, its output being that of the network."""
        model = _model(network.layout)
        model.set_weights(network.weights)
        model.save(path)

    @classmethod
    def read(cls, layout: Layout, path: Path) -> Network:
        """The weights in a file of ``write``."""
        keras = _keras()
        try:
            weights = keras.saving.load_model(path, compile=False, safe_mode=True).get_weights()
        except Exception as error:  # whatever Keras meets in a damaged archive
            raise DeffeError(f"no model can be read: {error}", "it is cut short or of another kind") from error
        return Network(layout, tuple(np.asarray(weight, dtype=np.float32) for weight in weights))


def _keras() -> Any:
    """Keras, on the library that ``KERAS_BACKEND`` names or the first that is installed."""
    if "keras" not in sys.modules and "KERAS_BACKEND" not in os.environ:
        found = [name for name in BACKENDS if find_spec(name)]
        if not found:
            raise PluginError(f"keras_cnn needs one of {', '.join(BACKENDS)}, none of which is installed", INSTALL)
        os.environ["KERAS_BACKEND"] = found[0]
    try:
        import keras  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise PluginError(f"keras_cnn needs {error.name}, which is not installed", INSTALL) from error
    return keras


def _model(layout: Layout, frozen: int = 0, seed: int = 0) -> Any:
    keras = _keras()
    seeds = iter(np.random.default_rng(seed).integers(2**31, size=2 * len(layout.layers)).tolist())
    output = inputs = keras.Input((layout.inputs,), name="parameters")
    convolved = False
    for index, layer in enumerate(layout.layers):
        common = {
            "activation": layer.activation,
            "kernel_initializer": keras.initializers.GlorotUniform(next(seeds)),
            "trainable": index >= frozen,
        }
        if layer.normalised:
            raise PluginError("keras_cnn has no normalised layers", "torch_cnn has")
        if layer.width:
            if not convolved:
                output = keras.layers.Reshape((layout.inputs, 1))(output)
            padding = "same" if layer.same else "valid"
            output = keras.layers.Conv1D(layer.units, layer.width, padding=padding, **common)(output)
        else:
            if convolved:
                output = keras.layers.Flatten()(output)
            output = keras.layers.Dense(layer.units, **common)(output)
        convolved = layer.width > 0
        if layer.dropout:
            output = keras.layers.Dropout(layer.dropout, seed=next(seeds))(output)
    return keras.Model(inputs, output)


def _compile(model: Any, course: Course) -> None:
    keras = _keras()

    def penalty(wanted: Any, output: Any) -> Any:
        # what is wanted and the weight of its penalty are two columns
        return course.loss.penalty(output[:, 0] - wanted[:, 0], wanted[:, 1], keras.ops)

    steps = -(-len(course.examples) // course.batch_size) * course.epochs
    rate = keras.optimizers.schedules.CosineDecay(course.learning_rate, steps)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=penalty)


def GetObject(framework: Framework) -> NetworkLearner:
    _keras()
    options = framework.options(NetworkOptions)
    return NetworkLearner(framework, options, partial(KerasRegressor, options))


Restore = restore
