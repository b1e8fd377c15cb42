"""Many small steps, whose cost must not grow with the points already known: ``python test/benchmark/steps.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from _measure import DEFFE, Figure, measure, show, workplace

STEPS = (1_000, 5_000, 10_000)
MOST_GROWTH = 1.5
CONFIG = {
    "knobs": [{"name": f"knob{i}", "values": "1-11"} for i in range(8)],
    "costs": ["cost"],
    "evaluate": {"pyscript": "vectorised", "options": {"function": "model.py:cost"}},
}
FUNCTION = "def cost(frame):\n    return {'cost': frame['knob0'] + frame['knob1']}\n"


def figures() -> Iterator[Figure]:
    with workplace(CONFIG, model_py=FUNCTION) as folder:
        samples = ("-init-batch-samples", "1", "-fixed-samples", "1", "-no-train", "-no-inference")
        start = measure((*DEFFE, *samples, "-step-end", "1", "-run-directory", "start"), folder)
        each: list[float] = []
        for steps in STEPS:
            command = (*DEFFE, *samples, "-step-end", str(steps), "-run-directory", f"run_{steps}")
            usage = measure(command, folder)
            each.append(1000 * (usage.cpu_s - start.cpu_s) / steps)
            growth = ("at most 1.5 times that of the first", each[-1] <= MOST_GROWTH * each[0]) if each[1:] else ()
            measured = f"{each[-1]:.2f} ms CPU a step ({usage.wall_s:.0f} s in all), {usage.peak_mib:.0f} MiB"
            yield Figure(f"{steps:,} steps of one point", measured, *growth)


if __name__ == "__main__":
    sys.exit(0 if show("Many small steps", figures()) else 1)
