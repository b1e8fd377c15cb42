"""What is known of the trials of a run: those that are submitted, the marks they leave, and their ends."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deffe.errors import DeffeError, JobsCancelledError
from deffe.executors.slurm import marks, submission
from deffe.executors.slurm.ledger import Ledger
from deffe.executors.slurm.marks import BEGUN, ENDED, Mark
from deffe.executors.slurm.paths import Paths
from deffe.executors.slurm.stage import Stage
from deffe.executors.slurm.submission import Submission, Task, open_tasks
from deffe.executors.slurm.trials import End, Trial

TIMES_UNREAD = 10
"""Looks in a row at which a mark cannot be read before the run ends."""
LEDGER_LINES = 10_000
"""Ends that are written down before those of calls that nobody can ask for any more are dropped."""


class Books:
    """The submissions of a run that have not ended, and what an earlier start of it left.

    Args:
        paths: of the run; its folders are there.
        stages: told how long trials take, and when the first one begins.
        lock: held while something changes that other threads ask for.
    """

    def __init__(self, paths: Paths, stages: Mapping[str, Stage], lock: threading.Condition) -> None:
        self.paths = paths
        self.live: dict[int, Submission] = {}
        self.slots = 0
        self._stages = stages
        self._lock = lock
        self._ledger = Ledger(paths.ledger)
        self._adoptable: dict[tuple[str, str], list[Trial]] = {}
        self._by_mark: dict[tuple[str, int], tuple[Submission, Task, Trial]] = {}
        self._fresh_ends: list[tuple[Trial, int, End]] = []
        self._unread: Counter[Mark] = Counter()
        self._keys: set[str] = set()
        self._lines, self._most_lines = 0, LEDGER_LINES

    # what an earlier start left

    def resume(self, settled: Callable[[int], bool], now: float) -> None:
        """Read the ends that were not recorded, and what may still be queued or running."""
        here = set(self.paths.numbers())

        def wanted(line: Mapping[str, Any]) -> bool:
            point = line.get("point")
            return line["number"] in here or (point is not None and not settled(point))

        found = [Trial.of_line(line) for line in self._ledger.keep(wanted)]
        known = {(trial.key, trial.record["number"]) for trial in found}
        for earlier in submission.read_all(self.paths, known):
            earlier.tried = now
            self.enter(earlier)
            found += [trial for task in earlier.tasks for trial in task.missing if not task.closed]
        for trial in found:
            if trial.point is None and trial.ended:
                continue  # the call of a function is asked for by what it is, and this one has been answered
            if trial.point is None or not settled(trial.point):
                self._adoptable.setdefault((trial.stage, trial.content), []).append(trial)

    def forget_open(self) -> None:
        """What has not ended is not to be adopted: its jobs were ended."""
        for earlier in list(self.live.values()):
            for task in earlier.tasks:
                self.close_task(earlier, task)
        ended = {key: [trial for trial in trials if trial.ended] for key, trials in self._adoptable.items()}
        self._adoptable = {key: trials for key, trials in ended.items() if trials}

    def adopt(self, stage: str, content: str) -> Trial | None:
        """A trial of an earlier run, known by its folder or by what it calls; each is given once."""
        with self._lock:
            found = self._adoptable.get((stage, content))
            return found.pop(0) if found else None

    def adoptable(self) -> int:
        """Trials of earlier runs that nobody has adopted yet."""
        with self._lock:
            return sum(map(len, self._adoptable.values()))

    def key(self, wanted: str) -> str:
        """A key that no other trial of the run has."""
        with self._lock:
            key, count = wanted, 1
            while key in self._keys:
                count += 1
                key = f"{wanted}-{count}"
            self._keys.add(key)
            return key

    def open(self) -> list[tuple[Submission, Task]]:
        """Every task that has not ended, with its submission."""
        return list(open_tasks(list(self.live.values())))

    def release(self, trials: Iterable[Trial]) -> None:
        """Trials that are in no submission any more; one that nobody has adopted waits for that."""
        with self._lock:
            for trial in trials:
                trial.number = -1
                trial.kept = trial.deliver is not None

    def check_cancelled(self) -> None:
        """Whether the user has ended the jobs.

        Raises:
            JobsCancelledError: so it is.
        """
        if self.paths.cancelled.exists():
            what = "the Slurm jobs of this run were ended by -cancel"
            raise JobsCancelledError(what, "the same command submits them again")

    def close(self) -> None:
        """Close the file of ends."""
        self._ledger.close()

    # marks

    def look(self, now: float) -> bool:
        """Read the marks that are new; whether there were any."""
        new = False
        for mark in marks.seen(self.paths.marks):
            found = self._by_mark.get((mark.key, mark.number))
            if found is None:
                self._unlink(mark)  # of a submission that does not count any more
                continue
            trial = found[2]
            if mark.kind == BEGUN and not trial.begun:
                trial.begun = new = True
                stage = self._stages[trial.stage]
                stage.begun = now if stage.begun is None else stage.begun
            elif mark.kind == ENDED and not trial.ended:
                end = self._read_end(mark)
                if end is not None:
                    new = trial.begun = True
                    self.end(trial, mark.number, end)
        if new:
            self.flush()
            running = (any(trial.begun for trial in task.missing) for _, task in self.open())
            self.slots = max(self.slots, sum(running))
        return new

    def _read_end(self, mark: Mark) -> End | None:
        """The end that a mark tells; None when the disk does not give it for now."""
        try:
            end = End.of(marks.get(self.paths.marks / mark.name))
        except OSError:
            self._unread[mark] += 1
            if self._unread[mark] >= TIMES_UNREAD:
                raise
            return None
        except (ValueError, KeyError, TypeError) as error:
            end = End(1, reason=f"the mark {mark.name} cannot be read: {error}")
        self._unread.pop(mark, None)
        return end

    def _unlink(self, mark: Mark) -> None:
        with contextlib.suppress(OSError):
            (self.paths.marks / mark.name).unlink()

    def is_unread(self, found: Submission, task: Task) -> bool:
        """Whether a trial of a task has left an end mark that the disk does not give for now."""
        return any(Mark(trial.key, found.number, ENDED) in self._unread for trial in task.missing)

    def end(self, trial: Trial, number: int, end: End) -> None:
        """Note the end of a trial; ``flush`` hands it out."""
        trial.ended = True
        self._fresh_ends.append((trial, number, end))

    def flush(self) -> None:
        """Write new ends down, hand them out, and close the tasks that have no others."""
        ends, self._fresh_ends = self._fresh_ends, []
        if not ends:
            return
        self._ledger.add([trial.line(number, end) for trial, number, end in ends])
        self._lines += len(ends)
        if self._lines >= self._most_lines:
            self._compact()
        for trial, _, end in ends:
            if not end.reason and not end.timed_out:
                self._stages[trial.stage].times.append(end.seconds)
            with self._lock:
                trial.end, deliver = end, trial.deliver
            if deliver is not None:
                deliver(end)
        places = [self._by_mark[trial.key, number] for trial, number, _ in ends]
        for earlier, task, _ in places:
            if not task.closed and not task.missing:
                self.close_task(earlier, task)

    def _compact(self) -> None:
        """Drop the ends of calls whose submission is gone; those of points stay until the next start."""
        here = set(self.paths.numbers())
        kept = self._ledger.keep(lambda line: line["number"] in here or line.get("point") is not None)
        self._lines = len(kept)
        self._most_lines = 2 * len(kept) + LEDGER_LINES

    def enter(self, found: Submission) -> None:
        """Wait for the marks of a submission."""
        with self._lock:
            self.live[found.number] = found
            for task in found.tasks:
                for trial in task.trials:
                    self._by_mark[trial.key, found.number] = (found, task, trial)
                    self._keys.add(trial.key)

    def close_task(self, found: Submission, task: Task) -> None:
        """A task that no trial is waited for any more, in case Slurm starts it all the same."""
        task.closed = True
        if found.open:
            self.paths.void(found.number, task.index).touch()
        else:
            with self._lock:
                self.live.pop(found.number, None)
            submission.remove(found, self.paths)
        for trial in task.trials:
            self._by_mark.pop((trial.key, found.number), None)
            for kind in (BEGUN, ENDED):
                self._unlink(Mark(trial.key, found.number, kind))


@contextlib.contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn what the disk reports into an error that says what to do."""
    try:
        yield
    except OSError as error:
        what = f"{error.filename or folder} cannot be read or written: {error.strerror or error}"
        raise DeffeError(what, "make room or allow writing, then give the same command again: it goes on") from error
