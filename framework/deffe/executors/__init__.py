"""Where work runs: the contract between evaluators and executors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from deffe.scripts.process import describe


@dataclass(frozen=True)
class Job:
    """Commands that evaluate one design point.

    Args:
        number: whatever the caller knows the job by.
        commands: argument lists, run in order until one fails.
        folder: working directory; it exists.
        log: file to which all commands append what they print.
        environment: the complete environment.
        timeout_s: wall time for all commands together; None for no limit.
        point: running number of the design point, by which executors know the job that outlive this program.
        variables: those of the environment that were made for this job; the others are this program's own.
        memory_mib: resident memory of all its processes together; None for no limit.
        delay_s: time to wait before it begins.
    """

    number: int
    commands: tuple[tuple[str, ...], ...]
    folder: Path
    log: Path
    environment: Mapping[str, str]
    timeout_s: float | None = None
    point: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    memory_mib: int | None = None
    delay_s: float = 0.0


@dataclass(frozen=True)
class JobEnd:
    """How a job ended: exit code (negative: killed by that signal), and wall time in seconds.

    Args:
        reason: what ended it, where that was neither its commands nor its own time limit.
    """

    job: Job
    exit_code: int
    timed_out: bool
    seconds: float
    reason: str = ""

    @property
    def how(self) -> str:
        """In words: ``exit status 3``, ``time limit of 60 s reached``, ``cancelled``."""
        if self.timed_out and not self.reason and self.job.timeout_s is not None:
            return f"time limit of {self.job.timeout_s:g} s reached"
        return self.reason or describe(self.exit_code)


@dataclass(frozen=True)
class CallEnd:
    """How the call of a function on the ``index``-th item ended; ``error`` is empty when ``value`` counts."""

    index: int
    value: Any
    error: str
    timed_out: bool
    seconds: float


class Executor(Protocol):
    """Runs jobs and calls, several at a time.

    Both methods draw an item only when a slot is free, yield in the order of completion, and kill
    what runs when their iterator is closed. Running items go on while the caller does something else.
    Iterators that are open at the same time share the slots.
    """

    @property
    def slots(self) -> int:
        """How many jobs or calls may run at the same time, as far as is known."""
        ...

    def run(self, jobs: Iterable[Job]) -> Iterator[JobEnd]:
        """Run jobs. An error raised by ``jobs`` ends the run and is passed on."""
        ...

    def call(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        timeout_s: float | None = None,
        log: Path | None = None,
    ) -> Iterator[CallEnd]:
        """Call ``function(item)`` in worker processes; function, items and results are pickled.

        An exception, a reached time limit or a dead worker fails that item alone.

        Args:
            timeout_s: wall time for one call, without the import of the function.
            log: file to which workers append what the function prints; None drops it.
        Raises:
            PluginError: the function cannot be loaded in a worker.
        """
        ...

    def close(self) -> None:
        """Kill what runs, from any thread; iterators end, and nothing is started any more."""
        ...


def adopted(executor: Executor | None, folder: Path) -> Job | None:
    """The job in that folder that an earlier run of this directory gave to the executor and that was not ended for it.

    It is not to be prepared again but handed to ``run`` as it is, apart from its number. Only an executor whose jobs
    outlive this program has such jobs; it then has a method of this name.
    """
    find = getattr(executor, "adopted", None)
    found: Job | None = None if find is None else find(folder)
    return found
