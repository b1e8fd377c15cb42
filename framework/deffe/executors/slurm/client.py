"""Talks to Slurm: sbatch, squeue, sacct, scontrol and scancel, each an argument list with a time limit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from deffe.errors import DeffeError
from deffe.executors.slurm.states import ALIVE, meaning_of

PROGRAMS = ("sbatch", "squeue", "scancel")
"""Without these there is no Slurm; scontrol and sacct are done without."""
DEFAULT_ARRAY_SIZE = 1001
NAMES_A_CALL = 500
JOBS_A_CALL = 500
CLOCKS_APART = timedelta(days=1)
"""How much earlier than a submission sacct looks: the clocks of machines differ."""

_UNREACHABLE = re.compile(
    r"unable to contact|socket timed out|connection (refused|timed out|reset|failure)|zero bytes|transport endpoint"
    r"|temporarily unable|temporary failure|not responding|talking to the database|error contacting|unreachable"
    r"|standby mode|protocol authentication|munge|try again|unexpected message|no such host|lookup failure",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"submit ?(job)?s? ?(per\w*)? ?limit|MaxSubmit|job submit limit|MaxJobCount|too many (jobs|tasks)", re.IGNORECASE
)
_SIZE_OR_SUBMIT = re.compile(r"job violates accounting/QOS policy \([^)]*\)", re.IGNORECASE)
"""Said of a full queue, and of a job that asks for more than its account or quality of service allows."""
_LIMIT = re.compile(r"\b(QOS|Assoc)(?!\w*Submit)\w*Limit\b")
"""A limit by its name that a job is beyond by itself, however many are in the queue."""
_NO_ACCOUNTING = re.compile(r"accounting storage is disabled", re.IGNORECASE)
_OTHERS_WISHES = re.compile(
    r"SBATCH_(JOB_NAME|ARRAY_INX|WAIT|OUTPUT|ERROR|OPEN_MODE|TEST_ONLY)|SQUEUE_\w+|SACCT_\w+|SCONTROL_\w+"
    r"|SCANCEL_\w+|SLURM_TIME_FORMAT"
)
"""Variables that change what is submitted or the form of what is printed."""


class UnreachableError(Exception):
    """Slurm does not answer; it may do so later."""


class FullError(Exception):
    """Slurm takes no further jobs of this user for now.

    Args:
        certain: whether it says so; else it may mean as well that it never takes a job such as this.
    """

    def __init__(self, said: str, certain: bool = True) -> None:
        super().__init__(said)
        self.certain = certain


@dataclass(frozen=True)
class Reported:
    """What Slurm says of a task: its state, why it waits, and the number of its job."""

    state: str
    why: str = ""
    job: str = ""


Report = dict[tuple[str, int], Reported]
"""By job name and index in the array."""


def refused(said: str) -> DeffeError:
    """The error of jobs that sbatch does not take, with what it said."""
    return DeffeError(f"sbatch refuses the jobs: {said}", "mend the section slurm of the configuration")


def absent_program() -> str:
    """The first of Slurm's programs that is not on the PATH, or nothing."""
    return next((program for program in PROGRAMS if shutil.which(program) is None), "")


class Client:
    """One cluster.

    Args:
        clusters: value of ``--clusters`` for all programs, where the user names another one than this machine's.
        timeout_s: wall time that a program is given.
    """

    def __init__(self, clusters: str = "", timeout_s: float = 60.0) -> None:
        self._clusters = [f"--clusters={clusters}"] if clusters else []
        self._timeout_s = timeout_s
        self._accounting = shutil.which("sacct") is not None

    def submit(self, script: Path) -> str:
        """Submit a batch script; the number of the job.

        Raises:
            UnreachableError: no answer; the job may have been taken all the same.
            FullError: too many jobs.
            DeffeError: sbatch refuses the script.
        """
        done = self._run(["sbatch", "--parsable", *self._clusters, str(script)])
        said = _said(done)
        if done.returncode == 0:
            lines = done.stdout.split()
            if lines and lines[-1].split(";")[0].isdigit():
                return lines[-1].split(";")[0]
            raise DeffeError(f"sbatch gave no job number but {done.stdout.strip()[:200]!r}")
        if _FULL.search(said) and not _LIMIT.search(said):
            raise FullError(said, certain=_FULL.search(_SIZE_OR_SUBMIT.sub("", said)) is not None)
        if _UNREACHABLE.search(said):
            raise UnreachableError(said)
        raise refused(said)

    def report(self, wanted: Mapping[str, Collection[int]], since: datetime) -> Report:
        """What Slurm knows of tasks, also of those that have ended; the others are absent.

        squeue is asked first: it knows what is there and what ended a while ago. Only what it does not know is
        looked for in the accounts, which are behind the times.

        Args:
            wanted: {name of a job: indices of its tasks}.
            since: when the first of them was submitted.
        Raises:
            UnreachableError: it does not answer, so that nothing can be concluded.
        """
        found: Report = {}
        for part in _parts(list(wanted), NAMES_A_CALL):
            found |= self._squeue(part)
        missing = [name for name, tasks in wanted.items() if any((name, index) not in found for index in tasks)]
        for part in _parts(missing, NAMES_A_CALL):
            found = {**self._sacct(part, since), **found}
        return found

    def cancel(self, jobs: Iterable[str]) -> None:
        """End jobs or tasks (``12``, ``12_3``); those that have ended already do not matter.

        Raises:
            UnreachableError: Slurm does not answer.
        """
        for part in _parts(list(jobs), JOBS_A_CALL):
            done = self._run(["scancel", *self._clusters, *part])
            if done.returncode and _UNREACHABLE.search(_said(done)):
                raise UnreachableError(_said(done))

    def max_array_size(self) -> int:
        """MaxArraySize: indices of arrays are below it; 0 or 1 where there are no arrays.

        Raises:
            UnreachableError: Slurm does not answer.
        """
        if shutil.which("scontrol") is None:
            return DEFAULT_ARRAY_SIZE
        done = self._run(["scontrol", *self._clusters, "show", "config"])
        if done.returncode:
            raise UnreachableError(_said(done))
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout, re.MULTILINE)
        return int(found[1]) if found else DEFAULT_ARRAY_SIZE

    def _squeue(self, names: Sequence[str]) -> Report:
        words = ["--noheader", "--array", "--states=all", f"--name={','.join(names)}", "--format=%j|%F|%K|%T|%r"]
        done = self._run(["squeue", *self._clusters, *words])
        if done.returncode:
            raise UnreachableError(_said(done))
        found: Report = {}
        for line in done.stdout.splitlines():
            fields = line.strip().split("|")
            if len(fields) == 5 and fields[0] in names:
                name, job, index, state, why = fields
                _note(found, (name, int(index) if index.isdigit() else 0), Reported(state, why, job))
        return found

    def _sacct(self, names: Sequence[str], since: datetime) -> Report:
        if not self._accounting:
            return {}
        start = (since - CLOCKS_APART).strftime("%Y-%m-%dT%H:%M:%S")
        words = ["--noheader", "--parsable2", "--allocations", "--array", f"--starttime={start}"]
        words += [f"--name={','.join(names)}", "--format=JobName,JobID,State"]
        done = self._run(["sacct", *self._clusters, *words])
        if done.returncode and _NO_ACCOUNTING.search(_said(done)):
            self._accounting = False
            return {}
        if done.returncode:
            raise UnreachableError(_said(done))
        found: Report = {}
        for line in done.stdout.splitlines():
            fields = line.strip().split("|")
            if len(fields) == 3 and fields[0] in names:
                for index in _indices(fields[1]):
                    _note(found, (fields[0], index), Reported(fields[2], job=fields[1].split("_")[0]))
        return found

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout_s,
                check=False,
                env=_environment(os.environ),
                start_new_session=True,  # Ctrl-C is for the run, which decides what becomes of a submission
            )
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"{command[0]} gave no answer within {self._timeout_s:g} s") from error
        except OSError as error:
            raise UnreachableError(f"{command[0]} cannot be started: {error.strerror or error}") from error


def _note(found: Report, place: tuple[str, int], reported: Reported) -> None:
    """Note a state; where a task was submitted twice, that of the one which may still run counts."""
    if place not in found or meaning_of(found[place].state) not in ALIVE:
        found[place] = reported


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if not _OTHERS_WISHES.fullmatch(name)}
    return {**kept, "LC_ALL": kept.get("LC_ALL", "C.UTF-8")}


def _indices(job: str) -> list[int]:
    """Indices of a job number of sacct: ``12_3``, ``12_[0-4,7%2]``, or ``12`` for a job without an array."""
    _, mark, rest = job.partition("_")
    if not mark:
        return [0]
    found: list[int] = []
    for part in rest.strip("[]").split("%")[0].split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found += range(int(first), int(last or first) + 1)
    return found


def _said(done: subprocess.CompletedProcess[str]) -> str:
    text = " ".join((done.stderr or done.stdout).split())
    return text[:500] or f"exit status {done.returncode}"


def _parts(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
