"""Costs from the statistics file of gem5, each by the full name of a statistic."""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from deffe.api import EvaluationError, Executor, Extractor, Field, Framework, Trial
from deffe.errors import ConfigError, Fault, nearest

from ._gem5_statistic import Statistic
from ._reading import check_file, one_for_each_cost, run_folder
from ._script import ScriptOptions, find_script

_BEGIN = "---------- Begin Simulation Statistics"
_END = "---------- End Simulation Statistics"
KNOWN = {
    "cpu_cycles": "system.cpu.numCycles",
    "sim_insts": "simInsts",
    "l1d_misses": "system.cpu.dcache.overallMisses::total",
    "l1i_misses": "system.cpu.icache.overallMisses::total",
    "l2_misses": "system.l2.overallMisses::total",
    "dram_bytes": "system.mem_ctrl.dram.bytesRead::total",
    "dram_energy_pj": "system.mem_ctrl.dram.rank0.totalEnergy",
    "sim_seconds": "simSeconds",
    "host_seconds": "hostSeconds",
}
"""Costs whose statistic needs not be named, for the configuration that comes with the evaluator gem5."""


class Gem5StatsOptions(ScriptOptions):
    """Options of the extractor gem5_stats."""

    stats: dict[str, str] = Field(
        default={},
        description='statistic of each cost by its full name, such as {"cpu_cycles": "system.cpu.numCycles"}; of a '
        "vector the element, such as system.l2.overallMisses::total; or a formula over statistics, such as "
        "simInsts / system.cpu.numCycles; costs of the shipped configuration may be left out",
    )
    absent_is_zero: tuple[str, ...] = Field(
        default=(), description="costs that are 0 where their statistics are absent: gem5 leaves out some that are 0"
    )
    file: str = Field(default="", description="statistics file; by default stats.txt, else m5out/stats.txt, .gz or not")
    dump: int = Field(default=-1, description="which dump of the file: 0 is the first, -1 the last, -2 the one before")


def open_stats(path: Path) -> IO[str]:
    """Open a statistics file, packed by gzip or not."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return open(path, encoding="utf-8", errors="replace")


def dumps(lines: Iterable[str]) -> Iterator[tuple[bool, dict[str, str]]]:
    """Each dump of a statistics file as name to text, in file order.

    Yields:
        (complete, statistics); a dump that the file breaks off in is not complete. Text outside of
        dumps is passed over, and so are histograms drawn over a line (their elements stand on their own).
    """
    found: dict[str, str] | None = None
    for line in lines:
        if line.startswith(_BEGIN):
            if found is not None:
                yield False, found
            found = {}
        elif line.startswith(_END):
            if found is not None:
                yield True, found
            found = None
        elif found is not None:
            words = line.split(None, 2)
            if len(words) > 1:
                found[words[0]] = words[1]
    if found is not None:
        yield False, found


def read_dump(path: Path, index: int) -> dict[str, str]:
    """The statistics of one dump; an index below 0 counts from the end.

    Raises:
        EvaluationError: the file cannot be read, is empty, has no such dump, or breaks off in it.
    """
    try:
        empty = path.stat().st_size == 0
        with open_stats(path) as lines:
            found = dumps(lines)
            kept = list(islice(found, index, index + 1) if index >= 0 else deque(found, maxlen=-index))
    except (OSError, EOFError, zlib.error) as error:
        raise EvaluationError(f"{path.name} cannot be read: {error}") from error
    if empty:
        raise EvaluationError(f"{path.name} is empty: the simulation ended before it wrote statistics")
    if len(kept) < max(1, -index):
        raise EvaluationError(f"{path.name} holds no dump {index} of statistics")
    complete, stats = kept[0]
    if not complete:
        raise EvaluationError(f"{path.name} is cut short: a dump of {len(stats)} statistics has no end line")
    return stats


class Gem5Stats:
    """Reads one dump of a gem5 statistics file."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(Gem5StatsOptions)

    def Initialize(self) -> None:
        """Check that each cost has a statistic."""
        names = [self._options.file] if self._options.file else ["stats.txt", "m5out/stats.txt"]
        for name in names:
            check_file(self._framework, "options.file", name)
        self._names = [packed for name in names for packed in (name, f"{name}.gz")]
        self._stats = self._read_options()
        self._script = find_script(self._framework, self._options, take_default=False)
        self.fingerprint = self._script.fingerprint if self._script is not None else {}

    def _read_options(self) -> dict[str, Statistic]:
        """The statistic of each cost.

        Raises:
            ConfigError: costs without one, names that are no costs, formulas that cannot be read, all at once.
        """
        costs, given = self._framework.costs, self._options
        known = {cost: name for cost, name in KNOWN.items() if cost in costs}
        named = one_for_each_cost(self._framework, "stats", {**known, **given.stats}, "statistic")
        zero = {cost.lower() for cost in given.absent_is_zero}
        at = f"{self._framework.place}.options"
        faults = [
            Fault(f"{at}.absent_is_zero", f"{c!r} is no cost", nearest(c, costs)) for c in sorted(zero - {*costs})
        ]
        found = {}
        for cost, text in named.items():
            try:
                found[cost] = Statistic(text, absent_is_zero=cost in zero)
            except ValueError as error:
                faults.append(Fault(f"{at}.stats.{cost}", str(error)))
        if faults:
            raise ConfigError(str(self._framework.config.source), faults)
        return found

    def Run(self, trial: Trial, executor: Executor | None = None) -> dict[str, float]:
        """The costs of a trial.

        Raises:
            EvaluationError: the script failed, no complete dump, or a statistic that is absent or not finite.
        """
        folder = run_folder(trial)
        if self._script is not None:
            self._script.run(trial, executor)
        path = next((folder / name for name in self._names if (folder / name).is_file()), None)
        if path is None:
            raise EvaluationError(f"no {self._names[0]} in the run directory: gem5 did not start, or wrote elsewhere")
        found = read_dump(path, self._options.dump)
        return {cost: statistic.value(found, cost, path.name) for cost, statistic in self._stats.items()}


def GetObject(framework: Framework) -> Extractor:
    return Gem5Stats(framework)
