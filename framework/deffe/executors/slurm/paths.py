"""Where the files of a Slurm run lie, below ``slurm`` in the run directory, and the file that lists the tasks' trials.

The machines of the cluster import this module, so it needs the standard library alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "slurm"


@dataclass(frozen=True)
class Paths:
    """Files and folders below the folder ``slurm`` of a run."""

    home: Path

    @classmethod
    def of_submission(cls, folder: Path) -> Paths:
        """From the folder of a submission."""
        return cls(folder.parents[1])

    @classmethod
    def of_run(cls, folder: Path) -> Paths:
        """From the run directory."""
        return cls(folder / FOLDER)

    @property
    def marks(self) -> Path:
        """The folder of all marks."""
        return self.home / "marks"

    @property
    def key(self) -> Path:
        """The key that pickles are signed with."""
        return self.home / "key"

    @property
    def run(self) -> Path:
        """What the run is called in the queue."""
        return self.home / "run.json"

    @property
    def ledger(self) -> Path:
        """How trials ended whose points may not be recorded yet."""
        return self.home / "ended.jsonl"

    @property
    def cancelled(self) -> Path:
        """There when the user has cancelled the run's jobs."""
        return self.home / "cancelled"

    @property
    def submissions(self) -> Path:
        """A folder for each submission, by its number."""
        return self.home / "jobs"

    def submission(self, number: int) -> Path:
        """The folder of a submission."""
        return self.submissions / str(number)

    def script(self, number: int) -> Path:
        """Its batch script."""
        return self.submission(number) / "script.sh"

    def tasks(self, number: int) -> Path:
        """The trials of its tasks."""
        return self.submission(number) / "tasks.jsonl"

    def job(self, number: int) -> Path:
        """There when sbatch has taken it, with the number of its job."""
        return self.submission(number) / "job"

    def log(self, number: int, index: int) -> Path:
        """What a task has printed."""
        return self.submission(number) / f"{index}.log"

    @property
    def logs(self) -> Path:
        """What tasks have printed that were not in order."""
        return self.home / "logs"

    def claim(self, number: int, index: int) -> Path:
        """There when a job has taken the task, with its number."""
        return self.submission(number) / f"{index}.claim"

    def void(self, number: int, index: int) -> Path:
        """There when the task is not to run any more."""
        return self.submission(number) / f"{index}.void"

    @property
    def functions(self) -> Path:
        """The folder of all functions that calls need."""
        return self.home / "functions"

    def function(self, digest: str) -> Path:
        """A function that calls need."""
        return self.functions / digest

    def numbers(self) -> list[int]:
        """The submissions that are there."""
        if not self.submissions.is_dir():
            return []
        return sorted(int(path.name) for path in self.submissions.iterdir() if path.name.isdigit())


def write_tasks(path: Path, head: Mapping[str, Any], tasks: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Write the trials of each task: a line of the head, with where each task's line begins, then a line a task."""
    lines = [json.dumps(list(trials)).encode() + b"\n" for trials in tasks]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    with path.open("wb") as file:
        file.write(json.dumps({**head, "starts": starts[:-1]}).encode() + b"\n")
        file.writelines(lines)


def read_task(path: Path, index: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The head, and the trials of one task.

    Raises:
        OSError: there is no such file.
    """
    with path.open("rb") as file:
        head = json.loads(file.readline())
        file.seek(head["starts"][index], 1)
        return head, json.loads(file.readline())


def read_tasks(path: Path) -> tuple[dict[str, Any], Iterator[list[dict[str, Any]]]]:
    """The head, and the trials of all tasks.

    Raises:
        OSError, ValueError, KeyError: the file is not there, or not whole.
    """
    with path.open("rb") as file:
        head = json.loads(file.readline())
        tasks = [json.loads(line) for line in file]
    if len(tasks) != len(head["starts"]):
        raise ValueError(f"{path} is not whole")
    return head, iter(tasks)
