"""Gaussian processes of what related costs have in common: principal components, each learned on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.api import DeffeError, Features, Framework
from deffe.surrogates.target import Vector

from ._learning.arrays import read_arrays, write_arrays
from ._learning.learner import TableLearner, restore
from ._learning.regressor import Task
from ._learning.way import Way
from .gaussian_process import GaussianProcess, ProcessOptions

ARRAYS = "components.npz"
LEAST_SHARE = 1e-4
"""Of a cost's variance; a component that explains less of it is noise to it."""
ALIKE = 0.9
"""Cosine between two components from which on one tells where to search for the other."""


class RelatedProcesses:
    """One cost as a weighted sum of principal components of all costs, each an exact Gaussian process.

    A linear model of coregionalisation whose mixing is fixed in advance. A direction in which the costs move together
    is less noisy than each of them, so noisy costs gain; one that is smooth by itself is better learned by itself. With
    one cost it is that cost's process.

    Args:
        restarts, hyper_rows, max_rows: of each process.
    Source: Higdon, Gattiker, Williams, Rightley, Computer model calibration using high-dimensional output, JASA
        103(482), 2008, doi:10.1198/016214507000000888.
    """

    def __init__(self, restarts: int = 1, hyper_rows: int = 500, max_rows: int = 3000) -> None:
        self._make = partial(GaussianProcess, restarts, hyper_rows, max_rows)
        self.notes: tuple[str, ...] = ()

    def fit(self, task: Task) -> None:
        """Find the components of all costs, and learn those that this cost is made of."""
        costs = np.column_stack([task.values, task.others]) if task.others.size else task.values[:, None]
        self._centre = float(costs[:, 0].mean())
        left, sizes, directions = np.linalg.svd(costs - costs.mean(axis=0), full_matrices=False)
        deviations = sizes / np.sqrt(len(costs))
        own = (deviations * directions[:, 0]) ** 2
        kept = np.flatnonzero((own > LEAST_SHARE * own.sum()) & (own > 0))
        self._directions, self._weights = directions[kept], deviations[kept] * directions[kept, 0]
        self._left = float(np.sqrt(max(own.sum() - own[kept].sum(), 0.0)))
        self._processes = []
        for direction, score in zip(self._directions, left.T[kept] * np.sqrt(len(costs)), strict=True):
            process = self._make()
            process.fit(replace(task, values=score, sibling=_alike(task.sibling, direction)))
            self._processes.append(process)
        self.notes = tuple(dict.fromkeys(note for process in self._processes for note in process.notes))

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means and standard deviations, as if the components were independent."""
        mean, variance = np.full(len(features), self._centre), np.full(len(features), self._left**2)
        for weight, process in zip(self._weights, self._processes, strict=True):
            part, std = process.predict(features)
            mean += weight * part
            variance += (weight * std) ** 2
        return mean, np.sqrt(variance)

    def like(self, direction: Vector) -> GaussianProcess | None:
        """The process of a component of much the same direction."""
        if self._directions.shape[1] != len(direction) or not len(self._directions):
            return None
        cosines = np.abs(self._directions @ direction)
        best = int(np.argmax(cosines))
        return self._processes[best] if cosines[best] > ALIKE else None

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the components, each into a folder of its number."""
        arrays = {"weights": self._weights, "directions": self._directions}
        write_arrays(folder / ARRAYS, arrays)
        facts = []
        for i, process in enumerate(self._processes):
            (folder / str(i)).mkdir()
            facts.append(dict(process.save(folder / str(i))))
        return {"centre": self._centre, "left": self._left, "processes": facts}

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> RelatedProcesses:
        """What ``save`` wrote.

        Raises:
            DeffeError: a file is damaged.
        """
        kinds: dict[str, tuple[type[Any], int]] = {"weights": (np.floating, 1), "directions": (np.floating, 2)}
        read: dict[str, NDArray[Any]] = read_arrays(folder / ARRAYS, kinds)
        if not len(read["weights"]) == len(read["directions"]) == len(facts["processes"]):
            raise DeffeError(f"{folder / ARRAYS}: its arrays do not fit each other", "it is damaged")
        made = cls()
        made._weights, made._directions = read["weights"], read["directions"]
        made._centre, made._left = float(facts["centre"]), float(facts["left"])
        parts = enumerate(facts["processes"])
        made._processes = [GaussianProcess.restore(folder / str(i), each, trust) for i, each in parts]
        return made


def _alike(known: Any, direction: Vector) -> GaussianProcess | None:
    return known.like(direction) if isinstance(known, RelatedProcesses) else None


def GetObject(framework: Framework) -> TableLearner:
    options = framework.options(ProcessOptions)
    make = partial(RelatedProcesses, options.restarts, options.hyper_rows, options.max_rows)
    return TableLearner(framework, [Way("related_processes", make)], options)


Restore = restore
