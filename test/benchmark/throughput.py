"""Many short trials on this machine, beside ``xargs``: ``python test/benchmark/throughput.py``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from _measure import DEFFE, Figure, measure, show, workplace

WORKERS = 2
CALLS = 10_000
LEAST_RATE = 2_000
SCRIPTS = 1_000
MOST_RATIO = 1.3
TIMES = 3
KNOBS = [{"name": f"knob{i}", "values": "1-11"} for i in range(8)]
FUNCTION = "def cost(knob0, knob1):\n    return knob0 + knob1\n"
RUN = ("-no-train", "-no-inference", "-step-end", "1")
BODIES = {
    "that only writes its result": "",
    "of 5 ms of computing": "i=0; while [ $i -lt 2500 ]; do i=$((i + 1)); done\n",
    "of 20 ms of computing": "i=0; while [ $i -lt 10000 ]; do i=$((i + 1)); done\n",
}


def figures() -> Iterator[Figure]:
    yield _calls()
    for what, body in BODIES.items():
        yield _scripts(what, f"#!/bin/bash\n{body}echo $((knob0 + knob1)) > results.out\n")


def _calls() -> Figure:
    evaluate = {"pyscript": "function", "options": {"function": "model.py:cost"}, "workers": WORKERS}
    with workplace({"knobs": KNOBS, "costs": ["cost"], "evaluate": evaluate}, model_py=FUNCTION) as folder:
        seconds = _seconds(folder, CALLS)
    rate = CALLS / seconds
    measured = f"{rate:,.0f} a second"
    return Figure(f"{CALLS:,} calls of a Python function", measured, f">= {LEAST_RATE:,} a second", rate >= LEAST_RATE)


def _scripts(what: str, script: str) -> Figure:
    config = {"knobs": KNOBS, "costs": ["cost"], "evaluate": {"workers": WORKERS}}
    with workplace(config, evaluate_sh=script) as folder:
        ours = _seconds(folder, SCRIPTS)
        theirs = min(_xargs(folder, script) for _ in range(TIMES))
    measured = f"{ours / theirs:.2f} times: {1000 * ours / SCRIPTS:.2f} and {1000 * theirs / SCRIPTS:.2f} ms a script"
    met = ours <= MOST_RATIO * theirs
    return Figure(f"{SCRIPTS:,} runs of a script {what}, beside xargs -P {WORKERS}", measured, f"<= {MOST_RATIO}", met)


def _seconds(folder: Path, points: int) -> float:
    """Wall time of a run, the best of some, less that of a run of one point."""
    times = {1: [], points: []}  # type: dict[int, list[float]]
    for i in range(TIMES):
        for count, found in times.items():
            place = ("-run-directory", f"run_{count}_{i}")
            found.append(
                measure((*DEFFE, *RUN, "-init-batch-samples", str(count), "-fixed-samples", "1", *place), folder).wall_s
            )
    return min(times[points]) - min(times[1])


def _xargs(folder: Path, script: str) -> float:
    """Wall time of the same scripts, each in a folder of its own, made before."""
    place = folder / f"xargs_{time.monotonic_ns()}"
    for i in range(SCRIPTS):
        (place / str(i)).mkdir(parents=True)
        here = f"cd {place / str(i)}\n{script.replace('knob0', str(i % 10)).replace('knob1', '3')}"
        (place / str(i) / "evaluate.sh").write_text(here)
    start = f"ls {place} | xargs -P {WORKERS} -I{{}} bash {place}/{{}}/evaluate.sh > /dev/null"
    return measure(("bash", "-c", start), folder).wall_s


if __name__ == "__main__":
    os.environ.setdefault("TMPDIR", "/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")
    sys.exit(0 if show("Throughput of short trials", figures()) else 1)
