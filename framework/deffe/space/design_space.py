"""The design space: parameters and constraints, with exact counting, uniform sampling, identities and features."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deffe.errors import SpaceError
from deffe.records import Batch, Features, Ids, Levels, Value
from deffe.space.assembly import EmptyError, Filtered, admitted, assemble, holds
from deffe.space.components import Mask, Part, Product, Star, first_of_each, point_numbers
from deffe.space.conditions import Conditions
from deffe.space.derived import DerivedFeature
from deffe.space.features import FeatureMap, LevelFeatures
from deffe.space.parameters import Constraint, Parameter

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Constraint", "DesignSpace", "Parameter"]


@dataclass(frozen=True, eq=False)
class DesignSpace:
    """All valid combinations of parameter values, of any number; the space itself is never held in memory.

    Points are (n, p) int32 levels: positions in the values of the p parameters, which are sorted by name. An inactive
    conditional parameter has level 0. Valid points are numbered from 0, the first parameter least significant
    (where constraints tie parameters together, combinations of those count as the levels of one).

    Args:
        parameters: with distinct names.
        constraints: conditions that all points meet.
        listing: (n, p) levels when the space consists of these points only; see ``listed``.
        derived: further model inputs, computed from parameters; they are no part of the space's identity.
    Raises:
        SpaceError: for repeated or unknown names, circular conditions, and spaces without a valid point.
    """

    parameters: tuple[Parameter, ...]
    constraints: tuple[Constraint, ...] = ()
    listing: Levels | None = None
    derived: tuple[DerivedFeature, ...] = ()

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.parameters, key=lambda parameter: parameter.name))
        if not ordered:
            raise SpaceError("the design space has no parameters", "give it at least one knob or scenario")
        for one, other in itertools.pairwise(ordered):
            if one.name == other.name:
                raise SpaceError(f"two parameters are named {one.name!r}", "names must differ")
        object.__setattr__(self, "parameters", ordered)
        object.__setattr__(self, "constraints", tuple(self.constraints))
        object.__setattr__(self, "derived", tuple(self.derived))
        self._parts  # noqa: B018 - an empty space is reported at once

    def __reduce__(self) -> tuple[Any, ...]:
        return DesignSpace, (self.parameters, self.constraints, self.listing, self.derived)

    # What it consists of

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in the order of the columns of levels."""
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def product_size(self) -> int:
        """Number of combinations of all values, valid or not."""
        return math.prod(self._counts)

    @cached_property
    def size(self) -> int:
        """Number of valid points; an estimate unless ``size_is_exact``."""
        parts, filtered = self._parts
        return math.prod(part.size for part in parts) * math.prod(part.size for part in filtered)

    @property
    def size_is_exact(self) -> bool:
        """Whether all valid points could be counted, so that they can be taken by number."""
        return not self._parts[1]

    def describe(self) -> dict[str, Any]:
        """What identifies the space, of JSON types: parameters, constraints, and a digest of listed points."""
        described: dict[str, Any] = {
            "parameters": [
                {"name": p.name, "values": list(p.values), "unit": p.unit, "scale": p.scale, "map": p.map,
                 "kind": p.kind, "when": p.when.text if p.when else None} for p in self.parameters
            ],
            "constraints": [constraint.text for constraint in self.constraints],
        }  # fmt: skip
        if self.listing is not None:
            total = int(self.ids(self.listing).astype(np.uint64).sum(dtype=np.uint64))
            described["listed"] = {"points": len(self.listing), "digest": f"{total:016x}"}
        return described

    def min_max(self) -> dict[str, dict[str, float]]:
        """{map: count, min and max of the values}, over all parameters of that map; categories count from 0."""
        united: dict[str, dict[Value, float]] = {}
        for parameter in self.parameters:
            values = united.setdefault(parameter.map, {})
            for value in parameter.values:
                values[value] = float(value) if parameter.is_numeric else float(len(values))
        return {
            name: {"count": len(values), "min": min(values.values()), "max": max(values.values())}
            for name, values in united.items()
        }

    # Points

    def sample(self, k: int, rng: np.random.Generator) -> Levels:
        """Draw distinct valid points uniformly, in random order.

        Args:
            k: how many; a space with fewer gives all it has. Time and memory grow with k alone.
        Returns:
            (at most k, p) levels.
        """
        k = max(k, 0)
        if self.size_is_exact and self.size <= 4 * k:
            return self.points(rng.permutation(self.size)[:k])
        found, misses = self.draw(0, rng), 0
        while len(found) < k and misses < 20 * (len(found) + 1):  # a space with more would have shown another by then
            drawn = self.draw(max(16, len(found) // 10, math.ceil(1.1 * (k - len(found)))), rng)
            known, found = len(found), np.concatenate([found, drawn])
            found = found[first_of_each(found, self._counts)]
            misses = misses + len(drawn) if len(found) == known else 0
        return found[:k]

    def draw(self, n: int, rng: np.random.Generator) -> Levels:
        """Draw (n, p) levels of valid points uniformly, with replacement."""
        parts, filtered = self._parts
        levels = np.empty((n, len(self.parameters)), dtype=np.int32)
        sources: list[Product | Filtered] = [Product(parts), *filtered]
        for source in sources:
            levels[:, list(source.columns)] = source.draw(n, rng)
        return levels

    def points(self, indices: Sequence[int] | range | NDArray[Any]) -> Levels:
        """The valid points of these numbers.

        Args:
            indices: n integers in [0, size), of any magnitude.
        Returns:
            (n, p) levels.
        Raises:
            SpaceError: for numbers outside, or when the points could not be counted (``size_is_exact``).
        """
        self._must_be_exact()
        return self._product.points(point_numbers(indices, self.size))

    def index(self, levels: Levels) -> list[int]:
        """The numbers of valid points; the inverse of ``points``, with its errors."""
        self._must_be_exact()
        levels = self._levels(levels)
        self._must_be_valid(levels)
        return [int(index) for index in self._product.index(levels).tolist()]

    def chunks(self, rows: int) -> Iterator[Levels]:
        """All valid points in order, in blocks of (rows, p) levels, the last one shorter.

        A space whose points could not be counted is gone through combination by combination.
        """
        left = self.draw(0, np.random.default_rng(0))
        size, step = self.combinations, rows if self.size_is_exact else max(rows, 2**16)
        for first in range(0, size, step):
            block = self.block(first, min(first + step, size))
            left = np.concatenate([left, block]) if len(left) else block
            while len(left) >= rows:
                yield left[:rows]
                left = left[rows:]
        if len(left):
            yield left

    @property
    def combinations(self) -> int:
        """Number of combinations that all valid points are among: ``size``, or more where that is an estimate."""
        return self._product.size

    def block(self, first: int, last: int) -> Levels:
        """The valid points among the combinations from ``first`` up to ``last``, (n, p) levels in order."""
        rules = [rule for filtered in self._parts[1] for rule in filtered.rules]
        levels = self._product.points(point_numbers(range(first, last), self.combinations))
        return levels[holds(rules, range(len(self.parameters)), levels)] if rules else levels

    def nearest(self, unit: NDArray[np.float64]) -> Levels:
        """Levels of (n, p) numbers in [0, 1]: each parameter's interval cut evenly among its values.

        Inactive parameters are set to level 0; constraints may still be violated.
        """
        counts = np.array(self._counts)
        levels = np.clip(np.floor(np.asarray(unit, dtype=np.float64) * counts), 0, counts - 1).astype(np.int32)
        return self.canonical(levels)

    def canonical(self, levels: Levels) -> Levels:
        """The same designs with inactive parameters at level 0, (n, p)."""
        levels = self._levels(levels)
        return np.where(self.active(levels), levels, np.int32(0)) if self._conditions.columns else levels

    def valid(self, levels: Levels) -> Mask:
        """(n,) bool: levels in range, constraints met, inactive parameters at level 0, and listed if a listing is."""
        levels = self._levels(levels)
        inside = np.asarray(((levels >= 0) & (levels < np.array(self._counts))).all(axis=1))
        clipped = levels if inside.all() else np.where(inside[:, None], levels, np.int32(0))
        if self.listing is not None:
            return inside & (self._product.index(clipped) >= 0)
        return inside & holds(self._conditions.rules, range(len(self.parameters)), clipped)

    def active(self, levels: Levels) -> Mask:
        """(n, p) bool: where a parameter has a meaning; all but conditional ones always do."""
        levels = self._levels(levels)
        active = np.ones(levels.shape, dtype=np.bool_)
        if self._conditions.columns:
            for column, mask in self._conditions.active(dict(enumerate(levels.T))).items():
                active[:, column] = mask
        return active

    def listed(self, levels: Levels) -> DesignSpace:
        """The space of exactly these distinct points, in this order, whether they meet the constraints or not."""
        levels = self.canonical(levels)
        outside = np.flatnonzero(((levels < 0) | (levels >= np.array(self._counts))).any(axis=1))
        if len(outside):
            raise SpaceError(f"point {outside[0]} has levels outside the design space: {levels[outside[0]].tolist()}")
        if not len(levels):
            raise SpaceError("a list of points is empty", "give at least one point")
        if (distinct := len(first_of_each(levels, self._counts))) < len(levels):
            raise SpaceError(f"a list of {len(levels)} points has only {distinct} distinct ones", "remove the others")
        return DesignSpace(self.parameters, self.constraints, levels.copy(), self.derived)

    # What they mean

    def ids(self, levels: Levels) -> Ids:
        """(n,) int64 identities, the same on all machines and in all spaces where the point has the same values.

        The sum of 64-bit hashes of (name, value) over the active parameters, mixed by the finaliser of splitmix64
        (Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195).
        """
        levels = self._levels(levels)
        active = self._active_or_none(levels)
        total = np.zeros(len(levels), dtype=np.uint64)
        for column, parameter in enumerate(self.parameters):
            hashes = parameter.hashes(levels[:, column])
            total += hashes if active is None else hashes * active[:, column]
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            total = (total ^ (total >> np.uint64(shift))) * np.uint64(factor)
        mixed: Ids = (total ^ (total >> np.uint64(31))).astype(np.int64)
        return mixed

    def trial_values(self, point: ArrayLike) -> dict[str, Value]:
        """{name: value} of one point, (p,) levels; inactive parameters are absent."""
        levels = self._levels(np.atleast_2d(np.asarray(point)))
        active = self.active(levels)[0].tolist()
        pairs = zip(self.parameters, levels[0].tolist(), active, strict=True)
        return {parameter.name: parameter.values[level] for parameter, level, on in pairs if on}

    def frame(self, levels: Levels) -> pd.DataFrame:
        """One row a point, one typed column a parameter; inactive cells are NaN among numbers, None else."""
        from deffe.space.frames import to_frame

        levels = self._levels(levels)
        return to_frame(self.parameters, levels, self._active_or_none(levels))

    def encode(self, frame: pd.DataFrame, *, where: str = "table",
               unknown: Literal["error", "mark"] = "error") -> Levels:  # fmt: skip
        """Levels of the rows of a table; constraints are not checked.

        Args:
            frame: columns by parameter name, or by map, in any case; values compare as values (4 is 4.0 is "4").
                The column of a parameter with one value or a condition may be absent; the cells of an inactive
                parameter are ignored.
            where: the table's name for messages.
            unknown: ``error``, or ``mark`` for -1 where a value is not one of the parameter's.
        Returns:
            (n, p) levels.
        Raises:
            TableError: for absent columns, and listing the first cells that fit no value.
        """
        from deffe.space import frames

        places = frames.find_columns(self.parameters, list(frame.columns), where)
        levels = np.empty((len(frame), len(self.parameters)), dtype=np.int32)
        for column, (parameter, place) in enumerate(zip(self.parameters, places, strict=True)):
            series = None if place is None else frame.iloc[:, place]
            levels[:, column] = frames.column_levels(parameter, series, len(frame))
        active = self.active(np.maximum(levels, 0)) if self._conditions.columns else np.True_
        bad = active & (levels < 0)
        if unknown == "error" and bad.any():
            raise frames.faults(self.parameters, frame, places, bad, where)
        return np.where(active, np.maximum(levels, -1), np.int32(0))

    @cached_property
    def feature_map(self) -> FeatureMap:
        """The map from values to features; SpaceError where a declared feature has no value."""
        return FeatureMap.of(self)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of ``features``."""
        return self.feature_map.names

    @property
    def derived_columns(self) -> tuple[int, ...]:
        """Positions of those columns of ``features`` that the user declared; they come last."""
        return self.feature_map.derived_columns

    def features(self, levels: Levels, *, derived: bool = True) -> Features:
        """(n, d) float64 in [0, 1]: what models learn from; see ``features.FeatureMap``.

        Args:
            levels: (n, p) levels.
            derived: whether the columns of declared features follow those of the parameters.
        Raises:
            SpaceError: a declared feature has no value at one of the points.
        """
        levels = self._levels(levels)
        return self._level_features.features(levels, self._active_or_none(levels), derived)

    def batch(self, step: int, indices: Sequence[int] | range | NDArray[Any]) -> Batch:
        """The valid points of these numbers as a batch."""
        return self.of_levels(step, self.points(indices))

    def of_levels(self, step: int, levels: Levels) -> Batch:
        """Points as a batch, numbered from 0."""
        levels = self._levels(levels)
        return Batch(step, levels, self.ids(levels), np.arange(len(levels), dtype=np.int64))

    # Inside

    @cached_property
    def _counts(self) -> tuple[int, ...]:
        return tuple(len(parameter) for parameter in self.parameters)

    @cached_property
    def _conditions(self) -> Conditions:
        return Conditions(self.parameters, self.constraints)

    @cached_property
    def _level_features(self) -> LevelFeatures:
        return LevelFeatures(self.feature_map, self.parameters)

    @cached_property
    def _parts(self) -> tuple[list[Part | Star], list[Filtered]]:
        if self.listing is not None:
            return [Part(range(len(self.parameters)), self._counts, self.listing)], []
        try:
            return assemble(self._counts, self._conditions.rules)
        except EmptyError as error:
            raise self._empty(error) from None

    @cached_property
    def _product(self) -> Product:
        """The parts of the space, those that are filtered in full."""
        parts, filtered = self._parts
        return Product([*parts, *(part for group in filtered for part in group.product.parts)])

    def _empty(self, error: EmptyError) -> SpaceError:
        shares = [(rule.text, admitted(self._counts, rule)) for rule in self._conditions.rules]
        listed = "; ".join(f"{text!r} {share:.3%}" for text, share in sorted(shares, key=lambda pair: pair[1])[:10])
        return SpaceError(
            f"the design space has no point, or almost none: the constraint {error.rule.text!r} leaves none",
            f"share of points that each condition admits by itself: {listed}",
        )

    def _active_or_none(self, levels: Levels) -> Mask | None:
        return self.active(levels) if self._conditions.columns else None

    def _levels(self, levels: ArrayLike) -> Levels:
        array = np.asarray(levels)
        if array.ndim != 2 or array.shape[1] != len(self.parameters) or (array.size and array.dtype.kind not in "iu"):
            raise SpaceError(f"points have the shape {array.shape} of {array.dtype}",
                             f"levels are integers of shape (n, {len(self.parameters)})")  # fmt: skip
        return array if array.dtype == np.int32 else np.clip(array, -1, 2**31 - 1).astype(np.int32)

    def _must_be_exact(self) -> None:
        if not self.size_is_exact:
            texts = "; ".join(rule.text for filtered in self._parts[1] for rule in filtered.rules)
            raise SpaceError("the points of this design space could not be counted, so none has a number",
                             f"sample it, or narrow the parameters of: {texts}")  # fmt: skip

    def _must_be_valid(self, levels: Levels) -> None:
        invalid = np.flatnonzero(~self.valid(levels))
        if len(invalid):
            shown = ", ".join(f"{name}: {level}" for name, level in zip(self.names, levels[invalid[0]], strict=True))
            raise SpaceError(f"point {invalid[0]} is not in the design space: levels {shown}")
