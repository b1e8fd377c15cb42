"""What becomes of trials whose task is over and that have left no end mark: a pure function."""

from __future__ import annotations

from deffe.executors.slurm.script import HEADER
from deffe.executors.slurm.states import Meaning
from deffe.executors.slurm.submission import Task
from deffe.executors.slurm.trials import LOST, End, Trial

AGAIN = None
"""The trial is submitted again."""


def verdicts(task: Task, meaning: Meaning, *, limit: int, said: str = "") -> list[tuple[Trial, End | None]]:
    """The end of each trial of a task that has not ended, or ``AGAIN``.

    A command that fails leaves an end mark, so that a task which failed without one was ended by the cluster: by a
    node that was shut down, by a source script, or by Slurm itself, which may fail to start a requeued task.
    A trial that was cut short by the time limit had all of it only when it was the first of its task; otherwise it is
    submitted again, alone. ``again`` of a trial is counted up where the cluster is to blame.

    Args:
        meaning: of the state that Slurm reports of the task.
        limit: how often a trial is submitted again because of the cluster.
        said: the last line that the task has printed.
    """
    return [(trial, _verdict(task, trial, meaning, limit, said)) for trial in task.missing]


def _verdict(task: Task, trial: Trial, meaning: Meaning, limit: int, said: str) -> End | None:
    if meaning is Meaning.CANCELLED:
        return End(LOST, reason="cancelled")
    begun = [other for other in task.trials if other.begun or other.ended]
    if begun and trial is not begun[-1]:
        return AGAIN  # it had no chance, or had ended well and its mark was held back
    if meaning is Meaning.OUT_OF_MEMORY and trial.begun:
        return End(LOST, reason="out of memory")
    if meaning is Meaning.TIMED_OUT and trial.begun:
        if trial is task.trials[0]:
            return End(LOST, timed_out=True, reason="time limit of the Slurm job reached")
        trial.alone = True
        return AGAIN
    trial.again += 1
    if trial.again <= limit:
        return AGAIN
    return End(LOST, timed_out=meaning is Meaning.TIMED_OUT, reason=_blame(task, trial, meaning, said))


def _blame(task: Task, trial: Trial, meaning: Meaning, said: str) -> str:
    often = f"{trial.again} times" if trial.again > 1 else "once"
    if meaning is Meaning.FAILED:
        when = "" if trial.begun else " before the trial began"
        heard = f": {said}" if said and not said.startswith(HEADER) else ""
        return f"the Slurm job failed{when}, {often}{heard}"
    if meaning is Meaning.NOT_REPORTED:
        return f"the Slurm job vanished without a result, {often}"
    if meaning is Meaning.DONE:
        return f"the Slurm job ended without a result, {often}"
    return f"ended by the cluster {often}, the last time with {task.state or meaning.value}"
