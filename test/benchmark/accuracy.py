"""How well and how quickly models learn recorded results, beside their rivals: ``python test/benchmark/accuracy.py``.

Prints Markdown tables; ends with 1 when a target is missed, and with 2 when something could not be measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import _coverage
import _speed
import _transfer
from _measure import machine
from _rivals import RIVALS
from _scores import Score, is_noise, median, per_seed, rival_errors, score
from _tables import DATA, TABLES, rows_of

OTHERS = {"coverage": _coverage.show, "transfer": _transfer.show, "speed": _speed.show}


@dataclass(frozen=True)
class Case:
    """A cost learned from some rows of a table.

    Args:
        table: its name.
        earlier: percentage error of the best rival when the targets were set, on other rows.
        target: percentage error to reach; None: that of the best rival on the same rows.
    """

    table: str
    cost: str
    rows: int
    earlier: float
    target: float | None = None

    @property
    def declares(self) -> bool:
        """Whether there are features beside the knobs."""
        return bool(TABLES[self.table].features)


CASES = (
    Case("kmeans", "cpu_cycles", 50, 4.2, 3.0),
    Case("kmeans", "cpu_cycles", 100, 2.6, 1.8),
    Case("kmeans", "cpu_cycles", 200, 1.55, 1.0),
    Case("kmeans", "l1d_misses", 100, 21.8, 16.0),
    Case("kmeans", "l1d_misses", 200, 12.1, 9.0),
    Case("matmul", "cpu_cycles", 100, 17.6, 16.0),
    Case("matmul", "cpu_cycles", 200, 12.4, 10.0),
    Case("matmul", "cpu_cycles", 500, 7.4, 5.0),
    Case("archexplorer", "ipc", 52, 7.9),
    Case("archexplorer", "ipc", 104, 7.1),
    Case("archexplorer", "power", 52, 20.2),
    Case("archexplorer", "power", 104, 17.9),
    Case("archexplorer", "area", 52, 10.7),
    Case("archexplorer", "area", 104, 8.0),
    Case("convolution_A100", "time_ms", 210, 15.1),
    Case("convolution_A100", "time_ms", 420, 12.6),
    Case("spector_mm", "runtime_ms_raw", 59, 48.1),
    Case("spector_mm", "runtime_ms_raw", 118, 36.5),
    Case("spector_mm", "logic_util", 59, 11.7),
    Case("spector_mm", "logic_util", 118, 7.0),
)


@dataclass(frozen=True)
class Compared:
    """One choice of rows: the model ``auto``, and each rival on the same features and on the knobs alone."""

    auto: Score
    rivals: dict[str, float]
    on_knobs: dict[str, float]


def compare(case: Case, seed: int) -> Compared:
    """Measure ``auto`` and the rivals on the rows that a seed chooses."""
    rows = rows_of(case.table)
    cost = rows.cost(case.cost)
    return Compared(
        score("auto", rows, case.cost, case.rows, seed),
        rival_errors(rows.features, cost, case.rows, seed),
        rival_errors(rows.knobs, cost, case.rows, seed) if case.declares else {},
    )


@dataclass(frozen=True)
class Result:
    """A case over all seeds."""

    case: Case
    found: Sequence[Compared]

    @property
    def error(self) -> float:
        return median(each.auto.error for each in self.found)

    @property
    def coverage(self) -> float:
        return median(each.auto.coverage for each in self.found)

    def rivals(self, knobs: bool = False) -> dict[str, float]:
        """The median error of each rival."""
        runs = [each.on_knobs if knobs else each.rivals for each in self.found]
        return {name: median(run[name] for run in runs) for name in runs[0]}

    @property
    def best(self) -> str:
        """The rival of the least median error."""
        rivals = self.rivals()
        return min(rivals, key=lambda name: rivals[name])

    @property
    def target(self) -> float:
        return self.rivals()[self.best] if self.case.target is None else self.case.target

    @property
    def verdict(self) -> str:
        """``yes``, ``MISS``, or ``tie`` with the best rival."""
        if self.error <= self.target:
            return "yes"
        ours, theirs = [e.auto.error for e in self.found], [e.rivals[self.best] for e in self.found]
        return "tie" if self.case.target is None and is_noise(ours, theirs) else "MISS"

    def line(self) -> str:
        """Its row of the table."""
        rivals = self.rivals()
        errors = [_bold(rivals.get(rival.name), rival.name == self.best) for rival in RIVALS]
        runs = ", ".join(f"{each.auto.error:.1f}" for each in self.found)
        cells = [
            self.case.table,
            self.case.cost,
            str(self.case.rows),
            *errors,
            f"{self.error:.2f} ({runs})",
            f"{self.target:.2f}",
            self.verdict,
            f"{self.case.earlier:g}",
            f"{self.coverage:.1f}",
            f"{median(each.auto.seconds for each in self.found):.1f}",
        ]
        return f"| {' | '.join(cells)} |"


def _bold(error: float | None, best: bool) -> str:
    if error is None:
        return "-"
    return f"**{error:.2f}**" if best else f"{error:.2f}"


def show_tables(names: Sequence[str], seeds: range, jobs: int) -> bool:
    """Print the errors of all cases of some tables; whether all targets are met."""
    print(
        f"### Accuracy\n\nPercentage error on unseen rows, median of {len(seeds)} choices of the rows learned from.\n"
    )
    own = ("auto (each choice)", "to reach", "met", "best rival earlier", "coverage %", "CPU s of auto")
    heads = ["table", "cost", "rows", *(rival.name for rival in RIVALS), *own]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    cases = [case for case in CASES if case.table in names]
    results = []
    for case, found in zip(cases, per_seed(compare, cases, seeds, jobs), strict=True):
        results.append(Result(case, found))
        print(results[-1].line(), flush=True)
    _show_knobs([result for result in results if result.case.declares])
    held = _show_coverage(results)
    return held and all(result.verdict != "MISS" for result in results)


def _show_knobs(results: Sequence[Result]) -> None:
    """The rivals without the declared features."""
    if not results:
        return
    heads = ["table", "cost", "rows", *(rival.name for rival in RIVALS)]
    print(f"\nThe rivals on knobs alone:\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for result in results:
        errors = result.rivals(knobs=True)
        best = min(errors.values())
        cells = [_bold(errors.get(rival.name), errors.get(rival.name) == best) for rival in RIVALS]
        print(f"| {result.case.table} | {result.case.cost} | {result.case.rows} | {' | '.join(cells)} |")


def _show_coverage(results: Sequence[Result]) -> bool:
    """The coverage of each table; whether all are within bounds."""
    print("\nPercent of unseen rows inside the 90 % intervals of auto:\n")
    found: dict[str, list[list[float]]] = {}
    for result in results:
        found.setdefault(result.case.table, []).append([one.auto.coverage for one in result.found])
    return _coverage.show_summary(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-seeds", "--seeds", type=int, default=5, help="number of random choices of the training rows")
    parser.add_argument("-first", "--first", type=int, default=0, help="seed of the first of them")
    parser.add_argument("-jobs", "--jobs", type=int, default=2, help="processes; each computes on one thread")
    known = (*dict.fromkeys(case.table for case in CASES), *OTHERS)
    parser.add_argument("-only", "--only", nargs="+", choices=known, default=known, help="what is measured")
    asked = parser.parse_args()
    missing = sorted({table.path for table in TABLES.values() if not table.file.is_file()})
    absent = [rival.name for rival in RIVALS if not rival.installed]
    if missing:
        print(f"only speed can be measured: {', '.join(missing)} not found in {DATA}", file=sys.stderr)
    if absent:
        print(f"rivals that are not installed: {', '.join(absent)}", file=sys.stderr)
    names = [name for name in asked.only if name == "speed" or not missing]
    met, seeds = [], range(asked.first, asked.first + asked.seeds)
    if tables := [name for name in names if name in TABLES]:
        met.append(show_tables(tables, seeds, asked.jobs))
    met += [OTHERS[name](seeds, asked.jobs) for name in names if name in OTHERS]
    print(f"\n{machine()}")
    if missing or absent:
        return 2
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
