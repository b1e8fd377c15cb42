"""One job a point in a fresh run directory, with retries: what all evaluators that run programs share."""

from __future__ import annotations

import contextlib
import math
import shlex
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count, islice, takewhile
from pathlib import Path
from types import MappingProxyType

import numpy as np

from deffe.api import Batch, DeffeError, DesignSpace, EvaluationError, Executor, Framework, Outcome, State, Trial
from deffe.executors import Job, JobEnd, adopted
from deffe.scripts.process import last_line


@dataclass(frozen=True)
class Verdict:
    """What a job came to.

    Args:
        reason: why the point has failed; empty when it is done.
        costs: the measured costs in their order; None where the extractor is to read them.
    """

    reason: str = ""
    costs: tuple[float, ...] | None = None


def by_exit_code(trial: Trial, end: JobEnd) -> Verdict:
    """Done when the exit code is 0; else the last line of the log tells why not."""
    if end.exit_code == 0 and not end.timed_out:
        return Verdict()
    said = last_line(end.job.log)
    return Verdict(f"{end.how}: {said}" if said else end.how)


class PointRuns:
    """Evaluates the points of a batch by a job each.

    Args:
        job: makes the job ``number`` of a trial in its folder, which exists.
        judge: what a job came to that has ended; one that reached its time limit needs a reason.
        check: raises EvaluationError for a point, still without a folder, that needs no run to fail.
    """

    def __init__(
        self,
        framework: Framework,
        job: Callable[[int, Trial, Path], Job],
        judge: Callable[[Trial, JobEnd], Verdict] = by_exit_code,
        check: Callable[[Trial], None] | None = None,
    ) -> None:
        self._framework = framework
        self._job = job
        self._judge = judge
        self._check = check
        self._section = framework.config.GetEvaluate()
        self._keep = framework.overrides.get("keep", self._section.keep)

    def run(self, batch: Batch, executor: Executor) -> Iterator[Outcome]:
        """Run every point, and again at most ``retries`` times those that failed; yields one outcome a point."""
        points = _Points(batch, self._framework.space)
        refused: deque[Outcome] = deque()
        rows = self._passed(points, len(batch), refused)
        if self._framework.dry_run:
            for job in self._jobs(rows, points, 0):
                self._framework.log.info("%s: %s", job.folder, " && ".join(map(shlex.join, job.commands)))
                yield self._outcome(job.number, points.take(job), State.WAITING, Verdict())
            yield from refused
            return
        due: dict[int, float] = {}
        for attempt in range(self._section.retries + 1):
            again: dict[int, float] = {}
            for end in executor.run(self._jobs(rows, points, attempt, executor, due)):
                yield from _drained(refused)
                trial = points.take(end.job)
                verdict = self._judge(trial, end)
                if verdict.reason and attempt < self._section.retries:
                    again[end.job.number] = time.monotonic() + self._section.retry_delay_s * 2**attempt
                    self._drop(end.job.folder)
                    continue
                state = State.TIMED_OUT if end.timed_out else State.FAILED if verdict.reason else State.DONE
                yield self._outcome(end.job.number, trial, state, verdict, end.seconds)
            yield from _drained(refused)
            rows, due = iter(again), again

    def _passed(self, points: _Points, count: int, refused: deque[Outcome]) -> Iterator[int]:
        """The rows that need a run; the outcomes of the others go into ``refused``."""
        for row in range(count):
            try:
                if self._check is not None:
                    self._check(points.trial(row))
            except EvaluationError as error:
                refused.append(self._outcome(row, None, State.FAILED, Verdict(error.message)))
            else:
                yield row

    def _jobs(
        self,
        rows: Iterable[int],
        points: _Points,
        attempt: int,
        executor: Executor | None = None,
        due: Mapping[int, float] = MappingProxyType({}),
    ) -> Iterator[Job]:
        """Prepare the run directory of one row after another, when the executor asks for it.

        A job that an earlier run of this directory gave to the executor is not prepared again.

        Args:
            due: when rows that have failed before may run again.
        Raises:
            DeffeError: a run directory cannot be written; no point would fare better.
        """
        for row in rows:
            try:
                number = points.number(row)
                earlier = self._earlier(number, attempt, executor)
                if earlier is not None:
                    points.start(row, earlier.folder)
                    yield replace(earlier, number=row)
                    continue
                folder = self._make_folder(number, attempt)
                job = replace(
                    self._job(row, points.start(row, folder), folder),
                    point=number,
                    memory_mib=self._section.memory_mib,
                    delay_s=max(0.0, due.get(row, 0.0) - time.monotonic()),
                )
            except OSError as error:
                raise DeffeError(
                    f"cannot write {error.filename or self._framework.folder}: {error.strerror}",
                    "free space or allow writing, then give the same command again: it goes on where it stopped",
                ) from error
            yield job

    def _earlier(self, number: int, attempt: int, executor: Executor | None) -> Job | None:
        """The job of this attempt that an earlier run left to the executor, the last one where there are several."""
        folders = self._folders(number, attempt)
        there = chain(islice(folders, 1), takewhile(Path.is_dir, folders))
        jobs = [job for folder in there if (job := adopted(executor, folder)) is not None]
        return jobs[-1] if jobs else None

    def _folders(self, number: int, attempt: int) -> Iterator[Path]:
        """Folders of an attempt at a point; the first is used unless a run that was killed has left it."""
        name = f"explore_{number}" + (f"_retry{attempt}" if attempt else "")
        yield self._framework.folder / name
        yield from (self._framework.folder / f"{name}_again{again}" for again in count(1))

    def _make_folder(self, number: int, attempt: int) -> Path:
        """A run directory that nobody has used."""
        for folder in self._folders(number, attempt):
            with contextlib.suppress(FileExistsError):
                folder.mkdir(parents=True)
                return folder
        raise AssertionError  # there is no last one

    def _outcome(
        self, row: int, trial: Trial | None, state: State, verdict: Verdict, seconds: float = math.nan
    ) -> Outcome:
        done = state is State.DONE
        costs = verdict.costs if done else (math.nan,) * len(self._framework.costs)
        return Outcome(
            rows=np.array([row]),
            states=np.array([state], dtype=np.int8),
            costs=None if costs is None else np.array([costs], dtype=np.float64),
            reasons=() if done else (verdict.reason,),
            seconds=np.array([seconds]),
            trial=trial,
        )

    def _drop(self, folder: Path) -> None:
        """Remove the run directory of an attempt that is followed by another, if none is to be kept."""
        if self._keep == "none":
            shutil.rmtree(folder, ignore_errors=True)


def _drained(outcomes: deque[Outcome]) -> Iterator[Outcome]:
    while outcomes:
        yield outcomes.popleft()


class _Points:
    """The points of a batch as trials, made when they are run and dropped when they are done."""

    def __init__(self, batch: Batch, space: DesignSpace) -> None:
        self._batch = batch
        self._parameters = space.parameters
        self._active = space.active(batch.levels)
        self._running: dict[int, Trial] = {}

    def number(self, row: int) -> int:
        return int(self._batch.numbers[row])

    def trial(self, row: int, folder: Path | None = None) -> Trial:
        pairs = zip(self._parameters, self._batch.levels[row].tolist(), self._active[row].tolist(), strict=True)
        values = {parameter.name: parameter.values[level] for parameter, level, active in pairs if active}
        return Trial(self.number(row), values, folder)

    def start(self, row: int, folder: Path) -> Trial:
        self._running[row] = self.trial(row, folder)
        return self._running[row]

    def take(self, job: Job) -> Trial:
        return self._running.pop(job.number)
