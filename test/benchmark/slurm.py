"""A run of short trials on a Slurm cluster, beside what its slots could do at best: ``python test/benchmark/slurm.py``.

It takes the cluster that answers; ``test/slurm/start_cluster.sh`` starts one of one node.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

from _measure import DEFFE, Figure, measure, show, workplace

TRIALS, TRIAL_S = 1_000, 0.1
TARGET = 1.5
CONFIG = {
    "knobs": [{"name": f"knob{i}", "values": "1-11"} for i in range(4)],
    "costs": ["cycles"],
    "evaluate": {"slurm": True},
    "framework": {"run_directory": "run"},
}
EVALUATE = f"#!/bin/bash\nsleep {TRIAL_S}\necho $knob0 > results.out\n"
ARGUMENTS = ("-no-train", "-no-inference", "-custom-samples")


def slots() -> int:
    """CPUs of the cluster."""
    said = subprocess.run(["sinfo", "--noheader", "--format=%C"], capture_output=True, text=True, check=True).stdout
    return sum(int(line.split("/")[3]) for line in said.split())


def figures() -> Iterator[Figure]:
    cpus = slots()
    ideal_s = TRIALS * TRIAL_S / cpus
    with workplace(CONFIG, evaluate_sh=EVALUATE) as folder:
        ours = measure((*DEFFE, *ARGUMENTS, str(TRIALS)), folder)
        submitted = int((folder / "run" / "slurm" / "run.json").read_text().partition('"next": ')[2].rstrip("}\n"))
        ratio = ours.wall_s / ideal_s
        what = f"{TRIALS:,} trials of {TRIAL_S:g} s on {cpus} slots, over {ideal_s:.0f} s, which is all that they take"
        measured = f"{ratio:.2f} ({ours.wall_s:.1f} s, {submitted} calls of sbatch)"
        yield Figure(what, measured, f"<= {TARGET:g}", ratio <= TARGET)
        yield Figure(
            "CPU time of run_deffe and what it calls",
            f"{ours.cpu_s:.2f} s, {ours.cpu_s / TRIALS * 1000:.1f} ms a trial",
        )
        one = measure((*DEFFE, *ARGUMENTS, "1", "-run-directory", "one"), folder)
        yield Figure("one trial, from start to end", f"{one.wall_s:.1f} s")


if __name__ == "__main__":
    if shutil.which("sbatch") is None:
        print("there is no Slurm here; test/slurm/start_cluster.sh starts a cluster on Debian", file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if show("Short trials on a Slurm cluster", figures()) else 1)
