"""The program that a simulator runs: its path and arguments, with values of the point in place of ``{name}``."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from deffe.api import EvaluationError, Framework, Parameter, Trial
from deffe.errors import ConfigError, Fault, nearest
from deffe.executors import Job
from deffe.scripts.script_values import ScriptValues, param_json
from deffe.scripts.user_script import fingerprint
from deffe.values import text

_SLOT = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_MARK = re.compile("\0([0-9]+)\0")


class Words:
    """Words of a command line with slots ``{name}``; ``{{`` is a brace. A value is never split, nor read by a shell.

    Args:
        given: words, or a text that is split as on a command line.
        names: the names that may stand in slots.
    Raises:
        ValueError: another name, a single brace or an open quote.
    """

    def __init__(self, given: str | Sequence[str], names: Collection[str]) -> None:
        self._slots: list[str] = []
        self._known = names
        marked = self._marked(given) if isinstance(given, str) else [self._marked(word) for word in given]
        self._words = shlex.split(marked) if isinstance(marked, str) else marked

    def _marked(self, given: str) -> str:
        if "\0" in given:
            raise ValueError(f"{given!r} has a null character")
        return _SLOT.sub(self._mark, given)

    def _mark(self, slot: re.Match[str]) -> str:
        if slot[0] in ("{{", "}}"):
            return slot[0][0]
        name = (slot[1] or "").strip()
        if name not in self._known:
            hint = nearest(name, self._known) if name else "write {{ or }} for a brace"
            raise ValueError(f"{slot[0]!r} stands for no knob; {hint}")
        self._slots.append(name)
        return f"\0{len(self._slots) - 1}\0"

    @property
    def names(self) -> frozenset[str]:
        """The names in the slots."""
        return frozenset(self._slots)

    def fill(self, known: Mapping[str, str]) -> list[str]:
        """The words for one point; a word with a name that has no value there is left out."""
        words = []
        for word in self._words:
            used = [self._slots[int(mark)] for mark in _MARK.findall(word)]
            if all(name in known for name in used):
                words.append(_MARK.sub(lambda mark: known[self._slots[int(mark[1])]], word))
        return words


class Program:
    """A program below a simulator.

    Args:
        program: its path with slots, looked up beside the configuration, then in the current folder.
        arguments: with slots.
        executable: whether this machine must be able to run it.
    Raises:
        ConfigError: slots without a knob.
    """

    def __init__(
        self, framework: Framework, program: str, arguments: str | Sequence[str], *, executable: bool = False
    ) -> None:
        self._framework = framework
        self._parameters = framework.space.parameters
        self._executable = executable
        self._path = read_words(framework, "program", [program])
        self._arguments = read_words(framework, "program_arguments", arguments)
        self.names = self._path.names | self._arguments.names

    def command(self, known: Mapping[str, str]) -> list[str]:
        """The program and its arguments for one point.

        Raises:
            EvaluationError: there is no such program.
        """
        name = next(iter(self._path.fill(known)), "")
        # links are not followed: a program may go by the name that it is called by
        places = (folder / Path(name).expanduser() for folder in (self._framework.config.folder, Path.cwd()))
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise EvaluationError(f"there is no program {name!r}")
        if self._executable and not os.access(path, os.X_OK):
            raise EvaluationError(f"the program {name!r} is not executable")
        return [str(path), *self._arguments.fill(known)]

    def check(self) -> dict[str, str]:
        """Look for the programs that the values name, where a single knob decides, and read them.

        Returns:
            {path: digest of the content}.
        Raises:
            ConfigError: those that are not there.
        """
        faults, found = [], []
        for known in self._cases():
            try:
                found.append(Path(self.command(known)[0]))
            except EvaluationError as error:
                faults.append(Fault("evaluate.options.program", error.message, self._hint(known)))
        if faults:
            raise ConfigError(str(self._framework.config.source), faults)
        return fingerprint(found)

    def _cases(self) -> Iterable[Mapping[str, str]]:
        if not self._path.names:
            return [{}]
        deciding = [p for p in self._parameters if {p.name, p.map} & self._path.names]
        if len(deciding) > 1:
            return []  # not all combinations need be points
        return [{deciding[0].name: text(value), deciding[0].map: text(value)} for value in deciding[0].values]

    def _hint(self, known: Mapping[str, str]) -> str:
        path = Path(next(iter(self._path.fill(known)), ""))
        makefile = self._framework.find(str(path.parent / "Makefile"))
        if makefile is not None:
            return f"make it: make -C {shlex.quote(str(makefile.parent))}"
        return f"looked for beside {self._framework.config.source.name} and in {Path.cwd()}"


def read_words(framework: Framework, option: str, given: str | Sequence[str]) -> Words:
    """Words of an option, whose slots take the names of knobs and their maps.

    Raises:
        ConfigError: they cannot be read.
    """
    names = dict.fromkeys(name for p in framework.space.parameters for name in (p.name, p.map))
    try:
        return Words(given, list(names))
    except ValueError as error:
        fault = Fault(f"{framework.place}.options.{option}", str(error))
        raise ConfigError(str(framework.config.source), [fault]) from error


def check_all(framework: Framework, checks: Iterable[Callable[[], None]]) -> None:
    """Make every check.

    Raises:
        ConfigError: with the faults of all that failed.
    """
    faults: list[Fault] = []
    for check in checks:
        try:
            check()
        except ConfigError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigError(str(framework.config.source), faults)


class SimulatorJobs:
    """Jobs that run a simulator. Their environment has no knobs: programs heed many names there."""

    def __init__(self, framework: Framework) -> None:
        self._section = framework.config.GetEvaluate()
        self._parameters = framework.space.parameters
        self._values = ScriptValues(self._parameters, framework.config.variables)
        self._environment = ScriptValues((), framework.config.variables)
        ignored = ("sample_evaluate_script", "sample_evaluate_arguments", "sample_evaluate_excludes", "source_scripts")
        for key in ignored:
            if key in self._section.model_fields_set:
                framework.log.warning("evaluate.%s has no meaning for the evaluator %r", key, framework.name)

    def known(self, trial: Trial) -> dict[str, str]:
        """The texts of a point's values by name and by map."""
        return self._values.known(trial)

    def make(self, number: int, trial: Trial, folder: Path, command: Sequence[str]) -> Job:
        """The job of one point; ``param.json`` tells its values.

        Raises:
            OSError: it cannot be written.
        """
        (folder / "param.json").write_text(param_json(trial, self._parameters), encoding="utf-8")
        return Job(
            number=number,
            commands=(tuple(command),),
            folder=folder,
            log=folder / self._section.output_log,
            environment=self._environment.environment({}, folder),
            variables=self._environment.variables({}, folder),
            timeout_s=self._section.timeout_s,
        )


def refuse_unused(framework: Framework, used: Collection[str], hint: str) -> None:
    """Refuse knobs of several values that the simulation would not see: their costs would be the same by mistake.

    Raises:
        ConfigError: with each such knob.
    """

    def unseen(parameter: Parameter) -> bool:
        return len(parameter.values) > 1 and not {parameter.name, parameter.map} & set(used)

    faults = [
        Fault("knobs", f"{parameter.name!r} reaches neither the simulator nor its program", hint)
        for parameter in framework.space.parameters
        if unseen(parameter)
    ]
    if faults:
        raise ConfigError(str(framework.config.source), faults)
