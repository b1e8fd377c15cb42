"""The executors of a run: where its points are evaluated and their costs extracted."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deffe.config import Config
from deffe.config.schema import SlurmSection
from deffe.errors import ConfigError, DeffeError, Fault, UsageError, counted
from deffe.executors import Executor
from deffe.executors.local import LocalExecutor
from deffe.executors.slurm.paths import Paths
from deffe.executors.slurm.script import Request, batch_script
from deffe.executors.watched import Watched
from deffe.prepare.settings import Settings
from deffe.records import State
from deffe.store import Store

if TYPE_CHECKING:
    from deffe.executors.slurm.client import Client
    from deffe.executors.slurm.service import Service

WRITER = ("", "deffe_slurm", "deffe_slurm.py")
"""Values of slurm.pyscript that name what writes the batch script here."""
GO_ON = "the same command goes on with them, -cancel ends them"


@dataclass
class Executors:
    """Where one run runs.

    Args:
        extract_threads: extractions at the same time.
        service: what looks after the Slurm jobs of the run, if there may be any.
        begun: when this start of the run began (``time.monotonic``).
    """

    evaluate: Watched
    extract: Executor
    extract_threads: int
    service: Service | None = None
    begun: float = field(default_factory=time.monotonic)

    def status(self) -> str:
        """What is queued and running, in words; empty where that is not known."""
        status: Callable[[], str] = getattr(self.evaluate, "status", lambda: "")
        return status() if self.service is None else self.service.status()

    def adoptable(self) -> int:
        """Trials of an earlier start that are queued, running or ended since, and may be taken over."""
        return 0 if self.service is None else self.service.adoptable()

    def end_jobs(self, log: logging.Logger) -> None:
        """The run has failed for good: end what it has in the queue."""
        if self.service is None or not self.service.left():
            return
        self.service.close()
        try:
            log.warning("%s ended", counted(self.service.cancel(), "Slurm job was", "Slurm jobs were"))
        except DeffeError as error:
            log.warning("the Slurm jobs of the run could not be ended: %s", error.message)


@contextmanager
def opened(config: Config, settings: Settings, store: Store, log: logging.Logger) -> Iterator[Executors]:
    """The executors of a run, closed in the end.

    Raises:
        UsageError: one that is asked for is not there.
    """
    with ExitStack() as stack:
        local = stack.enter_context(closing(LocalExecutor(settings.workers)))
        if settings.dry_run:
            _rehearse(config, settings)
            yield Executors(Watched(local), local, settings.workers)
            return
        asked = {"evaluate": settings.executor, "extract": settings.extract_on}
        service = _service(config, settings, store, log, [stage for stage, on in asked.items() if on == "slurm"])
        if service is not None:
            stack.callback(_leave, service, log)
        evaluate = stack.enter_context(closing(_executor("evaluate", settings, config, service, local, log)))
        extract = stack.enter_context(closing(_executor("extract", settings, config, service, local, log)))
        threads = max(settings.workers, getattr(extract, "width", 0))
        yield Executors(Watched(evaluate), extract, threads, service)


def _rehearse(config: Config, settings: Settings) -> None:
    """Write the batch scripts that Slurm would get, for one task."""
    for stage, on in (("evaluate", settings.executor), ("extract", settings.extract_on)):
        if on == "slurm":
            command = [sys.executable, "task.py", str(settings.folder)]
            text = batch_script(
                request_of(config, stage), name="deffe", tasks=1, folder=settings.folder, command=command
            )
            (settings.folder / f"slurm_{stage}.sh").write_text(text, encoding="utf-8", errors="surrogateescape")


def _executor(
    stage: str, settings: Settings, config: Config, service: Service | None, local: Executor, log: logging.Logger
) -> Executor:
    on = settings.executor if stage == "evaluate" else settings.extract_on
    if on == "slurm" and service is not None:
        from deffe.executors.slurm.executor import SlurmExecutor

        return SlurmExecutor(service, stage)
    if on == "dask":
        from deffe.executors.dask import DaskExecutor

        return DaskExecutor.of(config.dask.model_dump(), settings.workers, log)
    return local


def _service(
    config: Config, settings: Settings, store: Store, log: logging.Logger, stages: list[str]
) -> Service | None:
    """What looks after Slurm jobs, if any work is to run there; a word on those of an earlier run, if not."""
    if not stages:
        paths = Paths.of_run(settings.folder)
        left = len(paths.numbers())
        if left and not paths.cancelled.exists():
            text = "%s of an earlier start of this run may still be in the queue: -cancel ends them"
            log.warning(text, counted(left, "Slurm array"))
        return None
    from deffe.executors.slurm.service import Service

    requests = {stage: request_of(config, stage) for stage in stages}
    numbers = [store.numbers(index)[_ended(store, index)] for index in range(len(config.explorations))]
    settled = frozenset(np.concatenate(numbers).tolist())
    return Service(settings.folder, requests, client_of(config), log, settled.__contains__)


def _ended(store: Store, index: int) -> np.ndarray:
    found: np.ndarray = store.states(index, store.known(index)) >= State.DONE
    return found


def _leave(service: Service, log: logging.Logger) -> None:
    service.close()
    if service.left() and not service.paths.cancelled.exists():
        log.warning("%s left queued or running; %s", counted(service.left(), "Slurm job is", "Slurm jobs are"), GO_ON)


def client_of(config: Config) -> Client:
    """What talks to the cluster.

    Raises:
        UsageError: Slurm's programs are not on this machine.
    """
    from deffe.executors.slurm.client import Client, absent_program

    absent = absent_program()
    if absent:
        what = f"slurm is asked for, and there is no program {absent} on this machine"
        raise UsageError(what, "call it on a login node of the cluster, or give -no-slurm")
    clusters = {request_of(config, stage).flags.get("clusters", "") for stage in ("evaluate", "extract")} - {""}
    return Client(str(min(clusters, default="")))


def request_of(config: Config, stage: str) -> Request:
    """What is asked of Slurm for ``evaluate`` or ``extract``: the common section with that of the stage over it.

    Raises:
        ConfigError: a script that is to be sourced is not there, or the batch script is to be written by a plugin.
    """
    own = config.evaluate.slurm if stage == "evaluate" else config.extract.slurm
    section = config.slurm if own is None else own.over(config.slurm)
    faults = [] if section.pyscript in WRITER else [_other_writer(section)]
    sources: list[Path] = []
    for name in section.source_scripts:
        found = config.find(name)
        if found is None:
            faults.append(Fault(f"{stage}.slurm.source_scripts", f"there is no script {name!r}"))
        else:
            sources.append(found.resolve())
    if faults:
        raise ConfigError(str(config.source), faults)
    flags = section.sbatch
    if stage == "evaluate" and "cpus_per_task" not in section.model_fields_set:
        flags["cpus_per_task"] = str(config.evaluate.cpus)
    return Request(
        flags=flags,
        sources=tuple(sources),
        trials_per_task=section.trials_per_task,
        max_jobs=section.max_jobs or 1000,
        poll_s=section.poll_s,
        settle_s=section.settle_s,
        resubmit=section.resubmit,
    )


def _other_writer(section: SlurmSection) -> Fault:
    what = f"{section.pyscript!r}: the batch script is written by deffe itself"
    return Fault("slurm.pyscript", what, "give the options of sbatch as keys of the section slurm")
