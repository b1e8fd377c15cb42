"""The user's extract script, run in a trial's run directory before the result file is read."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from deffe.api import DeffeError, EvaluationError, Executor, Field, Framework, Options, Trial
from deffe.config.schema import ExtractSection
from deffe.errors import ConfigError, Fault
from deffe.executors import Job, JobEnd, adopted
from deffe.scripts import process
from deffe.scripts.script_values import ScriptValues
from deffe.scripts.user_script import UserScript, find_scripts, fingerprint

from ._reading import run_folder

PLACE = "extract.sample_extract_script"


class ScriptOptions(Options):
    """Options of every extractor that may run a script first."""

    timeout_s: float | None = Field(default=None, gt=0, description="seconds after which the extract script is killed")


def find_script(framework: Framework, options: ScriptOptions, *, take_default: bool) -> ExtractScript | None:
    """The extract script that the configuration names, or None.

    Args:
        take_default: also run extract.sh, when it is there and no other script is named.
    Raises:
        ConfigError: a script that is named is not there, or cannot be run.
    """
    section = framework.config.GetExtract()
    file = section.sample_extract_script
    named = "sample_extract_script" in section.model_fields_set
    if not file or not (named or take_default):
        return None
    path = framework.find(file)
    if path is None and not named:
        return None
    sources, missing = find_scripts(section.source_scripts, framework.find)
    looked = "looked for in " + " and in ".join(dict.fromkeys(map(str, (framework.config.folder, Path.cwd()))))
    faults = [Fault("extract.source_scripts", f"there is no script {source!r}", looked) for source in missing]
    if path is None:
        faults.append(Fault(PLACE, f"there is no script {file!r}", looked))
    values = ScriptValues(framework.space.parameters, framework.config.variables, section.sample_extract_excludes)
    try:
        script = UserScript(path, values.names, section.sample_extract_arguments, sources) if path else None
    except OSError as error:
        faults.append(Fault(PLACE, f"{error.filename or path} cannot be read: {error.strerror}", "allow reading it"))
    except ValueError as error:
        faults.append(Fault(PLACE, str(error)))
    if faults or script is None:
        raise ConfigError(str(framework.config.source), faults)
    return ExtractScript(script, values, section, options.timeout_s)


@dataclass(frozen=True)
class ExtractScript:
    """Runs one script a trial; safe to use from several threads."""

    script: UserScript
    values: ScriptValues
    section: ExtractSection
    timeout_s: float | None

    @property
    def fingerprint(self) -> dict[str, str]:
        """{path: digest of the content} of the script and of what it sources."""
        return fingerprint(self.script.files)

    def run(self, trial: Trial, executor: Executor | None) -> None:
        """Run the script for a trial, on the executor if there is one, so that it ends when the run does.

        Raises:
            EvaluationError: the script failed or took too long.
            DeffeError: its files cannot be written, or the run was stopped: the point has not failed.
        """
        folder = run_folder(trial)
        job = adopted(executor, folder) or self._job(trial, folder)
        if executor is None:
            ended = process.run(
                job.commands, folder=job.folder, log=job.log, environment=job.environment, timeout_s=job.timeout_s
            )
            end = JobEnd(job, ended.exit_code, ended.timed_out, ended.seconds)
        else:
            found = next(iter(executor.run([job])), None)
            if found is None:
                raise DeffeError("the run was stopped before the costs of a point were extracted")
            end = found
        if end.exit_code or end.timed_out:
            said = process.last_line(job.log)
            raise EvaluationError(f"{self.script.path.name}: {end.how}" + (f": {said}" if said else ""))

    def _job(self, trial: Trial, folder: Path) -> Job:
        known = self.values.known(trial)
        try:
            command = self._place(folder, known)
        except ValueError as error:
            raise DeffeError(f"{self.script.path}: {error}", "change the value or the end mark") from error
        except OSError as error:
            raise DeffeError(f"cannot write {error.filename or folder}: {error.strerror}") from error
        return Job(
            number=trial.number,
            commands=(command,),
            folder=folder,
            log=folder / self.section.output_log,
            environment=self.values.environment(known, folder),
            timeout_s=self.timeout_s,
            point=trial.number,
            variables=self.values.variables(known, folder),
        )

    def _place(self, folder: Path, known: Mapping[str, str]) -> tuple[str, ...]:
        """Put the script into a folder where the evaluation, or an extraction that was killed, has left files."""
        slots, arguments = self.values.slots(known), self.values.arguments(known)
        name = self.script.path.name
        for again in count():
            taken = "" if not again else "extract_" if again == 1 else f"extract{again}_"
            if not (folder / f"{taken}{name}").exists():
                with contextlib.suppress(FileExistsError):
                    return self.script.place(folder, slots, arguments, f"{taken}{name}")
        raise AssertionError  # there is no last one
