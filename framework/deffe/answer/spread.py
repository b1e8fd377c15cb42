"""Predicts chunks of points on an executor of many machines: in order, in bounded memory, the same as here."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from deffe.errors import PluginError
from deffe.executors import Executor
from deffe.learn.learner import Learner
from deffe.records import Levels, Prediction

WORTH_IT = 3
"""With fewer chunks than this, sending the model away takes longer than it saves."""
CHUNKS_A_SLOT = 4
MOST_CHUNKS = 256
"""Chunks, and their predictions, that are held here at the same time."""


def bare(learner: Learner) -> Learner:
    """A model that has learned, without what only the run needs: it is pickled and called elsewhere."""
    found = copy.copy(learner)
    nothing: Any = None
    found.model = replace(learner.model, module=nothing)
    return found


def portable(learner: Learner, log: logging.Logger) -> Learner | None:
    """The model to send to workers; None, and a word in the log, where they cannot have it."""
    why = f"{learner.model.file} is a file that workers do not have" if learner.model.file else ""
    found = bare(learner)
    try:
        pickle.dumps(found)
    except Exception as error:  # a model may hold anything
        why = f"the model cannot be sent: {type(error).__name__}: {error}"
    if why:
        log.info("points are predicted in this process: %s", why)
        return None
    return found


class Spread:
    """Where predictions are made: on an executor if that can be, else here."""

    def __init__(self, executor: Executor, log: logging.Logger) -> None:
        self._executor = executor
        self._log = log

    def predictions(self, learner: Learner, chunks: Iterable[Levels]) -> Iterator[tuple[Levels, Prediction]]:
        """Each chunk of (n, p) points with its predictions, in the order of the chunks."""
        source = iter(chunks)
        few = list(islice(source, WORTH_IT))
        sent = portable(learner, self._log) if len(few) == WORTH_IT else None
        source = chain(few, source)
        while sent is not None and (window := list(islice(source, self._room()))):
            found = self._window(sent, window)
            for index, levels in enumerate(window):
                yield levels, found[index] if index in found else learner.Predict(levels)
        for levels in source:
            yield levels, learner.Predict(levels)

    def _room(self) -> int:
        return min(CHUNKS_A_SLOT * self._executor.slots, MOST_CHUNKS)

    def _window(self, sent: Learner, window: list[Levels]) -> dict[int, Prediction]:
        """The predictions of those chunks that could be predicted elsewhere, by position."""
        found: dict[int, Prediction] = {}
        try:
            for end in self._executor.call(sent.Predict, window):
                if end.error:
                    self._log.warning("a chunk is predicted on this machine, for elsewhere: %s", end.error)
                else:
                    found[end.index] = end.value
        except PluginError as error:
            self._log.warning("points are predicted on this machine, for elsewhere: %s", error.message)
        return found
