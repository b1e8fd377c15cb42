"""Runs a shell script, a Python script or another program once a point, in a fresh run directory."""

from __future__ import annotations

import contextlib
import math
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from deffe.api import Batch, DeffeError, DesignSpace, Evaluator, Executor, Framework, Outcome, State, Trial
from deffe.errors import ConfigError, Fault
from deffe.executors import Job, JobEnd
from deffe.scripts.process import describe, last_line
from deffe.scripts.script_values import ScriptValues, param_json
from deffe.scripts.user_script import UserScript, find_scripts, fingerprint
from deffe.values import text

COMMAND_MAPS = ("command_file", "command_option")
"""Maps of parameters whose value names a script that is run before the evaluate script."""


class Script:
    """Evaluates a point by running a script. Its costs are read by the extractor, from its run directory."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._section = framework.config.GetEvaluate()
        self._keep = framework.overrides.get("keep", self._section.keep)
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
        points = _Points(batch, self._framework.space)
        rows: Iterable[int] = range(len(batch))
        if self._framework.dry_run:
            for job in self._jobs(rows, points, 0):
                self._framework.log.info("%s: %s", job.folder, " && ".join(map(shlex.join, job.commands)))
                yield self._outcome(points.take(job), job, State.WAITING)
            return
        for attempt in range(self._section.retries + 1):
            again: list[int] = []
            for end in executor.run(self._jobs(rows, points, attempt)):
                trial = points.take(end.job)
                if end.exit_code == 0 and not end.timed_out:
                    yield self._outcome(trial, end.job, State.DONE, seconds=end.seconds)
                elif attempt < self._section.retries:
                    again.append(end.job.number)
                    self._drop(end.job.folder)
                else:
                    state = State.TIMED_OUT if end.timed_out else State.FAILED
                    yield self._outcome(trial, end.job, state, _reason(end), end.seconds)
            rows = again

    def _jobs(self, rows: Iterable[int], points: _Points, attempt: int) -> Iterator[Job]:
        """Prepare the run directory of one row after another, when the executor asks for it.

        Raises:
            DeffeError: a run directory cannot be written; no point would fare better.
        """
        for row in rows:
            try:
                folder = self._make_folder(points.number(row), attempt)
                job = self._job(row, points.start(row, folder), folder)
            except ValueError as error:
                raise DeffeError(f"{self._script.path}: {error}", "change the value or the end mark") from error
            except OSError as error:
                raise DeffeError(
                    f"cannot write {error.filename or self._framework.folder}: {error.strerror}",
                    "free space or allow writing, then give the same command again: it goes on where it stopped",
                ) from error
            yield job

    def _make_folder(self, number: int, attempt: int) -> Path:
        """A run directory that nobody has used; a run that was killed may have left one of that name."""
        name = f"explore_{number}" + (f"_retry{attempt}" if attempt else "")
        folder = self._framework.folder / name
        for again in count(1):
            with contextlib.suppress(FileExistsError):
                folder.mkdir(parents=True)
                break
            folder = self._framework.folder / f"{name}_again{again}"
        return folder

    def _job(self, row: int, trial: Trial, folder: Path) -> Job:
        known = self._values.known(trial)
        slots = self._values.slots(known)
        (folder / "param.json").write_text(param_json(trial, self._parameters), encoding="utf-8")
        commands = [self._place_command(i, name, folder, slots, known) for i, name in enumerate(self._named(trial))]
        return Job(
            number=row,
            commands=(*commands, self._script.place(folder, slots, self._values.arguments(known))),
            folder=folder,
            log=folder / self._section.output_log,
            environment=self._values.environment(known, folder),
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

    def _outcome(self, trial: Trial, job: Job, state: State, reason: str = "", seconds: float = math.nan) -> Outcome:
        done = state is State.DONE
        return Outcome(
            rows=np.array([job.number]),
            states=np.array([state], dtype=np.int8),
            costs=None if done else np.full((1, len(self._framework.costs)), np.nan),
            reasons=() if done else (reason,),
            seconds=np.array([seconds]),
            trial=trial,
        )

    def _drop(self, folder: Path) -> None:
        """Remove the run directory of an attempt that is followed by another, if none is to be kept."""
        if self._keep == "none":
            shutil.rmtree(folder, ignore_errors=True)


class _Points:
    """The points of a batch as trials, made when they are run and dropped when they are done."""

    def __init__(self, batch: Batch, space: DesignSpace) -> None:
        self._batch = batch
        self._parameters = space.parameters
        self._active = space.active(batch.levels)
        self._running: dict[int, Trial] = {}

    def number(self, row: int) -> int:
        return int(self._batch.numbers[row])

    def start(self, row: int, folder: Path) -> Trial:
        pairs = zip(self._parameters, self._batch.levels[row].tolist(), self._active[row].tolist(), strict=True)
        values = {parameter.name: parameter.values[level] for parameter, level, active in pairs if active}
        self._running[row] = Trial(self.number(row), values, folder)
        return self._running[row]

    def take(self, job: Job) -> Trial:
        return self._running.pop(job.number)


def _reason(end: JobEnd) -> str:
    how = f"time limit of {end.job.timeout_s:g} s reached" if end.timed_out else describe(end.exit_code)
    said = last_line(end.job.log)
    return f"{how}: {said}" if said else how


def GetObject(framework: Framework) -> Evaluator:
    return Script(framework)
