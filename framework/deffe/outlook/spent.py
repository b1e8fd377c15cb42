"""What a run has spent, over all its starts: wall time, and core time of its points."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deffe.config import Config
from deffe.errors import ConfigError
from deffe.prepare.executors import Executors, request_of
from deffe.prepare.settings import Settings
from deffe.records import Outcome
from deffe.store import Store

NOTE_S = 5.0
"""How often the wall time is noted in the run directory: a start that is killed loses at most this."""
HOUR_S = 3600.0


@dataclass(frozen=True)
class Spent:
    """Hours that were spent.

    Args:
        hours: wall time over all starts.
        start_hours: wall time of this start.
        core_hours: run times of the points, times the cores of each.
    """

    hours: float = 0.0
    start_hours: float = 0.0
    core_hours: float = 0.0


class Meter:
    """Measures what one exploration spends, and knows what the others of the run have spent.

    Args:
        index: of the exploration.
        cores: that a point takes.
        local: points run as soon as the executor has them, so that the time of those under way counts as well.
    """

    def __init__(self, store: Store, index: int, names: Sequence[str], executors: Executors, cores: int, local: bool):
        self._store, self._index, self._executors, self._cores, self._local = store, index, executors, cores, local
        self._wall = {i: float(store.get_meta(_note(i), 0.0)) for i in range(len(names))}
        self._core_s = {i: cores * store.seconds(i) for i in range(len(names))}
        self._begun = self._noted = time.monotonic()

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count points that were evaluated."""
        self._core_s[self._index] += self._cores * sum(float(np.nansum(outcome.seconds)) for outcome in outcomes)

    def own(self) -> Spent:
        """What this exploration has spent."""
        now = time.monotonic()
        core_s = self._core_s[self._index] + self._under_way()
        return Spent(
            (self._wall[self._index] + now - self._begun) / HOUR_S, (now - self._begun) / HOUR_S, core_s / HOUR_S
        )

    def run(self) -> Spent:
        """What the run has spent, with all its explorations."""
        now = time.monotonic()
        wall, core_s = sum(self._wall.values()) + now - self._begun, sum(self._core_s.values()) + self._under_way()
        return Spent(wall / HOUR_S, (now - self._executors.begun) / HOUR_S, core_s / HOUR_S)

    def note(self, least_s: float = NOTE_S) -> None:
        """Note the wall time in the run directory, if the last note is older than ``least_s``."""
        now = time.monotonic()
        if now - self._noted >= least_s:
            self._store.set_meta(_note(self._index), self._wall[self._index] + now - self._begun)
            self._noted = now

    def _under_way(self) -> float:
        if not self._local:
            return 0.0
        now = time.time()
        return self._cores * sum(max(0.0, now - since) for _, since in self._executors.evaluate.under_way())


def _note(index: int) -> str:
    return f"wall_s_{index}"


def cores_of(config: Config, settings: Settings) -> int:
    """The cores that a point takes: those of its Slurm task, else ``evaluate.cpus``."""
    if settings.executor != "slurm":
        return config.evaluate.cpus
    try:
        return int(str(request_of(config, "evaluate").flags.get("cpus_per_task", "")))
    except (ConfigError, ValueError):
        return config.evaluate.cpus
