"""What predicts the rows of a file: a model that has learned from the run, or checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.checkpoint import CheckpointModel
from deffe.errors import CheckpointError, FeatureError, TableError
from deffe.learn.learner import Learner
from deffe.learn.parts import tells_points
from deffe.records import Ids, Levels, Prediction
from deffe.space import DesignSpace, FeatureMap
from deffe.space.columns import CategoryKnob
from deffe.tables import Asked, AskedPoints

SLACK = 1e-9
"""Features this far outside [0, 1] are rounding."""


class Predictor(Protocol):
    """Predicts blocks of rows.

    Attributes:
        costs: names of the costs it predicts.
        tells_unseen: whether it is known which points were learned from.
    """

    costs: tuple[str, ...]
    tells_unseen: bool

    def predict(self, asked: Asked) -> Prediction:
        """(n, c) predictions of the n rows."""
        ...

    def unseen(self, asked: Asked) -> NDArray[np.bool_]:
        """(n, c): which rows were not learned from, for each cost."""
        ...


class LearnedPredictor:
    """Predicts by the model of an exploration, points of its space.

    Args:
        known: identities of the points that it has learned from.
    """

    def __init__(self, learner: Learner, space: DesignSpace, known: Ids, points: AskedPoints) -> None:
        self.costs = learner.costs
        self.tells_unseen = True
        self._learner = learner
        self._points = points
        self._known = known
        self._rows = _SpaceRows(space, points)

    def predict(self, asked: Asked) -> Prediction:
        return self._learner.Predict(self._rows.levels(asked))

    def unseen(self, asked: Asked) -> NDArray[np.bool_]:
        unseen = ~np.isin(self._rows.ids(self._rows.levels(asked)), self._known)
        return np.repeat(unseen[:, None], len(self.costs), axis=1)


class CheckpointPredictor:
    """Predicts by checkpoints, whatever points their features can be made of.

    Args:
        models: the checkpoint of each cost.
        space: names, maps and fixed values of knobs.
    """

    def __init__(
        self, models: Mapping[str, CheckpointModel], space: DesignSpace, points: AskedPoints, log: logging.Logger
    ) -> None:
        self.costs = tuple(models)
        self._models = tuple(models.values())
        self._points = points
        self._log = log
        self._columns = [_Columns(model, space, points) for model in self._models]
        self._rows = _SpaceRows(space, points)
        self.tells_unseen = all(tells_points(model.checkpoint, space) for model in self._models)
        self.outside = 0

    def predict(self, asked: Asked) -> Prediction:
        found = []
        outside = np.zeros(len(asked), dtype=bool)
        for model, columns in zip(self._models, self._columns, strict=True):
            features = columns.features(asked)
            outside |= ((features < -SLACK) | (features > 1 + SLACK)).any(axis=1)
            found.append(model.of_features(features))
        self.outside += int(outside.sum())
        return Prediction.beside(found)

    def unseen(self, asked: Asked) -> NDArray[np.bool_]:
        if not self.tells_unseen:
            return np.ones((len(asked), len(self.costs)), dtype=bool)
        levels = self._rows.levels(asked, mark=True)
        inside = (levels >= 0).all(axis=1)
        unseen = np.ones((len(asked), len(self.costs)), dtype=bool)
        ids = self._rows.ids(levels[inside])
        for i, model in enumerate(self._models):
            if model.checkpoint.points is not None:
                unseen[inside, i] = ~np.isin(ids, model.checkpoint.points)
        return unseen


class _SpaceRows:
    """Rows as points of a design space."""

    def __init__(self, space: DesignSpace, points: AskedPoints) -> None:
        self._space = space
        self._points = points

    def ids(self, levels: Levels) -> Ids:
        return self._space.ids(levels)

    def levels(self, asked: Asked, mark: bool = False) -> Levels:
        """(n, p) levels; with ``mark``, -1 where a value is none of the knob's, else a TableError with its line."""
        frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in asked.carried.items()})
        levels = self._space.encode(frame, where=str(self._points.path), unknown="mark")
        if not mark and (levels < 0).any():
            raise self._fault(asked, frame, levels)
        return levels

    def _fault(self, asked: Asked, frame: pd.DataFrame, levels: Levels) -> TableError:
        row, column = np.argwhere(levels < 0)[0].tolist()
        parameter = self._space.parameters[column]
        name = self._points.column(parameter.name, parameter.map) or parameter.name
        cell = str(frame[name].iloc[row]).strip() if name in frame else ""
        where = f"{self._points.path}, line {self._points.line(asked.first + row)}, column {name!r}"
        return TableError(f"{where}: {cell!r}" if cell else f"{where}: no value", f"allowed: {parameter.allowed}")


class _Columns:
    """The columns of a file that a checkpoint's features are made of.

    Raises:
        CheckpointError: the file has no column for a knob, and the configuration gives it no single value.
    """

    def __init__(self, model: CheckpointModel, space: DesignSpace, points: AskedPoints) -> None:
        self._features = model.features
        self._points = points
        self._categories = {knob.knob for knob in model.features.knobs if isinstance(knob, CategoryKnob)}
        self._places: dict[str, str] = {}
        self._fixed: dict[str, Any] = {}
        lacking = []
        for knob in model.inputs:
            also = [name for p in space.parameters if knob in (p.name, p.map) for name in (p.name, p.map)]
            fixed = [p.values[0] for p in space.parameters if knob in (p.name, p.map) and len(p) == 1]
            place = points.column(knob, *also)
            if place is not None:
                self._places[knob] = place
            elif fixed:
                self._fixed[knob] = fixed[0]
            else:
                lacking.append(knob)
        if lacking:
            raise _no_column(lacking, model, space, points)

    def features(self, asked: Asked) -> NDArray[np.float64]:
        """(n, d) features of the rows; TableError for one that has none, with its line."""
        columns: dict[str, Any] = {knob: np.full(len(asked), value) for knob, value in self._fixed.items()}
        for knob, name in self._places.items():
            columns[knob] = asked.texts(name) if knob in self._categories else asked.numbers(name)
        try:
            return self._features.features(columns)
        except FeatureError as error:
            row = _first_fault(self._features, columns, len(asked))
            where = f"{self._points.path}, line {self._points.line(asked.first + row)}"
            raise TableError(f"{where}: {error.message}", error.hint) from error


def _first_fault(features: FeatureMap, columns: Mapping[str, Any], rows: int) -> int:
    """The first row without features, by halving: one of the first ``rows`` has none."""
    low, high = 0, rows
    while high - low > 1:
        middle = (low + high) // 2
        try:
            features.features({name: column[low:middle] for name, column in columns.items()})
            low = middle
        except FeatureError:
            high = middle
    return low


def _no_column(
    lacking: Sequence[str], model: CheckpointModel, space: DesignSpace, points: AskedPoints
) -> CheckpointError:
    listed = ", ".join(map(repr, lacking))
    lines = [f"its columns: {', '.join(points.names)}"]
    difference = model.features.difference(space.feature_map)
    if difference:
        lines += ["the checkpoint -> the configuration:", *difference]
    return CheckpointError(
        f"{points.path} has no column for {listed}, which the checkpoint {model.path} predicts from", "\n  ".join(lines)
    )
