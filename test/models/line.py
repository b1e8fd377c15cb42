"""A straight line, for tests: the smallest model with checkpoints, snapshots and a warm start."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from deffe.api import Field, Framework, ModelReport, Options, PluginError, Prediction, Snapshot


class LineOptions(Options):
    snapshots: int = Field(default=0, description="epochs that are each worth a checkpoint")
    broken: str = Field(default="", description="how Save fails")
    pickled: bool = Field(default=False, description="keep what only a trusting user may load")
    tl_samples: bool = False


class Line:
    def __init__(self, framework: Framework) -> None:
        self._options = framework.options(LineOptions)
        self._costs, self._folder = framework.costs, framework.folder.parent
        self._sources = framework.sources
        self._started: dict[str, Any] = {}

    def Initialize(self) -> None:
        for source in self._sources:
            self._note(f"source {source.name} {sorted(source.costs.items())} {sorted(source.mapping.items())}")

    def Run(self, features: Any, costs: Any, validation: Any, step: int, levels: Any) -> ModelReport:
        inputs = np.column_stack([np.ones(len(features)), features])
        self._weights = np.linalg.lstsq(inputs[~validation], costs[~validation], rcond=None)[0]
        self._std = (costs - inputs @ self._weights).std(axis=0) + 1e-9
        self._note(f"run step {step} rows {len(features)} validation {validation.sum()} started {self._started}")
        return ModelReport("line", len(features), ())

    def Predict(self, features: Any) -> Prediction:
        mean = np.column_stack([np.ones(len(features)), features]) @ self._weights
        return Prediction(mean, np.broadcast_to(self._std, mean.shape).copy())

    def Save(self, cost: str, folder: Path) -> dict[str, Any]:
        column = self._costs.index(cost)
        if self._options.broken == "disk":
            raise OSError(28, "No space left on device")
        if self._options.broken == "bug":
            raise ValueError("something unexpected")
        if self._options.pickled:
            (folder / "weights.pkl").write_bytes(pickle.dumps(self._weights[:, column]))
        else:
            np.save(folder / "weights.npy", self._weights[:, column])
        return {"std": object() if self._options.broken == "facts" else float(self._std[column])}

    def Snapshots(self, cost: str) -> list[Snapshot]:
        epochs = range(1, self._options.snapshots + 1)
        return [Snapshot(e, 0.5 / e, 0.7 / e, lambda folder: self.Save(cost, folder)) for e in epochs]

    def Load(self, cost: str, folder: Path, facts: Any) -> None:
        self._started[cost] = folder.name.split("-weights")[0]

    def _note(self, line: str) -> None:
        with (self._folder / "line.log").open("a") as log:
            log.write(line + "\n")


class Restored:
    def __init__(self, weights: Any, std: float) -> None:
        self._weights, self._std = weights, std

    def Predict(self, features: Any) -> Prediction:
        mean = (np.column_stack([np.ones(len(features)), features]) @ self._weights)[:, None]
        return Prediction(mean, np.full_like(mean, self._std))


def Restore(folder: Path, facts: Any, trust: bool) -> Restored:
    if (folder / "weights.pkl").exists():
        if not trust:
            raise PluginError("its weights are pickled", "-trust-checkpoint")
        return Restored(pickle.loads((folder / "weights.pkl").read_bytes()), facts["std"])
    return Restored(np.load(folder / "weights.npy", allow_pickle=False), facts["std"])


def GetObject(framework: Framework) -> Line:
    return Line(framework)
