"""CPU time of a batch of 16 points from 10^12, with 500 evaluated: ``python test/benchmark/propose.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from _measure import DEFFE, Figure, Usage, measure, show, workplace

TARGET_S = 10.0
KNOBS, EVALUATED, BATCH = 12, 500, 16
CASES: tuple[tuple[str, dict[str, str], int], ...] = (
    ("bayesian", {}, 1),
    ("bayesian", {}, 2),
    ("bayesian", {"engine": "botorch"}, 1),
    ("bayesian", {"engine": "botorch"}, 2),
    ("cost_1d", {}, 1),
    ("cost_2d", {}, 2),
    ("active_learning", {}, 1),
    ("evolutionary", {}, 2),
)
FUNCTION = """
import numpy as np

def costs(frame):
    k = [frame[f"k{i}"] / 10 for i in range(12)]
    cycles = 100 + 50 * k[0] * k[1] + 30 * np.sin(3 * k[2]) + 20 * k[3] ** 2 + 10 * k[4] + k[5] * k[6] + k[10] * k[11]
    return {"cycles": cycles, "energy": 10 + 5 * k[0] + 3 * (1 - k[1]) ** 2 + 2 * k[2] + k[7] + k[8] * k[9]}
"""


def figures() -> Iterator[Figure]:
    for explorer, options, objectives in CASES:
        # only these go by the model of the run; what learning takes is not theirs
        flags = () if explorer.startswith("cost") else ("-no-train",)
        drawn, proposed = used("predict_all", {}, objectives, flags), used(explorer, options, objectives, flags)
        spent = proposed.cpu_s - drawn.cpu_s
        what = ", ".join([explorer, *(f"{name} {value}" for name, value in options.items()), f"{objectives} objective"])
        told = f"{max(spent, 0):.1f} s CPU, {proposed.peak_mib:.0f} MiB"
        yield Figure(f"{what}{'s' if objectives > 1 else ''}", told, f"< {TARGET_S:.0f} s CPU", spent < TARGET_S)


def used(explorer: str, options: dict[str, str], objectives: int, flags: tuple[str, ...]) -> Usage:
    """A run in which the explorer proposes one batch."""
    config = {
        "knobs": [{"name": f"k{i}", "values": "1-10"} for i in range(KNOBS)],
        "costs": ["cycles", "energy"][:objectives],
        "evaluate": {"pyscript": "vectorised", "options": {"function": "costs.py:costs"}},
        "sampling": {"init_batch_samples": EVALUATED, "fixed_samples": BATCH},
        "model": {"pyscript": "gaussian_process"},
        "exploration": {"pyscript": explorer, "options": options},
    }
    with workplace(config, costs_py=FUNCTION) as folder:
        usage = measure((*DEFFE, "-no-inference", *flags, "-step-end", "2"), folder)
    if f"{EVALUATED + BATCH} points evaluated" not in usage.output:
        sys.exit(f"{explorer}: not {EVALUATED + BATCH} points evaluated:\n{usage.output}")
    return usage


if __name__ == "__main__":
    sys.exit(0 if show("A batch of 16 points from 10^12, with 500 evaluated", figures()) else 1)
