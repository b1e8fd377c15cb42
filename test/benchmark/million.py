"""A million points: evaluated by a vectorised function, resumed, and read from a table of known results.

``python test/benchmark/million.py``; it writes about 1 GiB to the folder for temporary files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from _measure import DEFFE, Figure, Usage, measure, show, workplace

POINTS = 1_000_000
TARGET_S = 60.0
LOAD_S, LOAD_MIB = 10.0, 1024.0
KNOBS, LEVELS = 10, 8
STEPS = ("100", "200", "400")
CONFIG = {
    "knobs": [{"name": f"knob{i}", "values": "1,2,4,8,16,32,64,128"} for i in range(KNOBS)],
    "costs": ["cycles", "area"],
    "evaluate": {"pyscript": "vectorised", "options": {"function": "model.py:score"}},
    "framework": {"run_directory": "run"},
}
FUNCTION = """
def score(frame):
    cycles = 1e6 / frame["knob0"] + 1e5 / frame["knob1"] + 100 * frame["knob2"]
    return {"cycles": cycles, "area": frame["knob0"] + frame["knob1"] + 0.5 * frame["knob2"]}
"""


def write_table(path: Path) -> None:
    """A million distinct points spread over the space, with their costs: 12 columns."""
    texts = [str(2**level) for level in range(LEVELS)]
    with path.open("w") as file:
        file.write(",".join([*(f"knob{i}" for i in range(KNOBS)), "cycles", "area"]) + "\n")
        for row in range(POINTS):
            point = row * 613_566_757 % LEVELS**KNOBS  # an odd factor: no point twice
            knobs = [point >> 3 * i & 7 for i in range(KNOBS)]
            a, b, c = (2 ** knobs[i] for i in range(3))
            file.write(",".join([*(texts[k] for k in knobs), f"{1e6 / a + 1e5 / b + 100 * c},{a + b + 0.5 * c}\n"]))


def both(usage: Usage) -> str:
    return f"{usage.wall_s:.1f} s ({usage.cpu_s:.1f} s CPU), {usage.peak_mib:.0f} MiB"


def evaluated(folder: Path) -> Iterator[Figure]:
    one_step = ("-init-batch-samples", str(POINTS), "-fixed-samples", "1", "-step-end", "1")
    command = (*DEFFE, *one_step, "-no-train", "-no-inference")
    usage = measure(command, folder)
    done = f"{POINTS:,} points evaluated" in usage.output
    what = "vectorised evaluator, explored, stored, tables written"
    yield Figure(what, both(usage), f"< {TARGET_S:g} s", done and usage.wall_s < TARGET_S)
    yield Figure("the same command again: nothing left to do, tables written", both(measure(command, folder)))
    usage = measure((*DEFFE, *one_step, "-run-directory", "learned"), folder)
    yield Figure("with learning and 100,000 predictions", both(usage))


def known(folder: Path) -> Iterator[Figure]:
    table = folder / "known.csv"
    write_table(table)
    size = f"{POINTS:,} rows x {KNOBS + 2} columns"
    given = ("-pre-evaluated-data", table.name)
    usage = measure((*DEFFE, *given, "-validate"), folder)
    fine = usage.wall_s < LOAD_S and usage.peak_mib < LOAD_MIB
    yield Figure(f"table of {size}, loaded", both(usage), f"< {LOAD_S:g} s, < {LOAD_MIB:g} MiB", fine)
    only = ("-only-preloaded-data-exploration", "-run-directory", "known")
    explored = ("-custom-samples", *STEPS, "-sampling-method", "random")
    usage = measure((*DEFFE, *given, *only, *explored), folder)
    fine = f"{int(STEPS[-1]):,} points evaluated" in usage.output
    what = f"explored: learned from {', '.join(STEPS)} of its rows, 100,000 others predicted"
    yield Figure(what, both(usage), "explored", fine)
    usage = measure((*DEFFE, *given, *only, "-full-exploration", "-no-train", "-run-directory", "all"), folder)
    yield Figure("all its rows taken over into a run directory", both(usage))


def figures() -> Iterator[Figure]:
    with workplace(CONFIG, model_py=FUNCTION) as folder:
        yield from evaluated(folder)
        yield from known(folder)


if __name__ == "__main__":
    sys.exit(0 if show("A million points", figures()) else 1)
