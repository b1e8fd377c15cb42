"""Points that active learning needs for the error of random sampling: ``python test/benchmark/active_learning.py``.

Prints Markdown tables; ends with 1 when a target is missed, and with 2 when something could not be measured.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from _measure import machine
from _scores import Positions, learn, median, per_seed
from _tables import DATA, TABLES, Rows, model, rows_of
from threadpoolctl import threadpool_limits

from deffe import metrics
from deffe.explorers._surrogate import Surrogate
from deffe.plugins import Plugin, load
from deffe.surrogates.target import Target
from deffe.testing import make_framework, with_options

FIRST, BATCH = 16, 8
RANDOM = (24, 32, 48, 64, 96, 128, 160, 192)
ACTIVE = (24, 32, 40, 48, 56, 64, 80, 96)
JUDGED = (64, 96, 128, 160, 192)
"""Numbers of random points whose error is to be reached with half as many."""
SHARE = 0.5
PROCESS = "process"
"""A Gaussian process of the logarithm alone, fitted once: what ``gaussian_process`` keeps, without cross-validation."""


@dataclass(frozen=True)
class Case:
    """A cost of a table, and how many of its rows are set aside to measure the error on."""

    table: str
    cost: str
    unseen: int


CASES = (Case("kmeans", "cpu_cycles", 500), Case("archexplorer", "ipc", 300))
Curve = dict[int, float]


def curves(learner: str, options: dict[str, object], case: Case, seed: int) -> tuple[Curve, Curve]:
    """Percentage error by points learned from, of random sampling and of active learning from the same first points."""
    rows = rows_of(case.table)
    distinct = np.sort(np.unique(rows.space.ids(rows.levels), return_index=True)[1])
    order = distinct[np.random.default_rng(seed).permutation(len(distinct))]
    unseen, pool = order[: case.unseen], order[case.unseen :]
    with threadpool_limits(1):
        error = partial(_error, learner, rows, case.cost, seed, unseen)
        chosen = _chosen(rows, case.cost, pool, seed, options)
        return {n: error(pool[:n]) for n in RANDOM}, {n: error(chosen[:n]) for n in ACTIVE}


def _error(learner: str, rows: Rows, cost: str, seed: int, unseen: Positions, train: Positions) -> float:
    actual = rows.cost(cost)
    if learner == PROCESS:
        process = Surrogate.learn(rows.features[train], actual[train], np.random.default_rng(seed), restarts=1)
        means = Target.of(actual[train]).cost(process.mean(rows.features[unseen]))
        return metrics.mape(actual[unseen], means)
    plugin = model(learner, rows, cost, seed)
    learn(plugin, rows, cost, train, seed)
    found = plugin.ask("Predict", features=rows.features[unseen], levels=rows.levels[unseen])
    return metrics.mape(actual[unseen], found.mean[:, 0])


def _chosen(rows: Rows, cost: str, pool: Positions, seed: int, options: dict[str, object]) -> Positions:
    """Rows in the order in which active learning chooses them, the first ones at random."""
    explorer, space = _explorer(rows, cost, pool, seed, options)
    place = {int(identity): row for identity, row in zip(space.ids(rows.levels[pool]), pool, strict=True)}
    table = rows.frame.assign(state="done", step=0)
    train = list(pool[:FIRST])
    while len(train) < max(ACTIVE):
        known = np.sort(space.ids(rows.levels[train]))
        given = {"report": None, "target_error": None, "model": None, "known": known}
        step = (len(train) - FIRST) // BATCH
        advice = explorer.ask("Run", step=step, count=BATCH, table=table.iloc[train], **given)
        train += [place[int(identity)] for identity in advice.points.ids]
    return np.array(train)


def _explorer(rows: Rows, cost: str, pool: Positions, seed: int, options: dict[str, object]) -> tuple[Plugin, object]:
    with tempfile.TemporaryDirectory(prefix="deffe_benchmark_") as folder:
        framework = make_framework(Path(folder), "exploration", config={**rows.config, "costs": [cost]}, seed=seed)
    space = rows.space.listed(rows.levels[pool])
    framework = replace(framework, name="active_learning", space=space)
    return load("explorer", "active_learning", with_options(framework, **options)), space


def points_for(error: float, curve: Curve) -> float:
    """Points from which a curve stays at or below an error, on a line between those measured; infinite if none."""
    counts = sorted(curve)
    above = [n for n in counts if curve[n] > error]
    if not above:
        return float(counts[0])
    last = counts.index(above[-1])
    if last + 1 == len(counts):
        return float("inf")
    low, high = counts[last], counts[last + 1]
    return low + (high - low) * (curve[low] - error) / (curve[low] - curve[high])


def show(case: Case, found: Sequence[tuple[Curve, Curve]]) -> bool:
    """Print the medians of a case, and the points needed; whether the target is met at the most points that tell."""
    rivals = {n: median(rival[n] for rival, _ in found) for n in RANDOM}
    ours = {n: median(own[n] for _, own in found) for n in ACTIVE}
    print(f"\n{case.table} {case.cost}, median error on {case.unseen} unseen rows:\n")
    counts = sorted({*RANDOM, *ACTIVE})
    print(f"| points | {' | '.join(map(str, counts))} |\n|{'---|' * (len(counts) + 1)}")
    for name, curve in (("random", rivals), ("active_learning", ours)):
        print(f"| {name} | {' | '.join(f'{curve[n]:.2f}' if n in curve else '' for n in counts)} |")
    print("\n| error of so many random points | reached by | share | at most half |\n|---|---|---|---|")
    met = []
    for n in JUDGED:
        needed = points_for(rivals[n], ours)
        text = f"{needed:.0f} | {needed / n:.2f}" if np.isfinite(needed) else f"more than {max(ACTIVE)} | "
        met.append(needed <= SHARE * n)
        print(f"| {n}: {rivals[n]:.2f} % | {text} | {'yes' if met[-1] else 'no'} |", flush=True)
    return all(met)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-seeds", "--seeds", type=int, default=10, help="number of random choices of the first points")
    parser.add_argument("-jobs", "--jobs", type=int, default=2, help="processes; each computes on one thread")
    parser.add_argument("-model", "--model", default="auto", help=f"whose error is measured; or {PROCESS}")
    parser.add_argument("-criterion", "--criterion", default=None, help="of active_learning; default: its own")
    known = [case.table for case in CASES]
    parser.add_argument("-only", "--only", nargs="+", choices=known, default=known, help="tables")
    asked = parser.parse_args()
    missing = sorted({TABLES[name].path for name in asked.only if not TABLES[name].file.is_file()})
    if missing:
        print(f"nothing can be measured: {', '.join(missing)} not found in {DATA}", file=sys.stderr)
        return 2
    options = {} if asked.criterion is None else {"criterion": asked.criterion}
    cases = [case for case in CASES if case.table in asked.only]
    print(
        f"### Active learning\n\nPercentage error of {asked.model}, {asked.seeds} choices of the first {FIRST} points."
    )
    measure = partial(curves, asked.model, options)
    found = zip(cases, per_seed(measure, cases, range(asked.seeds), asked.jobs), strict=True)
    met = [show(case, curve) for case, curve in found]
    print(f"\n{machine()}")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
