"""A submission: the tasks of one job array, its folder on the disk, and how it is read again after a kill."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from deffe.errors import DeffeError
from deffe.executors.slurm import task as program
from deffe.executors.slurm.client import Client, UnreachableError
from deffe.executors.slurm.paths import Paths, read_tasks, write_tasks
from deffe.executors.slurm.script import Request, batch_script
from deffe.executors.slurm.states import ALIVE, Meaning, meaning_of
from deffe.executors.slurm.trials import Trial


@dataclass
class Task:
    """A task of an array, as far as it is known.

    Args:
        over_since: when it was first reported to have ended, with trials that had left no mark.
        meaning: what Slurm last said of it.
        unreported: how many times in a row Slurm did not know it.
    """

    index: int
    trials: list[Trial]
    over_since: float | None = None
    meaning: Meaning = Meaning.WAITING
    state: str = ""
    unreported: int = 0
    closed: bool = False

    @property
    def missing(self) -> list[Trial]:
        """Trials that have not ended."""
        return [trial for trial in self.trials if not trial.ended]


@dataclass
class Submission:
    """The tasks of one call of sbatch.

    Args:
        name: of the job in the queue.
        when: it was submitted, by this machine's clock.
        job: number of the job; empty until sbatch or squeue has told it.
    """

    number: int
    name: str
    stage: str
    tasks: list[Task]
    when: float = field(default_factory=time.time)
    job: str = ""
    tried: float = 0.0

    @property
    def open(self) -> list[Task]:
        """Tasks with trials that have not ended."""
        return [task for task in self.tasks if not task.closed]

    @property
    def confirmed(self) -> bool:
        """Whether Slurm has taken it for certain."""
        return bool(self.job) or any(trial.begun or trial.ended for task in self.tasks for trial in task.trials)

    @property
    def since(self) -> datetime:
        """When it was submitted."""
        return datetime.fromtimestamp(self.when)

    def job_of(self, task: Task) -> str:
        """What scancel knows a task by."""
        return f"{self.job}_{task.index}" if len(self.tasks) > 1 else self.job


def write(submission: Submission, paths: Paths, request: Request, *, arrays: bool) -> Path:
    """Write the folder of a submission; its batch script.

    Raises:
        OSError: it cannot be written.
    """
    folder = paths.submission(submission.number)
    folder.mkdir(parents=True)
    head = {
        "name": submission.name,
        "stage": submission.stage,
        "when": submission.when,
        "python_path": [os.path.abspath(path) for path in sys.path],
    }
    write_tasks(
        paths.tasks(submission.number), head, [[trial.record for trial in task.trials] for task in submission.tasks]
    )
    text = batch_script(
        request,
        name=submission.name,
        tasks=len(submission.tasks),
        folder=folder,
        command=[sys.executable, str(Path(program.__file__).resolve()), str(folder)],
        arrays=arrays,
    )
    script = paths.script(submission.number)
    script.write_text(text, encoding="utf-8", errors="surrogateescape")
    return script


def remove(submission: Submission, paths: Paths) -> None:
    """Remove the folder of a submission; a task of it that starts all the same finds nothing to do."""
    with contextlib.suppress(OSError):
        paths.tasks(submission.number).unlink()
    shutil.rmtree(paths.submission(submission.number), ignore_errors=True)


def read_all(paths: Paths, ended: Container[tuple[str, int]], *, remove: bool = True) -> Iterator[Submission]:
    """The submissions of an earlier run whose tasks may still be queued or running.

    Args:
        ended: key and number of the trials whose end is known already.
        remove: what was never given to sbatch as a whole.
    """
    for number in paths.numbers():
        try:
            head, tasks = read_tasks(paths.tasks(number))
        except (FileNotFoundError, ValueError, KeyError):
            if remove:
                shutil.rmtree(paths.submission(number), ignore_errors=True)
            continue
        job = ""
        with contextlib.suppress(OSError):
            job = paths.job(number).read_text(encoding="ascii").strip()
        yield Submission(
            number,
            head["name"],
            head["stage"],
            [
                Task(
                    index,
                    [_trial(record, head["stage"], number, ended) for record in records],
                    closed=paths.void(number, index).exists(),
                )
                for index, records in enumerate(tasks)
            ],
            head["when"],
            job,
        )


def _trial(record: dict[str, Any], stage: str, number: int, ended: Container[tuple[str, int]]) -> Trial:
    done = (record["key"], number) in ended
    return Trial(record["key"], stage, record, alone=bool(record.get("alone")), number=number, kept=True, ended=done)


def open_tasks(submissions: Iterable[Submission]) -> Iterator[tuple[Submission, Task]]:
    """Every task that has not ended, with its submission."""
    for submission in submissions:
        for task in submission.open:
            yield submission, task


def end_jobs(submissions: Sequence[Submission], client: Client) -> int:
    """End the jobs of submissions, found by their names; the number of tasks that were queued or running.

    Raises:
        DeffeError: Slurm does not answer.
    """
    wanted = {found.name: [task.index for task in found.open] for found in submissions}
    if not wanted:
        return 0
    try:
        report = client.report(wanted, min(found.since for found in submissions))
        alive = [task for task in report.values() if meaning_of(task.state) in ALIVE]
        client.cancel(sorted({task.job for task in alive} | {found.job for found in submissions if found.job}))
    except UnreachableError as error:
        raise DeffeError(f"Slurm does not answer: {error}", "try again when it does") from error
    return len(alive)
