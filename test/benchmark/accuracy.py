"""Accuracy of the models on real gem5 results, beside their rivals: ``python test/benchmark/accuracy.py``.

Prints a Markdown table: the mean absolute percentage error on all rows not trained on, median over the seeds. Models
and rivals see the same rows and the same features (knobs scaled as ``DesignSpace.features`` does) and learn the
logarithm of the cost.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "framework"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from deffe import metrics  # noqa: E402
from deffe.models import gaussian_process, sklearn_rf  # noqa: E402

Vector = NDArray[np.float64]
Fit = Callable[[Vector, Vector, int], Callable[[Vector], Vector]]


@dataclass(frozen=True)
class Case:
    """A cost of a table, learned from some numbers of rows; the first ``knobs`` columns are the knobs."""

    table: str
    cost: str
    knobs: int
    rows: tuple[int, ...]


CASES = (
    Case("riscv_gem5/kmeans.csv", "cpu_cycles", 8, (100, 200)),
    Case("riscv_gem5/matmul.csv", "cpu_cycles", 8, (100, 200)),
    Case("dse/archexplorer_gem5/archexplorer_gem5.csv", "ipc", 22, (104,)),
    Case("dse/archexplorer_gem5/archexplorer_gem5.csv", "power", 22, (104,)),
    Case("dse/archexplorer_gem5/archexplorer_gem5.csv", "area", 22, (104,)),
)


def plugin(module: Any) -> Fit:
    """A model of deffe, through its plugin object."""

    def fit(features: Vector, cost: Vector, seed: int) -> Callable[[Vector], Vector]:
        framework = SimpleNamespace(
            costs=("cost",),
            log=logging.getLogger("benchmark"),
            options=lambda model: model(),
            rng=lambda step=0: np.random.default_rng([seed, step]),
        )
        model = module.GetObject(framework)
        model.Initialize()
        model.Run(features, cost[:, None])
        return lambda points: model.Predict(points).mean[:, 0]

    return fit


def rival(make: Callable[[int, int], Any]) -> Fit:
    """A learner of scikit-learn on standardised logarithms."""

    def fit(features: Vector, cost: Vector, seed: int) -> Callable[[Vector], Vector]:
        target = np.log(cost)
        centre, scale = target.mean(), target.std()
        learner = make(features.shape[1], seed).fit(features, (target - centre) / scale)
        return lambda points: np.exp(centre + scale * learner.predict(points))

    return fit


def matern_process(axes: int, seed: int) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel(1.0, (1e-3, 1e4)) * Matern([1.0] * axes, (0.05, 50), nu=2.5) + WhiteKernel(
        1e-2, (1e-7, 1.0)
    )
    return GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=seed)


def forest(axes: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(200, random_state=seed)


LEARNERS: dict[str, Fit] = {
    "gaussian_process": plugin(gaussian_process),
    "sklearn_rf": plugin(sklearn_rf),
    "scikit-learn GP, ARD Matern 5/2": rival(matern_process),
    "scikit-learn forest, 200 trees": rival(forest),
}


def load(case: Case) -> tuple[Vector, Vector]:
    """(n, d) features and (n,) costs of a case; knobs on a log2 scale where all their values are powers of two.

    The sizes of the kernels' problems are log2-scaled as well, as their example configurations declare them.
    """
    frame = pd.read_csv(DATA / case.table)
    columns = []
    for name in frame.columns[: case.knobs]:
        values = frame[name].to_numpy(dtype=np.float64)
        steps = np.log2(np.unique(values)) if values.min() > 0 else np.array([0.5])
        if (len(steps) >= 3 and np.all(steps == np.round(steps))) or case.table.startswith("riscv_gem5"):
            values = np.log2(values)
        if np.ptp(values) > 0:
            columns.append((values - values.min()) / np.ptp(values))
    return np.stack(columns, axis=1), frame[case.cost].to_numpy(dtype=np.float64)


def error(fit: Fit, features: Vector, cost: Vector, rows: int, seed: int) -> tuple[float, float]:
    """Percentage error on the rows not trained on, and CPU seconds of training (with cross-validation, for ours)."""
    order = np.random.default_rng(seed).permutation(len(cost))
    train, rest = order[:rows], order[rows:]
    started = time.process_time()
    # one thread for all, so that CPU seconds compare
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")
        predict = fit(features[train], cost[train], seed)
    seconds = time.process_time() - started
    return metrics.mape(cost[rest], predict(features[rest])), seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-seeds", "--seeds", type=int, default=3, help="number of random choices of the training rows")
    seeds = parser.parse_args().seeds
    missing = sorted({case.table for case in CASES if not (DATA / case.table).is_file()})
    if missing:
        print(f"not measured: {', '.join(missing)} not found in {DATA}", file=sys.stderr)
        return 2
    print(f"Mean absolute percentage error on unseen rows, median of {seeds} seeds (CPU seconds of training)\n")
    print(f"| table | cost | rows | {' | '.join(LEARNERS)} |")
    print(f"|---|---|---|{'---|' * len(LEARNERS)}")
    for case in CASES:
        features, cost = load(case)
        for rows in case.rows:
            cells = []
            for fit in LEARNERS.values():
                runs = [error(fit, features, cost, rows, seed) for seed in range(seeds)]
                percent, seconds = np.median(np.array(runs), axis=0)
                cells.append(f"{percent:.2f} % ({seconds:.1f} s)")
            print(f"| {Path(case.table).stem} | {case.cost} | {rows} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
