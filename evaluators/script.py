"""Runs a shell script, a Python script or another program once a point, in a fresh run directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deffe.api import Batch, DeffeError, Evaluator, Executor, Framework, Outcome, Trial
from deffe.errors import ConfigError, Fault
from deffe.executors import Job
from deffe.scripts.script_values import ScriptValues, param_json
from deffe.scripts.user_script import UserScript, find_scripts, fingerprint
from deffe.values import text

from ._point_runs import PointRuns

COMMAND_MAPS = ("command_file", "command_option")
"""Maps of parameters whose value names a script that is run before the evaluate script."""


class Script:
    """Evaluates a point by running a script. Its costs are read by the extractor, from its run directory."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._section = framework.config.GetEvaluate()
        self._parameters = framework.space.parameters
        excludes = self._section.sample_evaluate_excludes
        self._values = ScriptValues(self._parameters, framework.config.variables, excludes)
        naming = [p for p in self._parameters if p.map in COMMAND_MAPS or p.name in COMMAND_MAPS]
        self._naming = tuple(parameter.name for parameter in naming)
        self.fingerprint: Mapping[str, str] = {}

    def Initialize(self) -> None:
        """Find and read all scripts; ``fingerprint`` then has a digest of each.

        Raises:
            ConfigError: scripts that are not there or cannot be run, all at once.
        """
        faults: list[Fault] = []
        sources, missing = find_scripts(self._section.source_scripts, self._framework.find)
        faults += [self._absent("evaluate.source_scripts", file) for file in missing]
        arguments = self._section.sample_evaluate_arguments
        file = self._section.sample_evaluate_script
        script = self._read("evaluate.sample_evaluate_script", file, faults, arguments, sources)
        commands = {
            text(value): self._read(f"values of {parameter.name}", text(value), faults)
            for parameter in self._parameters
            if parameter.name in self._naming
            for value in parameter.values
        }
        if faults or script is None:
            raise ConfigError(str(self._framework.config.source), faults)
        self._script = script
        self._commands = {name: found for name, found in commands.items() if found is not None}
        self.fingerprint = fingerprint([file for used in (script, *self._commands.values()) for file in used.files])

    def _absent(self, place: str, file: str) -> Fault:
        folders = " and in ".join(dict.fromkeys(map(str, (self._framework.config.folder, Path.cwd()))))
        return Fault(place, f"there is no script {file!r}", f"looked for in {folders}")

    def _read(
        self, place: str, file: str, faults: list[Fault], arguments: str = "", sources: Sequence[Path] = ()
    ) -> UserScript | None:
        path = self._framework.find(file)
        if path is None:
            faults.append(self._absent(place, file))
            return None
        try:
            return UserScript(path, self._values.names, arguments, sources)
        except OSError as error:
            unread = error.filename or path
            faults.append(Fault(place, f"{unread} cannot be read: {error.strerror}", "allow reading it"))
        except ValueError as error:
            faults.append(Fault(place, str(error)))
        return None

    def Run(self, batch: Batch, executor: Executor) -> Iterator[Outcome]:
        """Run every point, and again at most ``retries`` times those that failed; yields one outcome a point."""
        return PointRuns(self._framework, self._job).run(batch, executor)

    def _job(self, row: int, trial: Trial, folder: Path) -> Job:
        known = self._values.known(trial)
        slots = self._values.slots(known)
        (folder / "param.json").write_text(param_json(trial, self._parameters), encoding="utf-8")
        try:
            commands = [self._place_command(i, name, folder, slots, known) for i, name in enumerate(self._named(trial))]
            commands.append(self._script.place(folder, slots, self._values.arguments(known)))
        except ValueError as error:
            raise DeffeError(f"{self._script.path}: {error}", "change the value or the end mark") from error
        return Job(
            number=row,
            commands=tuple(commands),
            folder=folder,
            log=folder / self._section.output_log,
            environment=self._values.environment(known, folder),
            variables=self._values.variables(known, folder),
            timeout_s=self._section.timeout_s,
        )

    def _place_command(
        self, place: int, name: str, folder: Path, slots: Mapping[str, str], known: Mapping[str, str]
    ) -> tuple[str, ...]:
        script = self._commands[name]
        return script.place(folder, slots, self._values.arguments(known), f"command{place}_{script.path.name}")

    def _named(self, trial: Trial) -> list[str]:
        """The scripts that values of this point name."""
        return [text(trial.values[name]) for name in self._naming if name in trial.values]


def GetObject(framework: Framework) -> Evaluator:
    return Script(framework)
