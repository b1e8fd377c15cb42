"""The file of results of searches: JSON lines, one a search; what is in it is not run again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from _search_problems import problem


@dataclass(frozen=True)
class Result:
    """A search of a problem.

    Args:
        method: its name with options.
        rows, rejected, fallbacks, seconds: see ``Search``.
    """

    method: str
    problem: str
    seed: int
    rows: tuple[int, ...]
    rejected: int
    fallbacks: int
    seconds: float

    @property
    def key(self) -> tuple[str, str, int]:
        return self.method, self.problem, self.seed

    @property
    def curve(self) -> list[float]:
        """After each evaluation the regret in percent, or the share of the hypervolume."""
        case = problem(self.problem)
        return case.curve(case.costs[list(self.rows)])

    def valid(self, evaluations: int) -> int:
        """Points that did not fail, among the first so many."""
        return int((~problem(self.problem).failed[list(self.rows[:evaluations])]).sum())

    def line(self) -> str:
        curve = [round(float(value), 6) if np.isfinite(value) else None for value in self.curve]
        return json.dumps({**asdict(self), "curve": curve}) + "\n"


def read(file: Path) -> list[Result]:
    """All results of a file, of a search that is in it twice the first; a line cut short is left out."""
    found: dict[tuple[str, str, int], Result] = {}
    for line in file.read_text().splitlines() if file.is_file() else ():
        try:
            cells = json.loads(line)
        except json.JSONDecodeError:
            continue
        cells.pop("curve", None)
        result = Result(**{**cells, "rows": tuple(cells["rows"])})
        found.setdefault(result.key, result)
    return list(found.values())


def append(file: Path, result: Result) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        stream.write(result.line())


def of(results: Sequence[Result], method: str, name: str) -> dict[int, Result]:
    """By their seeds, the results of a method for a problem."""
    return {result.seed: result for result in results if (result.method, result.problem) == (method, name)}
