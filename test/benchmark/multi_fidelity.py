"""Time that cheap evaluations save in the search for the best dear one: ``python test/benchmark/multi_fidelity.py``.

Prints Markdown tables; ends with 2 when something could not be measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from _measure import machine
from _scores import median, per_seed
from _tables import DATA, HAS_SETS, STATES, TABLES, Vector
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from deffe.api import DesignSpace, Framework
from deffe.plugins import Plugin, load
from deffe.testing import make_framework, with_options

FIRST, BATCH, BUDGET = 4, 4, 48
"""Points of the target at first, and as much time for others; points of a step; time, in evaluations of the target."""
TIMES = (8, 12, 16, 24, 32, 48)
GOALS = (20.0, 10.0, 5.0, 1.0)
Curve = dict[int, float]


@dataclass(frozen=True)
class Case:
    """A search for the lowest cost at one value of a knob.

    Args:
        seconds: of an evaluation at each value; None to take those that were measured.
    """

    name: str
    knob: str
    target: str
    cost: str
    seconds: Mapping[str, float] | None
    text: str


CASES = (
    Case("matmul", "matmul_size", "64", "cpu_cycles", None, "gem5, matrices of 16 to 64; times as measured"),
    Case(
        "convolution",
        "device",
        "A100",
        "time_ms",
        {"A4000": 1.0, "A100": 10.0},
        "two GPUs; the other taken for 10 times cheaper",
    ),
)


def frame_of(case: Case) -> pd.DataFrame:
    """The rows of a case that are done, with their seconds in ``evaluate_s``."""
    if case.name == "matmul":
        frame = pd.read_csv(TABLES["matmul"].file)
        return frame.rename(columns={"host_seconds": "evaluate_s"})
    parts = []
    for device in ("A100", "A4000"):
        part = pd.read_csv(TABLES[f"convolution_{device}"].file).assign(device=device)
        parts.append(part[part["status"] == STATES["status"]])
    return pd.concat(parts, ignore_index=True)


def knobs_of(case: Case, frame: pd.DataFrame) -> list[str]:
    table = TABLES["matmul" if case.name == "matmul" else "convolution_A100"]
    names = list(frame.columns[: table.knobs])
    return names if case.knob in names else [*names, case.knob]


def curves(case: Case, seed: int) -> tuple[Curve, Curve]:
    """Percent above the best by time spent, of the search among all fidelities and of that in the target alone."""
    with threadpool_limits(1):
        return search(case, seed, alone=False), search(case, seed, alone=True)


@dataclass(frozen=True)
class Recorded:
    """The rows of a case, each point once.

    Args:
        levels: (n, p) of the space of ``framework``.
        target: (n,) bool, in the fidelity that counts.
        seconds: (n,) that an evaluation takes.
    """

    frame: pd.DataFrame
    framework: Framework
    levels: NDArray[np.int32]
    target: NDArray[np.bool_]
    seconds: Vector

    @classmethod
    def of(cls, case: Case, seed: int) -> Recorded:
        frame = frame_of(case)
        knobs = [{"name": knob, "values": np.unique(frame[knob]).tolist()} for knob in knobs_of(case, frame)]
        constraints = list(HAS_SETS) if case.name == "matmul" else []
        config = {"knobs": knobs, "constraints": constraints, "costs": [case.cost]}
        with tempfile.TemporaryDirectory(prefix="deffe_benchmark_") as folder:
            framework = make_framework(Path(folder), "exploration", config=config, seed=seed)
        levels = framework.space.encode(frame)
        distinct = np.sort(np.unique(framework.space.ids(levels), return_index=True)[1])
        frame, levels = frame.iloc[distinct].reset_index(drop=True), levels[distinct]
        fidelity = frame[case.knob].astype(str)
        seconds = fidelity.map(case.seconds) if case.seconds else frame["evaluate_s"]
        return cls(frame, framework, levels, (fidelity == case.target).to_numpy(), seconds.to_numpy())

    def first(self, seed: int, alone: bool) -> list[int]:
        """Rows to begin with: of the target, and of other fidelities, or of the target again, for as much time."""
        rng = np.random.default_rng(seed)
        dear, others = (rng.permutation(np.flatnonzero(rows)) for rows in (self.target, ~self.target))
        if alone:
            return list(dear[: 2 * FIRST])
        count = int((np.cumsum(self.seconds[others]) <= FIRST * self.unit).sum())
        return [*dear[:FIRST], *others[:count]]

    @property
    def unit(self) -> float:
        """Seconds of an evaluation of the target."""
        return float(self.seconds[self.target].mean())


def search(case: Case, seed: int, alone: bool) -> Curve:
    recorded = Recorded.of(case, seed)
    levels, target, seconds, unit = recorded.levels, recorded.target, recorded.seconds, recorded.unit
    chosen = recorded.first(seed, alone)
    space = recorded.framework.space.listed(levels[target] if alone else levels)
    explorer = explorer_of(case, recorded.framework, space)
    place = {int(identity): row for row, identity in enumerate(space.ids(levels))}
    table = recorded.frame.assign(state="done", step=0)
    step = 0
    while seconds[chosen].sum() < BUDGET * unit:
        known = np.sort(space.ids(levels[chosen]))
        advice = explorer.ask("Run", step=step, count=BATCH, known=known, table=table.iloc[chosen])
        if advice is None or advice.points is None:
            break
        chosen += [place[int(identity)] for identity in advice.points.ids]
        step += 1
    costs = recorded.frame[case.cost].to_numpy()
    best = costs[target].min()
    spent = np.cumsum(seconds[chosen]) / unit
    regret = np.minimum.accumulate(np.where(target[chosen], 100 * (costs[chosen] / best - 1), np.inf))
    return {t: float(regret[spent <= t + 1e-9][-1]) for t in range(FIRST * 2, BUDGET + 1)}


def explorer_of(case: Case, framework: Framework, space: DesignSpace) -> Plugin:
    fidelity = {"knob": case.knob, "target": case.target if case.name != "matmul" else int(case.target)}
    if case.seconds:
        fidelity["seconds"] = dict(case.seconds)
    made = with_options(replace(framework, name="multi_fidelity", space=space), fidelity=fidelity)
    return load("explorer", "multi_fidelity", made)


def first_time(curve: Curve, goal: float) -> float:
    return next((float(t) for t in sorted(curve) if curve[t] <= goal), float("inf"))


def show(case: Case, found: Sequence[tuple[Curve, Curve]]) -> None:
    print(f"\n{case.name}, {case.cost} at {case.knob} = {case.target} ({case.text}): median percent above the best\n")
    print(f"| time, in evaluations of the target | {' | '.join(map(str, TIMES))} |\n|{'---|' * (len(TIMES) + 1)}")
    for name, place in (("multi_fidelity", 0), ("the target alone", 1)):
        print(f"| {name} | {' | '.join(f'{median(pair[place][t] for pair in found):.1f}' for t in TIMES)} |")
    print("\n| within | multi_fidelity after | the target alone after | share |\n|---|---|---|---|")
    for goal in GOALS:
        both = [median(first_time(pair[place], goal) for pair in found) for place in (0, 1)]
        texts = [f"{time:.0f}" if np.isfinite(time) else f"more than {BUDGET}" for time in both]
        share = f"{both[0] / both[1]:.2f}" if np.isfinite(both).all() else ""
        print(f"| {goal:g} % | {' | '.join(texts)} | {share} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-seeds", "--seeds", type=int, default=10, help="number of random choices of the first points")
    parser.add_argument("-jobs", "--jobs", type=int, default=2, help="processes; each computes on one thread")
    known = [case.name for case in CASES]
    parser.add_argument("-only", "--only", nargs="+", choices=known, default=known, help="cases")
    asked = parser.parse_args()
    needed = [TABLES[name] for name in ("matmul", "convolution_A100", "convolution_A4000")]
    if missing := sorted(table.path for table in needed if not table.file.is_file()):
        print(f"nothing can be measured: {', '.join(missing)} not found in {DATA}", file=sys.stderr)
        return 2
    cases = [case for case in CASES if case.name in asked.only]
    print(f"### Several fidelities\n\n{asked.seeds} choices of the first points.")
    for case, found in zip(cases, per_seed(curves, cases, range(asked.seeds), asked.jobs), strict=True):
        show(case, found)
    print(f"\n{machine()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
