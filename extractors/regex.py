"""Costs from any text file, such as a log: a regular expression for each cost."""

from __future__ import annotations

import re
from typing import Literal

from deffe.api import EvaluationError, Executor, Extractor, Field, Framework, Trial
from deffe.errors import ConfigError, Fault

from ._reading import check_file, number, one_for_each_cost, read_text, run_folder, shown
from ._script import ScriptOptions, find_script


class RegexOptions(ScriptOptions):
    """Options of the extractor regex."""

    patterns: dict[str, str] = Field(
        description='regular expression of each cost, such as {"cycles": "cycles: (\\\\S+)"}; the number is the group '
        "named value, else the first group, else the whole match; ^ and $ match at every line"
    )
    file: str = Field(default="", description="file to search; by default the log of the evaluation")
    match: Literal["first", "last", "only"] = Field(default="last", description="which of several matches counts")


class Regex:
    """Searches one file of the run directory."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(RegexOptions)

    def Initialize(self) -> None:
        """Check and compile the patterns."""
        self._file = self._options.file or self._framework.config.GetEvaluate().output_log
        check_file(self._framework, "options.file", self._file)
        texts = one_for_each_cost(self._framework, "patterns", self._options.patterns, "regular expression")
        self._patterns: dict[str, re.Pattern[str]] = {}
        faults = []
        for cost, text in texts.items():
            try:
                self._patterns[cost] = re.compile(text, re.MULTILINE)
            except re.error as error:
                place = f"{self._framework.place}.options.patterns.{cost}"
                faults.append(Fault(place, f"{text!r} is no regular expression: {error}"))
        if faults:
            raise ConfigError(str(self._framework.config.source), faults)
        self._script = find_script(self._framework, self._options, take_default=False)
        self.fingerprint = self._script.fingerprint if self._script is not None else {}

    def Run(self, trial: Trial, executor: Executor | None = None) -> dict[str, float]:
        """The costs of a trial.

        Raises:
            EvaluationError: the script failed, no file, or a pattern that finds nothing or no finite number.
        """
        folder = run_folder(trial)
        if self._script is not None:
            self._script.run(trial, executor)
        text = read_text(folder, self._file)
        return {cost: self._cost(cost, pattern, text) for cost, pattern in self._patterns.items()}

    def _cost(self, cost: str, pattern: re.Pattern[str], text: str) -> float:
        found = None
        for count, match in enumerate(pattern.finditer(text), 1):
            found = match
            if self._options.match == "first":
                break
            if self._options.match == "only" and count > 1:
                raise EvaluationError(
                    f"{self._file}: {shown(pattern.pattern)} for cost {cost!r} matches more than once"
                )
        if found is None:
            raise EvaluationError(f"{self._file}: {shown(pattern.pattern)} for cost {cost!r} matches nothing")
        group = "value" if "value" in pattern.groupindex else min(pattern.groups, 1)
        return number(found[group], cost, self._file)


def GetObject(framework: Framework) -> Extractor:
    return Regex(framework)
