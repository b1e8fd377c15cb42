"""The thread that submits trials and asks Slurm about them, for a whole run; what comes of them is in its books."""

from __future__ import annotations

import contextlib
import logging
import math
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deffe.errors import DeffeError, JobsCancelledError
from deffe.executors.slurm import marks, packing, submission
from deffe.executors.slurm.books import Books, readable
from deffe.executors.slurm.client import Client, FullError, Report, Reported, UnreachableError, refused
from deffe.executors.slurm.marks import BEGUN, Mark
from deffe.executors.slurm.paths import Paths
from deffe.executors.slurm.script import Request
from deffe.executors.slurm.signed import Signer
from deffe.executors.slurm.stage import LINGER_S, Stage
from deffe.executors.slurm.states import ALIVE, Meaning, meaning_of
from deffe.executors.slurm.submission import Submission, Task
from deffe.executors.slurm.trials import End, Trial
from deffe.executors.slurm.verdicts import verdicts
from deffe.scripts.process import last_line

GROWTH = 1.5
ASK_LESS = 4.0
"""How many times rarer Slurm is asked than the marks are looked at."""
LONGEST_OUTAGE_S = 60.0
"""The longest time between two attempts while Slurm does not answer, or takes no more jobs."""
RESUBMIT_S = 5.0
"""Time before a trial is submitted again that the cluster has ended; doubled at each further time."""
TIMES_UNREPORTED = 3
"""Times in a row that Slurm must not know a task before it is taken for lost."""
TIMES_REFUSED = 5
"""Times in a row that a single job is not taken, with none of the run in the queue, before it is taken for refused."""
FULL_HINT = "other jobs must end first; Ctrl-C ends the run, the same command goes on with it"
USUAL = frozenset({"", "None", "Resources", "Priority", "JobArrayTaskLimit", "BeginTime", "Cleaning", "Prolog"})
"""Reasons to wait that need not be told."""
STOP_S = 10.0
"""How long ``close`` waits for a call of Slurm's programs to end. A submission that it leaves is found by its name."""


class Clock:
    """The time that a service goes by; a simulated cluster has one of its own."""

    def now(self) -> float:
        """Seconds since some moment; they never go back."""
        return time.monotonic()

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait until notified, so long at most; the condition is held."""
        condition.wait(seconds)


class Service:
    """Submits the trials of all stages of a run and tells how they ended.

    All of it happens in one thread, which starts when there is something to do. ``add``, ``adopt`` and ``capacity``
    may be called from any thread.

    Args:
        folder: the run directory.
        requests: what is asked of Slurm, by stage.
        settled: whether a point has its result: no trial of it is needed any more.
        clock: the time it goes by.
    Raises:
        DeffeError: what an earlier run left cannot be read, or is of another user.
    """

    def __init__(
        self,
        folder: Path,
        requests: Mapping[str, Request],
        client: Client,
        log: logging.Logger,
        settled: Callable[[int], bool] = lambda point: False,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.folder = folder
        self.paths = Paths.of_run(folder)
        self._client = client
        self._log = log
        self._stages = {name: Stage(request) for name, request in requests.items()}
        self._lock = threading.Condition()
        self._arrived: list[Trial] = []
        self._listeners: set[Callable[[BaseException | None], None]] = set()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._error: BaseException | None = None
        self._array_size: int | None = None
        self._most_tasks = math.inf
        self._poll_s = min((request.poll_s for request in requests.values()), default=(1.0, 15.0))
        self._look_s, self._ask_s, self._pause_s = self._poll_s[0], self._poll_s[0] * ASK_LESS, self._poll_s[0]
        self._next_look = self._next_ask = self._next_submit = 0.0
        self._refused = 0
        self._hindrance = self._waits_for = ""
        self._told: set[str] = set()
        with readable(self.paths.home):
            self._prepare()
            self._books = Books(self.paths, self._stages, self._lock)
            self._resume(settled)

    # what an earlier run left

    def _prepare(self) -> None:
        self.paths.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.paths.home.chmod(0o700)
        for folder in (self.paths.marks, self.paths.submissions, self.paths.functions):
            folder.mkdir(exist_ok=True)
        self.signer = Signer.of_file(self.paths.key, create=True)
        if not self.paths.run.exists():
            marks.put(self.paths.run, {"id": secrets.token_hex(4), "next": 0})
        self._run = marks.get(self.paths.run)

    def _resume(self, settled: Callable[[int], bool]) -> None:
        self._books.resume(settled, self.clock.now())
        if self.paths.cancelled.exists():
            self._forget_cancelled()
        elif self._books.live:
            self._start()

    def _forget_cancelled(self) -> None:
        """The user has ended the jobs of the earlier run: what has ended is kept, the rest begins anew."""
        self._books.look(self.clock.now())
        submission.end_jobs(list(self._books.live.values()), self._client)
        self._books.forget_open()
        self.paths.cancelled.unlink(missing_ok=True)

    # for the threads of the run

    def capacity(self, stage: str) -> int:
        """Trials of a stage that may be under way at the same time."""
        return self._stages[stage].capacity(self._books.slots)

    def in_hand(self, stage: str) -> int:
        """Trials of a stage that are in tasks which run at the same time."""
        found, slots = self._stages[stage], self._books.slots
        return min(found.capacity(slots), (slots or packing.GUESSED_SLOTS) * found.size(slots))

    def adopt(self, stage: str, content: str) -> Trial | None:
        """A trial of an earlier run, known by its folder or by what it calls; each is given once."""
        return self._books.adopt(stage, content)

    def adoptable(self) -> int:
        """Trials of earlier runs that nobody has adopted yet."""
        return self._books.adoptable()

    @property
    def latency_s(self) -> float:
        """Time at most between the end of a trial and the submission of one that waits for it."""
        return self._poll_s[1] + LINGER_S

    def add(self, trial: Trial, deliver: Callable[[End], None]) -> None:
        """Run a trial, or wait for the end of one that was adopted."""
        with self._lock:
            end = trial.end
            if end is None:
                trial.deliver = deliver
                if not trial.kept:
                    trial.kept = True
                    self._arrived.append(trial)
                self._lock.notify()
        if end is not None:
            deliver(end)
        self._start()

    def listen(self, listener: Callable[[BaseException | None], None]) -> None:
        """Have ``listener`` called when no further end comes: with the error that ended it all, or None."""
        with self._lock:
            over = self._closing or self._error is not None
            if not over:
                self._listeners.add(listener)
        if over:
            listener(self._error)

    def forget(self, listener: Callable[[BaseException | None], None]) -> None:
        """Call it no more."""
        with self._lock:
            self._listeners.discard(listener)

    def key(self, wanted: str) -> str:
        """A key that no other trial of the run has."""
        return self._books.key(wanted)

    def status(self) -> str:
        """What is going on, in words: ``12 running, 300 queued``; empty when there is nothing."""
        with self._lock:
            tasks = self._books.open()
            waiting = len(self._arrived) + sum(len(stage.waiting) for stage in self._stages.values())
        begun = sum(any(trial.begun for trial in task.missing) for _, task in tasks)
        queued = sum(len(task.missing) for _, task in tasks) - begun + waiting
        parts = [f"{begun} running, {queued} queued"] if begun or queued else []
        return "; ".join([*parts, *(text for text in (self._hindrance, self._waits_for) if text)])

    def left(self) -> int:
        """Tasks that are still queued or running."""
        return len(self._books.open())

    def close(self) -> None:
        """Stop looking after the tasks, which go on; nothing is handed out any more."""
        with self._lock:
            self._closing = True
            self._lock.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(STOP_S)
        self._hang_up(None)
        self._books.close()

    def cancel(self) -> int:
        """After ``close``: end all tasks that are left; how many were queued or running.

        Raises:
            DeffeError: Slurm does not answer.
        """
        ended = submission.end_jobs(list(self._books.live.values()), self._client)
        for found, task in self._books.open():
            self._books.close_task(found, task)
        return ended

    # the thread

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._serve, name="slurm", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        try:
            with readable(self.paths.home):
                while not self._closing:
                    self._turn(self.clock.now())
        except BaseException as error:  # handed to those who wait, whatever it is
            self._error = error
        self._hang_up(self._error)

    def _hang_up(self, error: BaseException | None) -> None:
        with self._lock:
            listeners, self._listeners = self._listeners, set()
        for listener in listeners:
            listener(error)

    def _turn(self, now: float) -> None:
        """Do what is due, then wait until something is."""
        self._receive(now)
        if self._books.live and now >= self._next_look:
            found = self._books.look(now)
            self._look_s = self._poll_s[0] if found else min(self._look_s * GROWTH, self._poll_s[1])
            self._next_look = self.clock.now() + self._look_s
        if self._books.live and now >= self._next_ask:
            self._ask(now)
        if now >= self._next_submit:
            self._submit(now)
        with self._lock:
            if not self._arrived and not self._closing:
                self.clock.wait(self._lock, max(0.01, self._due() - self.clock.now()))

    def _due(self) -> float:
        """When something is to be done next."""
        times = [self._next_look, self._next_ask] if self._books.live else []
        now = self.clock.now()
        ready = [stage.ready(self._running(name)) for name, stage in self._stages.items() if self._room(name) > 0]
        times.append(max(min(ready, default=math.inf), self._next_submit))
        return min(*times, now + self._poll_s[0])

    def _receive(self, now: float) -> None:
        with self._lock:
            arrived, self._arrived = self._arrived, []
            for trial in arrived:
                self._stages[trial.stage].arrive(trial, now)

    # asking Slurm

    def _ask(self, now: float) -> None:
        """Ask Slurm about all tasks at once, and deal with those that are over without having left all marks."""
        self._check_cancelled()
        wanted = {found.name: [task.index for task in found.open] for found in self._books.live.values()}
        try:
            report = self._client.report(wanted, min(found.since for found in self._books.live.values()))
        except UnreachableError as error:
            self._hinder("Slurm does not answer", str(error), now)
            return
        self._check_cancelled()  # again: what it has ended meanwhile has not failed
        self._unhinder()
        self._tell_reasons(report)
        self._ask_s = min(self._ask_s * GROWTH, self._poll_s[1] * ASK_LESS)
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
        if not self._hindrance:
            self._next_ask = now + (max(settle_s / TIMES_UNREPORTED, 0.1) if over else self._ask_s)

    def _check_cancelled(self) -> None:
        if self.paths.cancelled.exists():
            what = "the Slurm jobs of this run were ended by -cancel"
            raise JobsCancelledError(what, "the same command submits them again")

    def _is_taken(self, found: Submission, report: Report, now: float) -> bool:
        """Whether Slurm has taken a submission; one that it does not know after a while is given to it again."""
        places = ((found.name, task.index) for task in found.open)
        known = next((report[place] for place in places if place in report), None)
        if known is not None and not found.job:
            self._note_job(found, known.job)
        if known is not None or found.confirmed:
            return True
        if now - found.tried >= self._stages[found.stage].request.settle_s:
            self._sbatch(found, now)
        return False

    def _tell_reasons(self, report: Report) -> None:
        """Say what keeps tasks waiting, where it is not the usual lack of room."""
        reasons = Counter(task.why for task in report.values()
                          if meaning_of(task.state) is Meaning.WAITING and task.why not in USUAL)  # fmt: skip
        self._waits_for = ", ".join(f"{count} wait for {why}" for why, count in reasons.most_common(2))
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
            self._hinder("Slurm does not answer", str(error), now)
            return
        self._books.look(now)
        for found, task in over:
            if not task.closed and not self._books.is_unread(found, task):
                self._settle(found, task, now)

    def _settle(self, found: Submission, task: Task, now: float) -> None:
        """Decide on the trials of a task that is over."""
        log = self.paths.log(found.number, task.index)
        request = self._stages[found.stage].request
        decided = verdicts(task, task.meaning, limit=request.resubmit, said=last_line(log))
        with contextlib.suppress(OSError):
            self.paths.logs.mkdir(exist_ok=True)
            shutil.copyfile(log, self.paths.logs / f"{found.number}_{task.index}.log")
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
                marks.clean(trial.folder, marks.get(self.paths.marks / Mark(trial.key, number, BEGUN).name)["before"])

    def _resubmit(self, trial: Trial, now: float) -> None:
        trial.number, trial.begun = -1, False
        trial.record["alone"] = trial.alone
        trial.wait_until = now + RESUBMIT_S * 2 ** (trial.again - 1) if trial.again else now
        with self._lock:
            trial.kept = trial.deliver is not None  # one that nobody has adopted waits for that
        if trial.kept:
            self._stages[trial.stage].arrive(trial, now)

    # submitting

    def _room(self, stage: str) -> int:
        """Tasks that may be submitted."""
        return self._stages[stage].request.max_jobs - self.left()

    def _running(self, stage: str) -> int:
        """Tasks of a stage that have been submitted."""
        return sum(found.stage == stage for found, _ in self._books.open())

    def _submit(self, now: float) -> None:
        for name, stage in self._stages.items():
            room, running = self._room(name), self._running(name)
            if not stage.waiting or stage.ready(running) > now or room <= 0:
                continue
            try:
                if self._array_size is None:
                    self._array_size = self._client.max_array_size()
            except UnreachableError as error:
                self._hinder("Slurm does not answer", str(error), now)
                return
            parts = packing.arrays(
                stage.take(room, running, self._books.slots, now), int(min(self._array_size, self._most_tasks))
            )
            for place, tasks in enumerate(parts):
                if not self._submit_array(name, tasks, now):
                    stage.give_back([trial for part in parts[place + 1 :] for task in part for trial in task])
                    return

    def _submit_array(self, stage: str, tasks: Sequence[Sequence[Trial]], now: float) -> bool:
        """Submit tasks as one array; whether more may be submitted now."""
        number = int(self._run["next"])
        self._run["next"] = number + 1
        marks.put(self.paths.run, self._run)  # Slurm remembers names for a while: none is given twice
        made = [Task(index, list(trials)) for index, trials in enumerate(tasks)]
        found = Submission(number, f"deffe-{self._run['id']}-{number}", stage, made)
        for task in made:
            for trial in task.trials:
                trial.number = number
        submission.write(found, self.paths, self._stages[stage].request, arrays=(self._array_size or 0) > 1)
        self._books.enter(found)
        self._next_look = min(self._next_look, now + self._poll_s[0])
        self._next_ask = min(self._next_ask, now + self._poll_s[0] * ASK_LESS)
        return self._sbatch(found, now)

    def _sbatch(self, found: Submission, now: float) -> bool:
        """Give a submission to sbatch; whether it answers and takes jobs."""
        self._check_cancelled()
        found.tried = now
        tasks = len(found.tasks)
        try:
            self._note_job(found, self._client.submit(self.paths.script(found.number)))
        except UnreachableError as error:  # it may have been taken all the same: Slurm is asked when it answers again
            self._hinder("Slurm does not answer", str(error), now)
            return False
        except FullError as error:
            self._withdraw(found)
            self._refused = self._refused + 1 if tasks == 1 and not error.certain and not self.left() else 0
            if self._refused >= TIMES_REFUSED:  # not because of the jobs in the queue, then
                raise refused(str(error)) from error
            self._most_tasks = max(1, tasks // 2)
            self._hinder("Slurm takes no more jobs for now", f"{error}; {FULL_HINT}", now)
            return False
        except DeffeError as error:
            kept = self._keep_script(found)
            self._withdraw(found)
            script = str(self.paths.script(found.number))
            raise DeffeError(
                error.message.replace(script, str(kept)), f"{error.hint}; the batch script is {kept}"
            ) from error
        self._most_tasks *= 2
        self._refused = 0
        self._unhinder()
        return True

    def _keep_script(self, found: Submission) -> Path:
        """A copy of a batch script that is refused, to look at."""
        self.paths.logs.mkdir(exist_ok=True)
        return shutil.copyfile(self.paths.script(found.number), self.paths.logs / "refused.sh")

    def _note_job(self, found: Submission, job: str) -> None:
        found.job = job
        self.paths.job(found.number).write_text(job + "\n", encoding="ascii")

    def _withdraw(self, found: Submission) -> None:
        """Take back what sbatch has refused."""
        trials = [trial for task in found.open for trial in task.missing]
        for task in found.tasks:
            self._books.close_task(found, task)
        with self._lock:
            for trial in trials:
                trial.number = -1
                trial.kept = trial.deliver is not None  # one that nobody has adopted waits for that
        self._stages[found.stage].give_back([trial for trial in trials if trial.kept])

    def _hinder(self, what: str, said: str, now: float) -> None:
        """Wait longer and longer for Slurm; say so once."""
        if self._hindrance != what:
            self._log.warning("%s; the run waits for it: %s", what, said)
        self._hindrance = what
        self._next_ask = self._next_submit = now + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_OUTAGE_S)

    def _unhinder(self) -> None:
        if self._hindrance:
            self._log.warning("Slurm answers again")
        self._hindrance, self._pause_s = "", self._poll_s[0]
