"""The little language of the steps: ``NAME = ...``, lists of columns, and words such as ``per`` that part a text."""

from __future__ import annotations

import re
from collections.abc import Collection

from deffe.errors import UsageError

_ATOM = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`|[^\s'"`]+|['"`]""")
_ASSIGNED = re.compile(r"\s*(?:`([^`]+)`|([^\s`=<>!'\"()]+))\s*=(?!=)\s*(.*)", re.DOTALL)
_LITERAL = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`)|(?<=[<>=])\s*::\s*([^\s&|()]+)""")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def assignment(text: str) -> tuple[str, str]:
    """The name and the rest of ``NAME = REST``; the name is empty where there is no ``=``."""
    found = _ASSIGNED.fullmatch(text)
    return (found[1] or found[2], found[3].strip()) if found else ("", text.strip())


def parted(text: str, words: Collection[str]) -> dict[str, str]:
    """What stands before the first of the words (under an empty key), and behind each; words in quotes are text.

    Raises:
        ValueError: a word stands there twice.
    """
    parts, key, start = {}, "", 0
    for atom in _ATOM.finditer(text):
        if atom[0] in words:
            parts[key] = text[start : atom.start()].strip()
            key, start = atom[0], atom.end()
            if key in parts:
                raise ValueError(f"{key!r} stands there twice; a column of this name is written `{key}`")
    parts[key] = text[start:].strip()
    return parts


def column_names(text: str) -> list[str]:
    """The names in a list with commas or spaces between them; a name with spaces stands in backquotes."""
    return [quoted or word for quoted, word in re.findall(r"`([^`]*)`|([^\s,`]+)", text)]


def words_of(text: str) -> list[tuple[str, bool]]:
    """The words of a text, each with whether it stood in backquotes."""
    return [(quoted or word, bool(quoted)) for quoted, word in re.findall(r"`([^`]*)`|([^\s`]+)", text)]


def with_literals(text: str) -> str:
    """A condition with the values that are marked by ``::`` as numbers or quoted text."""

    def written(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        return " " + (found[2] if _NUMBER.fullmatch(found[2]) else repr(found[2]))

    return _LITERAL.sub(written, text)


def refused(option: str, text: str, why: object, form: str) -> UsageError:
    """The error for a value of an option that cannot be read."""
    return UsageError(f"-{option} {text!r}: {why}", f"written as: {form}")
