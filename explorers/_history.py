"""What has been evaluated so far, as explorers need it: points, objectives to be minimised, and which points failed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.api import Costs, Framework, Ids, Levels, State
from deffe.metrics import to_minimise
from deffe.records import FAILED
from deffe.tables.columns import bookkeeping


@dataclass(frozen=True)
class History:
    """All points of a cost table, in its order.

    Args:
        levels: (n, p).
        ids: (n,).
        costs: (n, m) objectives, all to be minimised: those to be maximised are negated; NaN where a point is not done.
        failed: (n,) bool, evaluated without success.
        steps: (n,) the steps that proposed them.
    """

    levels: Levels
    ids: Ids
    costs: Costs
    failed: NDArray[np.bool_]
    steps: NDArray[np.int64]

    @classmethod
    def of(cls, table: pd.DataFrame, framework: Framework) -> History:
        """Read a cost table with the objectives of the configuration."""
        space, objectives = framework.space, framework.config.objectives
        names = bookkeeping([*space.names, *framework.config.all_costs])
        if not len(table):
            none = np.empty(0, dtype=np.int64)
            levels = np.empty((0, len(space.names)), dtype=np.int32)
            return cls(levels, none, np.empty((0, len(objectives))), none.astype(bool), none)
        levels = space.encode(table[list(space.names)])
        costs = table[[objective.cost for objective in objectives]].to_numpy(dtype=np.float64)
        costs = to_minimise(costs, [objective.goal for objective in objectives])
        state = table[names["state"]].to_numpy()
        done = np.asarray(state == State.DONE.text)
        return cls(
            levels,
            space.ids(levels),
            np.where(done[:, None], costs, np.nan),
            np.isin(state.astype(str), [each.text for each in FAILED]),
            table[names["step"]].to_numpy(dtype=np.int64),
        )

    @property
    def done(self) -> NDArray[np.bool_]:
        """(n,) bool: all objectives are known."""
        return np.asarray(~np.isnan(self.costs).any(axis=1))
