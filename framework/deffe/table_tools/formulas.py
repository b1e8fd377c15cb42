"""Arithmetic over columns, and conditions that choose rows; expressions are those of configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import counted
from deffe.expressions import Expression
from deffe.table_tools.cells import as_operand, is_integer
from deffe.table_tools.grammar import assignment, refused, with_literals
from deffe.table_tools.table import Table
from deffe.values import EXACT

ARITH = '"c = a + b", with the operators and functions of expressions; a name with other signs stands in backquotes'
CONDITION = '"size <= 5 && app == \'fft\'"; a value may be marked by ::, as in "app==::fft"'


def compute(table: Table, text: str, say: Callable[[str], None]) -> Table:
    """Add the column ``c`` of ``c = EXPRESSION``, or replace it; rows without a finite result are told."""
    name, formula = assignment(text)
    if not name or not formula:
        raise refused("arith", text, "it has no name of a column, '=' and expression", ARITH)
    expression = parse(table, "arith", formula, ARITH)
    values = expression.evaluate(operands(table, expression, "arith"))
    if values.dtype == object:
        texts = [
            None if value is None else value if isinstance(value, str) else f"{value:g}" for value in values.tolist()
        ]
        return table.having(name, pd.Series(texts, dtype=object))
    numbers = np.array(values, dtype=np.float64)
    whole = all(is_integer(table.frame[used]) for used in expression.names)
    made = table.having(name, finite(numbers, whole))
    if bad := np.flatnonzero(~np.isfinite(numbers)).tolist():
        say(f"-arith {name}: empty in {counted(len(bad), 'row')} without a finite result, first {table.where(bad[0])}")
    return made


def finite(numbers: NDArray[np.float64], whole: bool) -> pd.Series[Any]:
    """A column of these numbers, empty where they are not finite; of integers if they are whole and may be."""
    known = np.isfinite(numbers)
    exact = numbers[known]
    if whole and bool((np.abs(exact) <= EXACT).all()) and bool((exact == np.floor(exact)).all()):
        integers = pd.Series(np.where(known, numbers, 0).astype(np.int64))
        return integers if known.all() else integers.astype("Int64").where(known)
    return pd.Series(np.where(known, numbers, np.nan))


def select(table: Table, text: str, say: Callable[[str], None]) -> Table:
    """Keep the rows where a condition holds."""
    kept = table.take(holds(table, "condition", text, CONDITION))
    say(f"-condition {text}: {len(kept):,} of {counted(len(table), 'row')}")
    return kept


def holds(table: Table, option: str, text: str, form: str) -> NDArray[np.bool_]:
    """(n,) bool: the rows where a condition holds; it does not where a value of it is missing."""
    expression = parse(table, option, with_literals(text), form)
    return expression.holds(operands(table, expression, option))


def parse(table: Table, option: str, text: str, form: str) -> Expression:
    """An expression over the columns of a table."""
    try:
        return Expression(text, table.names)
    except ValueError as error:
        raise refused(option, text, error, form) from error


def operands(table: Table, expression: Expression, option: str) -> dict[str, NDArray[Any]]:
    """The columns that an expression needs; TableError for text where numbers are needed."""
    columns: dict[str, NDArray[Any]] = {
        name: table.numbers(name, f"-{option}") if name in expression.numeric_names else as_operand(table.frame[name])
        for name in expression.names
    }
    return columns or {"": np.zeros(len(table))}
