"""The options of a plugin: one pydantic model, filled from JSON, from an argument string and from the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from deffe.errors import ConfigError, Fault, nearest


class Options(BaseModel):
    """Base of every plugin's options: frozen, unknown keys forbidden, aliases and field names both accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=())


OptionsT = TypeVar("OptionsT", bound=Options)


def spelled(name: str) -> str:
    """An option's name without dashes, so that ``-Rf-max-depth`` finds the field ``rf_max_depth``."""
    return name.lstrip("-").replace("-", "_").lower()


def fields_by_name(model: type[Options]) -> dict[str, str]:
    """Each accepted spelling of an option, mapped to its field."""
    names = {spelled(name): name for name in model.model_fields}
    names |= {spelled(info.alias): name for name, info in model.model_fields.items() if info.alias}
    return names


def tokens(text: str | Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each option of an argument string with its values.

    Raises:
        ValueError: a value before any option, or an open quote.
    """
    words = shlex.split(text) if isinstance(text, str) else list(text)
    flag: str | None = None
    values: list[str] = []
    for word in words:
        # "-5" is a value, "-method" an option.
        if len(word) > 1 and word[0] == "-" and (word[1].isalpha() or word[1] == "-"):
            if flag is not None:
                yield flag, values
            flag, values = word, []
        elif flag is None:
            raise ValueError(f"{word!r} stands before any option")
        else:
            values.append(word)
    if flag is not None:
        yield flag, values


def split_arguments(text: str | Sequence[str], taken: type[Options]) -> tuple[dict[str, object], list[str]]:
    """Read those options of an argument string that ``taken`` has; give back the words of the others."""
    names = fields_by_name(taken)
    mine: list[str] = []
    others: list[str] = []
    for flag, values in tokens(text):
        (mine if spelled(flag) in names else others).extend([flag, *values])
    return read_arguments(taken, mine), others


def _argument_value(info: FieldInfo, flag: str, values: list[str]) -> object:
    if any(get_origin(part) in (tuple, list) for part in (info.annotation, *getattr(info.annotation, "__args__", ()))):
        return values
    if not values:
        return True
    if len(values) > 1:
        raise ValueError(f"{flag} takes one value, got {' '.join(values)!r}")
    return values[0]


def read_arguments(model: type[Options], text: str | Sequence[str]) -> dict[str, object]:
    """Read an argument string such as ``-custom-samples 20 40 -method lhs`` into fields of ``model``.

    Raises:
        ValueError: an option that the model does not have, or a wrong number of values.
    """
    names = fields_by_name(model)
    found: dict[str, object] = {}
    for flag, values in tokens(text):
        field = names.get(spelled(flag))
        if field is None:
            hint = nearest(flag, ["-" + name.replace("_", "-") for name in model.model_fields])
            raise ValueError(f"unknown option {flag} ({hint})")
        found[field] = _argument_value(model.model_fields[field], flag, values)
    return found


def read_options(
    model: type[OptionsT],
    *,
    source: str,
    place: str,
    arguments: str | Sequence[str],
    options: Mapping[str, Any],
    overrides: Mapping[str, object],
) -> OptionsT:
    """Fill ``model``; the command line wins over ``options``, which win over the argument string.

    Raises:
        ConfigError: unknown options and unsuitable values, all at once, with their place.
    """
    names = fields_by_name(model)
    try:
        values = read_arguments(model, arguments)
    except ValueError as error:
        raise ConfigError(source, [Fault(f"{place}.arguments", str(error))]) from error
    unknown = [key for key in options if spelled(key) not in names]
    if unknown:
        known = list(model.model_fields)
        faults = [Fault(f"{place}.options.{key}", f"unknown option {key!r}", nearest(key, known)) for key in unknown]
        raise ConfigError(source, faults)
    values |= {names[spelled(key)]: value for key, value in options.items()}
    values |= {names[spelled(key)]: value for key, value in overrides.items() if spelled(key) in names}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [
            Fault(".".join([f"{place}.options", *map(str, fault["loc"])]), f"{fault['msg']}, got {fault['input']!r}")
            for fault in error.errors()
        ]
        raise ConfigError(source, faults) from error
