"""Maps designs of the unit cube and coded designs onto the levels of a space."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deffe.api import DesignSpace, Features, Levels
from deffe.space.proposals import CHUNK, no_points

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

SPARSE = 1 / 16
LISTABLE = 1_000_000


def counts(space: DesignSpace) -> NDArray[np.int64]:
    """(p,) numbers of values of the parameters."""
    return np.array([len(parameter) for parameter in space.parameters], dtype=np.int64)


def varying(space: DesignSpace) -> NDArray[np.intp]:
    """Columns of the parameters with more than one value: the factors of a design."""
    return np.flatnonzero(counts(space) > 1)


class Snap:
    """Moves the points of a unit cube, one axis a varying parameter, to the levels of a space.

    An axis is cut into as many equal slices as the parameter has values. In a space that keeps only a
    small part of its product, such as the rows of a table, a point that is not valid moves to the
    nearest one that is; elsewhere it stays, for the caller to drop.
    """

    def __init__(self, space: DesignSpace) -> None:
        self._space = space
        self._factors = varying(space)
        self.axes = max(1, len(self._factors))
        sparse = space.size_is_exact and space.size < SPARSE * space.product_size
        self._moves = sparse and space.size <= LISTABLE

    def __call__(self, unit: Features) -> Levels:
        """(n, axes) floats in [0, 1] to (n, p) levels."""
        everywhere = np.zeros((len(unit), len(self._space.parameters)))
        everywhere[:, self._factors] = unit[:, : len(self._factors)]
        levels = self._space.nearest(everywhere)
        if self._moves:
            outside = ~self._space.valid(levels)
            levels[outside] = self._nearest_valid(unit[outside])
        return levels

    def _nearest_valid(self, unit: Features) -> Levels:
        tree, levels = self._valid
        return np.asarray(levels[tree.query(unit)[1]])

    @cached_property
    def _valid(self) -> tuple[cKDTree, Levels]:
        from scipy.spatial import cKDTree

        levels = np.concatenate([no_points(self._space), *self._space.chunks(CHUNK)])
        return cKDTree((levels[:, self._factors] + 0.5) / counts(self._space)[self._factors]), levels


def coded_levels(space: DesignSpace, coded: Features) -> Levels:
    """Map a coded design to levels: -1 to the first value, +1 to the last, 0 to the middle one.

    What lies beyond -1 or +1 is moved there. The middle of an even number of values is the upper of the two.

    Args:
        coded: (n, f) for the f varying parameters.
    Returns:
        (n, p) levels; parameters with one value at level 0.
    """
    factors = varying(space)
    place = (np.clip(coded, -1.0, 1.0) + 1.0) / 2.0 * (counts(space)[factors] - 1)
    levels = np.zeros((len(coded), len(space.parameters)), dtype=np.int32)
    levels[:, factors] = np.floor(place + 0.5 + 1e-9).astype(np.int32)
    return levels
