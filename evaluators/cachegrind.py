"""Counts a program's cache misses on this machine with valgrind's cachegrind, a simulator that installs anywhere."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from deffe.api import Batch, EvaluationError, Evaluator, Executor, Field, Framework, Options, Outcome, Trial
from deffe.errors import ConfigError, Fault, nearest
from deffe.executors import Job, JobEnd
from deffe.scripts.process import last_line, last_lines

from ._caches import KNOBS, Cache, check_caches, read_caches
from ._point_runs import PointRuns, Verdict
from ._programs import Program, SimulatorJobs, check_all, read_words, refuse_unused

COUNTS = "cachegrind.out"
EVENTS = ("ir", "i1mr", "ilmr", "dr", "d1mr", "dlmr", "dw", "d1mw", "dlmw")
"""Events that cachegrind counts, which are costs under these names as well."""
COSTS: Mapping[str, tuple[str, ...]] = {
    "instructions": ("ir",),
    "data_reads": ("dr",),
    "data_writes": ("dw",),
    "data_accesses": ("dr", "dw"),
    "l1i_misses": ("i1mr",),
    "l1d_misses": ("d1mr", "d1mw"),
    "l2_misses": ("ilmr", "dlmr", "dlmw"),
}
"""Each cost and the events it is the sum of."""
CYCLES = "estimated_cycles"
_SAYS = re.compile(r"(?:==\d+== )?(?:valgrind|Cachegrind): (?P<text>.*)")


class CachegrindOptions(Options):
    """Options of the evaluator cachegrind."""

    program: str = Field(description="the program that is measured; {name} in it stands for the value of a knob")
    program_arguments: str | tuple[str, ...] = Field(
        default="", description="its arguments, such as '{objects} 2': a text, or a list of words"
    )
    max_exit_code: int = Field(default=0, ge=0, description="a program with a higher exit code fails its point")
    l1_miss_cycles: float = Field(default=10, ge=0, description="cycles that a miss in L1 adds to estimated_cycles")
    l2_miss_cycles: float = Field(default=100, ge=0, description="cycles that a miss in L2 adds to them")
    valgrind: str = Field(default="valgrind", description="valgrind's executable, or its name on the PATH")
    valgrind_arguments: str | tuple[str, ...] = Field(default="", description="further options of valgrind")


class Cachegrind:
    """Evaluates a point by running its program once in valgrind, and reads the costs from the counts."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(CachegrindOptions)
        self._jobs = SimulatorJobs(framework)
        self.fingerprint: dict[str, str] = {}

    def Initialize(self) -> None:
        """Find valgrind and the programs; ``fingerprint`` then has a digest of the latter.

        Raises:
            ConfigError: something is not there, a cost is unknown, or a knob would have no effect.
        """
        given, framework = self._options, self._framework
        self._program = Program(framework, given.program, given.program_arguments, executable=True)
        self._arguments = read_words(framework, "valgrind_arguments", given.valgrind_arguments)
        check_all(framework, (self._check_costs, self._refuse_unused, self._find_valgrind, self._check_program))

    def _check_costs(self) -> None:
        known = (CYCLES, *COSTS, *EVENTS)
        unknown = [cost for cost in self._framework.costs if cost not in known]
        faults = [Fault("costs", f"cachegrind does not measure {cost!r}", nearest(cost, known)) for cost in unknown]
        if faults:
            raise ConfigError(str(self._framework.config.source), faults)

    def _refuse_unused(self) -> None:
        hint = f"cachegrind takes {', '.join(KNOBS)}; name others in program_arguments, as {{name}}"
        refuse_unused(self._framework, {*KNOBS, *self._program.names, *self._arguments.names}, hint)

    def _find_valgrind(self) -> None:
        name = self._options.valgrind
        found = shutil.which(name) or shutil.which(str(self._framework.find(name) or ""))
        self._valgrind = os.path.abspath(found) if found else name
        if not found and self._framework.dry_run:
            self._framework.log.warning("%s was not found", name)
        elif not found:
            fault = Fault("evaluate.options.valgrind", f"{name!r} was not found", "install it: apt install valgrind")
            raise ConfigError(str(self._framework.config.source), [fault])

    def _check_program(self) -> None:
        self.fingerprint = self._program.check()

    def Run(self, batch: Batch, executor: Executor) -> Iterator[Outcome]:
        """Run every point, and again at most ``retries`` times those that failed; yields one outcome a point."""
        return PointRuns(self._framework, self._job, self._judge, self._check).run(batch, executor)

    def _check(self, trial: Trial) -> None:
        known = self._jobs.known(trial)
        self._program.command(known)
        check_caches(known)

    def _job(self, number: int, trial: Trial, folder: Path) -> Job:
        known = self._jobs.known(trial)
        caches = read_caches(known)
        command = [
            *(self._valgrind, *self._arguments.fill(known), "--tool=cachegrind", "--cache-sim=yes", "--vgdb=no"),
            *(f"--I1={_shape(caches['l1i'])}", f"--D1={_shape(caches['l1d'])}", f"--LL={_shape(caches['l2'])}"),
            f"--cachegrind-out-file={COUNTS}",
            *self._program.command(known),
        ]
        return self._jobs.make(number, trial, folder, command)

    def _judge(self, trial: Trial, end: JobEnd) -> Verdict:
        reason = self._reason(end)
        if reason:
            return Verdict(reason)
        try:
            events = read_counts(end.job.folder / COUNTS)
        except EvaluationError as error:
            return Verdict(error.message)
        costs = costs_of(events, self._options.l1_miss_cycles, self._options.l2_miss_cycles)
        return Verdict(costs=tuple(costs[name] for name in self._framework.costs))

    def _reason(self, end: JobEnd) -> str:
        """Why a run is of no use; empty when it is of use."""
        how = end.how
        if end.timed_out or end.reason:
            return how
        if end.exit_code and not (end.job.folder / COUNTS).exists():  # valgrind itself has refused to run
            said = _refusal(end.job.log) or last_line(end.job.log)
            return f"{how}: {said}" if said else how
        if end.exit_code < 0:
            return f"the program was {how}"
        allowed = self._options.max_exit_code
        return f"the program ended with {how}, allowed: at most {allowed}" if end.exit_code > allowed else ""


def read_counts(path: Path) -> dict[str, int]:
    """The totals of a file of cachegrind, by the names of events in lower case.

    Raises:
        EvaluationError: the file is not there, cannot be read, or breaks off before its summary.
    """
    names: list[str] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, _, rest = line.partition(":")
                if key == "events":
                    names = rest.lower().split()
                elif key == "summary":
                    return dict(zip(names, map(int, rest.split()), strict=True))
    except OSError as error:
        raise EvaluationError(f"{path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise EvaluationError(f"the summary of {path.name} cannot be read: {error}") from error
    raise EvaluationError(f"{path.name} is cut short: it has no summary")


def costs_of(events: Mapping[str, int], l1_miss_cycles: float, l2_miss_cycles: float) -> dict[str, float]:
    """All costs from the counts; estimated cycles are one an instruction, and more for each miss.

    Raises:
        EvaluationError: an event was not counted.
    """
    missing = [name for name in EVENTS if name not in events]
    if missing:
        raise EvaluationError(f"{COUNTS} does not have the events {', '.join(missing)}")
    costs: dict[str, float] = {name: float(sum(events[event] for event in parts)) for name, parts in COSTS.items()}
    l1_misses = costs["l1i_misses"] + costs["l1d_misses"]
    costs[CYCLES] = costs["instructions"] + l1_miss_cycles * l1_misses + l2_miss_cycles * costs["l2_misses"]
    return costs | {name: float(events[name]) for name in EVENTS}


def _shape(cache: Cache) -> str:
    return f"{cache.size},{cache.ways},{cache.line}"


def _refusal(log: Path) -> str:
    """What valgrind says first of the reason why it does not run the program."""
    lines = [re.sub(r"^==\d+== ", "", line) for line in last_lines(log)]
    for i, line in enumerate(lines):
        found = _SAYS.fullmatch(line)
        if found and found["text"].startswith("cannot continue"):  # goes on for two more lines
            return " ".join(part.strip() for part in lines[i : i + 3])
        if found:
            return line
    return ""


def GetObject(framework: Framework) -> Evaluator:
    return Cachegrind(framework)
