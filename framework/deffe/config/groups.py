"""Which knobs an exploration takes, and with which values: groups, overrides, entries of one name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from deffe.config.read import UNNAMED
from deffe.config.schema import File, Knob
from deffe.config.text import Faults, Keys
from deffe.errors import SpaceError
from deffe.expressions import Expression
from deffe.records import Value
from deffe.space import Parameter
from deffe.values import key, parse_values

ALL = "all"
"""The group that every knob belongs to."""
_SHARED = ("unit", "scale", "map", "base", "when")
"""Keys on which entries of one name must agree."""


@dataclass(frozen=True)
class Entry:
    """One entry of ``knobs`` or ``scenarios``, and where it stands."""

    knob: Knob
    kind: Literal["knob", "scenario"]
    path: Keys

    @property
    def name(self) -> str:
        return self.knob.name

    @property
    def groups(self) -> frozenset[str]:
        """The groups it belongs to: those it lists, its own name, and ``all``."""
        return frozenset((*(self.knob.groups or ()), self.name, ALL))


@dataclass(frozen=True)
class Group:
    """A group that an exploration lists, with the values that replace those of its knobs."""

    name: str
    values: tuple[Value, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Group:
        """Read ``group`` or ``group::v1;v2``; ValueError when the values cannot be read."""
        name, mark, values = text.partition("::")
        return cls(name.strip(), parse_values(values, delimiter=";") if mark else ())


def entries_of(file: File) -> list[Entry]:
    """All knobs and scenarios, in the order of the file."""
    knobs = [Entry(knob, "knob", ("knobs", i)) for i, knob in enumerate(file.knobs)]
    scenarios = [Entry(knob, "scenario", ("scenarios", i)) for i, knob in enumerate(file.scenarios)]
    return [entry for entry in (*knobs, *scenarios) if entry.name != UNNAMED]


def by_name(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Entries that describe the same parameter, in their order."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.name, []).append(entry)
    return found


def check_names(entries: Iterable[Entry], faults: Faults) -> None:
    """Entries of one name must each list groups, and must not contradict each other."""
    for name, (first, *others) in by_name(entries).items():
        for other in others:
            if first.knob.groups is None or other.knob.groups is None:
                hint = "rename one, or give each of them groups to unite their values"
                faults.add(other.path, f"the name {name!r} is used twice", hint)
                continue
            for field in _SHARED:
                if getattr(other.knob, field) != getattr(first.knob, field):
                    what = f"{name!r} has another {field} here than in its first entry"
                    faults.add((*other.path, field), what, "give all entries of one name the same")


def select(entries: Iterable[Entry], groups: Sequence[Group]) -> dict[Entry, tuple[Value, ...]]:
    """The parameters of an exploration: the first entry of each name, and the values of all of them united.

    An entry is taken when it lists no groups, or belongs to a group that the exploration lists. Values that the
    exploration gives replace its own: those given for its name if there are any, else for the first of its groups.
    """
    taken = [entry for entry in entries if entry.knob.groups is None or any(g.name in entry.groups for g in groups)]
    return {same[0]: _united(_values(entry, groups) for entry in same) for same in by_name(taken).values()}


def _values(entry: Entry, groups: Sequence[Group]) -> tuple[Value, ...]:
    own = (group.values for group in groups if group.values and group.name == entry.name)
    shared = (group.values for group in groups if group.values and group.name in entry.groups)
    return next(own, ()) or next(shared, entry.knob.values)


def _united(several: Iterable[tuple[Value, ...]]) -> tuple[Value, ...]:
    found: dict[tuple[bool, Value], Value] = {}
    for values in several:
        for value in values:
            found.setdefault(key(value), value)
    return tuple(found.values())


def make_parameters(selected: Mapping[Entry, tuple[Value, ...]], faults: Faults) -> list[Parameter]:
    """The parameters of an exploration; faults are noted where they stand."""
    names = [entry.name for entry in selected]
    made = []
    for entry, values in selected.items():
        try:
            made.append(_parameter(entry, values, names))
        except SpaceError as error:
            faults.add(entry.path, error.message, error.hint)
        except ValueError as error:
            faults.add((*entry.path, "when"), str(error))
    return made


def _parameter(entry: Entry, values: tuple[Value, ...], names: Sequence[str]) -> Parameter:
    knob = entry.knob
    replaced = knob.base is not None and key(knob.base) not in {key(value) for value in values}
    return Parameter(
        name=knob.name,
        values=values,
        unit=knob.unit,
        scale=knob.scale,
        map=knob.map or knob.name,
        base=None if replaced else knob.base,
        onedim_combination=knob.onedim_combination,
        when=Expression(knob.when, [name for name in names if name != knob.name]) if knob.when else None,
        kind=entry.kind,
    )
