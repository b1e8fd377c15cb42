"""How many trials go into one Slurm task, and how many tasks into one array: pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TypeVar

ItemT = TypeVar("ItemT")

PROBES = 8
"""Tasks of one trial that are sent ahead to see how long a trial takes."""
SHORT_TASK_S = 10.0
"""A task is to take this long at least: starting one costs Slurm about a second."""
LONG_TASK_S = 60.0
"""A task of several trials is to take this long at most, so that results come in steadily."""
ROUNDS = 4
"""Tasks a slot that short trials are spread over, so that all slots end at about the same time."""
GUESSED_SLOTS = 4
"""Tasks at the same time while nothing is known of the cluster."""
LIMIT_SHARE = 0.5
"""Share of a task's time limit that its trials are expected to take at most."""

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


def pack_size(waiting: int, trial_s: float, slots: int, limit_s: float = math.inf) -> int:
    """Trials to put into one task.

    Args:
        waiting: trials that wait to be submitted.
        trial_s: wall time of a trial.
        slots: tasks that the cluster ran at the same time; 0 when not known.
        limit_s: the time limit of a task.
    Returns:
        at least 1.
    """
    trial_s = max(trial_s, 1e-3)
    even = waiting / (ROUNDS * (slots or GUESSED_SLOTS))
    least, most = SHORT_TASK_S / trial_s, LONG_TASK_S / trial_s
    size = min(max(even, least), most, LIMIT_SHARE * limit_s / trial_s, waiting)
    return max(1, int(size))


def packs(trials: Sequence[ItemT], size: int) -> list[Sequence[ItemT]]:
    """Cut a sequence into tasks of ``size`` trials, the last one perhaps smaller."""
    return [trials[start : start + size] for start in range(0, len(trials), size)]


def arrays(tasks: Sequence[ItemT], largest: int) -> list[Sequence[ItemT]]:
    """Cut tasks into arrays of at most ``largest`` (MaxArraySize) tasks."""
    return packs(tasks, max(1, largest))


def time_limit_s(text: str) -> float:
    """Seconds of a time limit in any of sbatch's forms; infinite for ``0``, ``UNLIMITED`` and what is none of them.

    The forms: ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``, ``days-hours``, ``days-hours:minutes``,
    ``days-hours:minutes:seconds``.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return math.inf
    days, first, second, third = (int(part or 0) for part in found.groups())
    if found["days"] is not None:
        seconds = days * 86400 + first * 3600 + second * 60 + third
    elif found["third"] is not None:
        seconds = first * 3600 + second * 60 + third
    else:
        seconds = first * 60 + second
    return seconds or math.inf
