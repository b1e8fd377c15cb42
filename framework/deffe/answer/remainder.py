"""Predicts the points that were not evaluated, in bounded memory, keeping the best of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from deffe.answer.best import BestPoints
from deffe.answer.spread import Spread
from deffe.learn.learner import Learner
from deffe.records import Ids, Levels, Prediction
from deffe.space import DesignSpace
from deffe.space.proposals import few_left, left_of, member

CHUNK = 20_000


def unseen(space: DesignSpace, known: Ids, limit: int, rng: np.random.Generator) -> Iterator[Levels]:
    """Yield the points of the space that are not ``known``, in chunks.

    All of them while the space has at most ``limit`` points beside the known ones; a uniform sample of
    ``limit`` points where it has more.

    Args:
        known: (k,) sorted ids.
    """
    if few_left(space, len(known), limit):
        chunks = left_of(space, known, CHUNK)
    else:
        drawn = space.sample(limit + len(known), rng)
        chunks = iter([drawn[~member(space.ids(drawn), known)]])
    left = limit
    for levels in chunks:
        new = levels[:left]
        left -= len(new)
        for start in range(0, len(new), CHUNK):
            yield new[start : start + CHUNK]


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
