"""How good what was found is after each evaluation, beside the best that is known of all runs together.

One objective is measured by how far the best so far is from the best known; several by hypervolume, between the best
known front and the point 10 % of its extent beyond its worst ends (Ishibuchi, Imada, Setoguchi, Nojima, Evolutionary
Computation 26(3), 2018, doi:10.1162/evco_a_00226).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.config.configuration import Objective
from deffe.records import Costs

Vector = NDArray[np.float64]
BEYOND = 0.1
MOST_FRONT = 400
"""Points of a front of three or more objectives that its volume is found from."""
MOST_MEASURED = 300
"""Evaluations after which the volume of three or more objectives is found."""


@dataclass(frozen=True)
class BestKnown:
    """The best that is known of all runs together.

    Args:
        objectives: k of them.
        front: (m, k) points of the front; the best one for one objective.
        reference: (k,) the worst corner of interest.
        volume: of the front; 0 for one objective.
    """

    objectives: tuple[Objective, ...]
    front: Costs
    reference: Vector
    volume: float

    @classmethod
    def of(cls, objectives: Sequence[Objective], costs: Costs) -> BestKnown:
        """From all (n, k) costs of all runs; NaN where a point failed."""
        goals = [objective.goal for objective in objectives]
        done = costs[np.isfinite(costs).all(axis=1)]
        front = np.unique(done[metrics.pareto_mask(done, goals)], axis=0)
        if not len(front) or len(objectives) == 1:
            return cls(tuple(objectives), front, np.full(len(objectives), np.nan), 0.0)
        small, all_small = metrics.to_minimise(front, goals), metrics.to_minimise(done, goals)
        best, worst = small.min(axis=0), small.max(axis=0)
        worst = np.where(worst > best, worst, all_small.max(axis=0))  # a front of one point, or flat in one objective
        extent = np.where(worst > best, worst - best, np.maximum(np.abs(best), 1.0))
        limit = worst + BEYOND * extent
        return cls(tuple(objectives), front, metrics.to_minimise([limit], goals)[0], _volume(small, limit))

    @property
    def goals(self) -> list[str]:
        """``min`` or ``max`` of each objective."""
        return [objective.goal for objective in self.objectives]

    def best_so_far(self, costs: Costs, objective: int) -> Vector:
        """(n,) best of one objective after each of n evaluations; NaN before the first that is done."""
        better = np.fmin if self.goals[objective] == "min" else np.fmax
        values = costs[:, objective]
        return np.asarray(better.accumulate(np.where(np.isfinite(values), values, np.nan)))

    def gap(self, costs: Costs) -> Vector:
        """(n,) percent that the best so far is from the best known, of one objective; NaN where that is 0."""
        best = float(self.front[0, 0]) if len(self.front) else np.nan
        found = self.best_so_far(costs, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            percent = 100 * np.abs(found - best) / abs(best)
        return np.where(found == best, 0.0, percent if best else np.nan)

    def volume_ratio(self, costs: Costs) -> Vector:
        """(n,) share of the best known hypervolume that is reached after each of n evaluations."""
        ratio = np.zeros(len(costs))
        small, limit = (metrics.to_minimise(part, self.goals) for part in (costs, [self.reference]))
        front: Costs = np.empty((0, costs.shape[1]))
        dear = costs.shape[1] > 2 and len(costs) > MOST_MEASURED
        measured = set(np.linspace(0, len(costs) - 1, MOST_MEASURED).astype(int).tolist()) if dear else None
        reached, changed = 0.0, False
        for row, point in enumerate(small):
            if np.isfinite(point).all() and not self._covered(front, point):
                front = np.vstack([front, point])
                front, changed = front[metrics.pareto_mask(front)], True
            if changed and (measured is None or row in measured):
                reached, changed = _volume(front, limit[0]), False
            ratio[row] = reached / self.volume if self.volume > 0 else np.nan
        return ratio

    @staticmethod
    def _covered(front: Costs, point: Vector) -> bool:
        return bool(len(front)) and bool((front <= point).all(axis=1).any())

    def quality(self, costs: Costs) -> Vector:
        """(n,) of what is to be small: the gap, or what lacks of the hypervolume, both in percent."""
        return self.gap(costs) if len(self.objectives) == 1 else 100 * (1 - self.volume_ratio(costs))


def _volume(front: Costs, limit: Vector) -> float:
    """Of a front to be minimised; of many objectives by ``MOST_FRONT`` of its points, evenly along the first."""
    if front.shape[1] > 2 and len(front) > MOST_FRONT:
        order = np.argsort(front[:, 0], kind="stable")
        front = front[order[np.linspace(0, len(front) - 1, MOST_FRONT).astype(int)]]
    return metrics.hypervolume(front, limit)


def reached(quality: Vector, within: float) -> float:
    """After how many evaluations a quality is at most ``within`` percent; NaN where it never is."""
    rows = np.flatnonzero(quality <= within)
    return float(rows[0] + 1) if len(rows) else float("nan")
