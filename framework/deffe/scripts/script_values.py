"""What a user's script is told of a design point: names with texts, as environment variables and in param.json."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from deffe.records import Trial
from deffe.scripts.template import SHELL_VARIABLES
from deffe.space import Parameter
from deffe.values import text

INDEX = "evaluate_index"


class ScriptValues:
    """Tells scripts of points.

    Args:
        parameters: the parameters of the design space; each is known by its name and by its map.
        variables: ``DEFFE_DIR``, ``DEFFE_CONFIG_DIR`` and ``DEFFE_EXP_DIR``.
        excludes: names that are not given to a program as ``--name value``.
    """

    def __init__(
        self, parameters: Sequence[Parameter], variables: Mapping[str, str], excludes: Collection[str] = ()
    ) -> None:
        self._parameters = tuple(parameters)
        self._folders = {name: variables[name] for name in ("DEFFE_EXP_DIR", "DEFFE_CONFIG_DIR")}
        self._excludes = frozenset(excludes)
        both = {name: "" for parameter in parameters for name in (parameter.name, parameter.map)}
        self._empty = both
        self._base = {name: value for name, value in os.environ.items() if name not in self._empty}
        self._base |= {name: os.environ[name] for name in SHELL_VARIABLES if name in os.environ}
        self._variables = dict(variables)
        self._base |= variables

    @property
    def names(self) -> frozenset[str]:
        """All that may stand as ``$name`` in a script."""
        return frozenset({*self._empty, INDEX, *self._folders})

    def known(self, trial: Trial) -> dict[str, str]:
        """{name and map: text} of a point, and its index; parameters without a meaning there are absent."""
        pairs = [(parameter, text(trial.values[parameter.name])) for parameter in self._parameters
                 if parameter.name in trial.values]  # fmt: skip
        found = {parameter.map: value for parameter, value in pairs}
        found |= {parameter.name: value for parameter, value in pairs}  # where both claim a name, it is a name first
        found[INDEX] = str(trial.number)
        return found

    def arguments(self, known: Mapping[str, str]) -> dict[str, str]:
        """What of the known is given to a program as ``--name value``."""
        return _without(known, self._excludes)

    def slots(self, known: Mapping[str, str]) -> dict[str, str]:
        """{name: text} for all names; parameters without a meaning are empty."""
        return {**self._empty, **self._folders, **known}

    def environment(self, known: Mapping[str, str], folder: Path) -> dict[str, str]:
        """The complete environment of a script that runs in ``folder``."""
        return {**self._base, **self.variables(known, folder)}

    def variables(self, known: Mapping[str, str], folder: Path) -> dict[str, str]:
        """What of that environment was made for the script; the rest is this program's own."""
        told = {name: value for name, value in known.items() if name.isidentifier() and name.isascii()}
        return {**self._variables, **_without(told, SHELL_VARIABLES), "DEFFE_RUN_DIR": str(folder)}


def param_json(trial: Trial, parameters: Iterable[Parameter]) -> str:
    """The text of param.json: every name and map with the text of its value, the run directory and the index."""
    maps = {parameter.name: parameter.map for parameter in parameters}
    values = {name: text(value) for name, value in trial.values.items()}
    mapped = {maps[name]: value for name, value in values.items()}
    return json.dumps({"dir": str(trial.folder), "index": trial.number, **mapped, **values}, indent=1) + "\n"


def _without(values: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in names}
