"""Costs from the result file of a trial: a line a cost, JSON, CSV, or names with values."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Literal

from deffe.api import EvaluationError, Executor, Extractor, Field, Framework, Trial
from deffe.errors import counted

from ._reading import check_file, number, pick, read_text, run_folder, shown
from ._script import ScriptOptions, find_script

_PAIR = re.compile(r"\s*(?P<name>[^\s:=#]+)\s*[:=]?\s*(?P<value>[^#]*?)\s*(#.*)?")
_BY_ENDING = {".json": "json", ".csv": "csv"}


class ResultsOptions(ScriptOptions):
    """Options of the extractor results."""

    format: Literal["auto", "lines", "json", "csv", "key_value"] = Field(
        default="auto",
        description="form of cost_output: lines (a cost a line, in the order of costs), json (an object), csv "
        "(a header; the last row counts), key_value (name value, name: value or name = value); auto goes by the "
        "ending .json or .csv, else lines",
    )


def from_lines(text: str, costs: Sequence[str], where: str) -> dict[str, float]:
    """A cost a line, in their order. Lines that start with # and blank lines at the end do not count.

    Raises:
        EvaluationError: more or fewer lines than costs, or a line that is no finite number.
    """
    lines = [line.strip() for line in text.rstrip().splitlines() if not line.lstrip().startswith("#")]
    if len(lines) != len(costs):
        raise EvaluationError(f"{where}: {counted(len(lines), 'line')}, expected {len(costs)}: {', '.join(costs)}")
    return {cost: number(line, cost, where) for cost, line in zip(costs, lines, strict=True)}


def from_json(text: str, costs: Iterable[str], where: str) -> dict[str, float]:
    """An object of names and numbers; other entries do not matter.

    Raises:
        EvaluationError: no JSON object, or a cost that is absent or no finite number.
    """
    try:
        pairs = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{where} is no JSON: {error}") from error
    if not isinstance(pairs, tuple):
        raise EvaluationError(f'{where}: expected a JSON object such as {{"cost": 1.5}}, found {shown(pairs)}')
    return pick(pairs, costs, where)


def from_csv(text: str, costs: Iterable[str], where: str) -> dict[str, float]:
    """A header line and rows, of which the last one counts.

    Raises:
        EvaluationError: no row, a row of another length than the header, or a cost absent or no finite number.
    """
    rows = [row for row in csv.reader(text.splitlines(), skipinitialspace=True) if row]
    if len(rows) < 2:
        raise EvaluationError(f"{where}: expected a header line and a row of values, found {len(rows)} line")
    header, last = rows[0], rows[-1]
    if len(header) != len(last):
        raise EvaluationError(
            f"{where}: the last row has {counted(len(last), 'value')}, the header {counted(len(header), 'name')}"
        )
    return pick(zip(header, last, strict=True), costs, where)


def from_key_value(text: str, costs: Iterable[str], where: str) -> dict[str, float]:
    """A name and a value a line; lines of other text do not matter.

    Raises:
        EvaluationError: a cost that is absent, given twice with different values, or no finite number.
    """
    matches = [match for line in text.splitlines() if (match := _PAIR.fullmatch(line))]
    wanted = {cost.lower() for cost in costs}
    found = [(match["name"], match["value"]) for match in matches if match["name"].lower() in wanted]
    return pick(found, costs, where)


_READERS: dict[str, Callable[[str, Sequence[str], str], dict[str, float]]] = {
    "lines": from_lines,
    "json": from_json,
    "csv": from_csv,
    "key_value": from_key_value,
}


class Results:
    """Runs the user's extract script, if there is one, and reads the result file."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._options = framework.options(ResultsOptions)

    def Initialize(self) -> None:
        """Check the file's name, find the reader and the script."""
        self._file = self._framework.config.GetExtract().cost_output
        check_file(self._framework, "cost_output", self._file)
        by_ending = _BY_ENDING.get(PurePath(self._file).suffix.lower(), "lines")
        self._read = _READERS[by_ending if self._options.format == "auto" else self._options.format]
        self._script = find_script(self._framework, self._options, take_default=True)
        self.fingerprint = self._script.fingerprint if self._script is not None else {}

    def Run(self, trial: Trial, executor: Executor | None = None) -> dict[str, float]:
        """The costs of a trial.

        Raises:
            EvaluationError: the script failed, or the file is missing, unreadable or lacks a finite cost.
        """
        folder = run_folder(trial)
        if self._script is not None:
            self._script.run(trial, executor)
        return self._read(read_text(folder, self._file), self._framework.costs, self._file)


def GetObject(framework: Framework) -> Extractor:
    return Results(framework)
