"""What all learners that end in a sum of trees share: predicting, saving and restoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from deffe.api import Features

from .._learning.arrays import damaged, read_arrays, write_arrays
from .arrays import Trees, Vector
from .walk import TreeWalk

Model = TypeVar("Model", bound="TreeModel")

FILE = "trees.npz"


class TreeModel:
    """A target that is a number plus the sum of what trees say, or their mean.

    A subclass grows the trees and hands them to ``keep``. They are saved as arrays of numbers: neither the library that
    grew them nor its version matters when they are read.
    """

    notes: tuple[str, ...] = ()
    averages = False
    """Whether the trees are averaged, so that their spread is a deviation."""

    def keep(self, trees: Trees, columns: int, start: float = 0.0) -> None:
        """Predict by these trees over (n, columns) features from now on; the sum begins at ``start``."""
        self._trees, self._columns, self._start = trees, columns, start
        self._walk = TreeWalk(trees, squares=self.averages)

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means and standard deviations, the latter NaN where trees are summed; in bounded memory."""
        total, squares = self._walk.sums(features)
        if not self.averages:
            return self._start + total, np.full(len(features), np.nan)
        count = self._trees.count
        mean = total / count
        return mean, np.sqrt(np.maximum(squares / count - mean**2, 0) * count / max(count - 1, 1))

    def means(self, features: Features) -> Vector:
        """(n,) means alone."""
        total, _ = self._walk.sums(features, squares=False)
        return total / self._trees.count if self.averages else self._start + total

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the trees into a folder."""
        arrays = {part.name: getattr(self._trees, part.name) for part in fields(Trees)}
        write_arrays(
            folder / FILE, {**arrays, "columns": np.array([self._columns]), "start": np.array([float(self._start)])}
        )
        return {"file": FILE, "trees": self._trees.count, "columns": self._columns}

    @classmethod
    def restore(cls: type[Model], folder: Path, facts: Mapping[str, Any], trust: bool = False) -> Model:
        """What ``save`` wrote; it needs neither trust nor the library that grew the trees.

        Raises:
            CheckpointError: the file is not there, damaged, or of another kind.
        """
        path = folder / FILE
        kinds: dict[str, tuple[Any, int]] = {part.name: (np.integer, 1) for part in fields(Trees)}
        kinds.update({"threshold": (np.floating, 1), "value": (np.floating, 1)})
        read = read_arrays(path, {**kinds, "columns": (np.integer, 1), "start": (np.floating, 1)})
        columns, start = read.pop("columns"), read.pop("start")
        if len(columns) != 1 or len(start) != 1:
            raise damaged(path, "it has no number of columns")
        trees = Trees(**read)
        trees.check(path, int(columns[0]))
        model = cls()
        model.keep(trees, int(columns[0]), float(start[0]))
        return model
