"""The Dask cluster of a run: one that is there, one that another library makes, or one on this machine."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from deffe.errors import DeffeError, UsageError

INSTALL = "pip install 'deffe[dask]'"
LOOPBACK = "127.0.0.1"
CLOSE_S = 10.0
_NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster a run uses; without any of these, one on this machine.

    Args:
        address: of a scheduler that runs, such as ``tcp://host:8786``.
        scheduler_file: the file in which a scheduler has noted its address.
        cluster: the class of a cluster to make, such as ``dask_jobqueue.SLURMCluster``.
        options: what that class is given.
        workers: worker processes asked of a made cluster.
        jobs: jobs asked of one that runs its workers in jobs.
        adapt: what ``adapt`` of a made cluster is given, such as ``{"maximum": 100}``, for one that grows and shrinks.
        connect_s: how long to wait for the scheduler.
    """

    address: str = ""
    scheduler_file: str = ""
    cluster: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None
    jobs: int | None = None
    adapt: Mapping[str, Any] = field(default_factory=dict)
    connect_s: float = 30.0

    @property
    def is_here(self) -> bool:
        """Whether it is a cluster on this machine, made for this run."""
        return not (self.address or self.scheduler_file or self.cluster)


def check_installed() -> None:
    """Say what to install where Dask is absent; nothing is imported.

    Raises:
        UsageError: ``distributed`` is not there.
    """
    if importlib.util.find_spec("distributed") is None:
        raise UsageError("the executor dask needs the package distributed, which is not there", INSTALL)


def connect(options: ClusterOptions, workers: int, log: logging.Logger) -> tuple[Any, Callable[[], None]]:
    """A client of the cluster, which is made if need be, and what closes both.

    Args:
        workers: processes of a cluster on this machine.
    Raises:
        UsageError: there is no such class, or it cannot be made with these options.
        DeffeError: no scheduler answers.
    """
    if not log.isEnabledFor(logging.DEBUG):
        _silence()
    with ExitStack() as undo:
        place, where = _place(options, workers, log, undo)
        client = _client(place, where, options.connect_s)
        undo.callback(_close_quietly, client)
        close = undo.pop_all().close
    return client, close


def _client(place: Mapping[str, Any], where: str, connect_s: float) -> Any:
    """A client of the scheduler at a place, made in a thread: Dask waits without end for what is no scheduler."""
    made: SimpleQueue[Any] = SimpleQueue()

    def make() -> None:
        try:
            made.put(_library().Client(**place, timeout=connect_s, set_as_default=False, name="deffe"))
        except Exception as error:  # told below
            made.put(error)

    threading.Thread(target=make, daemon=True, name="deffe-connect").start()
    try:
        found = made.get(timeout=connect_s + 1)
    except Empty:
        found = TimeoutError("what listens there does not answer as a scheduler does")
    if isinstance(found, Exception):
        hint = "start it, or mend dask.address or dask.scheduler_file"
        raise DeffeError(f"no Dask scheduler answers at {where}: {_first_line(found)}", hint) from found
    return found


def _library() -> Any:
    """Dask's part for clusters, imported when it is used."""
    return importlib.import_module("distributed")


def _place(options: ClusterOptions, workers: int, log: logging.Logger, undo: ExitStack) -> tuple[dict[str, Any], str]:
    """What leads a client to the cluster, and what it is called."""
    if options.address:
        try:  # a client that is refused for this would never let the program end
            importlib.import_module("distributed.comm").get_address_host_port(options.address)
        except (ValueError, RuntimeError, KeyError) as error:
            what = f"dask.address: {options.address!r} is no address: {_first_line(error)}"
            raise UsageError(what, "such as tcp://host:8786") from error
        return {"address": options.address}, options.address
    if options.scheduler_file:
        if not Path(options.scheduler_file).is_file():  # Dask would wait for it without end
            raise UsageError(f"there is no file {options.scheduler_file} (dask.scheduler_file)", "start the scheduler")
        return {"scheduler_file": options.scheduler_file}, options.scheduler_file
    cluster = _made(options) if options.cluster else _local(workers, undo)
    undo.callback(_close_quietly, cluster)
    if options.cluster:
        _scale(cluster, options)
    return {"address": cluster}, options.cluster or "this machine"


def _made(options: ClusterOptions) -> Any:
    module, _, name = options.cluster.replace(":", ".").rpartition(".")
    try:
        made: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        what = f"dask.cluster: {options.cluster!r} cannot be imported: {_first_line(error)}"
        raise UsageError(
            what, "name a class, such as dask_jobqueue.SLURMCluster (pip install dask-jobqueue)"
        ) from error
    try:
        return made(**options.options)
    except Exception as error:  # a cluster of another library may fail in any way
        raise UsageError(
            f"dask.cluster: {options.cluster} cannot be made: {type(error).__name__}: {_first_line(error)}",
            "mend dask.options",
        ) from error


def _scale(cluster: Any, options: ClusterOptions) -> None:
    try:
        if options.adapt:
            cluster.adapt(**options.adapt)
        elif options.jobs is not None:
            cluster.scale(jobs=options.jobs)
        elif options.workers is not None:
            cluster.scale(options.workers)
    except (TypeError, ValueError, NotImplementedError) as error:
        what = f"dask: {options.cluster} cannot be scaled: {_first_line(error)}"
        raise UsageError(what, "mend dask.workers, dask.jobs or dask.adapt") from error


def _local(workers: int, undo: ExitStack) -> Any:
    """A process a slot, which only this user's programs on this machine can reach."""
    import dask

    folder = tempfile.mkdtemp(prefix="deffe_dask_")
    undo.callback(shutil.rmtree, folder, ignore_errors=True)
    try:
        with dask.config.set(_NO_PAGES):
            return _library().LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host=LOOPBACK,
                protocol="tls://",
                security=_security(),
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": f"{LOOPBACK}:0"},
                memory_limit=0,
                local_directory=folder,
                silence_logs=logging.CRITICAL,
            )
    except (OSError, RuntimeError) as error:
        raise DeffeError(f"no Dask cluster can be made on this machine: {_first_line(error)}") from error


def _security() -> Any:
    """Keys for this run alone: other users of the machine can reach its loopback device as well."""
    try:
        return _library().Security.temporary()
    except ImportError as error:
        what = "a Dask cluster on this machine needs the library cryptography, which keeps its other users out"
        raise UsageError(what, "pip install 'deffe[dask]'") from error


def _silence() -> None:
    """Keep Dask's own log, which tells of every lost connection, away from the run's."""
    _library()  # its loggers are made on import
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _close_quietly(closed: Any) -> None:
    """Close a client or a cluster that may have lost its scheduler."""
    with contextlib.suppress(Exception):  # nothing is left to be done about it
        closed.close(timeout=CLOSE_S)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def lost(where: str) -> DeffeError:
    """The error for a scheduler that is gone."""
    return DeffeError(
        f"the Dask scheduler at {where} is gone",
        "what has ended is recorded: start the scheduler, then give the same command again",
    )
