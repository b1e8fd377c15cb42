"""A folder with a configuration and its scripts, in which the whole program is run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from deffe.cli import main

PROGRAM = Path(__file__).parents[1] / "framework" / "run_deffe.py"
SHELL = """echo "$size $ways" >> "$DEFFE_CONFIG_DIR/evaluated.log"
echo $((size * 100 + ways)) > results.out
echo $((size - ways + 20)) >> results.out
"""
"""An evaluate script of two costs, which notes each point that it evaluates."""
SMALL: dict[str, Any] = {
    "knobs": [{"name": "size", "values": "1, 2, 4, 8"}, {"name": "ways", "values": "1-4"}],
    "costs": ["cycles", "energy"],
}
"""12 points."""


@dataclass(frozen=True)
class Ended:
    """How a run ended, and what it said."""

    code: int
    out: str
    err: str

    def ok(self) -> Ended:
        """Itself, when the run was done."""
        assert self.code == 0, self.err
        return self

    def refused(self, *words: str, code: int = 2) -> Ended:
        """Itself, when the run was refused by a message with these words, and without a traceback."""
        assert self.code == code, f"exit code {self.code}: {self.out}{self.err}"
        assert "Traceback" not in self.out + self.err
        assert "-debug shows where" not in self.err, f"an error that nobody thought of: {self.err}"
        missing = [word for word in words if word not in self.err]
        assert not missing, f"not said: {missing} in:\n{self.err}"
        return self


class Project:
    """A user's folder.

    Args:
        folder: where ``config.json`` and its scripts are, and where the program is run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, text: str) -> Path:
        """Write a file; scripts become executable."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if path.suffix == ".sh":
            path.chmod(0o755)
        return path

    def config(self, base: dict[str, Any] = SMALL, /, **keys: Any) -> Project:
        """Write ``config.json``: the keys over those of ``base``."""
        self.write("config.json", json.dumps({**base, **keys}, ensure_ascii=False))
        return self

    def shell(self, text: str = SHELL, **keys: Any) -> Project:
        """Write ``evaluate.sh`` and a configuration that runs it."""
        self.write("evaluate.sh", text)
        return self.config(**keys)

    def python(self, text: str, kind: str = "vectorised", **keys: Any) -> Project:
        """Write ``costs.py`` with a function ``costs``, and a configuration that calls it."""
        self.write("costs.py", text)
        given = keys.pop("evaluate", {})
        return self.config(evaluate={"pyscript": kind, "options": {"function": "costs.py:costs"}, **given}, **keys)

    def run(self, *arguments: object) -> Ended:
        """Call the program in this process."""
        out, err, here = io.StringIO(), io.StringIO(), Path.cwd()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse ends the program by itself
            code = end.code if isinstance(end.code, int) else 1
        finally:
            os.chdir(here)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return Ended(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start the program in a process of its own."""
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: object) -> Ended:
        """Call the program in a process of its own."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return Ended(process.returncode, out, err)

    def table(self, name: str = "deffe_output.csv") -> pd.DataFrame:
        """A table of the run, every field as text."""
        return pd.read_csv(self.path(name), dtype=str, keep_default_na=False)

    def numbers(self, name: str = "deffe_output.csv") -> pd.DataFrame:
        """A table of the run, with numbers where it has numbers."""
        return pd.read_csv(self.path(name))

    def evaluated(self) -> list[str]:
        """The points that the script noted, in the order of their evaluation."""
        log = self.path("evaluated.log")
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    def forget_evaluated(self) -> None:
        """Begin the script's notes anew."""
        self.path("evaluated.log").unlink(missing_ok=True)

    def per_step(self, name: str = "deffe_output.csv") -> list[int]:
        """How many points each step took."""
        steps = self.numbers(name)["Step"].dropna()
        return [int(count) for count in steps.value_counts().sort_index()]

    def contents(self) -> dict[str, bytes]:
        """Every file below the folder but the lock, which names its last holder, and what Python compiles."""
        others = ("deffe.lock", "__pycache__")
        paths = (path for path in sorted(self.folder.rglob("*")) if not {path.name, path.parent.name} & {*others})
        files = (path for path in paths if stat.S_ISREG(path.lstat().st_mode))
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def database(self, folder: str = "explore") -> sqlite3.Connection:
        """The database of a run, for reading."""
        return sqlite3.connect(f"{self.path(folder).as_uri()}/deffe.sqlite?mode=ro", uri=True)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty folder of a user."""
    path, modules = list(sys.path), set(sys.modules)
    yield Project(tmp_path / "project")
    sys.path[:] = path  # plugins of the user add their folders
    for name in set(sys.modules) - modules:
        if name.startswith(("deffe_plugin_", "deffe_function_")):
            del sys.modules[name]


@pytest.fixture
def other(tmp_path: Path) -> Project:
    """The folder of another user."""
    return Project(tmp_path / "other")
