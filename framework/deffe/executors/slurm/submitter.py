"""Submits the trials that wait, as arrays of packed tasks, and takes back what Slurm does not take."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from deffe.errors import DeffeError
from deffe.executors.slurm import marks, packing, submission
from deffe.executors.slurm.books import Books
from deffe.executors.slurm.client import Client, FullError, UnreachableError, refused
from deffe.executors.slurm.patience import Patience
from deffe.executors.slurm.stage import Stage
from deffe.executors.slurm.submission import Submission, Task
from deffe.executors.slurm.trials import Trial

TIMES_REFUSED = 5
"""Times in a row that a single job is not taken, with none of the run in the queue, before it is taken for refused."""
FULL_HINT = "other jobs must end first; Ctrl-C ends the run, the same command goes on with it"


class Submitter:
    """Gives trials to sbatch.

    Args:
        books: what is submitted is entered there.
        answers: waits while Slurm does not answer.
        pause_s: time to wait at first while Slurm takes no more jobs.
    """

    def __init__(
        self,
        books: Books,
        stages: Mapping[str, Stage],
        client: Client,
        answers: Patience,
        pause_s: float,
        log: logging.Logger,
    ) -> None:
        self._books = books
        self._paths = books.paths
        self._stages = stages
        self._client = client
        self._answers = answers
        self._full = Patience("Slurm takes no more jobs for now", "Slurm takes jobs again", pause_s, log)
        self._run = marks.get(self._paths.run)
        self._array_size: int | None = None
        self._most_tasks = math.inf
        self._refused = 0

    @property
    def hindrance(self) -> str:
        """Why nothing is submitted; empty when nothing hinders it."""
        return self._full.text

    def due(self) -> float:
        """When something may be submitted next; infinite when nothing waits."""
        ready = [stage.ready(self.running(name)) for name, stage in self._stages.items() if self.room(name) > 0]
        return max(min(ready, default=math.inf), self._answers.until, self._full.until)

    def room(self, stage: str) -> int:
        """Tasks that may be submitted."""
        return self._stages[stage].request.max_jobs - len(self._books.open())

    def running(self, stage: str) -> int:
        """Tasks of a stage that have been submitted."""
        return sum(found.stage == stage for found, _ in self._books.open())

    def submit(self, now: float) -> bool:
        """Submit what waits and may be submitted; whether anything was given to sbatch."""
        given = False
        for name, stage in self._stages.items():
            room, running = self.room(name), self.running(name)
            if not stage.waiting or stage.ready(running) > now or room <= 0:
                continue
            try:
                if self._array_size is None:
                    self._array_size = self._client.max_array_size()
            except UnreachableError as error:
                self._answers.wait(str(error), now)
                return given
            parts = packing.arrays(
                stage.take(room, running, self._books.slots, now), int(min(self._array_size, self._most_tasks))
            )
            for place, tasks in enumerate(parts):
                given = True
                if not self._submit_array(name, tasks, now):
                    stage.give_back([trial for part in parts[place + 1 :] for task in part for trial in task])
                    return given
        return given

    def _submit_array(self, stage: str, tasks: Sequence[Sequence[Trial]], now: float) -> bool:
        """Submit tasks as one array; whether more may be submitted now."""
        number = int(self._run["next"])
        self._run["next"] = number + 1
        marks.put(self._paths.run, self._run)  # Slurm remembers names for a while: none is given twice
        made = [Task(index, list(trials)) for index, trials in enumerate(tasks)]
        found = Submission(number, f"deffe-{self._run['id']}-{number}", stage, made)
        for task in made:
            for trial in task.trials:
                trial.number = number
        submission.write(found, self._paths, self._stages[stage].request, arrays=(self._array_size or 0) > 1)
        self._books.enter(found)
        return self.sbatch(found, now)

    def sbatch(self, found: Submission, now: float) -> bool:
        """Give a submission to sbatch; whether it answers and takes jobs."""
        self._books.check_cancelled()
        found.tried = now
        tasks = len(found.tasks)
        try:
            self.note_job(found, self._client.submit(self._paths.script(found.number)))
        except UnreachableError as error:  # it may have been taken all the same: Slurm is asked when it answers again
            self._answers.wait(str(error), now)
            return False
        except FullError as error:
            self._withdraw(found)
            self._answers.end()
            alone = tasks == 1 and not error.certain and not self._books.open()
            self._refused = self._refused + 1 if alone else 0
            if self._refused >= TIMES_REFUSED:  # not because of the jobs in the queue, then
                raise refused(str(error)) from error
            self._most_tasks = max(1, tasks // 2)
            self._full.wait(f"{error}; {FULL_HINT}", now)
            return False
        except DeffeError as error:
            kept = self._keep_script(found)
            self._withdraw(found)
            script = str(self._paths.script(found.number))
            raise DeffeError(
                error.message.replace(script, str(kept)), f"{error.hint}; the batch script is {kept}"
            ) from error
        self._most_tasks *= 2
        self._refused = 0
        self._answers.end()
        self._full.end()
        return True

    def _keep_script(self, found: Submission) -> Path:
        """A copy of a batch script that is refused, to look at."""
        self._paths.logs.mkdir(exist_ok=True)
        return shutil.copyfile(self._paths.script(found.number), self._paths.logs / "refused.sh")

    def note_job(self, found: Submission, job: str) -> None:
        """Slurm has taken a submission, and given its job this number."""
        found.job = job
        self._paths.job(found.number).write_text(job + "\n", encoding="ascii")

    def _withdraw(self, found: Submission) -> None:
        """Take back what sbatch has refused."""
        trials = [trial for task in found.open for trial in task.missing]
        for task in found.tasks:
            self._books.close_task(found, task)
        self._books.release(trials)
        self._stages[found.stage].give_back([trial for trial in trials if trial.kept])
