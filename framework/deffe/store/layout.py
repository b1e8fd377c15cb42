"""What a run directory was made for, the columns it has for it, and whether a changed configuration still fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from deffe.records import Value
from deffe.space import DesignSpace, Parameter
from deffe.store.stored import StoredParameter, plain
from deffe.tables.columns import BOOKKEEPING, unique_names
from deffe.values import key, text

_LISTED = 10


@dataclass(frozen=True)
class Layout:
    """One exploration as the database knows it.

    Args:
        name: of the exploration.
        parameters: names and values.
        conditions: name to condition of the conditional parameters.
        constraints: their texts.
        costs: names of the costs.
        columns: the database's columns of the parameters, then of the costs.
    """

    name: str
    parameters: tuple[Parameter, ...]
    conditions: Mapping[str, str]
    constraints: tuple[str, ...]
    costs: tuple[str, ...]
    columns: tuple[str, ...]

    @classmethod
    def of(cls, name: str, space: DesignSpace, costs: Sequence[str]) -> Layout:
        """The layout of a new exploration."""
        return cls(
            name=name,
            parameters=space.parameters,
            conditions={p.name: p.when.text for p in space.parameters if p.when is not None},
            constraints=tuple(constraint.text for constraint in space.constraints),
            costs=tuple(costs),
            columns=unique_names(map(plain, [*space.names, *costs]), BOOKKEEPING),
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Layout:
        """Read what ``to_json`` wrote."""
        return cls(
            name=data["name"],
            parameters=tuple(Parameter(p["name"], tuple(p["values"])) for p in data["parameters"]),
            conditions={p["name"]: p["when"] for p in data["parameters"] if "when" in p},
            constraints=tuple(data["constraints"]),
            costs=tuple(data["costs"]),
            columns=tuple(data["columns"]),
        )

    def to_json(self) -> dict[str, Any]:
        """The layout in JSON's types."""
        when = {name: {"when": condition} for name, condition in self.conditions.items()}
        return {
            "name": self.name,
            "parameters": [{"name": p.name, "values": p.values, **when.get(p.name, {})} for p in self.parameters],
            "constraints": self.constraints,
            "costs": self.costs,
            "columns": self.columns,
        }

    @property
    def parameter_columns(self) -> tuple[str, ...]:
        """The database's columns of the parameters."""
        return self.columns[: len(self.parameters)]

    @property
    def cost_columns(self) -> tuple[str, ...]:
        """The database's columns of the costs."""
        return self.columns[len(self.parameters) :]

    @cached_property
    def stored(self) -> tuple[StoredParameter, ...]:
        """How the values of each parameter are stored."""
        return tuple(StoredParameter(p, p.name in self.conditions) for p in self.parameters)

    def with_columns_of(self, old: Layout) -> Layout:
        """This layout, in the columns that an older one of the same parameters and costs has."""
        of_parameter = dict(zip((p.name for p in old.parameters), old.parameter_columns, strict=True))
        of_cost = dict(zip(old.costs, old.cost_columns, strict=True))
        columns = [of_parameter[p.name] for p in self.parameters] + [of_cost[cost] for cost in self.costs]
        return replace(self, columns=tuple(columns))


def changes(before: Sequence[Layout], after: Sequence[Layout]) -> tuple[list[str], list[str]]:
    """What changed between two configurations: what forbids a resume, and the values that were only added."""
    forbidden = _sets("exploration", [b.name for b in before], [a.name for a in after])
    added: list[str] = []
    known = {layout.name: layout for layout in before}
    for new in after:
        if new.name in known:
            where = f"{new.name}: " if len(after) > 1 else ""
            bad, good = _layout_changes(known[new.name], new)
            forbidden += [where + line for line in bad]
            added += [where + line for line in good]
    if not forbidden and [b.name for b in before] != [a.name for a in after]:
        forbidden.append("the explorations are in another order")
    return forbidden, added


def _layout_changes(old: Layout, new: Layout) -> tuple[list[str], list[str]]:
    forbidden = _sets("cost", old.costs, new.costs)
    if not forbidden and list(old.costs) != list(new.costs):  # results are read in this order
        forbidden.append(f"the costs are in another order: {', '.join(old.costs)} became {', '.join(new.costs)}")
    forbidden += _sets("constraint", old.constraints, new.constraints)
    forbidden += _sets("parameter", [p.name for p in old.parameters], [p.name for p in new.parameters])
    added: list[str] = []
    values = {p.name: p.values for p in old.parameters}
    for parameter in new.parameters:
        if parameter.name not in values:
            continue
        gone, come = _difference(values[parameter.name], parameter.values)
        if gone:
            forbidden.append(f"parameter {parameter.name!r}: values removed: {gone}")
        if come:
            (forbidden if gone else added).append(f"parameter {parameter.name!r}: values added: {come}")
        conditions = [layout.conditions.get(parameter.name, "always") for layout in (old, new)]
        if conditions[0] != conditions[1]:
            forbidden.append(f"parameter {parameter.name!r}: when changed from {conditions[0]} to {conditions[1]}")
    return forbidden, added


def _difference(old: Sequence[Value], new: Sequence[Value]) -> tuple[str, str]:
    """The values that are gone and that have come, as text."""
    before, after = {key(value): value for value in old}, {key(value): value for value in new}
    gone = [value for k, value in before.items() if k not in after]
    come = [value for k, value in after.items() if k not in before]
    return _listed(gone), _listed(come)


def _listed(values: Sequence[Value]) -> str:
    more = f", ... ({len(values):,} in all)" if len(values) > _LISTED else ""
    return ", ".join(text(value) for value in values[:_LISTED]) + more


def _sets(what: str, old: Sequence[str], new: Sequence[str]) -> list[str]:
    removed = [f"{what} removed: {name}" for name in old if name not in new]
    return removed + [f"{what} added: {name}" for name in new if name not in old]
