"""A few points of huge design spaces, whole runs in fresh processes: ``python test/benchmark/space.py``.

Each figure is that of a complete ``run_deffe``: start-up, sampling, a vectorised evaluator of trivial cost, the store
and the tables.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from _measure import DEFFE, Figure, measure, show, workplace

TARGET_S, TARGET_MIB = 2.0, 200.0
# every sampler that gives as many points as are asked for, in a space of any size
SAMPLERS: Mapping[str, Mapping[str, object]] = {
    "random": {"method": "random"},
    "latin_hypercube": {"method": "latin_hypercube"},
    "latin_hypercube, space filling": {"method": "space_filling_lhs"},
    "sobol": {"method": "sobol"},
    "halton": {"method": "halton"},
    "maximin": {"method": "maximin"},
    "random_k_means": {"method": "random_k_means"},
    "in_order": {"method": "in_order"},
    "onedim_with_smart": {"method": "onedim_with_smart"},
}
FUNCTION = "def cost(frame):\n    return {'cost': frame['a0'] + frame['a1']}\n"


def config(knobs: int, constraints: list[str]) -> dict[str, object]:
    """Knobs of ten values each: a product of 10^knobs points."""
    return {
        "knobs": [{"name": f"a{i}", "values": "1-11"} for i in range(knobs)],
        "constraints": constraints,
        "costs": ["cost"],
        "evaluate": {"pyscript": "vectorised", "options": {"function": "model.py:cost"}},
    }


CASES = (
    ("10 points of 10^30", 10, config(30, [])),
    ("10,000 points of 10^12 under two constraints", 10_000, config(12, ["a0 * a1 <= 50", "a2 + a3 + a4 > a5"])),
)


def figures() -> Iterator[Figure]:
    for what, points, described in CASES:
        for name, sampling in SAMPLERS.items():
            with workplace({**described, "sampling": sampling}, model_py=FUNCTION) as folder:
                samples = ("-init-batch-samples", str(points), "-fixed-samples", "1", "-step-end", "1")
                command = (*DEFFE, *samples, "-no-train", "-no-inference", "-run-directory", "run")
                usage = measure(command, folder)
                found = f": {points:,} points evaluated" in usage.output
                measured = f"{usage.wall_s:.2f} s ({usage.cpu_s:.2f} s CPU), {usage.peak_mib:.0f} MiB"
                yield Figure(
                    f"{what}, {name}",
                    measured if found else f"{measured}, but other points",
                    f"< {TARGET_S:g} s, < {TARGET_MIB:g} MiB",
                    found and usage.wall_s < TARGET_S and usage.peak_mib < TARGET_MIB,
                )


if __name__ == "__main__":
    sys.exit(0 if show("Huge design spaces", figures()) else 1)
