"""Measures commands in fresh processes, and prints figures beside their targets.

This module and the benchmarks import nothing heavy: Linux counts the memory of the process that starts another one in
the peak memory of the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TAIL = 2000
DEFFE = (sys.executable, str(ROOT / "framework" / "run_deffe.py"))
PYTHON = (sys.executable,)


@dataclass(frozen=True)
class Usage:
    """What a command and all processes it waited for have used.

    Args:
        cpu_s: user and system time.
        wall_s: from start to end, other work of the machine included.
        peak_mib: of the largest of its processes.
        output: standard output and standard error.
    """

    cpu_s: float
    wall_s: float
    peak_mib: float
    output: str


@dataclass(frozen=True)
class Figure:
    """A measured figure; ``met`` is None where there is no target."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def measure(command: Sequence[str], folder: Path) -> Usage:
    """Run a command in a folder, numeric libraries on one thread.

    Raises:
        SystemExit: it failed; with the end of what it said.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if process.returncode:
        sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{said[-TAIL:]}")
    return Usage(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024, said)


def quickest(command: Sequence[str], folder: Path, times: int) -> Usage:
    """The run of the least CPU time out of several: other work of the machine only ever adds to it."""
    return min((measure(command, folder) for _ in range(times)), key=lambda usage: usage.cpu_s)


@contextlib.contextmanager
def workplace(config: Mapping[str, object], **files: str) -> Iterator[Path]:
    """A temporary folder with ``config.json`` and other files, named ``stem_ending``."""
    with tempfile.TemporaryDirectory(prefix="deffe_benchmark_") as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(config))
        for file, text in files.items():
            (folder / file.replace("_", ".")).write_text(text)
        yield folder


def show(title: str, figures: Iterator[Figure]) -> bool:
    """Print figures as a Markdown table, each as soon as it is known; whether all targets are met."""
    print(f"### {title}\n\n| figure | measured | target | met |\n|---|---|---|---|", flush=True)
    missed = False
    for figure in figures:
        met = {True: "yes", False: "no", None: ""}[figure.met]
        print(f"| {figure.what} | {figure.measured} | {figure.target} | {met} |", flush=True)
        missed = missed or figure.met is False
    print(f"\n{machine()}\n", flush=True)
    return not missed


def machine() -> str:
    """What the figures were measured on."""
    return f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}"
