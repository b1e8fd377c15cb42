"""An executor whose work can be watched: which points it has at the moment, and since when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from deffe.executors import CallEnd, Executor, Job, JobEnd

UNKNOWN = -1
ItemT = TypeVar("ItemT")


class Watched:
    """Hands all work to an executor, and notes what it has."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        self._there: dict[tuple[object, Hashable], tuple[int, float]] = {}
        self.taking = True
        """Whether further work is taken; what it has been given goes on to its end."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)  # what only some executors have

    @property
    def slots(self) -> int:
        """How many jobs or calls may run at the same time, as far as is known."""
        return self._executor.slots

    def under_way(self) -> list[tuple[int, float]]:
        """Number and start (``time.time``) of all points it has, the longest there first; -1 where not known."""
        with self._lock:
            return sorted(self._there.values(), key=lambda there: there[1])

    def take_no_more(self) -> None:
        """From now on, take no job or call that was not drawn yet: what runs is the last."""
        self.taking = False

    def take_more(self) -> None:
        """Take jobs and calls again."""
        self.taking = True

    def _drawn(self, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """The items, as long as they are taken; one that is not taken is not drawn either."""
        left = iter(items)
        while self.taking:
            try:
                item = next(left)
            except StopIteration:
                return
            yield item

    def run(self, jobs: Iterable[Job]) -> Iterator[JobEnd]:
        mine = object()

        def noted() -> Iterator[Job]:
            for job in self._drawn(jobs):
                self._note(mine, job.folder, job.point)
                yield job

        with self._closed(mine, self._executor.run(noted())) as ends:
            for end in ends:
                self._forget(mine, end.job.folder)
                yield end

    def call(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        timeout_s: float | None = None,
        log: Path | None = None,
    ) -> Iterator[CallEnd]:
        mine = object()

        def noted() -> Iterator[Any]:
            for index, item in enumerate(self._drawn(items)):
                self._note(mine, index, None)
                yield item

        with self._closed(mine, self._executor.call(function, noted(), timeout_s=timeout_s, log=log)) as ends:
            for end in ends:
                self._forget(mine, end.index)
                yield end

    def close(self) -> None:
        self._executor.close()

    def _note(self, iteration: object, item: Hashable, point: int | None) -> None:
        with self._lock:
            self._there[iteration, item] = (UNKNOWN if point is None else point, time.time())

    def _forget(self, iteration: object, item: Hashable) -> None:
        with self._lock:
            self._there.pop((iteration, item), None)

    @contextmanager
    def _closed(self, iteration: object, ends: Any) -> Iterator[Any]:
        """Close an iterator in the end, and forget its items."""
        try:
            yield ends
        finally:
            if hasattr(ends, "close"):  # generators have it
                ends.close()
            with self._lock:
                self._there = {key: there for key, there in self._there.items() if key[0] is not iteration}
