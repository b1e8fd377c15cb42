"""What all extractors share: from a file in the run directory to finite numbers, or the reason why not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from deffe.api import EvaluationError, Framework, Trial
from deffe.errors import ConfigError, Fault, nearest

# float() also takes "1_000", " 1 " and "infinity"; a result file that holds these is broken.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SHOWN = 60


def shown(text: object) -> str:
    """A value as an error shows it: quoted and short."""
    quoted = repr(text)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[:_SHOWN]}..."


def number(found: object, cost: str, where: str) -> float:
    """The finite number that ``found`` is or spells.

    Raises:
        EvaluationError: it is no number, not finite, or a truth value.
    """
    if isinstance(found, str) and _NUMBER.fullmatch(found.strip()):
        found = float(found)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise EvaluationError(f"{where}: cost {cost!r} is {shown(found)}, expected a finite number")
    try:
        value = float(found)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise EvaluationError(f"{where}: cost {cost!r} is {shown(found)}, expected a finite number")
    return value


def pick(found: Iterable[tuple[str, object]], costs: Iterable[str], where: str) -> dict[str, float]:
    """The value of each cost among named values; names match whatever their case.

    Raises:
        EvaluationError: a cost is absent, no number, or given twice with different values.
    """
    named: dict[str, object] = {}
    for name, value in found:
        key = name.strip().lower()
        if key in named and named[key] != value:
            raise EvaluationError(f"{where}: {key!r} is given twice, as {shown(named[key])} and {shown(value)}")
        named[key] = value
    wanted = list(costs)
    missing = [cost for cost in wanted if cost.lower() not in named]
    if missing:
        names = ", ".join(list(named)[:20]) or "no names"
        raise EvaluationError(f"{where}: no value for cost {', '.join(map(repr, missing))}; found {names}")
    return {cost: number(named[cost.lower()], cost, where) for cost in wanted}


def run_folder(trial: Trial) -> Path:
    """The trial's run directory.

    Raises:
        EvaluationError: the evaluator gave the trial none.
    """
    if trial.folder is None:
        raise EvaluationError("the trial has no run directory to read costs from")
    return trial.folder


def read_text(folder: Path, name: str) -> str:
    """The text of a result file.

    Raises:
        EvaluationError: the file is absent, empty or cannot be read.
    """
    try:
        text = (folder / name).read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise EvaluationError(f"no {name} in the run directory: no script wrote it") from None
    except OSError as error:
        raise EvaluationError(f"{name} cannot be read: {error.strerror}") from error
    if not text.strip():
        raise EvaluationError(f"{name} is empty")
    return text


def check_file(framework: Framework, place: str, name: str) -> None:
    """A result file must lie in the run directory: one shared by all trials would hand on another trial's costs.

    Raises:
        ConfigError: the name is absolute or leads out of the run directory.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        fault = Fault(
            f"{framework.place}.{place}", f"{name!r} is not inside the run directory", "a name such as results.out"
        )
        raise ConfigError(str(framework.config.source), [fault])


def one_for_each_cost(framework: Framework, place: str, given: Mapping[str, str], what: str) -> dict[str, str]:
    """An option that maps each cost to a text, by the names of the configuration.

    Raises:
        ConfigError: names that are no cost, and costs without an entry, all at once.
    """
    lower = {name.lower(): text for name, text in given.items()}
    at = f"{framework.place}.options.{place}"
    faults = [
        Fault(f"{at}.{name}", f"{name!r} is no cost of this configuration", nearest(name.lower(), framework.costs))
        for name in given
        if name.lower() not in framework.costs
    ]
    faults += [
        Fault(at, f"cost {cost!r} has no {what}", f'add "{cost}": "..."')
        for cost in framework.costs
        if cost not in lower
    ]
    if faults:
        raise ConfigError(str(framework.config.source), faults)
    return {cost: lower[cost] for cost in framework.costs}
