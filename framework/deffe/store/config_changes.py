"""What changed between two texts of a configuration, a short line a change, for the log of a run that goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from deffe.errors import DeffeError

MOST_LINES = 5
_LONGEST = 60
_ABSENT = object()


def config_changes(old: str, new: str, parse: Callable[[str], Any]) -> list[str]:
    """Lines such as ``model.trees: 200 -> 300``, at most ``MOST_LINES``; none where a text cannot be read.

    Args:
        parse: reads a text; ValueError or DeffeError where it cannot.
    """
    try:
        before, after = parse(old), parse(new)
    except (ValueError, RecursionError, DeffeError):
        return []
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return []
    lines = list(_changes("", before, after))
    if len(lines) > MOST_LINES:
        lines[MOST_LINES - 1 :] = [f"and {len(lines) - MOST_LINES + 1:,} more"]
    return lines


def _changes(place: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            inner = f"{place}.{key}" if place else str(key)
            yield from _changes(inner, old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _changes(f"{place}[{i}]", a, b)
    elif (before := _text(old)) != (after := _text(new)):
        pairs = zip(before, after, strict=False)
        same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(before), len(after)))
        yield f"{place}: {_short(before, same)} -> {_short(after, same)}"


def _text(value: Any) -> str:
    return "not given" if value is _ABSENT else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _short(written: str, same: int) -> str:
    """A text of at most ``_LONGEST`` characters around where it begins to differ, behind its ``same`` first ones."""
    first = 0 if len(written) <= _LONGEST else max(0, same - _LONGEST // 3)
    part = written[first : first + _LONGEST]
    return ("..." if first else "") + part + ("..." if first + _LONGEST < len(written) else "")
