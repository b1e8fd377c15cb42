"""Predicts every point of a space, however many, in bounded memory: of each block only the best points are kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from deffe.answer.best import BestPoints
from deffe.answer.spread import portable
from deffe.errors import PluginError
from deffe.executors import Executor
from deffe.executors.local import LocalExecutor
from deffe.learn.learner import Learner
from deffe.prepare.executors import Executors
from deffe.prepare.settings import Settings, cores
from deffe.records import Ids
from deffe.space import DesignSpace
from deffe.space.proposals import member
from deffe.words import duration

BLOCK = 1 << 16
"""Combinations that are predicted at a time at most."""
CELLS = 1 << 22
"""Features that are held at a time at most: 32 MiB."""
LEAST_BLOCKS = 8
"""With fewer blocks a worker, starting workers takes longer than they save."""
TELL_S = 30.0


@dataclass(frozen=True)
class Swept:
    """What is left of a block: how many of its points are predicted, and the best of them."""

    count: int
    best: BestPoints


@dataclass(frozen=True)
class Sweep:
    """Predicts one block after another; it is pickled and called in other processes.

    Args:
        known: (k,) sorted ids of the points that are left out.
        empty: what the best points of each block are collected in.
    """

    learner: Learner
    space: DesignSpace
    known: Ids
    empty: BestPoints

    def __call__(self, block: tuple[int, int]) -> Swept:
        """Predict the points among the combinations from the first up to the second number."""
        levels = self.space.block(*block)
        levels = levels[~member(self.space.ids(levels), self.known)]
        best = replace(self.empty)
        if len(levels):
            best.add(levels, self.learner.means(levels, [self.learner.costs[column] for column in best.columns]))
        return Swept(len(levels), best)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """All blocks of the space, in its order."""
        rows = max(1, min(BLOCK, CELLS // max(1, len(self.space.feature_names))))
        for first in range(0, self.space.combinations, rows):
            yield first, min(first + rows, self.space.combinations)


class Sweeper:
    """Where a space is swept: on the workers of an executor where that is worth it, else in this process."""

    def __init__(self, executor: Executor | None, log: logging.Logger) -> None:
        self._executor, self._log = executor, log

    def best(self, sweep: Sweep) -> Swept:
        """The best of all points of the space that are not known, the same wherever blocks are predicted."""
        count, best = 0, replace(sweep.empty)
        start = told = time.monotonic()
        total = sweep.space.combinations
        with closing(self._in_order(sweep)) as found:
            for (_, last), swept in found:
                count += swept.count
                best.join(swept.best)
                now = time.monotonic()
                if now - told > TELL_S:
                    told, left = now, (now - start) * (total - last) / last
                    text = "predicted %.3g %% of %s combinations, about %s left"
                    self._log.info(text, 100 * last / total, f"{total:.4g}", duration(left))
        return Swept(count, best)

    def _in_order(self, sweep: Sweep) -> Generator[tuple[tuple[int, int], Swept], None, None]:
        """Each block with what is left of it, in their order."""
        blocks = list(_some(sweep.blocks(), LEAST_BLOCKS * (self._executor.slots if self._executor else 0)))
        if self._executor is None or not blocks or (bare := portable(sweep.learner, self._log)) is None:
            yield from ((block, sweep(block)) for block in sweep.blocks())
            return
        sent: dict[int, tuple[int, int]] = {}

        def numbered() -> Iterator[tuple[int, int]]:
            for index, block in enumerate(sweep.blocks()):
                sent[index] = block
                yield block

        waiting: dict[int, Swept] = {}
        following = 0
        try:
            for end in self._executor.call(replace(sweep, learner=bare), numbered()):
                if end.error:
                    self._log.warning("a block is predicted in this process, for elsewhere: %s", end.error)
                waiting[end.index] = sweep(sent[end.index]) if end.error else end.value
                while following in waiting:
                    yield sent.pop(following), waiting.pop(following)
                    following += 1
        except PluginError as error:
            self._log.warning("the space is predicted in this process, for elsewhere: %s", error.message)
        for index, block in enumerate(sweep.blocks()):
            if index >= following:  # left by an executor that failed, or took no more
                yield block, waiting.pop(index) if index in waiting else sweep(block)


@contextmanager
def sweeping(settings: Settings, executors: Executors, log: logging.Logger) -> Iterator[Sweeper]:
    """Where a whole space is predicted: on Dask where points are evaluated there, else by a process a core."""
    executors.evaluate.take_more()  # a budget ends evaluation, not prediction
    if settings.executor == "dask" or not settings.predict_space:
        yield Sweeper(executors.evaluate, log)
        return
    workers = min(settings.workers, cores())
    if workers == 1:
        yield Sweeper(None, log)
        return
    with closing(LocalExecutor(workers)) as local:
        yield Sweeper(local, log)


def _some(blocks: Iterator[tuple[int, int]], least: int) -> list[tuple[int, int]]:
    """The first blocks if there are at least so many; none otherwise."""
    found = [block for block, _ in zip(blocks, range(least), strict=False)]
    return found if len(found) == least else []
