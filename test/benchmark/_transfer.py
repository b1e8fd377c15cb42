"""What a table of other results adds: a kernel on another device, and another kernel on the same caches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from _scores import Score, median, per_seed, score
from _tables import rows_of

from deffe.api import Source

MOST_WORSE = 1.05
"""Error with transfer over that from scratch, at most."""


@dataclass(frozen=True)
class Case:
    """A cost learned from few rows of a table and from all of another.

    Args:
        table, source: where it is learned, and what helps.
        mapping: knobs of the table that have another name in the source.
        target: percentage error to reach.
    """

    table: str
    source: str
    cost: str
    rows: int
    target: float
    mapping: Mapping[str, str] = field(default_factory=dict)


SIZES = {"matmul_size": "kmeans_objects"}
CASES = (
    Case("convolution_A4000", "convolution_A100", "time_ms", 10, 15.5),
    Case("convolution_A4000", "convolution_A100", "time_ms", 42, 11.4),
    Case("convolution_A4000", "convolution_A100", "time_ms", 210, 8.0),
    Case("matmul", "kmeans", "cpu_cycles", 20, 28.0, SIZES),
    Case("matmul", "kmeans", "cpu_cycles", 50, 20.0, SIZES),
    Case("matmul", "kmeans", "cpu_cycles", 100, 15.0, SIZES),
)


def compare(case: Case, seed: int) -> tuple[Score, Score]:
    """The model ``auto`` without and with the source."""
    rows = rows_of(case.table)
    mapping = {knob: case.mapping.get(knob, knob) for knob in rows.space.names}
    source = Source(case.source, {case.cost: case.cost}, mapping, frame=rows_of(case.source).frame)
    scratch, helped = (score("auto", rows, case.cost, case.rows, seed, sources) for sources in ((), (source,)))
    return scratch, helped


def show(seeds: range, jobs: int) -> bool:
    """Print the errors from scratch and with transfer; whether all targets are met."""
    print(f"\n### Transfer\n\nPercentage error of auto on unseen rows, median of {len(seeds)} choices of the rows.\n")
    heads = ["table", "source", "rows", "from scratch", "with transfer (each choice)", "to reach", "met", "ratio",
             "at most 1.05", "coverage %", "CPU s"]  # fmt: skip
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    all_met = True
    for case, found in zip(CASES, per_seed(compare, CASES, seeds, jobs), strict=True):
        scratch, error = (median(pair[i].error for pair in found) for i in (0, 1))
        reached, harmless = error <= case.target, error <= MOST_WORSE * scratch
        all_met = all_met and reached and harmless
        runs = ", ".join(f"{helped.error:.1f}" for _, helped in found)
        cells = [
            case.table,
            case.source,
            str(case.rows),
            f"{scratch:.2f}",
            f"{error:.2f} ({runs})",
            f"{case.target:.1f}",
            "yes" if reached else "MISS",
            f"{error / scratch:.2f}",
            "yes" if harmless else "MISS",
            f"{median(helped.coverage for _, helped in found):.1f}",
            f"{median(helped.seconds for _, helped in found):.1f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
    return all_met
