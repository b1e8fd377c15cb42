"""The executors of a run on Slurm: they hand work to the run's service and yield what comes of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from deffe.errors import DeffeError, PluginError
from deffe.executors import CallEnd, Job, JobEnd
from deffe.executors.slurm.service import Service
from deffe.executors.slurm.trials import End, Trial, job_of, key_of, record_of
from deffe.executors.worker import pickled

WIDTH = 256
"""Calls of ``run`` with one job each that are worth making at the same time."""

ItemT = TypeVar("ItemT")
EndT = TypeVar("EndT")


class SlurmExecutor:
    """Runs jobs and calls of one stage of a run on a cluster. They outlive this program, and are found again by it.

    Closing an iterator or the executor leaves what runs running; ``Service.cancel`` ends it.

    Args:
        stage: ``evaluate`` or ``extract``: a part of the name by which a job is found again.
    """

    width = WIDTH

    def __init__(self, service: Service, stage: str) -> None:
        self._service = service
        self._stage = stage
        self._claimed: dict[str, Trial] = {}

    @property
    def slots(self) -> int:
        """Trials that the cluster has been seen to have in hand at the same time; a guess before."""
        return self._service.in_hand(self._stage)

    @property
    def latency_s(self) -> float:
        """Time at most between the end of a job and the start of another on its slot."""
        return self._service.latency_s

    def run(self, jobs: Iterable[Job]) -> Iterator[JobEnd]:
        """Run jobs: as many are drawn as may be in the queue, packed."""

        def trial_of(job: Job) -> Trial:
            adopted = self._claimed.pop(str(job.folder.absolute()), None)
            if adopted is not None:
                return adopted
            key = self._service.key(key_of(self._stage, job.folder.absolute(), self._service.folder))
            begins = self._service.clock.now() + job.delay_s
            return Trial(key, self._stage, record_of(job, key, os.environ), wait_until=begins)

        for job, end in self._unordered(jobs, trial_of):
            yield JobEnd(job, end.exit_code, end.timed_out, end.seconds, end.reason)

    def adopted(self, folder: Path) -> Job | None:
        """The job that an earlier run of this directory submitted for a folder, queued, running or ended since."""
        name = str(folder.absolute())
        trial = self._service.adopt(self._stage, name)
        if trial is None:
            return None
        self._claimed[name] = trial
        return job_of(trial.record, os.environ)

    def call(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        timeout_s: float | None = None,
        log: Path | None = None,
    ) -> Iterator[CallEnd]:
        """Call a function in Python processes on the cluster; its module must be there under the same path."""
        signer = self._service.signer
        digest = self._place(function)
        trials: dict[int, Trial] = {}

        def trial_of(numbered: tuple[int, Any]) -> Trial:
            item = signer.pack(numbered[1], "item")
            content = hashlib.blake2b(f"{digest} {timeout_s} {item}".encode(), digest_size=16).hexdigest()
            found = self._service.adopt(self._stage, content)
            if found is None:
                key = self._service.key(f"{self._stage}-call-{content}")
                record = {"key": key, "content": content, "function": digest, "item": item, "timeout_s": timeout_s}
                found = Trial(key, self._stage, {**record, "log": None if log is None else str(log.absolute())})
            trials[numbered[0]] = found
            return found

        for (index, _), end in self._unordered(enumerate(items), trial_of):
            yield self._call_end(index, trials.pop(index), end, timeout_s)

    def close(self) -> None:
        """Hand nothing out any more; what was submitted goes on."""
        self._service.close()

    def status(self) -> str:
        """What is queued and running, in words."""
        return self._service.status()

    def _place(self, function: Callable[[Any], Any]) -> str:
        """Put a function where the tasks find it; what it is known by."""
        call = pickled(function, "the cluster")
        digest = hashlib.blake2b(call, digest_size=16).hexdigest()
        path = self._service.paths.function(digest)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(self._service.signer.pack(call, f"function {digest}"), encoding="ascii")
        part.replace(path)
        return digest

    def _call_end(self, index: int, trial: Trial, end: End, timeout_s: float | None) -> CallEnd:
        if not end.reply:
            return CallEnd(index, None, end.reason or "no result", end.timed_out, end.seconds)
        try:
            value, error, unloadable = self._service.signer.unpack(end.reply, f"reply {trial.key}.{trial.number}")
        except DeffeError as fault:
            return CallEnd(index, None, fault.message, False, end.seconds)
        except Exception as fault:  # the value's class may refuse to be loaded in any way
            return CallEnd(index, None, f"the result cannot be read: {fault}", False, end.seconds)
        if unloadable:
            raise PluginError(unloadable)
        return CallEnd(index, value, error, end.timed_out, end.seconds)

    def _unordered(
        self, items: Iterable[ItemT], trial_of: Callable[[ItemT], Trial]
    ) -> Generator[tuple[ItemT, End], None, None]:
        """Hand over items while there is room for them; yield each with its end, in order of completion."""
        inbox: SimpleQueue[tuple[ItemT, End] | BaseException | None] = SimpleQueue()
        source = iter(items)
        running, more = 0, True
        with self._listening(inbox.put):
            while more or running:
                found = self._next(inbox, block=not more or running >= self._service.capacity(self._stage))
                if isinstance(found, tuple):
                    running -= 1
                    yield found
                elif isinstance(found, BaseException):
                    raise found
                elif found is None:
                    return
                else:
                    try:
                        item = next(source)
                    except StopIteration:
                        more = False
                        continue
                    running += 1
                    self._service.add(trial_of(item), partial(_put, inbox, item))

    @staticmethod
    def _next(inbox: SimpleQueue[EndT], block: bool) -> EndT | bool:
        """What has arrived; True when there is nothing and it is not to be waited for."""
        try:
            return inbox.get(block)
        except Empty:
            return True

    @contextmanager
    def _listening(self, tell: Callable[[BaseException | None], None]) -> Iterator[None]:
        self._service.listen(tell)
        try:
            yield
        finally:
            self._service.forget(tell)


def _put(inbox: SimpleQueue[tuple[ItemT, End] | BaseException | None], item: ItemT, end: End) -> None:
    inbox.put((item, end))
