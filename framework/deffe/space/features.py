"""Model inputs: design points as numbers, in [0, 1] over the space that the map was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deffe.errors import FeatureError, SpaceError, nearest
from deffe.records import Features, Levels
from deffe.space.columns import (
    DerivedColumn,
    KnobColumns,
    NumberKnob,
    derived_column,
    derived_from_json,
    knob_columns,
    knob_from_json,
)
from deffe.space.components import Mask
from deffe.space.derived import operands
from deffe.space.parameters import Parameter, as_objects
from deffe.values import parse_literal

if TYPE_CHECKING:
    from deffe.space.design_space import DesignSpace


@dataclass(frozen=True)
class FeatureMap:
    """The map from values of knobs to features, on its own: a saved model keeps it, whatever becomes of the space.

    A number is scaled between the smallest and largest of its knob, on the knob's scale; a category has a column a
    value; a conditional knob is 0 where inactive and has a column that says so. Knobs of one value have no column.
    Declared features come last.

    Args:
        knobs: the columns of knobs, in order.
        derived: the columns of declared features.
        notes: declared features that were left out, and why; not part of the map's identity.
    Raises:
        SpaceError: for two columns of one name.
    """

    knobs: tuple[KnobColumns, ...]
    derived: tuple[DerivedColumn, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise SpaceError(f"two features are named {name!r}", "rename one of them")
            seen.add(name)

    @classmethod
    def of(cls, space: DesignSpace) -> FeatureMap:
        """The map that ``space.features`` uses; SpaceError where a declared feature has no value."""
        knobs = tuple(knob_columns(parameter) for parameter in space.parameters if len(parameter) > 1)
        made = [derived_column(feature, space) for feature in space.derived]
        return cls(
            knobs=knobs,
            derived=tuple(column for column in made if isinstance(column, DerivedColumn)),
            notes=tuple(note for note in made if isinstance(note, str)),
        )

    @classmethod
    def linear(cls, ranges: Mapping[str, tuple[float, float]]) -> FeatureMap:
        """One linear column a knob, in this order, from {knob: (value at 0, value at 1)}."""
        return cls(tuple(NumberKnob(name, "linear", float(low), float(high)) for name, (low, high) in ranges.items()))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the d columns."""
        return (*(name for knob in self.knobs for name in knob.names), *(column.label for column in self.derived))

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the knobs whose values it needs."""
        named = (name for column in self.derived for name in sorted(column.feature.expression.names))
        return tuple(dict.fromkeys([*(knob.knob for knob in self.knobs), *named]))

    @property
    def derived_columns(self) -> tuple[int, ...]:
        """Positions of the columns of declared features."""
        return tuple(range(len(self.names) - len(self.derived), len(self.names)))

    def features(self, columns: Mapping[str, ArrayLike]) -> Features:
        """Features of points given by their values.

        Args:
            columns: (n,) values of each of the ``inputs``, more are ignored: a table, or a mapping of arrays, such as
                ``space.frame(levels)``. NaN and None stand for no value, where a conditional knob is inactive.
        Returns:
            (n, d) float64: what ``space.features`` gives; numbers of knobs outside their range extrapolate.
        Raises:
            FeatureError: for absent columns, unknown categories, and cells without a usable value.
            SpaceError: where a declared feature has no value.
        """
        lacking = [name for name in self.inputs if name not in columns]
        if lacking:
            raise FeatureError(f"there is no column for the knob {lacking[0]!r}", nearest(lacking[0], columns))
        read = {knob.knob: knob.read(columns[knob.knob]) for knob in self.knobs}
        made = [column for knob in self.knobs for column in knob.columns(read[knob.knob])]
        if self.derived:
            values = {knob.knob: knob.operand(read[knob.knob]) for knob in self.knobs}
            values |= {name: _operand(name, columns[name]) for name in self.inputs if name not in values}
            made += [column.column(values) for column in self.derived]
        rows = next((len(np.asarray(columns[name])) for name in columns), 0)
        return np.column_stack(made) if made else np.empty((rows, 0))

    def values(self, features: Features) -> dict[str, NDArray[Any]]:
        """(n,) values of each knob that has columns, from (n, d) features: what ``features`` made them of."""
        place, found = 0, {}
        for knob in self.knobs:
            found[knob.knob] = knob.values_of(features[:, place : place + len(knob.names)])
            place += len(knob.names)
        return found

    def difference(self, other: FeatureMap) -> list[str]:
        """A line for each knob or declared feature that differs: ``name: what it is here -> what it is there``."""
        here, there = ({column.label: str(column) for column in (*made.knobs, *made.derived)} for made in (self, other))
        names = [*here, *(name for name in there if name not in here)]
        lines = [f"{name}: {here.get(name, 'absent')} -> {there.get(name, 'absent')}" for name in names
                 if here.get(name) != there.get(name)]  # fmt: skip
        return lines or ([] if self.names == other.names else ["the columns have another order"])

    def to_json(self) -> dict[str, Any]:
        """The map in JSON types, from which ``from_json`` makes an equal one."""
        return {"knobs": [knob.to_json() for knob in self.knobs], "derived": [d.to_json() for d in self.derived]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeatureMap:
        """The map that ``to_json`` described; FeatureError for anything else."""
        try:
            return cls(tuple(map(knob_from_json, data["knobs"])), tuple(map(derived_from_json, data["derived"])))
        except (KeyError, TypeError, ValueError, SpaceError) as error:
            what = f"no feature map can be read from it: {type(error).__name__}: {error}"
            raise FeatureError(what, "it is damaged, or was written by another version") from error


class LevelFeatures:
    """A feature map applied to the levels of its space, by a table a column."""

    def __init__(self, features: FeatureMap, parameters: Sequence[Parameter]) -> None:
        by_name = {parameter.name: (column, parameter) for column, parameter in enumerate(parameters)}
        self._parameters = parameters
        self._map = features
        self._blocks = [
            (column, knob.conditional, knob.columns(knob.levels(parameter)))
            for knob in features.knobs
            for column, parameter in [by_name[knob.knob]]
        ]

    def features(self, levels: Levels, active: Mask | None, derived: bool) -> Features:
        """(n, d) float64 in [0, 1] of (n, p) levels; active is (n, p) bool, None when all are."""
        declared = self._map.derived if derived else ()
        knobs = len(self._map.names) - len(self._map.derived)
        features = np.empty((len(levels), knobs + len(declared)))
        place = 0
        for column, conditional, table in self._blocks:
            for values in table:
                features[:, place] = values[levels[:, column]]
                if conditional and active is not None:
                    features[:, place] *= active[:, column]
                place += 1
        names = {name for feature in declared for name in feature.feature.expression.names}
        given = operands(self._parameters, names, levels, active)
        for i, feature in enumerate(declared, knobs):
            features[:, i] = feature.column(given)
        return features


def _operand(name: str, column: ArrayLike) -> NDArray[Any]:
    """Values of a knob without columns as expressions see them: float64, or objects if any is text."""
    array = np.asarray(column)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    try:
        values = [parse_literal(cell) if isinstance(cell, str) else cell for cell in array.tolist()]
        if not any(isinstance(value, str) for value in values):
            return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FeatureError(f"the knob {name!r} has a value that cannot be used: {error}") from None
    return as_objects(None if isinstance(value, float) and value != value else value for value in values)
