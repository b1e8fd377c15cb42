"""Where work runs: the contract between evaluators and executors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


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
    """

    number: int
    commands: tuple[tuple[str, ...], ...]
    folder: Path
    log: Path
    environment: Mapping[str, str]
    timeout_s: float | None = None


@dataclass(frozen=True)
class JobEnd:
    """How a job ended: exit code (negative: killed by that signal), and wall time in seconds."""

    job: Job
    exit_code: int
    timed_out: bool
    seconds: float


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
    """

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
