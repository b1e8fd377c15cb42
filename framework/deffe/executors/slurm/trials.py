"""A trial given to Slurm, as the orchestrator keeps it and as a task is told of it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deffe.executors import Job

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
LOST = 1
"""Exit code of a trial that was ended by the cluster: its commands gave none."""


@dataclass(frozen=True)
class End:
    """How a trial ended.

    Args:
        reason: what ended it, where that was not its commands.
        reply: what the call of a function gave, signed.
    """

    exit_code: int
    timed_out: bool = False
    seconds: float = 0.0
    reason: str = ""
    reply: str = ""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> End:
        """From an end mark or a line of the ledger.

        Raises:
            KeyError, TypeError, ValueError: it is neither.
        """
        return cls(
            int(data["exit_code"]),
            bool(data["timed_out"]),
            float(data["seconds"]),
            str(data.get("reason", "")),
            str(data.get("reply", "")),
        )


@dataclass
class Trial:
    """A job or call on its way.

    Args:
        key: its name among the marks; no other trial of the run has it.
        stage: ``evaluate`` or ``extract``.
        record: what a task has to know to run it.
        deliver: where its end goes; None while nobody waits for it.
        alone: it gets a task of its own, with all of the time limit.
        again: how often it was submitted again because of the cluster.
        wait_until: when it may be submitted again.
        number: of the submission it is in; -1 before.
        kept: it has been submitted, or waits to be.
        end: how it ended; None before.
    """

    key: str
    stage: str
    record: dict[str, Any]
    deliver: Callable[[End], None] | None = None
    alone: bool = False
    again: int = 0
    wait_until: float = 0.0
    number: int = -1
    kept: bool = False
    begun: bool = False
    ended: bool = False
    end: End | None = None

    @property
    def point(self) -> int | None:
        """Running number of its design point."""
        found: int | None = self.record.get("point")
        return found

    @property
    def folder(self) -> Path | None:
        """Its folder; None for the call of a function."""
        return Path(self.record["folder"]) if "folder" in self.record else None

    @property
    def content(self) -> str:
        """What it is found again by: its folder, or a digest of what is called."""
        return str(self.record.get("folder") or self.record["content"])

    def line(self, number: int, end: End) -> dict[str, Any]:
        """Its end as a line of the ledger; without the reply of a call, which nobody asks the ledger for."""
        names = ("key", "point", "folder", "log", "timeout_s", "content")
        kept: dict[str, Any] = {name: self.record[name] for name in names if name in self.record}
        return {**kept, "stage": self.stage, "number": number, **asdict(replace(end, reply=""))}

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> Trial:
        """The trial of a line of the ledger; it has ended."""
        record = {"commands": [], "environment": {}, "unset": [], **line}
        made = cls(line["key"], line["stage"], record, number=line["number"], end=End.of(line))
        made.kept = made.begun = made.ended = True
        return made


def key_of(stage: str, folder: Path, run: Path) -> str:
    """A name for a trial in this folder, fit for a file: the folder's name below the run directory, or a digest."""
    name = os.path.relpath(folder, run)
    if not _PLAIN.fullmatch(name):
        name = hashlib.blake2b(os.fsencode(name), digest_size=16).hexdigest()
    return f"{stage}-{name}"


def record_of(job: Job, key: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """What a task is told of a job. Of its environment only what was made for it: the rest may hold secrets.

    Args:
        environ: this program's environment.
    """
    made = {name: value for name, value in job.environment.items() if environ.get(name) != value}
    return {
        "key": key,
        "point": job.point,
        "commands": [list(command) for command in job.commands],
        "folder": str(job.folder.absolute()),
        "log": str(job.log.absolute()),
        "environment": {**made, **job.variables},
        "unset": sorted(name for name in environ if name not in job.environment),
        "timeout_s": job.timeout_s,
        "memory_mib": job.memory_mib,
    }


def job_of(record: Mapping[str, Any], environ: Mapping[str, str]) -> Job:
    """The job that ``record_of`` told of; its number is whatever its new owner gives it."""
    kept = {name: value for name, value in environ.items() if name not in record["unset"]}
    return Job(
        number=-1,
        commands=tuple(tuple(command) for command in record["commands"]),
        folder=Path(record["folder"]),
        log=Path(record["log"]),
        environment={**kept, **record["environment"]},
        timeout_s=record["timeout_s"],
        memory_mib=record.get("memory_mib"),
        point=record["point"],
        variables=record["environment"],
    )
