"""The one-node cluster of test/slurm/start_cluster.sh, where it runs, and a stand-in for Slurm's programs."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from processes import wait_until

from deffe.executors import Job, JobEnd
from deffe.executors.slurm.client import Client
from deffe.executors.slurm.executor import SlurmExecutor
from deffe.executors.slurm.script import Request
from deffe.executors.slurm.service import Service

HERE = Path(__file__).parent
PATIENCE_S = 60.0
QUICK = Request({"nodes": "1", "cpus_per_task": "1"}, poll_s=(0.1, 0.5), settle_s=0.4)
"""What tests ask of Slurm: it is looked at often."""


@pytest.fixture(scope="session")
def cluster() -> None:
    """A cluster that answers and runs jobs; tests without one are skipped."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # where Debian has daemons
    if shutil.which("sbatch") is None or shutil.which("slurmctld") is None:
        pytest.skip("Slurm is not installed here; test/slurm/start_cluster.sh does so for root on Debian")
    said = subprocess.run([str(HERE / "start_cluster.sh")], capture_output=True, text=True, timeout=120, check=False)
    idle = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, timeout=60, check=False
    )
    if idle.returncode or not any(word in idle.stdout for word in ("idle", "mixed", "alloc")):
        pytest.skip(f"no Slurm cluster answers here: {said.stdout.strip() or idle.stderr.strip()}")


class Lab:
    """Makes what tests need, in the folder of a run."""

    QUICK = QUICK

    def __init__(self, run: Path) -> None:
        self.run = run
        run.mkdir()

    @contextmanager
    def service(self, request: Request = QUICK, **keys: Any) -> Iterator[Service]:
        """The service of the run."""
        client = Client(timeout_s=20)
        made = Service(self.run, {"evaluate": request, "extract": request}, client, logging.getLogger(), **keys)
        with closing(made):
            yield made

    @contextmanager
    def executor(self, request: Request = QUICK, **keys: Any) -> Iterator[SlurmExecutor]:
        """The executor of the run."""
        with self.service(request, **keys) as made:
            yield SlurmExecutor(made, "evaluate")

    def job(self, number: int, script: str, timeout_s: float | None = None) -> Job:
        """A job that runs a line of bash in a new folder."""
        folder = self.run / f"explore_{number}"
        folder.mkdir()
        environment = dict(os.environ)
        return Job(number, (("bash", "-c", script),), folder, folder / "log", environment, timeout_s, point=number)

    def ends(self, *scripts: str, timeout_s: float | None = None, **changes: Any) -> dict[int, JobEnd]:
        """How jobs ended, by their number."""
        with self.executor(replace(QUICK, **changes)) as made:
            jobs = (self.job(number, script, timeout_s) for number, script in enumerate(scripts))
            return {end.job.number: end for end in made.run(jobs)}

    @staticmethod
    def background(made: SlurmExecutor, *jobs: Job) -> tuple[threading.Thread, list[JobEnd]]:
        """A thread that runs jobs, and the list that their ends come into."""
        done: list[JobEnd] = []
        thread = threading.Thread(target=lambda: done.extend(made.run(jobs)), daemon=True)
        thread.start()
        return thread, done

    @staticmethod
    def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Wait for a condition, which must come true."""
        assert wait_until(condition, seconds), "it takes too long"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """What tests need."""
    return Lab(tmp_path / "run")


class Fake:
    """Slurm's programs as one Python script, which runs tasks as processes of this machine.

    ``plan`` says what becomes of each submission in turn, the last entry of all further ones:
    ``run`` (the default), ``hold`` (it is not started), ``kill`` (its tasks are killed once a trial has begun),
    and a state that is reported of it from then on, such as ``hold NODE_FAIL``; ``GONE`` means that it is not reported.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        for name in ("sbatch", "squeue", "scancel", "scontrol", "sacct"):
            self.program(name)

    def program(self, name: str) -> None:
        path = self.programs / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -I {HERE / "fake_slurm.py"} {self.folder} {name} "$@"\n')
        path.chmod(0o755)

    def plan(self, *what: str) -> Fake:
        (self.folder / "plan.json").write_text(json.dumps(what))
        return self

    def say(self, name: str, text: str | None) -> None:
        """Have a program (or ``all``) fail with a message; None ends that."""
        path = self.folder / f"fails_{name}"
        path.unlink(missing_ok=True) if text is None else path.write_text(text)

    def accounts(self, lines: str) -> None:
        """What sacct knows: ``name|job|state`` a line."""
        self.say("sacct", None)
        (self.folder / "accounts").write_text(lines)

    def calls(self, name: str) -> list[list[str]]:
        """The arguments of all calls of a program."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [words[1:] for line in lines if (words := json.loads(line))[0] == name]

    def jobs(self) -> list[dict[str, Any]]:
        """What was submitted."""
        return [
            json.loads(path.read_text()) for path in sorted(self.folder.glob("job_*"), key=lambda p: int(p.name[4:]))
        ]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """Slurm's programs, found before those of a cluster."""
    made = Fake(tmp_path / "slurm")
    made.say("sacct", "sacct: error: Slurm accounting storage is disabled")
    monkeypatch.setenv("PATH", f"{made.programs}{os.pathsep}{os.environ['PATH']}")
    yield made
    for submitted in made.jobs():
        for pid in submitted["pids"]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
