"""How quickly models learn and predict, on made-up costs of made-up knobs."""

from __future__ import annotations

import importlib.util
import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from _measure import Figure
from _measure import show as show_figures
from _tables import Rows, model, rows_of_config

LIBRARIES = {
    "xgboost_trees": "xgboost",
    "catboost_trees": "catboost",
    "torch_cnn": "torch",
    "keras_cnn": "keras",
}
"""Models that need a library that may be absent."""
TREES_AND_LINES = (
    "extra_trees",
    "sklearn_rf",
    "boosting",
    "xgboost_trees",
    "catboost_trees",
    "lasso",
)
FORESTS = ("extra_trees", "sklearn_rf")
"""Their trees grow with the rows learned from."""
RATES = {**dict.fromkeys(TREES_AND_LINES, 500_000), "torch_cnn": 100_000, "keras_cnn": 100_000}
"""Points a second to reach."""
PROCESS_RATE = 100_000
CORES = 2
MOSTLY_FREE = 1.8
"""Cores below which a miss says nothing."""
POINTS = 1_000_000
LEARNED = 1000
MOST_MEMORY_MIB = 512
EPOCHS = 100


def made_up(knobs: int, rows: int) -> tuple[Rows, np.ndarray]:
    """Points of so many knobs of 8 values, and a cost that depends on them smoothly, in steps and in pairs."""
    config = {"knobs": [{"name": f"knob{i:02d}", "values": [1, 2, 4, 8, 16, 32, 64, 128]} for i in range(knobs)]}
    points = rows_of_config(config, rows)
    x = points.features
    bends = x @ np.linspace(1, 0.1, knobs) + 2 * x[:, 0] * x[:, 1] + (x[:, 2] > 0.5) * x[:, 3]
    return points, np.exp(bends + 0.02 * np.random.default_rng(0).standard_normal(rows))[:, None]


@dataclass(frozen=True)
class Timed:
    """What a model used.

    Args:
        learn_cpu_s: of learning.
        wall_s, cpu_s, peak_mib: of predicting.
        free: cores that other work of the machine left to it meanwhile.
    """

    learn_cpu_s: float
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0
    free: float = 0.0


def measure(name: str, knobs: int, learned: int, points: int, options: dict[str, object]) -> Timed:
    """Learn some rows and predict others, the latter twice: the quicker time counts."""
    rows, cost = made_up(knobs, learned)
    plugin = model(name, rows, "cost", 0, (), **options)
    started = time.process_time()
    aside = np.arange(learned) % 5 == 0
    plugin.ask("Run", features=rows.features, costs=cost, levels=rows.levels, step=0, validation=aside)
    learn_cpu_s = time.process_time() - started
    if not points:
        return Timed(learn_cpu_s)
    many = rows.space.sample(points, np.random.default_rng(1))
    features = rows.space.features(many)
    plugin.ask("Predict", features=features[:1000], levels=many[:1000])
    before, free, times = _peak_mib(), _free_cores(), []
    for _ in range(2):
        wall, cpu = time.monotonic(), time.process_time()
        plugin.ask("Predict", features=features, levels=many)
        times.append((time.monotonic() - wall, time.process_time() - cpu))
    peak = _peak_mib() - before
    return Timed(learn_cpu_s, *min(times), peak, (free + _free_cores()) / 2)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _free_cores() -> float:
    """CPU seconds a second that as many threads as are wanted get for simple work."""
    numbers = np.linspace(0, 1, 1 << 17)
    wall, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(CORES) as threads:
        list(threads.map(lambda _: float(np.sin(numbers).sum()), range(400)))
    return (time.process_time() - cpu) / (time.monotonic() - wall)


def apart(name: str, knobs: int, learned: int, points: int, threads: str, **options: object) -> Timed:
    """``measure`` in a fresh process, whose numeric libraries may use so many threads."""
    before = os.environ.get("OMP_NUM_THREADS", "")
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = threads
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as worker:
            return worker.submit(measure, name, knobs, learned, points, options).result()
    finally:
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = before or "1"


def figures() -> Iterator[Figure]:
    """Each as soon as it is known."""
    found = apart("auto", 20, LEARNED, 0, "1")
    what = f"auto learns {LEARNED:,} rows of 20 knobs"
    yield Figure(what, f"{found.learn_cpu_s:.1f} s CPU", "<= 60 s CPU", found.learn_cpu_s <= 60)
    for name, least in RATES.items():
        for rows in (200, LEARNED) if name in FORESTS else (LEARNED,):
            yield _rate(name, rows, POINTS, least)
    for rows in (200, 500, 1000):
        yield _rate("gaussian_process", rows, POINTS // 10, PROCESS_RATE)
    yield _rate("support_vectors", 200, POINTS // 10, None)
    yield _rate("auto", 200, POINTS // 10, None)
    for name in ("torch_cnn", "keras_cnn"):
        yield _training(name)


def _rate(name: str, learned: int, points: int, least: int | None) -> Figure:
    what = f"{name}, learned from {learned:,} rows of 8 knobs, predicts {points:,} points"
    if absent := _absent(name):
        return Figure(what, absent)
    found = apart(name, 8, learned, points, str(CORES))
    rate = points / found.wall_s
    told = f"{rate:,.0f} a second ({found.cpu_s / points * 1e6:.2f} s CPU a million), {found.peak_mib:.0f} MiB more"
    if least is None:
        return Figure(what, told)
    target = f">= {least:,} a second, <= {MOST_MEMORY_MIB} MiB"
    if rate < least and found.free < MOSTLY_FREE:
        return Figure(what, f"{told}; not judged: only {found.free:.1f} cores were free", target)
    return Figure(what, told, target, rate >= least and found.peak_mib <= MOST_MEMORY_MIB)


def _training(name: str) -> Figure:
    what = f"{name}: {EPOCHS} epochs on 2,000 rows of 8 knobs"
    if absent := _absent(name):
        return Figure(what, absent)
    found = apart(name, 8, 2000, 0, "1", epochs=EPOCHS, patience=0)
    return Figure(what, f"{found.learn_cpu_s:.1f} s CPU", "< 10 s CPU", found.learn_cpu_s < 10)


def _absent(name: str) -> str:
    library = LIBRARIES.get(name, "numpy")
    return "" if importlib.util.find_spec(library) else f"not measured: {library} is not installed"


def show(seeds: range, jobs: int) -> bool:
    """Print all figures; whether all targets are met."""
    print()
    return show_figures("Speed of learning and predicting", figures())
