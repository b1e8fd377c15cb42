"""What models of deffe and their rivals reach on rows of a table that they have not seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

import numpy as np
from _rivals import RIVALS
from _tables import Matrix, Rows, Vector, model
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from deffe import metrics
from deffe.api import ModelReport, Source
from deffe.plugins import Plugin

Positions = NDArray[np.intp]
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Score:
    """How a model did on unseen rows.

    Args:
        error: mean absolute percentage error.
        coverage: percent of the rows inside their 90 % interval.
        seconds: CPU time of learning, choice of the learners and calibration included.
        told: the error that the model itself expected, from cross-validation.
        notes: of its report.
    """

    error: float
    coverage: float
    seconds: float
    told: float
    notes: tuple[str, ...]


def split(rows: int, learned: int, seed: int) -> tuple[Positions, Positions]:
    """Positions of the rows learned from, and of all others."""
    order = np.random.default_rng(seed).permutation(rows)
    return order[:learned], order[learned:]


def learn(plugin: Plugin, rows: Rows, cost: str, train: Positions, seed: int) -> ModelReport:
    """Let a model learn from some rows; a network validates itself on a fifth of them."""
    report: ModelReport = plugin.ask(
        "Run",
        features=rows.features[train],
        costs=rows.cost(cost)[train, None],
        levels=rows.levels[train],
        step=0,
        validation=np.random.default_rng(seed).random(len(train)) < 0.2,
    )
    return report


def score(
    name: str, rows: Rows, cost: str, learned: int, seed: int, sources: tuple[Source, ...] = (), **options: object
) -> Score:
    """Learn a cost by a model of deffe, on one thread, and compare."""
    actual = rows.cost(cost)
    train, rest = split(len(actual), learned, seed)
    plugin = model(name, rows, cost, seed, sources, **options)
    started = time.process_time()
    with threadpool_limits(1):
        report = learn(plugin, rows, cost, train, seed)
        seconds = time.process_time() - started
        found = plugin.ask("Predict", features=rows.features[rest], levels=rows.levels[rest])
    mean, lower, upper = found.mean[:, 0], found.lower[:, 0], found.upper[:, 0]
    covered = metrics.coverage(actual[rest], lower, upper)
    return Score(metrics.mape(actual[rest], mean), covered, seconds, report.costs[0].mape, report.notes)


def rival_errors(features: Matrix, cost: Vector, learned: int, seed: int) -> dict[str, float]:
    """The percentage error of each rival that is installed, on the same rows, on one thread."""
    train, rest = split(len(cost), learned, seed)
    found = {}
    with threadpool_limits(1):
        for rival in RIVALS:
            if rival.installed:
                predicted = rival.predict(features[train], cost[train], features[rest], seed)
                found[rival.name] = metrics.mape(cost[rest], predicted)
    return found


def per_seed(
    measure: Callable[[ItemT, int], ResultT], items: Sequence[ItemT], seeds: range, jobs: int
) -> Iterator[list[ResultT]]:
    """For each item in turn, what ``measure(item, seed)`` gives for each seed, worked out in so many processes."""
    pairs = [(item, seed) for item in items for seed in seeds]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as workers:
        found = workers.map(partial(_apart, measure), pairs)
        for _ in items:
            yield [next(found) for _ in seeds]


def _apart(measure: Callable[[ItemT, int], ResultT], pair: tuple[ItemT, int]) -> ResultT:
    return measure(*pair)


def median(numbers: Iterable[float]) -> float:
    return float(np.median(list(numbers)))


def is_noise(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Whether two learners differ, over the same seeds, by less than twice the standard error of their difference."""
    apart = np.subtract(ours, theirs)
    return len(apart) > 1 and bool(abs(apart.mean()) <= 2 * apart.std(ddof=1) / np.sqrt(len(apart)))
