"""The thread that looks after the trials of a whole run: it reads their marks, has Slurm asked and jobs submitted."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deffe.executors.slurm import marks, packing, submission
from deffe.executors.slurm.books import Books, readable
from deffe.executors.slurm.client import Client
from deffe.executors.slurm.inquiry import Inquiry
from deffe.executors.slurm.paths import Paths
from deffe.executors.slurm.patience import Patience
from deffe.executors.slurm.script import Request
from deffe.executors.slurm.signed import Signer
from deffe.executors.slurm.stage import LINGER_S, Stage
from deffe.executors.slurm.submitter import Submitter
from deffe.executors.slurm.trials import End, Trial

GROWTH = 1.5
ASK_LESS = 4.0
"""How many times rarer Slurm is asked than the marks are looked at."""
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
        self._poll_s = min((request.poll_s for request in requests.values()), default=(1.0, 15.0))
        self._look_s = self._poll_s[0]
        self._next_look = 0.0
        answers = Patience("Slurm does not answer", "Slurm answers again", self._poll_s[0], log)
        self._answers = answers
        with readable(self.paths.home):
            self._prepare()
            self._books = books = Books(self.paths, self._stages, self._lock)
            self._submitter = Submitter(books, self._stages, client, answers, self._poll_s[0], log)
            ask_s = (self._poll_s[0] * ASK_LESS, self._poll_s[1] * ASK_LESS)
            self._inquiry = Inquiry(books, self._stages, client, self._submitter, answers, ask_s, log)
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
        why = (self._answers.text, self._submitter.hindrance, self._inquiry.waits_for)
        return "; ".join([*parts, *(text for text in why if text)])

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
        if self._books.live and now >= self._inquiry.due():
            self._inquiry.ask(now)
        if now >= self._submitter.due() and self._submitter.submit(now):
            self._next_look = min(self._next_look, now + self._poll_s[0])
            self._inquiry.soon(now)
        with self._lock:
            if not self._arrived and not self._closing:
                self.clock.wait(self._lock, max(0.01, self._due() - self.clock.now()))

    def _due(self) -> float:
        """When something is to be done next."""
        times = [self._next_look, self._inquiry.due()] if self._books.live else []
        return min(*times, self._submitter.due(), self.clock.now() + self._poll_s[0])

    def _receive(self, now: float) -> None:
        with self._lock:
            arrived, self._arrived = self._arrived, []
            for trial in arrived:
                self._stages[trial.stage].arrive(trial, now)
