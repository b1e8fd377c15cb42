"""Whether the summary's forecast and its confidence come true: ``python test/benchmark/stopping.py``.

On tables that have every point, runs of several seeds are stopped at several numbers of evaluations. What the summary
would say there is held against what is so, and against what further evaluations brought.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

from _measure import Figure, show
from _tables import DATA, HAS_SETS, ROOT

sys.path.insert(0, str(ROOT / "framework"))

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.api import Framework, Levels
from deffe.config import Objective
from deffe.learn.learner import Learner
from deffe.learn.splits import DrawnSplit
from deffe.outlook.by_model import WITHIN, Outlook
from deffe.outlook.forecast import Forecast
from deffe.plugins import load
from deffe.records import State
from deffe.space.derived_costs import DerivedCosts
from deffe.store import ExplorationHistory
from deffe.testing import make_framework

Rows = NDArray[np.int64]
Vector = NDArray[np.float64]
STOPS = (40, 80, 120, 160, 200)
"""Evaluations after which a run is looked at."""
FIRST = 20
FURTHER = 80
"""Evaluations that are forecast, so that three of the stops have what came of them."""
SURE = 0.9
MODES = {"guided": "chosen by the model", "random": "drawn at random"}


@dataclass(frozen=True)
class Space:
    """A table with every point of a design space: its file, the cost to minimise, knobs, and a condition on rows."""

    file: str
    cost: str
    knobs: int
    constraints: tuple[str, ...] = ()


TABLES = {
    "matmul, small caches": Space(
        "riscv_gem5/matmul_exhaustive.csv", "cpu_cycles", 7, (*HAS_SETS, "l1d_size + l2_size <= 8")
    ),
    "convolution A100": Space("dse/kerneltuner_convolution/A100.csv.gz", "time_ms", 7),
    "convolution A4000": Space("dse/kerneltuner_convolution/A4000.csv.gz", "time_ms", 7),
}


@dataclass(frozen=True)
class Said:
    """What was said after so many evaluations, and what was so.

    Args:
        regret, later: percent above the true best, then and after the further evaluations (NaN if not known).
        true: the best evaluated was within ``WITHIN`` percent of the true best.
    """

    table: str
    mode: str
    seed: int
    evaluations: int
    forecast: Forecast
    best: float
    later: float
    truth: float

    @property
    def true(self) -> bool:
        return self.best * (1 - WITHIN / 100) <= self.truth

    @property
    def share(self) -> float:
        return self.forecast.confidence[0].share if self.forecast.confidence else float("nan")


def runs(table: str, mode: str, seed: int, model: str) -> list[Said]:
    """One run, looked at after each of ``STOPS``."""
    there = TABLES[table]
    frame = pd.read_csv(DATA / there.file)
    names = list(frame.columns[: there.knobs])
    knobs = [{"name": name, "values": np.unique(frame[name]).tolist()} for name in names]
    config = {"knobs": knobs, "constraints": list(there.constraints), "costs": [there.cost]}
    with tempfile.TemporaryDirectory(prefix="deffe_benchmark_") as folder:
        framework = make_framework(Path(folder), "model", config=config, seed=seed)
    space = framework.space
    levels = space.encode(frame)
    rows = np.flatnonzero(space.valid(levels))
    levels, costs = levels[rows], frame[there.cost].to_numpy(np.float64)[rows]
    if "status" in frame:
        costs = np.where(frame["status"].to_numpy()[rows] == "ok", costs, np.nan)
    return _explored(table, mode, seed, model, framework, levels, costs)


def _explored(
    table: str, mode: str, seed: int, model: str, framework: Framework, levels: Levels, costs: Vector
) -> list[Said]:
    rng, space, cost = np.random.default_rng(seed), framework.space, TABLES[table].cost
    plugin = load("model", model, framework)
    plugin.call("Initialize")
    learner = Learner(plugin, space, [cost], [cost], DerivedCosts([cost], {}), DrawnSplit(1.0, 0.2, seed))
    ids = space.ids(levels)
    known = rng.choice(len(levels), FIRST, replace=False)
    said: list[tuple[int, Forecast]] = []
    bests: dict[int, float] = {}
    for step, stop in enumerate(STOPS):
        known = np.append(known, _next(learner, mode, levels, known, stop - len(known), rng))
        states = np.where(np.isfinite(costs[known]), State.DONE, State.FAILED).astype(np.int8)
        done = known[states == State.DONE]
        learner.learn(levels[done], costs[done][:, None], ids[done], step)
        history = ExplorationHistory(
            levels[known], ids[known], costs[known][:, None], states, np.zeros(len(known), np.int64)
        )
        outlook = Outlook(space, [cost], [Objective(cost, "min")], history, learner, True, rng.spawn(1)[0])
        rest = np.setdiff1d(np.arange(len(levels)), known)
        outlook.add(levels[rest], learner.Predict(levels[rest]))
        bests[stop] = float(np.nanmin(costs[known]))
        said.append((stop, outlook.forecast(mode == "guided", FURTHER)))
    truth, nan = float(np.nanmin(costs)), float("nan")
    return [
        Said(table, mode, seed, stop, forecast, bests[stop], bests.get(stop + FURTHER, nan), truth)
        for stop, forecast in said
    ]


def _next(learner: Learner, mode: str, levels: Levels, known: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Rows to evaluate: nine tenths by the most optimistic prediction where the model chooses, the rest at random."""
    rest = rng.permutation(np.setdiff1d(np.arange(len(levels)), known))
    if mode == "random" or learner.report is None:
        return rest[:count]
    order = rest[np.argsort(learner.Predict(levels[rest]).lower[:, 0], kind="stable")]
    best = order[: count - count // 10]
    return np.append(best, np.setdiff1d(rest, best, assume_unique=True)[: count // 10])


def reliability(said: Sequence[Said]) -> Iterator[Figure]:
    """How often a confidence was right."""
    shares, true = np.array([one.share for one in said]), np.array([one.true for one in said])
    yield Figure("could not be said", f"{int(np.isnan(shares).sum())} of {len(said)}")
    edges = (0.0, 0.1, 0.5, SURE, 1.0000001)
    for low, high in pairwise(edges):
        here = (shares >= low) & (shares < high)
        if here.any():
            measured = (
                f"{int(true[here].sum())} of {int(here.sum())} within {WITHIN:g} % ({100 * true[here].mean():.0f} %)"
            )
            target = ("at least 85 %", bool(true[here].mean() >= 0.85)) if low == SURE else ()
            yield Figure(f"confidence {100 * low:.0f} to {100 * min(high, 1):.0f} %", measured, *target)
    found = np.isfinite(shares)
    if found.any():
        yield Figure("Brier score", f"{np.mean((shares[found] - true[found]) ** 2):.3f}")


def forecasts(said: Sequence[Said]) -> Iterator[Figure]:
    """What was expected of further evaluations, and what they brought."""
    for mode, table in product(MODES, TABLES):
        here = [
            s for s in said if (s.mode, s.table) == (mode, table) and np.isfinite([s.later, s.forecast.expected]).all()
        ]
        if not here:
            continue
        regret = [
            100 * (np.median([value / s.truth for s, value in zip(here, values, strict=True)]) - 1)
            for values in (
                [s.best for s in here],
                [s.forecast.expected for s in here],
                [s.later for s in here],
            )
        ]
        inside = np.mean([s.forecast.low * (1 - 1e-9) <= s.later <= s.forecast.high * (1 + 1e-9) for s in here])
        measured = (
            f"{regret[0]:.1f} % -> expected {regret[1]:.1f} %, found {regret[2]:.1f} %; {100 * inside:.0f} % inside"
        )
        yield Figure(f"{table}, {MODES[mode]} ({len(here)} forecasts)", measured)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-seeds", type=int, default=10)
    parser.add_argument("-jobs", type=int, default=2)
    parser.add_argument("-model", default="gaussian_process")
    parser.add_argument("-keep", help="a pickle of all that was said")
    given = parser.parse_args()
    if not DATA.is_dir():
        print(f"there are no tables of recorded results in {DATA}")
        return 2
    tasks = list(product(TABLES, MODES, range(given.seeds)))
    with ProcessPoolExecutor(given.jobs) as pool:
        said = [one for part in pool.map(runs, *zip(*tasks, strict=True), [given.model] * len(tasks)) for one in part]
    if given.keep:
        pd.to_pickle(said, given.keep)
    fine = show("Confidence, points chosen by the model", reliability([one for one in said if one.mode == "guided"]))
    fine &= show("Confidence, points drawn at random", reliability([one for one in said if one.mode == "random"]))
    fine &= show(f"Regret of the best (median) and what {FURTHER} further evaluations bring", forecasts(said))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
