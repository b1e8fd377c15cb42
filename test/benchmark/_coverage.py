"""How many unseen rows lie inside the intervals of ``auto``, on the tables whose accuracy is not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from _scores import Score, median, per_seed, score
from _tables import rows_of

HELD = (87.0, 93.0)
"""Percent of unseen rows that 90 % intervals are to hold, as the median over the cases of a table."""


@dataclass(frozen=True)
class Case:
    """A cost learned from some rows of a table."""

    table: str
    cost: str
    rows: int


SHARES = (0.05, 0.1)
"""Of a table's rows that are learned from."""
TABLES = (
    ("matmul_exhaustive", ("cpu_cycles", "l1d_misses")),
    ("convolution_A4000", ("time_ms",)),
    ("blackscholes", ("ALMs", "Cycles")),
    ("spector_fir", ("runtime_ms_raw", "logic_util")),
)


def cases() -> list[Case]:
    """Each cost of each table."""
    sizes = {table: len(rows_of(table).frame) for table, _ in TABLES}
    return [
        Case(table, cost, round(share * sizes[table])) for table, costs in TABLES for cost in costs for share in SHARES
    ]


def is_held(coverage: float) -> bool:
    """Whether so many percent are as promised."""
    return HELD[0] <= coverage <= HELD[1]


def measure(case: Case, seed: int) -> Score:
    """Learn the rows that a seed chooses."""
    return score("auto", rows_of(case.table), case.cost, case.rows, seed)


def show(seeds: range, jobs: int) -> bool:
    """Print the coverage of each case; whether that of all tables is as promised."""
    print("\n### Coverage on further tables\n")
    print(f"Percent of unseen rows inside the 90 % intervals of auto, {len(seeds)} choices of the rows.\n")
    print("| table | cost | rows | coverage % (all choices) | error % |\n|---|---|---|---|---|")
    found: dict[str, list[Sequence[Score]]] = {}
    asked = cases()
    for case, scores in zip(asked, per_seed(measure, asked, seeds, jobs), strict=True):
        found.setdefault(case.table, []).append(scores)
        each = [one.coverage for one in scores]
        covered = f"{median(each):.1f} ({min(each):.0f} to {max(each):.0f})"
        error = median(one.error for one in scores)
        print(f"| {case.table} | {case.cost} | {case.rows} | {covered} | {error:.2f} |", flush=True)
    print()
    return show_summary({table: [[one.coverage for one in case] for case in cases] for table, cases in found.items()})


def show_summary(found: dict[str, list[list[float]]]) -> bool:
    """Print the coverage of each table, given that of each choice of each case; whether all are as promised."""
    print("| table | median of the cases | all cases and choices | target | met |\n|---|---|---|---|---|")
    for table, cases in found.items():
        middle, each = _middle(cases), [coverage for case in cases for coverage in case]
        spread = f"{min(each):.0f} to {max(each):.0f}, median {np.median(each):.1f}"
        held = "yes" if is_held(middle) else "MISS"
        print(f"| {table} | {middle:.1f} | {spread} | {HELD[0]:.0f} to {HELD[1]:.0f} | {held} |")
    return all(is_held(_middle(cases)) for cases in found.values())


def _middle(cases: list[list[float]]) -> float:
    return median(median(case) for case in cases)
