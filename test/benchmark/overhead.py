"""CPU time and memory of a point evaluated by a trivial script: ``python test/benchmark/overhead.py``.

The cost of starting the script itself, by a bare loop, and the start-up of run_deffe are taken off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from _measure import DEFFE, PYTHON, Figure, measure, quickest, show, workplace

TARGET_MS = 3.0
POINTS = (1_000, 10_000)
CONFIG = {
    "knobs": [{"name": f"knob{i}", "values": "1-11"} for i in range(8)],
    "costs": ["cycles"],
    "evaluate": {"sample_evaluate_script": "evaluate.sh"},
    "extract": {"cost_output": "results.out"},
    "framework": {"run_directory": "run"},
}
EVALUATE = "#!/bin/bash\necho $knob0 > results.out\n"
EXTRACT = "#!/bin/bash\nread -r cycles < results.out && echo $cycles > results.out\n"
BARE_LOOP = """
import os, sys
for _ in range(int(sys.argv[1])):
    os.waitpid(os.posix_spawnp("bash", ["bash", "evaluate.sh"], os.environ), 0)
"""
FILES_LOOP = """
import os, sys
for point in range(int(sys.argv[1])):
    os.mkdir(f"files_{point}")
    for name in ("script", "parameters", "log", "results"):
        with open(f"files_{point}/{name}", "w") as file:
            file.write("100 bytes " * 10)
"""


def explore(points: int) -> tuple[str, ...]:
    samples = ("-init-batch-samples", str(points), "-fixed-samples", str(points), "-step-end", "1")
    return (*DEFFE, *samples, "-no-train", "-no-inference", "-run-directory", f"run_{points}")


def figures() -> Iterator[Figure]:
    with workplace(CONFIG, evaluate_sh=EVALUATE, loop_py=BARE_LOOP, files_py=FILES_LOOP) as folder:
        start = measure(explore(1), folder)
        bare_start = quickest((*PYTHON, "loop.py", "0"), folder, 3)
        peaks = {}
        for points in POINTS:
            ours = measure(explore(points), folder)
            bare = measure((*PYTHON, "loop.py", str(points)), folder)
            script_ms = 1000 * (bare.cpu_s - bare_start.cpu_s) / points
            own_ms = 1000 * (ours.cpu_s - start.cpu_s) / (points - 1) - script_ms
            peaks[points] = ours.peak_mib
            measured = f"{own_ms:.2f} ms CPU, beside {script_ms:.2f} ms of the script ({ours.wall_s:.0f} s in all)"
            yield Figure(f"overhead a point, {points:,} points", measured, f"<= {TARGET_MS:g} ms", own_ms <= TARGET_MS)
        yield Figure("start-up and end, 1 point", f"{start.cpu_s:.2f} s CPU")
        files_ms = 1000 * (measure((*PYTHON, "files.py", "1000"), folder).cpu_s - bare_start.cpu_s) / 1000
        yield Figure("for comparison: a folder and four files, created by a bare loop", f"{files_ms:.2f} ms CPU")
        (folder / "extract.sh").write_text(EXTRACT)
        whole = measure((*explore(1_000), "-run-directory", "extracted"), folder)
        what = "all in, 1,000 points: start-up, evaluate script and an extract script"
        yield Figure(what, f"{whole.cpu_s:.2f} ms CPU a point ({whole.wall_s:.0f} s in all)")
        few, many = (peaks[points] for points in POINTS)
        measured = " and ".join(f"{peak:.0f} MiB" for peak in peaks.values())
        yield Figure("peak memory at 1,000 and 10,000 points", measured, "flat: within 10 %", many <= 1.1 * few)


if __name__ == "__main__":
    sys.exit(0 if show("Overhead of a trivial script", figures()) else 1)
