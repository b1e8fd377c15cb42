"""Ends the Slurm jobs that a run has left in the queue."""

from __future__ import annotations

import time
from collections.abc import Callable

from deffe.config import Config
from deffe.errors import UsageError, counted
from deffe.executors.slurm import marks
from deffe.executors.slurm.paths import Paths
from deffe.executors.slurm.submission import end_jobs, read_all
from deffe.prepare.executors import client_of
from deffe.prepare.settings import Settings


def cancel(config: Config, settings: Settings, say: Callable[[str], None]) -> int:
    """End the jobs of the run in this run directory, found by their names; the exit code.

    Raises:
        UsageError: there is no such run directory, or Slurm's programs are not on this machine.
        DeffeError: Slurm does not answer.
    """
    if not settings.folder.is_dir():
        raise UsageError(f"there is no run directory {settings.folder}", "name that of the run by -run-directory")
    paths = Paths.of_run(settings.folder)
    submissions = list(read_all(paths, frozenset(), remove=False))
    if not submissions:
        say(f"the run in {settings.folder} has no Slurm jobs")
        return 0
    client = client_of(config)
    marks.put(paths.cancelled, {"when": time.time()})  # a run that goes on is not to take it for failures
    ended = end_jobs(submissions, client)
    say(f"{counted(ended, 'Slurm job')} of the run in {settings.folder} ended")
    return 0
