"""The points of one exploration in memory: what every step asks of the store, without reading the database."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe.records import Batch, Costs, Ids, Levels, State

_FIRST_ROOM = 256


@dataclass(frozen=True)
class ExplorationHistory:
    """All points proposed so far, in the order of their numbers.

    Args:
        levels, ids, steps: (n, p), (n,) and (n,), the points and the steps that proposed them.
        costs: (n, c), NaN where a point is not done.
        states: (n,) State codes.
    """

    levels: Levels
    ids: Ids
    costs: Costs
    states: NDArray[np.int8]
    steps: NDArray[np.int64]

    def take(self, mask: NDArray[np.bool_]) -> ExplorationHistory:
        """Those of a (n,) mask."""
        return ExplorationHistory(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


class Points:
    """Growing arrays of points in the order of their numbers.

    Args:
        parameters, costs: how many of them a point has.
    """

    def __init__(self, parameters: int, costs: int) -> None:
        self._count = 0
        self._levels = np.empty((_FIRST_ROOM, parameters), dtype=np.int32)
        self._ids = np.empty(_FIRST_ROOM, dtype=np.int64)
        self._numbers = np.empty(_FIRST_ROOM, dtype=np.int64)
        self._steps = np.empty(_FIRST_ROOM, dtype=np.int64)
        self._states = np.empty(_FIRST_ROOM, dtype=np.int8)
        self._costs = np.empty((_FIRST_ROOM, costs), dtype=np.float64)
        self._order: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> Ids:
        """(n,) identities; the caller must not change them."""
        view = self._ids[: self._count]
        view.flags.writeable = False
        return view

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(n,) running numbers; the caller must not change them."""
        view = self._numbers[: self._count]
        view.flags.writeable = False
        return view

    def append(self, levels: Levels, ids: Ids, numbers: NDArray[np.int64], steps: NDArray[np.int64] | int) -> None:
        """Add points that are waiting; their numbers are above all earlier ones."""
        first, last = self._count, self._count + len(ids)
        self._make_room(last)
        self._levels[first:last] = levels
        self._ids[first:last] = ids
        self._numbers[first:last] = numbers
        self._steps[first:last] = steps
        self._states[first:last] = State.WAITING
        self._costs[first:last] = np.nan
        self._count, self._order = last, None

    def update(self, places: NDArray[np.int64], states: NDArray[np.int8], costs: Costs) -> None:
        """Set states and costs of the points at these places."""
        self._states[places] = states
        self._costs[places] = costs

    def places(self, numbers: NDArray[np.int64], ids: Ids) -> NDArray[np.int64]:
        """Where the points of these numbers are; the ids say whether they are the right ones.

        Raises:
            ValueError: these points were not proposed under these numbers.
        """
        places = np.minimum(np.searchsorted(self._numbers[: self._count], numbers), self._count - 1)
        if len(ids) and not (len(self) and np.array_equal(self._ids[places], ids)):
            raise ValueError("these points were not proposed: record the batch that propose() returned")
        return places

    def new(self, ids: Ids) -> NDArray[np.int64]:
        """Positions of the ids that are not here yet, in their order, each id once."""
        seen = self.ids[np.isin(self.ids, ids)]
        first = np.sort(np.unique(ids, return_index=True)[1])
        return first[~np.isin(ids[first], seen)]

    def states(self, ids: Ids) -> NDArray[np.int8]:
        """State codes of points by identity; -1 for points that are not here."""
        if self._order is None:
            self._order = np.argsort(self.ids)
        if not len(self):
            return np.full(len(ids), -1, dtype=np.int8)
        place = np.searchsorted(self.ids, ids, sorter=self._order)
        rows = self._order.take(place, mode="clip")
        return np.where(self.ids[rows] == ids, self._states[rows], np.int8(-1))

    def of_step(self, step: int) -> Batch:
        """The points that a step proposed, in that order."""
        rows = np.flatnonzero(self._steps[: self._count] == step)
        return Batch(step, self._levels[rows], self._ids[rows], self._numbers[rows])

    def history(self) -> ExplorationHistory:
        """All points, as they are now."""
        part = slice(0, self._count)
        arrays = (self._levels, self._ids, self._costs, self._states, self._steps)
        return ExplorationHistory(*(array[part].copy() for array in arrays))

    def done(self) -> tuple[Levels, Costs, Ids]:
        """Levels, costs and identities of the points that are done."""
        rows = np.flatnonzero(self._states[: self._count] == State.DONE)
        return self._levels[rows], self._costs[rows], self._ids[rows]

    def count(self) -> dict[State, int]:
        """How many points are in each state."""
        counts = np.bincount(self._states[: self._count], minlength=len(State))
        return {state: int(counts[state]) for state in State}

    def _make_room(self, needed: int) -> None:
        room = len(self._ids)
        if needed <= room:
            return
        extra = max(needed, 2 * room) - room
        for name in ("_levels", "_ids", "_numbers", "_steps", "_states", "_costs"):
            array = getattr(self, name)
            more = np.empty((extra, *array.shape[1:]), dtype=array.dtype)
            setattr(self, name, np.concatenate([array, more]))
