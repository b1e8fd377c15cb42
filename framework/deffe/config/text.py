"""From files to one JSON tree: comments, includes and ``$VAR``, with the place of everything kept."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deffe.errors import ConfigError, Fault, nearest

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_COMMENT = re.compile(rf"(?P<string>{_STRING})|/\*.*?\*/|//[^\n]*|#[^\n]*|^[ \t]*;[^\n]*", re.DOTALL | re.MULTILINE)
_TRAILING_COMMA = re.compile(rf"(?P<string>{_STRING})|,(?=\s*[\]}}])", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^{}]*)\})")
_DEEPEST = 100
_NOT_EXPANDED = ("options",)
"""Keys whose content belongs to a plugin, where ``$`` may mean something else."""


class Object(dict[str, Any]):
    """A JSON object that knows where it was written.

    Attributes:
        place: such as ``knobs[2]``, or ``common.json: knobs[2]`` when it comes from an included file.
        repeated: keys that were given more than once.
    """

    place: str = ""
    repeated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    """A configuration as one tree.

    Args:
        data: the configuration with its includes merged in and variables expanded.
        text: the file as given; with includes, the merged tree as JSON.
        faults: what was wrong on the way here.
    """

    data: Object
    text: str
    faults: list[Fault]


Keys = tuple[str | int, ...]
"""Keys and positions from the top of a tree to one of its members."""


@dataclass
class Faults:
    """Collects the faults of a tree, each once."""

    data: Object
    found: list[Fault]

    def add(self, path: Keys, message: str, hint: str = "") -> None:
        """Note a fault of the member at ``path``."""
        fault = Fault(place_of(self.data, path), message, hint)
        if fault not in self.found:
            self.found.append(fault)


def read_tree(source: Path, variables: Mapping[str, str]) -> Tree:
    """Read a configuration and all it includes.

    Args:
        source: the JSON file.
        variables: what ``$NAME`` and ``${NAME}`` stand for; unknown names are left as they are.
    Raises:
        ConfigError: the file cannot be read or is not JSON.
    """
    reader = _Reader(variables)
    data, text = reader.read(source, "")
    merged = reader.include(data, source, ())
    return Tree(
        data=expand(merged, variables),
        text=json.dumps(merged, indent=2) if "include" in data else text,
        faults=reader.faults,
    )


@dataclass
class _Reader:
    """Reads files; collects the faults that do not stop it."""

    variables: Mapping[str, str]
    faults: list[Fault] = field(default_factory=list)

    def read(self, path: Path, label: str) -> tuple[Object, str]:
        text = read_text(path)
        data = parse(text, str(path))
        _set_places(data, label)
        for node in _objects(data):
            for key in node.repeated:
                self.faults.append(Fault(joined(node.place, key), f"key {key!r} is given twice", "keep one of them"))
        return data, text

    def include(self, data: Object, path: Path, above: tuple[Path, ...]) -> Object:
        """Merge the files that ``data``, read from ``path``, includes; ``above`` are those that include it."""
        merged = Object({key: value for key, value in data.items() if key != "include"})
        merged.place = data.place
        above = (*above, path.resolve())
        for place, name in self._included(data):
            found = find_file(expand(name, self.variables), (path.parent, Path.cwd()))
            if found is None:
                absent = variables_in(expand(name, self.variables))
                looked = f"looked in {path.parent} and {Path.cwd()}"
                hint = f"the variable {absent[0]} is not set" if absent else looked
                self.faults.append(Fault(place, f"there is no file {name!r} to include", hint))
            elif found in above:
                chain = " -> ".join(file.name for file in (*above[above.index(found) :], found))
                self.faults.append(Fault(place, f"files include each other: {chain}", "remove one of these includes"))
            else:
                merged = merge(merged, self._read_included(found, place, above))
        return merged

    def _read_included(self, path: Path, place: str, above: tuple[Path, ...]) -> Object:
        try:
            data, _ = self.read(path, f"{path.name}: ")
        except ConfigError as error:
            self.faults += [
                Fault(f"{path.name}: {f.place}" if f.place else place, f.message, f.hint) for f in error.faults
            ]
            return Object()
        return self.include(data, path, above)

    def _included(self, data: Object) -> list[tuple[str, str]]:
        """Each file to include, with its place."""
        raw = data.get("include", [])
        names = [raw] if isinstance(raw, str) else raw
        place = joined(data.place, "include")
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            self.faults.append(Fault(place, f"found {shown(raw)}", "allowed: the name of a file, or a list of names"))
            return []
        return [(place if isinstance(raw, str) else joined(place, i), name) for i, name in enumerate(names)]


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with or without byte order mark.

    Raises:
        ConfigError: there is no such file, or it cannot be read as text.
    """
    try:
        raw = path.read_bytes()
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fault = Fault(f"line {line}", f"byte {error.object[error.start]:#04x} is not UTF-8", "save the file as UTF-8")
    except FileNotFoundError:
        beside = sorted(file.name for file in path.parent.glob("*.json")) if path.parent.is_dir() else []
        fault = Fault("", "there is no such file", nearest(path.name, beside) if beside else "give a JSON file")
    except IsADirectoryError:
        fault = Fault("", "this is a directory", "give a JSON file")
    except (OSError, ValueError) as error:
        fault = Fault("", f"it cannot be read: {getattr(error, 'strerror', None) or error}", "give a JSON file")
    raise ConfigError(str(path), [fault])


def parse(text: str, source: str) -> Object:
    """Parse JSON with comments (``#``, ``//``, ``/* */``, lines that start with ``;``) and trailing commas.

    Raises:
        ConfigError: with line and column of a syntax error.
    """
    try:
        data = json.loads(without_comments(text), object_pairs_hook=_make_object, parse_constant=_refuse_constant)
        if _depth(data) > _DEEPEST:
            raise RecursionError
        json.dumps(data, ensure_ascii=False).encode()  # escapes can make text that no file can hold
    except json.JSONDecodeError as error:
        found = text.splitlines()[error.lineno - 1][error.colno - 1 :][:20] if error.pos < len(text) else ""
        what = f"{error.msg}, found {found!r}" if found else error.msg
        fault = Fault(f"line {error.lineno}, column {error.colno}", what)
    except RecursionError:
        fault = Fault("", f"it is nested deeper than {_DEEPEST} levels", "a configuration needs less than 10")
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("unicode_escape").decode()
        fault = Fault("", f"the escape {half} is half of a character", "write the character itself")
    except ValueError as error:  # a constant such as NaN, or a number of thousands of digits
        fault = Fault("", str(error), "allowed: finite numbers")
    else:
        if isinstance(data, Object):
            return data
        fault = Fault("", f"found {shown(data)}", 'a configuration is a JSON object: {"knobs": [...], ...}')
    raise ConfigError(source, [fault])


def without_comments(text: str) -> str:
    """Plain JSON: comments and trailing commas become spaces, so that every line and column stays where it was."""
    return _TRAILING_COMMA.sub(_blank, _COMMENT.sub(_blank, text))


def _blank(found: re.Match[str]) -> str:
    return found[0] if found["string"] is not None else re.sub(r"[^\n]", " ", found[0])


def _make_object(pairs: list[tuple[str, Any]]) -> Object:
    made = Object(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        made.repeated = tuple(key for key in made if keys.count(key) > 1)
    return made


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _depth(data: object) -> int:
    """Levels of nesting, counted without recursion."""
    depth, layer = 0, [data]
    while layer and depth <= _DEEPEST:
        depth += 1
        layer = [child for node in layer if isinstance(node, dict | list) for child in _children(node)]
    return depth


def _children(node: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node


def _set_places(node: object, place: str) -> None:
    if isinstance(node, Object):
        node.place = place
    for key, child in _items(node):
        _set_places(child, joined(place, key))


def _objects(node: object) -> Iterable[Object]:
    if isinstance(node, Object):
        yield node
    for _, child in _items(node):
        yield from _objects(child)


def _items(node: object) -> Iterable[tuple[str | int, Any]]:
    if isinstance(node, dict):
        return list(node.items())
    return enumerate(node) if isinstance(node, list) else ()


def joined(place: str, key: str | int) -> str:
    """The place of a member: ``knobs[2]`` and ``values`` are ``knobs[2].values``."""
    if isinstance(key, int):
        return f"{place}[{key}]"
    return f"{place}{key}" if not place or place.endswith(": ") else f"{place}.{key}"


def place_of(data: Object, path: Keys) -> str:
    """Where the member at a path from the top was written, such as ``common.json: knobs[2].values``."""
    node: Any = data
    place = ""
    for key in resolve(data, path):
        place = joined(place, key)
        node = _member(node, key)
        if isinstance(node, Object):
            place = node.place
    return place


def resolve(data: Object, path: Keys) -> Keys:
    """A path with positions turned into keys where the file has an object in place of a list."""
    node: Any = data
    found: list[str | int] = []
    for key in path:
        if isinstance(key, int) and isinstance(node, dict) and key < len(node):
            key = list(node)[key]
        found.append(key)
        node = _member(node, key)
    return tuple(found)


def _member(node: Any, key: str | int) -> Any:
    try:
        return node[key]
    except (KeyError, IndexError, TypeError):
        return None


def shown(value: object) -> str:
    """A value of the file as it may stand in a message."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."


def merge(own: Any, included: Any) -> Any:
    """Merge what is included under what is there.

    Objects merge key by key, lists of objects by their ``name``, lists of text are joined without repeating an
    item; of anything else, lists of numbers among it, the including file's is kept.
    """
    if isinstance(own, dict) and isinstance(included, dict):
        merged = Object({key: merge(value, included[key]) if key in included else value for key, value in own.items()})
        merged.update({key: value for key, value in included.items() if key not in own})
        merged.place = getattr(own, "place", "")
        return merged
    if isinstance(own, list) and isinstance(included, list) and not all(isinstance(i, int | float) for i in own):
        return _merge_lists(own, included)
    return own


def _merge_lists(own: list[Any], included: list[Any]) -> list[Any]:
    merged = list(own)
    by_name = {name: i for i, item in reversed(list(enumerate(own))) if (name := _name(item)) is not None}
    for item in included:
        at = by_name.get(name) if (name := _name(item)) is not None else None
        if at is not None:
            merged[at] = merge(merged[at], item)
        elif not any(item == other and type(item) is type(other) for other in own):
            merged.append(item)
    return merged


def _name(item: object) -> str | None:
    name = item.get("name") if isinstance(item, dict) else None
    return name if isinstance(name, str) else None


def expand(value: Any, variables: Mapping[str, str]) -> Any:
    """Replace ``$NAME`` and ``${NAME}`` in every string; objects are changed in place."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], found[0]), value)
    if isinstance(value, list):
        return [expand(item, variables) for item in value]
    if isinstance(value, Object):
        value.update({key: expand(item, variables) for key, item in value.items() if key not in _NOT_EXPANDED})
    return value


def unset(data: Object, variables: Mapping[str, str], known: Container[str]) -> list[tuple[str, str]]:
    """The variables that stand in a tree and that nothing sets: (place, name) of each.

    Args:
        data: before or after ``expand``.
        variables: what ``$NAME`` may stand for.
        known: names that stand for something else, such as those of knobs in arguments of scripts.
    """
    found: list[tuple[str, str]] = []
    _find_unset(data, data.place, found)
    return [(place, name) for place, name in found if name not in variables and name not in known]


def _find_unset(node: object, place: str, found: list[tuple[str, str]]) -> None:
    if isinstance(node, str):
        found += [(place, name) for name in variables_in(node)]
    for key, child in _items(node):
        if key not in _NOT_EXPANDED:
            _find_unset(child, getattr(child, "place", "") or joined(place, key), found)


def variables_in(text: str) -> list[str]:
    """The names that stand as ``$NAME`` or ``${NAME}`` in a text."""
    names = (found[1] or found[2] for found in _VARIABLE.finditer(text))
    return [name for name in names if name.isidentifier()]


def find_file(name: str, folders: Iterable[Path]) -> Path | None:
    """The first file or folder of this name in ``folders``; absolute names and ``~`` need none."""
    if not name:
        return None
    for folder in folders:
        try:
            path = (folder / Path(name).expanduser()).resolve()
            if path.exists():
                return path
        except (OSError, RuntimeError, ValueError):  # a name too long, with a zero byte, of an unknown user
            return None
    return None
