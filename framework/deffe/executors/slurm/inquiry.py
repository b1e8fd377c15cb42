"""Asks Slurm about all tasks at once, and deals with those that are over without having left all marks."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence

from deffe.executors.slurm import marks
from deffe.executors.slurm.books import Books
from deffe.executors.slurm.client import Client, Report, Reported, UnreachableError
from deffe.executors.slurm.marks import BEGUN, Mark
from deffe.executors.slurm.patience import Patience
from deffe.executors.slurm.stage import Stage
from deffe.executors.slurm.states import ALIVE, Meaning, meaning_of
from deffe.executors.slurm.submission import Submission, Task
from deffe.executors.slurm.submitter import Submitter
from deffe.executors.slurm.trials import Trial
from deffe.executors.slurm.verdicts import verdicts
from deffe.scripts.process import last_line

GROWTH = 1.5
RESUBMIT_S = 5.0
"""Time before a trial is submitted again that the cluster has ended; doubled at each further time."""
TIMES_UNREPORTED = 3
"""Times in a row that Slurm must not know a task before it is taken for lost."""
USUAL = frozenset({"", "None", "Resources", "Priority", "JobArrayTaskLimit", "BeginTime", "Cleaning", "Prolog"})
"""Reasons to wait that need not be told."""


class Inquiry:
    """What Slurm says of the tasks in the books, and what follows from it.

    Args:
        submitter: given again what Slurm does not know.
        answers: waits while Slurm does not answer.
        interval_s: the shortest and the longest time between two questions.
    """

    def __init__(
        self,
        books: Books,
        stages: Mapping[str, Stage],
        client: Client,
        submitter: Submitter,
        answers: Patience,
        interval_s: tuple[float, float],
        log: logging.Logger,
    ) -> None:
        self._books = books
        self._paths = books.paths
        self._stages = stages
        self._client = client
        self._submitter = submitter
        self._answers = answers
        self._ask_s, self._most_s = interval_s
        self._least_s = interval_s[0]
        self._log = log
        self._told: set[str] = set()
        self._next = 0.0
        self.waits_for = ""

    def due(self) -> float:
        """When to ask next."""
        return max(self._next, self._answers.until)

    def soon(self, now: float) -> None:
        """Ask before long: something was submitted."""
        self._next = min(self._next, now + self._least_s)

    def ask(self, now: float) -> None:
        """Ask Slurm about all tasks at once, and deal with those that are over without having left all marks."""
        self._books.check_cancelled()
        wanted = {found.name: [task.index for task in found.open] for found in self._books.live.values()}
        try:
            report = self._client.report(wanted, min(found.since for found in self._books.live.values()))
        except UnreachableError as error:
            self._answers.wait(str(error), now)
            return
        self._books.check_cancelled()  # again: what it has ended meanwhile has not failed
        self._answers.end()
        self._tell_reasons(report)
        self._ask_s = min(self._ask_s * GROWTH, self._most_s)
        settled = [
            (found, task)
            for found in list(self._books.live.values())
            if self._is_taken(found, report, now)
            for task in found.open
            if self._is_over(found, task, report.get((found.name, task.index)), now)
        ]
        self._end_tasks(settled, now)
        over = [task for _, task in self._books.open() if task.over_since is not None]
        settle_s = min((stage.request.settle_s for stage in self._stages.values()), default=1.0)
        self._next = now + (max(settle_s / TIMES_UNREPORTED, 0.1) if over else self._ask_s)

    def _is_taken(self, found: Submission, report: Report, now: float) -> bool:
        """Whether Slurm has taken a submission; one that it does not know after a while is given to it again."""
        places = ((found.name, task.index) for task in found.open)
        known = next((report[place] for place in places if place in report), None)
        if known is not None and not found.job:
            self._submitter.note_job(found, known.job)
        if known is not None or found.confirmed:
            return True
        if now - found.tried >= self._stages[found.stage].request.settle_s:
            self._submitter.sbatch(found, now)
        return False

    def _tell_reasons(self, report: Report) -> None:
        """Say what keeps tasks waiting, where it is not the usual lack of room."""
        reasons = Counter(task.why for task in report.values()
                          if meaning_of(task.state) is Meaning.WAITING and task.why not in USUAL)  # fmt: skip
        self.waits_for = ", ".join(f"{count} wait for {why}" for why, count in reasons.most_common(2))
        for why in reasons.keys() - self._told:
            self._told.add(why)
            self._log.warning("Slurm keeps jobs waiting: %s", why)

    def _is_over(self, found: Submission, task: Task, reported: Reported | None, now: float) -> bool:
        """Note what Slurm says of a task; whether it is over, and its marks had the time to show."""
        task.state = "" if reported is None else reported.state
        task.meaning = Meaning.NOT_REPORTED if reported is None else meaning_of(reported.state)
        task.unreported = task.unreported + 1 if reported is None else 0
        if task.meaning is Meaning.UNKNOWN and task.state not in self._told:
            self._told.add(task.state)
            self._log.warning("Slurm reports the unknown state %r; it is waited for what comes of it", task.state)
        if task.meaning in ALIVE:
            task.over_since = None
            return False
        if task.over_since is None:
            task.over_since = now
        settled = now - task.over_since >= self._stages[found.stage].request.settle_s
        return settled and not 0 < task.unreported < TIMES_UNREPORTED

    def _end_tasks(self, over: Sequence[tuple[Submission, Task]], now: float) -> None:
        """Deal with tasks that are over without having left all marks."""
        if not over:
            return
        again = [found.job_of(task) for found, task in over if task.meaning is not Meaning.CANCELLED and found.job]
        try:  # Slurm may have begun to start them again; they are not to run twice
            self._client.cancel(again)
        except UnreachableError as error:
            self._answers.wait(str(error), now)
            return
        self._books.look(now)
        for found, task in over:
            if not task.closed and not self._books.is_unread(found, task):
                self._settle(found, task, now)

    def _settle(self, found: Submission, task: Task, now: float) -> None:
        """Decide on the trials of a task that is over."""
        log = self._paths.log(found.number, task.index)
        request = self._stages[found.stage].request
        decided = verdicts(task, task.meaning, limit=request.resubmit, said=last_line(log))
        with contextlib.suppress(OSError):
            self._paths.logs.mkdir(exist_ok=True)
            shutil.copyfile(log, self._paths.logs / f"{found.number}_{task.index}.log")
        for trial, end in decided:
            if end is not None:
                self._books.end(trial, found.number, end)
        self._books.flush()
        again = [trial for trial, end in decided if end is None]
        for trial in again:
            self._clean(trial, found.number)
        if not task.closed:
            self._books.close_task(found, task)
        for trial in again:
            self._resubmit(trial, now)

    def _clean(self, trial: Trial, number: int) -> None:
        """Remove what an attempt has left in the folder that is run again."""
        if trial.begun and trial.folder is not None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                marks.clean(trial.folder, marks.get(self._paths.marks / Mark(trial.key, number, BEGUN).name)["before"])

    def _resubmit(self, trial: Trial, now: float) -> None:
        trial.begun = False
        trial.record["alone"] = trial.alone
        trial.wait_until = now + RESUBMIT_S * 2 ** (trial.again - 1) if trial.again else now
        self._books.release([trial])
        if trial.kept:
            self._stages[trial.stage].arrive(trial, now)
