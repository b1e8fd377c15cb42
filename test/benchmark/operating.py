"""Looking at and going on with a run of 100,000 points: ``python test/benchmark/operating.py``.

The points are evaluated by a vectorised function, and some fail. What is measured afterwards does not depend on how
they were evaluated.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from _measure import DEFFE, PYTHON, Figure, Usage, measure, show, workplace

POINTS = 100_000
STATUS_S, RESUME_S = 1.0, 5.0
CONFIG = {
    "knobs": [{"name": f"knob{i}", "values": "1,2,4,8,16,32,64,128"} for i in range(10)],
    "costs": ["cycles", "area"],
    "evaluate": {"pyscript": "vectorised", "options": {"function": "model.py:score", "rows": 100}},
    "framework": {"run_directory": "run"},
}
FUNCTION = """
def score(frame):
    cycles = 1e6 / frame["knob0"] + 1e5 / frame["knob1"] + 100 * frame["knob2"]
    cycles[(frame["knob3"] * frame["knob4"] == 1) & (frame["knob5"] > 16)] = float("nan")
    return {"cycles": cycles, "area": frame["knob0"] + frame["knob1"] + 0.5 * frame["knob2"]}
"""
HEAVY = """
import runpy, sys
sys.argv[1:] = ["-status", "run"]
try:
    runpy.run_path({path!r}, run_name="__main__")
except SystemExit:
    print(", ".join(name for name in ("numpy", "pandas", "pydantic") if name in sys.modules) or "none")
"""


def both(usage: Usage) -> str:
    return f"{usage.wall_s:.2f} s ({usage.cpu_s:.2f} s CPU), {usage.peak_mib:.0f} MiB"


def steps(points: int) -> tuple[str, ...]:
    return ("-custom-samples", str(points), "-no-train", "-no-inference")


def figures() -> Iterator[Figure]:
    with workplace(CONFIG, model_py=FUNCTION) as folder:
        yield Figure(f"{POINTS:,} points evaluated", both(measure((*DEFFE, *steps(POINTS)), folder)))
        usage = min((measure((*DEFFE, "-status", "run"), folder) for _ in range(3)), key=lambda usage: usage.wall_s)
        fine = " done, " in usage.output and usage.wall_s < STATUS_S
        yield Figure("`-status`", both(usage), f"< {STATUS_S:g} s", fine)
        heavy = measure((*PYTHON, "-c", HEAVY.format(path=DEFFE[1])), folder).output.splitlines()[-1]
        yield Figure("heavy libraries that it imports", heavy, "none", heavy == "none")
        yield Figure("`-status` by the configuration", both(measure((*DEFFE, "-status", "config.json"), folder)))
        yield Figure("`-tail`, of a run that has ended", both(measure((*DEFFE, "-tail", "run"), folder)))
        again = {
            "the same command again: nothing to do, tables written": steps(POINTS),
            "gone on with: 100 points more": steps(POINTS + 100),
            "`-retry-failed`": (*steps(POINTS + 100), "-retry-failed", "-max-failed", str(POINTS)),
        }
        for what, arguments in again.items():
            usage = measure((*DEFFE, *arguments), folder)
            yield Figure(what, both(usage), f"< {RESUME_S:g} s", usage.wall_s < RESUME_S)
        for form in ("csv", "parquet"):
            yield Figure(f"`-export {form}`", both(measure((*DEFFE, "-export", form), folder)))


if __name__ == "__main__":
    sys.exit(0 if show(f"Operating a run of {POINTS:,} points", figures()) else 1)
