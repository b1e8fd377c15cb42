"""What each state of a Slurm job means for the trials of its task: one table."""

from __future__ import annotations

from enum import Enum


class Meaning(Enum):
    """What is to be done about the trials of a task that have not left their mark."""

    WAITING = "waiting"  # Slurm will start it, perhaps again
    RUNNING = "running"
    DONE = "done"  # its marks must be there; one that is not was lost
    RETRY = "retry"  # ended by the cluster: submitted again
    FAILED = "failed"  # not by a trial, which would have left its mark: submitted again
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # a state that this table does not have: waited for
    NOT_REPORTED = "not reported"  # Slurm does not know the job: never success


MEANINGS = {
    "PENDING": Meaning.WAITING,
    "CONFIGURING": Meaning.WAITING,
    "POWER_UP_NODE": Meaning.WAITING,
    "REQUEUED": Meaning.WAITING,
    "REQUEUE_FED": Meaning.WAITING,
    "REQUEUE_HOLD": Meaning.WAITING,
    "RESV_DEL_HOLD": Meaning.WAITING,
    "SPECIAL_EXIT": Meaning.WAITING,
    "UPDATE_DB": Meaning.WAITING,
    "RUNNING": Meaning.RUNNING,
    "COMPLETING": Meaning.RUNNING,
    "EXPEDITING": Meaning.RUNNING,
    "RESIZING": Meaning.RUNNING,
    "REVOKED": Meaning.RUNNING,  # of a federation: another cluster runs it
    "SIGNALING": Meaning.RUNNING,
    "STAGE_OUT": Meaning.RUNNING,
    "STOPPED": Meaning.RUNNING,
    "SUSPENDED": Meaning.RUNNING,
    "COMPLETED": Meaning.DONE,
    "BOOT_FAIL": Meaning.RETRY,
    "LAUNCH_FAILED": Meaning.RETRY,
    "NODE_FAIL": Meaning.RETRY,
    "PREEMPTED": Meaning.RETRY,
    "RECONFIG_FAIL": Meaning.RETRY,
    "FAILED": Meaning.FAILED,
    "DEADLINE": Meaning.TIMED_OUT,
    "TIMEOUT": Meaning.TIMED_OUT,
    "OUT_OF_MEMORY": Meaning.OUT_OF_MEMORY,
    "CANCELLED": Meaning.CANCELLED,
}
"""By the long names that squeue and sacct print."""

ALIVE = (Meaning.WAITING, Meaning.RUNNING, Meaning.UNKNOWN)
"""Meanings under which a task may still leave marks."""


def meaning_of(state: str) -> Meaning:
    """The meaning of a state as squeue or sacct print it, such as ``CANCELLED by 1000``."""
    word = state.strip().upper().split(" ", 1)[0].rstrip("+")
    return MEANINGS.get(word, Meaning.UNKNOWN)
