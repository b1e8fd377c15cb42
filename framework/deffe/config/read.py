"""From a JSON tree to a checked file: what does not fit is noted as a fault, the rest is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from deffe.config.schema import NAME_PATTERN, PATTERNS, File, Table
from deffe.config.text import Faults, Keys, Object, resolve, shown
from deffe.errors import nearest

UNNAMED = "(unnamed)"
"""Stands for a knob or cost whose name is one of the faults."""

_SAY = {
    "model_type": "an object is needed here",
    "tuple_type": "a list is needed here",
    "dict_type": "an object is needed here",
    "string_type": "text is needed here",
}


def read_file(data: Object, faults: Faults) -> File | None:
    """Check a configuration against its schema.

    Returns:
        the configuration; with faults, what is left of it when the faulty keys are taken away, so that
        the rest can be checked too, or None when nothing can be made of it.
    """
    try:
        return File.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
    for detail in details:
        said = PATTERNS.get(detail.get("ctx", {}).get("pattern", ""), detail["msg"])
        _add_fault(faults, detail["loc"], detail["type"], said, detail["input"])
    try:
        return File.model_validate(_without(data, [detail["loc"] for detail in details]))
    except ValidationError:
        return None


def _add_fault(faults: Faults, path: Keys, kind: str, message: str, found: object) -> None:
    """Note what is said of the member at ``path``, a fault of a kind that pydantic knows."""
    model, field = _schema_of(path)
    hint = (field.description or "") if field else ""
    key = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        faults.add(path, f"unknown key {key!r}", nearest(key, _keys(model)))
    elif kind == "missing":
        faults.add(path[:-1], f"key {key!r} is missing", hint)
    else:
        text = _SAY.get(kind) or message.removeprefix("Value error, ")
        faults.add(path, f"{text}, found {shown(found)}", hint)


def _schema_of(path: Keys) -> tuple[type[Table], FieldInfo | None]:
    """The model that the last key of a path belongs to, and its field if it has one."""
    holder: type[Table] = File
    inner: type[Table] = File
    field: FieldInfo | None = None
    for key in path:
        if isinstance(key, str):
            holder = inner
            field = _keys(holder).get(key)
            inner = next(_models(field.annotation), holder) if field else holder
    return holder, field


def _keys(model: type[Table]) -> dict[str, FieldInfo]:
    """The fields of a model by their keys in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(annotation: Any) -> Iterator[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _without(data: Object, paths: Iterable[Keys]) -> Object:
    """A copy without the keys at these paths; a faulty knob or cost is replaced by one that only has its name."""
    copy = deepcopy(data)
    for path in paths:
        if len(path) > 1 and path[0] in ("knobs", "scenarios", "costs") and isinstance(path[1], int):
            copy[path[0]][path[1]] = _stand_in(path[0], data[path[0]][path[1]])
            continue
        _remove(copy, resolve(data, path[:1] if path[0] == "features" else path))
    return copy


def _remove(node: Any, path: Keys) -> None:
    """Take away the last key on the way along ``path``, as far as there is one."""
    last: tuple[dict[str, Any], str] | None = None
    for key in path:
        if isinstance(node, dict) and isinstance(key, str):
            last = (node, key)
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            break
    if last is not None:
        last[0].pop(last[1], None)


def _stand_in(kind: object, item: object) -> Object:
    name = item.get("name") if isinstance(item, dict) else None
    known = name if isinstance(name, str) and re.search(NAME_PATTERN, name.strip()) else UNNAMED
    if kind == "costs":
        return Object(name=known)
    groups = item.get("groups") if isinstance(item, dict) else None
    return Object(name=known, values=0, **({"groups": groups} if isinstance(groups, str | list) else {}))
