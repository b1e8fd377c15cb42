"""Runs the benchmarks of cost, scale and accuracy in turn; exit status 0 when all targets are met."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "startup", "overhead", "throughput", "pipeline", "slurm", "simulated_cluster", "steps", "space", "million",
    "predict_space", "propose", "operating", "report", "accuracy",
)  # fmt: skip


def main() -> int:
    folder = Path(__file__).resolve().parent
    # one at a time: they would disturb each other
    codes = {name: subprocess.run([sys.executable, str(folder / f"{name}.py")]).returncode for name in BENCHMARKS}
    missed = [name for name, code in codes.items() if code]
    print(f"not all met or measured: {', '.join(missed)}" if missed else "all targets are met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
