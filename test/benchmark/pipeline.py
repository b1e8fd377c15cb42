"""How busy slots are when run times vary tenfold, by steps and in a pipeline: ``python test/benchmark/pipeline.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from _measure import DEFFE, Figure, measure, show, workplace

SLOTS = 8
POINTS = 160
LEAST_BUSY = 0.90
SCRIPT = """#!/bin/bash
# 0.3 to 3 s, most of it idle: what is measured is the order of starts, not the machine
date +%s.%N > begin
sleep $(awk -v k=$(((size * 7919 + ways * 104729) % 101)) 'BEGIN { print 0.3 * 10 ^ (k / 100) }')
echo $((size * 100 + ways)) > results.out
date +%s.%N > end
"""
CONFIG = {
    "knobs": [{"name": "size", "values": "1-41"}, {"name": "ways", "values": "1-11"}],
    "costs": ["cost"],
    "model": {"pyscript": "sklearn_rf"},
    "evaluate": {"workers": SLOTS},
}
STEPS = ("-init-batch-samples", "16", "-fixed-samples", "16", "-max-samples", str(POINTS))


def figures() -> Iterator[Figure]:
    for what, more in (("steps, one after the other", ()), ("-pipeline", ("-pipeline",))):
        with workplace(CONFIG, evaluate_sh=SCRIPT) as folder:
            measure((*DEFFE, *STEPS, *more), folder)
            until_last, in_all = _busy(folder / "explore")
        met = until_last >= LEAST_BUSY if more else None
        measured = f"{100 * until_last:.0f} % until the last point starts, {100 * in_all:.0f} % until the last one ends"
        yield Figure(f"{SLOTS} slots, {POINTS} points of 0.3 to 3 s: {what}", measured, ">= 90 %" if more else "", met)


def _busy(run: Path) -> tuple[float, float]:
    """The share of the slots' time that scripts ran in, until the last one starts and until the last one ends."""
    spans = [(float((end.parent / "begin").read_text()), float(end.read_text())) for end in run.glob("*/end")]
    first, start, end = min(b for b, _ in spans), max(b for b, _ in spans), max(e for _, e in spans)
    before = sum(min(e, start) - b for b, e in spans)
    return before / (SLOTS * (start - first)), sum(e - b for b, e in spans) / (SLOTS * (end - first))


if __name__ == "__main__":
    sys.exit(0 if show("Slots kept busy", figures()) else 1)
