"""When parameters are active, and which points are valid: conditions and constraints as rules on levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.errors import SpaceError, nearest
from deffe.space.assembly import Rule
from deffe.space.components import Mask
from deffe.space.parameters import Constraint, Parameter

ByColumn = Mapping[int, NDArray[np.int32]]


class Conditions:
    """The ``when`` of the parameters and the constraints of a space.

    A parameter is active where its ``when`` holds and all parameters named there are active. An inactive one
    has level 0, so that each design has one form; constraints that name it are met.

    Raises:
        SpaceError: for unknown names, text used as a number, or parameters that wait for each other.
    """

    def __init__(self, parameters: Sequence[Parameter], constraints: Sequence[Constraint]) -> None:
        self._parameters = parameters
        self._column = {parameter.name: column for column, parameter in enumerate(parameters)}
        self._above: dict[int, frozenset[int]] = {}
        for parameter in parameters:
            if parameter.when is not None:
                where = f"the condition {parameter.when.text!r} of parameter {parameter.name!r}"
                self._check(where, parameter.when.names, parameter.when.numeric_names)
        for constraint in constraints:
            self._check(f"the constraint {constraint.text!r}", constraint.names, constraint.numeric_names)
        for column in range(len(parameters)):
            self._reach(column, ())
        self.columns = tuple(sorted(self._above, key=lambda column: len(self._above[column])))
        """Columns of the conditional parameters, each after those it depends on."""
        self.rules = tuple([self._canonical(column) for column in self.columns] + [self._rule(c) for c in constraints])

    def active(self, by_column: ByColumn) -> dict[int, Mask]:
        """Where the conditional parameters among the given columns are active, (n,) bool each.

        Args:
            by_column: {column: (n,) levels}, for a conditional column also those it depends on.
        """
        result: dict[int, Mask] = {}
        for column in (column for column in self.columns if column in by_column):
            when = self._parameters[column].when
            names = when.names if when is not None else ()
            mask = np.ones(len(by_column[column]), dtype=np.bool_)
            if when is not None:
                mask &= when.holds({name: self._operands(name, by_column) for name in names})
            for name in names:
                mask &= result.get(self._column[name], True)
            result[column] = mask
        return result

    def _check(self, where: str, names: Iterable[str], numeric: Iterable[str]) -> None:
        for name in names:
            if name not in self._column:
                raise SpaceError(f"{where} names {name!r}, which is no parameter", nearest(name, self._column))
        for name in numeric:
            parameter = self._parameters[self._column[name]]
            if parameter.is_text:
                hint = f"compare text by ==, != or in; values of {name!r}: {parameter.allowed}"
                raise SpaceError(f"{where} uses {name!r} as a number, and its values are text", hint)

    def _reach(self, column: int, path: tuple[int, ...]) -> frozenset[int]:
        """All columns that decide whether a column is active; an error when it decides so itself."""
        when = self._parameters[column].when
        if column in path:
            names = " -> ".join(repr(self._parameters[c].name) for c in (*path[path.index(column) :], column))
            raise SpaceError(f"conditions form a circle: {names}", "a parameter cannot decide on itself")
        if when is None:
            return frozenset()
        if column not in self._above:
            direct = frozenset(self._column[name] for name in when.names)
            self._above[column] = direct.union(*(self._reach(above, (*path, column)) for above in sorted(direct)))
        return self._above[column]

    def _with_conditions(self, columns: Iterable[int]) -> frozenset[int]:
        own = frozenset(columns)
        return own.union(*(self._above.get(column, frozenset()) for column in own))

    def _operands(self, name: str, by_column: ByColumn) -> NDArray[Any]:
        column = self._column[name]
        return self._parameters[column].operands[by_column[column]]

    def _canonical(self, column: int) -> Rule:
        """The rule that a conditional parameter has level 0 where it is inactive."""
        parameter, columns = self._parameters[column], self._with_conditions([column])

        def mask(by_column: ByColumn) -> Mask:
            active = self.active({c: by_column[c] for c in columns})
            return np.asarray(active[column] | (by_column[column] == 0))

        return Rule(columns, f"{parameter.name} only when {parameter.when.text if parameter.when else ''}", mask)

    def _rule(self, constraint: Constraint) -> Rule:
        own = [self._column[name] for name in constraint.names]
        columns = self._with_conditions(own)

        def mask(by_column: ByColumn) -> Mask:
            active = self.active({c: by_column[c] for c in columns})
            if constraint.pointwise:
                return constraint.mask({self._parameters[c].name: self._texts(c, by_column, active) for c in own})
            met = constraint.mask({name: self._operands(name, by_column) for name in constraint.names})
            for column in own:
                if column in active:
                    met = met | ~active[column]
            return met

        return Rule(columns, constraint.text, mask, constraint.pointwise)

    def _texts(self, column: int, by_column: ByColumn, active: Mapping[int, Mask]) -> NDArray[Any]:
        texts = self._parameters[column].texts[by_column[column]]
        if column in active:
            texts[~active[column]] = None
        return texts
