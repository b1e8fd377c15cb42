"""Simulates a point with gem5: a program on a RISC-V core with two levels of caches, or a configuration of your own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from deffe.api import Batch, Evaluator, Executor, Field, Framework, Options, Outcome, Trial
from deffe.errors import ConfigError, Fault
from deffe.executors import Job, JobEnd
from deffe.scripts.user_script import fingerprint

from ._caches import KNOBS, check_caches
from ._gem5_binary import find_gem5
from ._gem5_ending import STATS, Expected, pack
from ._point_runs import PointRuns, Verdict
from ._programs import Program, SimulatorJobs, check_all, read_words, refuse_unused

SHIPPED = Path(__file__).parent / "_gem5" / "cache_se.py"
CORE_KNOBS = ("cpu", "clock", "memory", "max_ticks")
"""Knobs of the shipped configuration besides the caches, each with a default there."""


class Gem5Options(Options):
    """Options of the evaluator gem5."""

    gem5: str = Field(
        default="",
        description="gem5's executable; default: what the environment variable GEM5 names, then a build below "
        "gem5_dir, then gem5.fast, gem5.opt or gem5 on the PATH",
    )
    gem5_dir: str = Field(
        default="",
        description="folder of gem5 with build/RISCV/gem5.fast, gem5.opt or gem5.debug; default: the environment "
        "variable gem5_dir",
    )
    build: str = Field(default="RISCV", description="folder of the executable below build; ALL is looked into as well")
    program: str = Field(
        default="", description="the program that is simulated; {name} in it stands for the value of a knob"
    )
    program_arguments: str | tuple[str, ...] = Field(
        default="", description="its arguments, such as '{objects} 2': a text, or a list of words"
    )
    script: str = Field(default="", description="a gem5 configuration of your own; default: the one that comes along")
    script_arguments: str | tuple[str, ...] | None = Field(
        default=None,
        description="arguments of the configuration, such as '--l2_size={l2}kB'; default: --name value for each knob "
        "that the program is not given",
    )
    gem5_arguments: str | tuple[str, ...] = Field(default="", description="further options of gem5 itself")
    exit_causes: tuple[str, ...] = Field(
        default=("exiting with last active thread context", "m5_exit instruction encountered"),
        description="exit causes of a simulation that has come to its end; any other fails the point",
    )
    max_exit_code: int | None = Field(
        default=None, ge=0, description="a program with a higher exit code fails its point; default: any will do"
    )
    pack_stats: bool = Field(default=True, description="pack stats.txt by gzip after the run")


class Gem5:
    """Evaluates a point by one simulation. Its costs are read by the extractor, from ``stats.txt.gz``."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(Gem5Options)
        self._jobs = SimulatorJobs(framework)
        self.fingerprint: dict[str, str] = {}

    def Initialize(self) -> None:
        """Find gem5, the configuration and the programs; ``fingerprint`` then has a digest of the latter two.

        Raises:
            ConfigError: something is not there, or a knob would have no effect.
        """
        given, framework = self._options, self._framework
        self._program = Program(framework, given.program, given.program_arguments)
        self._gem5_arguments = read_words(framework, "gem5_arguments", given.gem5_arguments)
        self._script_arguments = (
            None
            if given.script_arguments is None
            else read_words(framework, "script_arguments", given.script_arguments)
        )
        checks = (self._check_extractor, self._refuse_unused, self._check_script, self._find_gem5, self._check_program)
        check_all(framework, checks)

    def _fault(self, place: str, message: str, hint: str = "") -> ConfigError:
        return ConfigError(str(self._framework.config.source), [Fault(place, message, hint)])

    def _check_extractor(self) -> None:
        section = self._framework.config.GetExtract()
        if "pyscript" not in section.model_fields_set and self._framework.find(section.sample_extract_script) is None:
            raise self._fault("extract", "nothing reads gem5's statistics", 'add "extract": {"pyscript": "gem5_stats"}')

    def _refuse_unused(self) -> None:
        used = self._program.names | self._gem5_arguments.names
        if self._script_arguments is not None:
            hint = "name it in script_arguments or program_arguments: {" + "name}"
            refuse_unused(self._framework, used | self._script_arguments.names, hint)
        elif not self._options.script:
            known = (*KNOBS, *CORE_KNOBS)
            hint = f"the configuration takes {', '.join(known)}; name others in program_arguments, as {{name}}"
            refuse_unused(self._framework, used | {*known}, hint)

    def _check_script(self) -> None:
        name, folder = self._options.script, self._framework.config.folder
        path = self._framework.find(name) if name else SHIPPED
        if path is None or not path.is_file():
            raise self._fault("evaluate.options.script", f"there is no file {name!r}", f"looked for in {folder}")
        self._script = path
        self.fingerprint |= fingerprint([path])

    def _check_program(self) -> None:
        if self._options.program or not self._options.script:
            self.fingerprint |= self._program.check()

    def _find_gem5(self) -> None:
        given, self._gem5 = self._options, "gem5.fast"
        try:
            self._gem5 = str(find_gem5(given.gem5, given.gem5_dir, given.build, os.environ, self._framework.find))
        except ValueError as error:
            if self._framework.dry_run:
                self._framework.log.warning("%s", error)
                return
            raise self._fault("evaluate.options.gem5", str(error)) from error

    def Run(self, batch: Batch, executor: Executor) -> Iterator[Outcome]:
        """Simulate every point, and again at most ``retries`` times those that failed; yields one outcome a point."""
        return PointRuns(self._framework, self._job, self._judge, self._check).run(batch, executor)

    def _check(self, trial: Trial) -> None:
        known = self._jobs.known(trial)
        if self._options.program:
            self._program.command(known)
        if not self._options.script and self._script_arguments is None:
            check_caches(known)

    def _job(self, number: int, trial: Trial, folder: Path) -> Job:
        known = self._jobs.known(trial)
        command = [
            *(self._gem5, *self._gem5_arguments.fill(known), "-q", "-d", ".", str(self._script)),
            *self._knobs(trial, known),
            *(self._program.command(known) if self._options.program else ()),
        ]
        return self._jobs.make(number, trial, folder, command)

    def _knobs(self, trial: Trial, known: Mapping[str, str]) -> list[str]:
        """The arguments of the configuration."""
        if self._script_arguments is not None:
            return self._script_arguments.fill(known)
        if not self._options.script:
            values = {name: str(default) for name, default in KNOBS.items()}
            values |= {name: known[name] for name in (*KNOBS, *CORE_KNOBS) if name in known}
            return [word for name, value in values.items() for word in _option(name, value)]
        taken = self._program.names | self._gem5_arguments.names
        free = [p for p in self._framework.space.parameters if p.name in trial.values and not {p.name, p.map} & taken]
        return [word for parameter in free for word in _option(parameter.map, known[parameter.name])]

    def _judge(self, trial: Trial, end: JobEnd) -> Verdict:
        given = self._options
        reason = Expected(given.exit_causes, given.max_exit_code, told=not given.script).reason(end)
        try:
            if given.pack_stats:
                pack(end.job.folder / STATS)
        except OSError as error:
            self._framework.log.warning("%s is left unpacked: %s", end.job.folder / STATS, error.strerror)
        return Verdict(reason)


def _option(name: str, value: str) -> list[str]:
    """``--name value``; True is a bare ``--name``, False nothing, a value with a dash is no option itself."""
    if value == "False":
        return []
    if value == "True":
        return [f"--{name}"]
    return [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]


def GetObject(framework: Framework) -> Evaluator:
    return Gem5(framework)
