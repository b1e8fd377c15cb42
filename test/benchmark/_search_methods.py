"""The methods of search by name, each with the library it needs and how to get that."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from _search_loop import Method, Told
from _search_problems import Levels, Problem


class Random(Told):
    """Legal new points at random."""

    def ask(self, count: int) -> Levels:
        return self.random(count)


@dataclass(frozen=True)
class Entry:
    """A method.

    Args:
        name: short, for tables and the command line.
        place: module and class; the module is imported when the method is used.
        library: what must be installed; empty for none.
        install: how to get it.
        python: environment variable that may name another Python, which has the library in place of this one.
        most: objectives that it can minimise.
    """

    name: str
    place: tuple[str, str]
    library: str = ""
    install: str = ""
    python: str = ""
    most: int = 9

    @property
    def installed(self) -> bool:
        return not self.library or importlib.util.find_spec(self.library) is not None or self.elsewhere

    @property
    def elsewhere(self) -> bool:
        """Whether another Python is named and has the library."""
        other = os.environ.get(self.python) if self.python else None
        if not other:
            return False
        asked = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({self.library!r}) is None)"
        try:
            return subprocess.run([other, "-c", asked], check=False).returncode == 0
        except OSError:
            return False

    def make(self, problem: Problem, seed: int, options: dict[str, str]) -> Method:
        module, name = self.place
        made: Any = getattr(importlib.import_module(module), name)
        method: Method = made(problem, seed, **options)
        return method


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry("random", ("_search_methods", "Random")),
        Entry("optuna_tpe", ("_search_optuna", "Tpe"), "optuna", "pip install optuna"),
        Entry("optuna_nsga2", ("_search_optuna", "Nsga2"), "optuna", "pip install optuna"),
        Entry("pymoo_nsga2", ("_search_pymoo", "Nsga2"), "pymoo", "pip install pymoo"),
        Entry("smac3", ("_search_smac", "Smac"), "smac", "pip install smac"),
        Entry("botorch", ("_search_botorch", "BoTorch"), "botorch", "pip install botorch"),
        Entry(
            "hebo",
            ("_search_hebo", "Hebo"),
            "hebo",
            "make an environment of Python 3.10 that has HEBO and name its python in DEFFE_HEBO_PYTHON",
            "DEFFE_HEBO_PYTHON",
            most=1,
        ),
        Entry("deffe", ("_search_deffe", "Explorer")),
    )
}
RIVALS = tuple(name for name in ENTRIES if name != "deffe")
OURS = "deffe"


def split_name(text: str) -> tuple[Entry, dict[str, str]]:
    """A method and its options from ``NAME:option=value:...``.

    Raises:
        ValueError: there is no such method, or an option has no value.
    """
    name, *rest = text.split(":")
    if name not in ENTRIES:
        raise ValueError(f"there is no method {name!r}; there are {', '.join(ENTRIES)}")
    pairs = [part.partition("=") for part in rest]
    if bad := [key for key, equals, _ in pairs if not equals]:
        raise ValueError(f"{text}: option {bad[0]!r} has no value; write {bad[0]}=VALUE")
    return ENTRIES[name], {key: value for key, _, value in pairs}


def make(text: str, problem: Problem, seed: int) -> Method:
    """The method of a name with options."""
    entry, options = split_name(text)
    return entry.make(problem, seed, options)
