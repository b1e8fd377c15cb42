"""Start-up of the command, and what it imports: ``python test/benchmark/startup.py``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from _measure import DEFFE, Figure, measure, quickest, show, workplace

TARGET_S = 0.5
HEAVY = ("numpy", "scipy", "pandas", "pydantic", "sklearn", "matplotlib", "plotly", "torch", "tensorflow", "keras")
UNUSED = ("sklearn", "matplotlib", "plotly", "torch", "tensorflow", "keras", "dask")
CONFIG = {
    "knobs": [{"name": "size", "values": "1-11"}],
    "costs": ["cycles"],
    "evaluate": {"sample_evaluate_script": "evaluate.sh"},
}
EVALUATE = "#!/bin/bash\necho $size > results.out\n"


def imported(command: tuple[str, ...], folder: Path) -> set[str]:
    """The top-level modules that a command imports."""
    python, *rest = command
    said = measure((python, "-X", "importtime", *rest), folder).output
    return set(re.findall(r"^import time:.*\| +(\w+)", said, re.MULTILINE))


def figures() -> Iterator[Figure]:
    with workplace(CONFIG, evaluate_sh=EVALUATE) as folder:
        cases = {"-h": ((*DEFFE, "-h"), HEAVY), "-validate": ((*DEFFE, "-validate"), UNUSED)}
        for name, (command, forbidden) in cases.items():
            usage = quickest(command, folder, 5)
            modules = imported(command, folder)
            target = (f"< {TARGET_S:g} s", usage.cpu_s < TARGET_S) if name == "-h" else ("", None)
            measured = f"{usage.cpu_s:.2f} s CPU, {usage.peak_mib:.0f} MiB"
            yield Figure(f"`run_deffe {name}`", measured, *target)
            found = [module for module in forbidden if module in modules]
            loaded = [module for module in HEAVY if module in modules]
            yield Figure(
                f"heavy libraries imported by it, of {len(modules)} modules",
                ", ".join(loaded) or "none",
                f"none of {', '.join(forbidden)}",
                not found,
            )


if __name__ == "__main__":
    sys.exit(0 if show("Start-up", figures()) else 1)
