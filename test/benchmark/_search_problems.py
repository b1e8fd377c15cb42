"""The tables that design points are searched in, as problems with legal points, costs and a measure of success."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
from _tables import DATA, STATES, Matrix, Vector
from numpy.typing import NDArray

from deffe import metrics

Levels = NDArray[np.int32]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Knob:
    """A knob of a problem.

    Args:
        values: in ascending order.
        numeric: False for a switch, whose values have no order.
        scale: ``log2`` where each value doubles the one before, else ``linear``.
    """

    name: str
    values: tuple[Any, ...]
    numeric: bool
    scale: str

    @property
    def numbers(self) -> Vector:
        """The values on the knob's scale, from 0 to 1; of a switch, 0 and 1."""
        values = np.array(self.values, dtype=np.float64)
        values = np.log2(values) if self.scale == "log2" else values
        span = np.ptp(values)
        return np.asarray((values - values[0]) / span if span else values * 0)


@dataclass(frozen=True)
class Case:
    """What is searched for in a table.

    Args:
        path: of the table, below the folder of data.
        knobs: its columns of knobs; those of one value are left out.
        objectives: expressions of columns, all to be minimised.
        constraints: that legal points meet, as in a configuration; a point that the table does not hold is not legal
            either.
        first: how many points all methods start from.
    """

    name: str
    path: str
    knobs: int
    objectives: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    first: int = 10


WORD = re.compile(r"[A-Za-z_]\w*")
SUM = "l1d_size + l2_size"
MATMUL = "riscv_gem5/matmul_exhaustive.csv"
CONVOLUTION = "dse/kerneltuner_convolution/{}.csv.gz"
BLACKSCHOLES = "dse/hypermapper_blackscholes/blackscholes_exhaustive.csv.gz"

CASES = {
    case.name: case
    for case in (
        Case("matmul_constrained", MATMUL, 8, ("cpu_cycles",), (f"{SUM} <= 8",)),
        Case("convolution_A100", CONVOLUTION.format("A100"), 7, ("time_ms",)),
        Case("convolution_A4000", CONVOLUTION.format("A4000"), 7, ("time_ms",)),
        Case("matmul_front", MATMUL, 8, ("cpu_cycles", SUM), first=20),
        Case("spector_mm", "dse/spector/mm.csv", 9, ("runtime_ms_raw", "logic_util"), first=20),
        Case("blackscholes", BLACKSCHOLES, 4, ("ALMs", "Cycles"), first=20),
    )
}


@dataclass(frozen=True)
class Problem:
    """A table as a space to search.

    Args:
        knobs: p of them.
        levels: (n, p) the legal points, as positions in each knob's values.
        costs: (n, m) objectives, all to be minimised; NaN for points that fail.
        complete: whether all points of the product of the knobs that meet the constraints are legal.
    """

    case: Case
    knobs: tuple[Knob, ...]
    levels: Levels
    costs: Matrix
    complete: bool

    @property
    def name(self) -> str:
        return self.case.name

    @property
    def objectives(self) -> int:
        return self.costs.shape[1]

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """The number of values of each knob."""
        return tuple(len(knob.values) for knob in self.knobs)

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """(n,) which legal points fail."""
        return np.isnan(self.costs).any(axis=1)

    @cached_property
    def features(self) -> Matrix:
        """(n, p) knobs on their scales, from 0 to 1."""
        return np.column_stack([knob.numbers[column] for knob, column in zip(self.knobs, self.levels.T, strict=True)])

    def rows(self, levels: Levels) -> Rows:
        """(k,) rows of (k, p) levels, -1 for a point that is not legal."""
        levels = np.asarray(levels)
        inside = ((levels >= 0) & (levels < np.array(self.counts))).all(axis=1)
        found = np.full(len(levels), -1, dtype=np.intp)
        found[inside] = self._places[np.ravel_multi_index(tuple(levels[inside].T), self.counts)]
        return found

    @cached_property
    def _places(self) -> Rows:
        places = np.full(int(np.prod(self.counts)), -1, dtype=np.intp)
        places[np.ravel_multi_index(tuple(self.levels.T), self.counts)] = np.arange(len(self.levels))
        return places

    def first(self, seed: int) -> Rows:
        """The legal points that all methods start from, at random: the same ones for a seed."""
        return np.random.default_rng([seed, 5]).choice(len(self.levels), self.case.first, replace=False)

    # Success

    @cached_property
    def reference(self) -> Vector:
        """(m,) the logarithm of the worst value of each objective over all points that do not fail."""
        return np.asarray(np.log(self.costs[~self.failed]).max(axis=0))

    @cached_property
    def best(self) -> float:
        """The least cost of all; with several objectives the hypervolume of the true front."""
        good = self.costs[~self.failed]
        return float(good.min()) if self.objectives == 1 else self.hypervolume(good)

    def hypervolume(self, costs: Matrix) -> float:
        """Of the logarithms of (k, m) costs without NaN, against the reference."""
        if not len(costs):
            return 0.0
        costs = np.log(costs)
        front = costs[metrics.pareto_mask(costs)]
        return metrics.hypervolume(front, self.reference)

    def curve(self, costs: Matrix) -> list[float]:
        """How good the points evaluated so far are, after each of the (k, m) costs, NaN where failed.

        Returns:
            With one objective, the regret in percent of the true best (infinite before the first valid point); with
            several, the share of the true front's hypervolume.
        """
        costs = np.asarray(costs, dtype=np.float64).reshape(-1, self.objectives)
        good = ~np.isnan(costs).any(axis=1)
        if self.objectives == 1:
            least = np.minimum.accumulate(np.where(good, costs[:, 0], np.inf))
            return [float(value) for value in 100 * (least / self.best - 1)]
        shares: list[float] = []
        for k in range(len(costs)):
            before = shares[-1] if shares else 0.0
            shares.append(self.hypervolume(costs[: k + 1][good[: k + 1]]) / self.best if good[k] else before)
        return shares

    def _declared(self, name: str, expression: str) -> dict[str, str]:
        """A cost as it is declared: one of knobs alone is derived."""
        knobs = {knob.name for knob in self.knobs}
        return {"name": name} | ({"expression": expression} if set(WORD.findall(expression)) <= knobs else {})

    def config(self) -> dict[str, Any]:
        """The configuration of deffe that declares its knobs, costs and constraints."""
        names = [f"objective_{i}" for i in range(self.objectives)]
        return {
            "knobs": [
                {"name": knob.name, "values": list(knob.values) if knob.numeric else [str(v) for v in knob.values]}
                for knob in self.knobs
            ],
            "constraints": list(self.case.constraints),
            "costs": [self._declared(*pair) for pair in zip(names, self.case.objectives, strict=True)],
            "objectives": [{"cost": name, "goal": "min"} for name in names],
        }


def _knob(name: str, column: pd.Series[Any]) -> Knob:
    """A knob of the values that occur; of two values that are 0 and 1, a switch."""
    values = tuple(np.unique(column).tolist())
    switch = set(values) <= {0, 1}
    doubles = len(values) > 2 and all(b == 2 * a for a, b in itertools.pairwise(values))
    return Knob(name, values, not switch, "log2" if doubles else "linear")


@lru_cache
def problem(name: str) -> Problem:
    """Read a table as a problem.

    Raises:
        OSError: the table is not there.
    """
    case = CASES[name]
    frame = pd.read_csv(DATA / case.path)
    names = [column for column in frame.columns[: case.knobs] if frame[column].nunique() > 1]
    knobs = tuple(_knob(column, frame[column]) for column in names)
    complete = len(frame) == int(np.prod([len(knob.values) for knob in knobs]))
    for constraint in case.constraints:
        frame = frame[frame.eval(constraint)].reset_index(drop=True)
    levels = np.column_stack([np.searchsorted(knob.values, frame[knob.name]) for knob in knobs]).astype(np.int32)
    costs = np.column_stack([frame.eval(objective) for objective in case.objectives]).astype(np.float64)
    for column, good in STATES.items():
        if column in frame:
            costs[(frame[column] != good).to_numpy()] = np.nan
    return Problem(case, knobs, levels, costs, complete)


def missing(names: Sequence[str]) -> list[str]:
    """The tables that are not there."""
    return sorted({CASES[name].path for name in names if not (DATA / CASES[name].path).is_file()})
