"""Networks of the original system, as they were saved: they predict, and learners start from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.api import Features, Framework, PluginError, Prediction
from deffe.errors import counted

from ._network.layout import Network
from ._network.loss import LARGEST_LOG, Frame
from ._network.original import read_original


@dataclass(frozen=True)
class OriginalNetwork:
    """A network whose output is the logarithm of a cost, or the cost itself.

    Args:
        network: layout and weights.
        loss: what it was trained with; empty when its file does not say.
        log: whether the output is a logarithm. It is in all files of the original, whatever their loss, since it was so
            that the original read them.
    """

    network: Network
    loss: str = ""
    log: bool = True

    @property
    def frame(self) -> Frame:
        """What the output is to the cost, for a learner that starts from this network."""
        return Frame(self.log)

    def Predict(self, features: Features) -> Prediction:
        """(n, 1) costs of (n, d) features; how far they may be off is not known, so deviations and bounds are NaN."""
        inputs = self.network.layout.inputs
        if features.ndim != 2 or features.shape[1] != inputs:
            raise PluginError(f"the network has {counted(inputs, 'input')}, not {features.shape[-1]}")
        # at this size more threads cost more than they do
        with threadpool_limits(1):
            output = self.network(features)
        mean = np.exp(np.minimum(output, LARGEST_LOG)) if self.log else output
        unknown: NDArray[np.float64] = np.full((len(mean), 1), np.nan)
        return Prediction(mean[:, None], unknown)


def Restore(folder: Path, facts: Mapping[str, Any], trust: bool = False) -> OriginalNetwork:
    """Load a Keras HDF5 file of the original, or the only one in a folder. No code is run, whatever it holds.

    Args:
        facts: ``output`` may be ``exp`` (the default) or ``linear``, what the output is to the cost.
    Raises:
        PluginError: no such file, or one that is no such network; see ``read_original``.
    """
    files = [folder] if not folder.is_dir() else sorted([*folder.glob("*.hdf5"), *folder.glob("*.h5")])
    if len(files) != 1:
        raise PluginError(f"{folder} has {counted(len(files), 'file')} *.hdf5 or *.h5", "name the one to load")
    output = facts.get("output", "exp")
    if output not in ("exp", "linear"):
        raise PluginError(f"{folder}: output {output!r} of a network", "exp or linear")
    network, loss = read_original(files[0])
    return OriginalNetwork(network, loss, output == "exp")


def GetObject(framework: Framework) -> NoReturn:
    raise PluginError(
        "original_cnn predicts and does not learn",
        "give its file by -icp; keras_cnn and torch_cnn learn on from it",
    )
