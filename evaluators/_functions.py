"""Users' functions: found by ``module:function`` or ``file.py:function``, and called with the values of a point.

Worker processes import this module, so it imports nothing heavy.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deffe.errors import EvaluationError

ALLOWED = "allowed: module:function or file.py:function"


@dataclass(frozen=True)
class FunctionReference:
    """Where a user's function is.

    Args:
        text: as the user named it.
        module: the name of its module.
        file: the file of the module, if it was named by a file.
        name: of the function; dotted for a method.
        folders: in which imports are looked for besides the usual places.
    """

    text: str
    module: str
    file: Path | None
    name: str
    folders: tuple[str, ...]

    def load(self) -> Callable[..., Any]:
        """Import the function.

        Raises:
            ValueError: there is no such function in its module.
            Exception: whatever the module raises on import.
        """
        sys.path += [folder for folder in self.folders if folder not in sys.path]
        found: Any = importlib.import_module(self.module) if self.file is None else _import_file(self.module, self.file)
        for part in self.name.split("."):
            if not hasattr(found, part):
                near = difflib.get_close_matches(part, [n for n in dir(found) if not n.startswith("_")], n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(f"{self.text!r}: there is no {part!r} in {self.file or self.module}{hint}")
            found = getattr(found, part)
        if not callable(found):
            raise ValueError(f"{self.text!r} is not a function but {type(found).__name__}")
        function: Callable[..., Any] = found
        return function


def find_function(
    text: str, find: Callable[[str], Path | None], folder: Path, python_path: Sequence[Path]
) -> FunctionReference:
    """Find what a user names ``module:function`` or ``file.py:function``; the function is not imported yet.

    Args:
        find: looks a file up beside the configuration, then in the current folder.
        folder: of the configuration; modules are looked for there, then on ``python_path``.
    Raises:
        ValueError: the text has another form, or there is no such file.
    """
    place, colon, name = text.rpartition(":")
    if not colon or not place or not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{text!r} does not name a function; {ALLOWED}")
    folders = tuple(str(path) for path in (folder, *python_path))
    if not place.endswith(".py"):
        return FunctionReference(text, place, None, name, folders)
    candidates = (found for found in (find(place), *(path / place for path in python_path)) if found is not None)
    file = next((path.resolve() for path in candidates if path.is_file()), None)
    if file is None:
        raise ValueError(f"there is no file {place!r}; looked for in {', '.join(folders)} and in {Path.cwd()}")
    digest = hashlib.blake2b(str(file).encode(), digest_size=6).hexdigest()
    return FunctionReference(text, f"deffe_function_{file.stem}_{digest}", file, name, (*folders, str(file.parent)))


def _import_file(module: str, file: Path) -> Any:
    if module in sys.modules:
        return sys.modules[module]
    spec = importlib.util.spec_from_file_location(module, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} is not a Python file")
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    try:
        spec.loader.exec_module(made)
    except BaseException:
        del sys.modules[module]
        raise
    return made


class PointCall:
    """Calls a function with one point and returns its costs. It is pickled as a reference for workers to import."""

    def __init__(self, reference: FunctionReference, costs: tuple[str, ...]) -> None:
        self._reference, self._costs = reference, costs
        self._function = reference.load()
        self._parameters = _parameters(self._function)
        self._whole_point = self._parameters is not None and list(self._parameters) == ["point"]
        self._takes_all = self._parameters is None or any(
            parameter.kind is parameter.VAR_KEYWORD for parameter in self._parameters.values()
        )

    def __reduce__(self) -> tuple[type[PointCall], tuple[FunctionReference, tuple[str, ...]]]:
        return PointCall, (self._reference, self._costs)

    def __call__(self, values: Mapping[str, Any]) -> tuple[float, ...]:
        """The costs of a point, in their order.

        Raises:
            EvaluationError: the function gave something else than one finite number a cost.
            Exception: whatever the function raises.
        """
        if self._whole_point:
            return read_costs(self._function(dict(values)), self._costs)
        if not self._takes_all and self._parameters is not None:
            values = {name: value for name, value in values.items() if name in self._parameters}
        return read_costs(self._function(**values), self._costs)

    def faults(self, names: Collection[str], conditional: Collection[str]) -> list[str]:
        """Why the function cannot be called with points that have values of these names.

        Args:
            names: of all knobs and scenarios.
            conditional: of those that some points do not have.
        """
        if self._whole_point or self._parameters is None:
            return []
        return [fault for p in self._parameters.values() if (fault := _fault(p, names, conditional))]


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(function).parameters
    except ValueError:  # some functions written in C do not tell
        return None


def _fault(parameter: inspect.Parameter, names: Collection[str], conditional: Collection[str]) -> str:
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or parameter.default is not parameter.empty:
        return ""
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return f"its parameter {parameter.name!r} cannot be given by name"
    if parameter.name not in names:
        near = difflib.get_close_matches(parameter.name, list(names), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"its parameter {parameter.name!r} is no knob; {hint}known: {', '.join(names)}"
    if parameter.name in conditional:
        return f"its parameter {parameter.name!r} is a conditional knob and needs a default for points without it"
    return ""


def read_costs(found: Any, costs: Sequence[str]) -> tuple[float, ...]:
    """Costs of one point, from a mapping, from a sequence in their order, or from a number when there is one cost.

    Raises:
        EvaluationError: with what was found instead.
    """
    if isinstance(found, Mapping):
        lower = {str(name).lower(): value for name, value in found.items()}
        missing = [cost for cost in costs if cost not in lower]
        if missing:
            raise EvaluationError(f"cost {missing[0]!r} is not in the result; it has: {', '.join(lower) or 'nothing'}")
        return tuple(_number(lower[cost], cost) for cost in costs)
    if isinstance(found, Iterable) and not isinstance(found, str | bytes) and getattr(found, "ndim", 1) == 1:
        values = list(found)
        if len(values) != len(costs):
            raise EvaluationError(f"the result has {len(values)} values for the {len(costs)} costs {', '.join(costs)}")
        return tuple(_number(value, cost) for value, cost in zip(values, costs, strict=True))
    if len(costs) != 1:
        raise EvaluationError(f"the result is one {type(found).__name__} for the {len(costs)} costs {', '.join(costs)}")
    return (_number(found, costs[0]),)


def _number(value: Any, cost: str) -> float:
    try:
        number = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise EvaluationError(f"cost {cost!r} is {value!r:.80}, not a finite number")
    return number
