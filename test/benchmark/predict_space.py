"""Predicting every point of a large space: CPU time, wall time and memory, with several models.

``python test/benchmark/predict_space.py``; ``-points 100000000`` predicts as many as the target is of, and takes up to
ten minutes a model; ``-models`` names those that are measured.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator

from _measure import DEFFE, Figure, Usage, measure, show, workplace

TARGET_S, TARGET_MIB, TARGET_POINTS = 600.0, 2048.0, 100_000_000
KNOBS, LEARNED = 8, 500
MODELS = ("boosting", "extra_trees", "gaussian_process", "auto")
FUNCTION = """
import numpy as np

def costs(frame):
    k = [frame[f"k{i}"] / 10 for i in range(8)]
    cycles = 100 + 50 * k[0] * k[1] + 30 * np.sin(3 * k[2]) + 20 * k[3] ** 2 + 10 * k[4] + k[5] * k[6]
    return {"cycles": cycles, "energy": 10 + 5 * k[0] + 3 * (1 - k[1]) ** 2 + 2 * k[2] + k[7]}
"""


def configuration(points: int, model: str) -> dict[str, object]:
    """A space of ten levels a knob, as many knobs as that takes; the others have one level."""
    varied = len(str(points)) - 1
    knobs = [{"name": f"k{i}", "values": "0-10" if i < varied else "5"} for i in range(KNOBS)]
    return {
        "knobs": knobs,
        "costs": ["cycles", "energy"],
        "evaluate": {"pyscript": "vectorised", "options": {"function": "costs.py:costs"}},
        "sampling": {"custom_samples": [LEARNED]},
        "model": {"pyscript": model},
        "exploration": {"predict_limit": 1000},
    }


def figures(points: int, models: list[str]) -> Iterator[Figure]:
    for model in models:
        with workplace(configuration(points, model), costs_py=FUNCTION) as folder:
            few = measure((*DEFFE, "-run-directory", "few"), folder)
            usage = measure((*DEFFE, "-run-directory", "all", "-predict-space"), folder)
        yield of_model(points, model, few, usage)


def of_model(points: int, model: str, few: Usage, usage: Usage) -> Figure:
    found = re.search(r"([\d,]+) predicted", usage.output)
    predicted = int(found[1].replace(",", "")) if found else 0
    if predicted < 0.99 * points:
        sys.exit(f"{model}: {predicted:,} points were predicted, not {points:,}:\n{usage.output}")
    each = 1e6 * (usage.cpu_s - few.cpu_s) / predicted
    told = f"{usage.wall_s:.0f} s ({usage.cpu_s:.0f} s CPU, {each:.2f} us a point), {usage.peak_mib:.0f} MiB"
    what = f"{model}: {predicted:,} points, two costs"
    if points < TARGET_POINTS:
        return Figure(what, told)
    met = usage.wall_s < TARGET_S and usage.peak_mib < TARGET_MIB
    return Figure(what, told, f"< {TARGET_S / 60:.0f} min, < {TARGET_MIB / 1024:.0f} GiB", met)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-points", type=int, default=1_000_000, help="a power of ten, up to 10^8 (1000000)")
    parser.add_argument("-models", nargs="+", default=list(MODELS), help=f"models ({' '.join(MODELS)})")
    given = parser.parse_args()
    return 0 if show("Predicting a whole space", figures(given.points, given.models)) else 1


if __name__ == "__main__":
    sys.exit(main())
