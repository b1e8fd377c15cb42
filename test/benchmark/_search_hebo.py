"""HEBO as a method of search, in this process or in another Python that has it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from _search_loop import Told
from _search_problems import Levels, Problem

PYTHON = "DEFFE_HEBO_PYTHON"
"""Environment variable that names the Python that has HEBO, where this one does not."""
SERVER = Path(__file__).with_name("_search_hebo_server.py")
LEAST = 2
"""Valid points from which HEBO learns."""
FAILURES = ("worst", "omit")
COSTS = ("raw", "log")


class Hebo(Told):
    """HEBO, which draws from the front of its three acquisitions over all legal new points.

    Args:
        failure: of points that failed; ``worst``: the worst cost seen; ``omit``: they are not told.
        model: see ``_search_hebo_server.Hebo``.
        costs: ``log``: their logarithms are told; ``raw``: they are told as they are.

    Raises:
        ValueError: the problem has several objectives, or an option has another value than those above.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        failure: str = "worst",
        model: str = "gp",
        costs: str = "raw",
    ) -> None:
        super().__init__(problem, seed)
        if problem.objectives > 1:
            raise ValueError(f"hebo minimises one objective; {problem.name} has {problem.objectives}")
        if failure not in FAILURES or costs not in COSTS:
            raise ValueError(f"failure is one of {FAILURES}, costs one of {COSTS}")
        self._seed, self._omit, self._raw = seed, failure == "omit", costs == "raw"
        self._server: Any = None
        self._setting = {
            "counts": list(problem.counts),
            "switches": [not knob.numeric for knob in problem.knobs],
            "legal": problem.levels.tolist(),
            "model": model,
        }

    def ask(self, count: int) -> Levels:
        if (~self.failed).sum() < LEAST:
            return self.random(1)
        if self._server is None:
            self._server = _here(self._setting) if importlib.util.find_spec("hebo") else _Elsewhere(self._setting)
        told = ~self.failed if self._omit else np.ones(len(self.rows), dtype=np.bool_)
        costs = self.filled[told, 0]
        found = self._server.suggest(
            levels=self.levels[told].tolist(),
            costs=(np.exp(costs) if self._raw else costs).tolist(),
            known=self.levels.tolist(),
            seed=self._seed * 100_000 + len(self.rows),
        )
        self.elsewhere = getattr(self._server, "seconds", 0.0)
        return np.array([found], dtype=np.int32)


def _here(setting: dict[str, Any]) -> Any:
    from _search_hebo_server import Hebo as Released

    return Released(**setting)


class _Elsewhere:
    """HEBO in the Python that the environment variable names.

    Args:
        setting: as ``_search_hebo_server.Hebo`` takes it.

    Raises:
        RuntimeError: HEBO ended, or failed, whose words follow.
    """

    def __init__(self, setting: dict[str, Any]) -> None:
        self.seconds = 0.0
        self._process = subprocess.Popen(
            [os.environ[PYTHON], "-W", "ignore", str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._answer(setting)

    def suggest(self, **request: Any) -> list[int]:
        found: list[int] = self._answer(request)["levels"]
        return found

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("HEBO has no pipes")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{os.environ[PYTHON]}, which runs HEBO, ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"HEBO failed: {answer['error']}")
        self.seconds = answer["seconds"]
        return answer

    def __del__(self) -> None:
        if hasattr(self, "_process"):
            self._process.communicate()
