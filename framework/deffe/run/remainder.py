"""Predicts the points that were not evaluated, in bounded memory, keeping the best of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.records import Costs, Ids, Levels, Prediction
from deffe.run.learning import Learner
from deffe.run.spread import Spread
from deffe.space import DesignSpace

CHUNK = 20_000
FRONT_LIMIT = 10_000


def unseen(space: DesignSpace, known: Ids, limit: int, rng: np.random.Generator) -> Iterator[Levels]:
    """Yield the points of the space that are not ``known``, in chunks.

    All of them while the space has at most ``limit`` points beside the known ones; a uniform sample of
    ``limit`` points where it has more.

    Args:
        known: (k,) sorted ids.
    """
    everything = space.size_is_exact and space.size <= limit + len(known)
    chunks = space.chunks(CHUNK) if everything else iter([space.sample(limit + len(known), rng)])
    left = limit
    for levels in chunks:
        new = levels[~member(space.ids(levels), known)][:left]
        left -= len(new)
        for start in range(0, len(new), CHUNK):
            yield new[start : start + CHUNK]


def member(ids: Ids, known: Ids) -> NDArray[np.bool_]:
    """Which of the ids are among the sorted ``known`` ones."""
    if len(known) == 0:
        return np.zeros(len(ids), dtype=bool)
    place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.asarray(known[place] == ids)


@dataclass
class BestPoints:
    """The best predicted points so far: one per objective, and the Pareto front.

    Args:
        columns: columns of the objectives among the costs.
        goals: ``min`` or ``max`` for each.
    """

    columns: Sequence[int]
    goals: Sequence[str]
    levels: Levels | None = None
    costs: Costs | None = None

    def add(self, levels: Levels, costs: Costs) -> None:
        """Take (n, p) points with their (n, c) costs into account."""
        if self.levels is not None and self.costs is not None:
            levels, costs = np.concatenate([self.levels, levels]), np.concatenate([self.costs, costs])
        front = np.flatnonzero(metrics.pareto_mask(costs[:, self.columns], list(self.goals)))
        self.levels, self.costs = levels[front], costs[front]
        if len(front) > FRONT_LIMIT:
            kept = np.unique([*range(FRONT_LIMIT), *(self.best(i) or 0 for i in range(len(self.columns)))])
            self.levels, self.costs = self.levels[kept], self.costs[kept]

    def best(self, objective: int) -> int | None:
        """Position of the best point for one objective; such a point is always on the front."""
        if self.costs is None or not len(self.costs):
            return None
        values = self.costs[:, self.columns[objective]]
        return int(np.argmin(values) if self.goals[objective] == "min" else np.argmax(values))


def predict_unseen(
    learner: Learner,
    chunks: Iterator[Levels],
    best: BestPoints,
    write: Callable[[Levels, Prediction], None],
    spread: Spread | None = None,
) -> int:
    """Predict every chunk, hand it to ``write`` and keep the best; the number of points predicted.

    Args:
        spread: where predictions are made; None for here.
    """
    count = 0
    here = ((levels, learner.Predict(levels)) for levels in chunks)
    for levels, prediction in here if spread is None else spread.predictions(learner, chunks):
        write(levels, prediction)
        best.add(levels, prediction.mean)
        count += len(levels)
    return count
