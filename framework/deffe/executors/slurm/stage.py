"""One kind of work, evaluation or extraction: what waits to be submitted, and how it is packed into tasks."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from deffe.executors.slurm import packing
from deffe.executors.slurm.script import Request
from deffe.executors.slurm.trials import Trial

LINGER_S = 0.2
"""Trials that arrive within this time of each other are submitted together."""
LONGEST_LINGER_S = 1.0
PROBE_S = 30.0
"""How long trials are held back at most until one of the first ones has begun; then as long as a short task takes."""
REMEMBERED = 200
"""Run times that a pack is measured by."""
IN_FLIGHT = 20_000
"""Trials prepared and not ended, at most."""


@dataclass
class Stage:
    """Trials that wait, and what is known of their run times.

    Args:
        times: wall times of the last trials, in seconds.
        first, last: when the trials that wait have begun to arrive, and when the last one has.
        probed, begun: when the first task was submitted, and when the first trial has begun.
    """

    request: Request
    waiting: deque[Trial] = field(default_factory=deque)
    times: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    first: float = -math.inf
    last: float = -math.inf
    probed: float | None = None
    begun: float | None = None
    _least: float = math.inf
    _held: bool = False

    def arrive(self, trial: Trial, now: float) -> None:
        """Let a trial wait to be submitted."""
        if not self.waiting or now - self.last > LINGER_S:
            self.first = now
        self.last = now
        self.waiting.append(trial)
        self._least = min(self._least, trial.wait_until)
        self._held = self._held and not trial.alone

    def ready(self, running: int) -> float:
        """When some of what waits may be submitted.

        That is once nothing has arrived for a moment, or for a longer moment at most; a trial has come to its time;
        and the first ones have told how long they take, or others are to be sent ahead.

        Args:
            running: tasks of this stage that have been submitted.
        """
        if not self.waiting:
            return math.inf
        calm = min(self.last + LINGER_S, self.first + LONGEST_LINGER_S)
        held = self._held and not self.times and running >= packing.PROBES
        return max(calm, self._least, self._probe_end if held else -math.inf)

    def capacity(self, slots: int) -> int:
        """Trials that may be under way at the same time."""
        return min(IN_FLIGHT, self.request.max_jobs * self.size(slots))

    def size(self, slots: int) -> int:
        """Trials that a task has where there are many."""
        if self.request.trials_per_task is not None:
            return self.request.trials_per_task
        return packing.pack_size(IN_FLIGHT, self._trial_s, slots, self._limit_s) if self.times else 1

    def take(self, room: int, running: int, slots: int, now: float) -> list[Sequence[Trial]]:
        """Take trials that wait and pack them into at most ``room`` tasks.

        Args:
            running: tasks of this stage that have been submitted.
        """
        due = [trial for trial in self.waiting if trial.wait_until <= now]
        alone = [trial for trial in due if trial.alone]
        others = [trial for trial in due if not trial.alone]
        size, self._held = self.request.trials_per_task, False
        if size is None and not self.times:
            size = 1
            if len(others) > packing.PROBES and now < self._probe_end:
                self._held = True
                room = min(room, max(0, packing.PROBES - running) + len(alone))
        elif size is None:
            size = packing.pack_size(len(others), self._trial_s, slots, self._limit_s)
        tasks = [[trial] for trial in alone] + [list(pack) for pack in packing.packs(others, size)]
        taken = tasks[: max(room, 0)]
        if taken and self.probed is None:
            self.probed = now
        gone = {id(trial) for task in taken for trial in task}
        self.waiting = deque(trial for trial in self.waiting if id(trial) not in gone)
        self._least = min((trial.wait_until for trial in self.waiting), default=math.inf)
        return list(taken)

    def give_back(self, trials: Sequence[Trial]) -> None:
        """Let trials wait again, before the others: they could not be submitted."""
        self.waiting.extendleft(reversed(trials))
        self._least = min((trial.wait_until for trial in self.waiting), default=math.inf)

    @property
    def _probe_end(self) -> float:
        if self.begun is not None:  # whatever takes longer than that is not packed anyway
            return self.begun + packing.SHORT_TASK_S
        return math.inf if self.probed is None else self.probed + PROBE_S

    @property
    def _trial_s(self) -> float:
        return statistics.fmean(self.times)

    @property
    def _limit_s(self) -> float:
        limit = self.request.flags.get("time", "")
        return packing.time_limit_s(limit) if isinstance(limit, str) else math.inf
