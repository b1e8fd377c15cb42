"""Several tables become one: rows below one another, rows joined by key columns, or columns side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deffe.errors import TableError, counted
from deffe.table_tools.cells import as_numbers, is_integer, is_numeric
from deffe.table_tools.table import Origin, Positions, Table
from deffe.tables.columns import unique_names

KEEPS = ("both", "first", "all")
"""Which rows a merge keeps: those of all tables, all of the first table, or all."""


def combine(tables: Sequence[Table], say: Callable[[str], None], *, common: bool) -> Table:
    """Put the rows of all tables below one another, in order.

    Args:
        common: keep the columns that all tables have; otherwise all columns, empty where a table has none.
    Raises:
        TableError: there is no common column.
    """
    names = list(dict.fromkeys(name for table in tables for name in table.names))
    shared = [name for name in names if all(name in table.names for table in tables)]
    if not shared:
        listed = "; ".join(f"{table.title}: {', '.join(table.names)}" for table in tables)
        raise TableError("-combine: the tables have no column in common", f"rename columns by -map. {listed}")
    if others := [name for name in names if name not in shared]:
        what = "left out" if common else "empty in the rows of the others"
        say(f"columns that not every table has are {what}: {', '.join(others)}")
    frame = pd.DataFrame({name: _stacked(name, tables) for name in (shared if common else names)})
    return _below(frame, tables)


def _stacked(name: str, tables: Sequence[Table]) -> pd.Series[Any]:
    """A column of all tables."""
    parts = [table.frame[name] if name in table.names else None for table in tables]
    found = [part for part in parts if part is not None and len(part)]
    if found and all(map(is_integer, found)):
        integers: list[Any] = [
            pd.array([pd.NA] * len(table), dtype="Int64") if part is None else part.astype("Int64")
            for part, table in zip(parts, tables, strict=True)
        ]
        return _tight(pd.concat(list(map(pd.Series, integers)), ignore_index=True))
    if found and all(is_numeric(part) and part.dtype != np.bool_ for part in found):
        numbers = [
            np.full(len(table), np.nan) if part is None else as_numbers(part)
            for part, table in zip(parts, tables, strict=True)
        ]
        joined: pd.Series[Any] = pd.Series(np.concatenate(numbers))
        return joined
    cells: list[Any] = []
    for part, table in zip(parts, tables, strict=True):
        cells += [None] * len(table) if part is None else [None if pd.isna(cell) else cell for cell in part.tolist()]
    switches = bool(found) and all(part.dtype == np.bool_ for part in found) and None not in cells
    column: pd.Series[Any] = pd.Series(cells, dtype=np.bool_ if switches else object)
    return column


def _tight(series: Any) -> pd.Series[Any]:
    tight: pd.Series[Any] = series if series.isna().any() else series.astype("int64")
    return tight


def _below(frame: pd.DataFrame, tables: Sequence[Table]) -> Table:
    origins: tuple[Origin, ...] = ()
    origin: list[Positions] = []
    for table in tables:
        origin.append(table.origin + len(origins))
        origins += table.origins
    return Table(frame, origins, np.concatenate(origin), np.concatenate([table.line for table in tables]))


def stitch(tables: Sequence[Table]) -> Table:
    """Put tables of equally many rows side by side, row by row.

    Columns that are alike are kept once; others of one name get the name of their file behind it.

    Raises:
        TableError: the tables have different numbers of rows.
    """
    if len({len(table) for table in tables}) > 1:
        listed = ", ".join(f"{table.title}: {counted(len(table), 'row')}" for table in tables)
        raise TableError(f"-stitch: the tables differ in length; {listed}", "join them by columns with -merge")
    made = tables[0]
    for table in tables[1:]:
        every = np.arange(len(made))
        made = _beside(made, table, every, every, ())
    return made


def merge(tables: Sequence[Table], keys: Sequence[str], keep: str, say: Callable[[str], None]) -> Table:
    """Join the rows that are alike in key columns.

    Args:
        keys: columns that all tables have; in every table but the first their values stand once.
        keep: which rows, one of ``KEEPS``.
    Raises:
        TableError: a key is missing, of different types, or repeated.
    """
    for table in tables:
        table.require(keys, "-merge")
    made = tables[0]
    for table in tables[1:]:
        _check_keys(made, table, keys)
        left, right = _pairs(made, table, keys, keep)
        lonely = [(one, len(one) - len(np.unique(at[at >= 0]))) for one, at in ((made, left), (table, right))]
        matched = int(((left >= 0) & (right >= 0)).sum())
        say(f"-merge: {counted(matched, 'row')} of {made.title} with a partner in {table.title}")
        for one, count in lonely:
            if count:
                say(f"-merge: {counted(count, 'row')} of {one.title} left out, without a partner")
        made = _beside(made, table, left, right, keys)
    return made


def _check_keys(left: Table, right: Table, keys: Sequence[str]) -> None:
    for key in keys:
        kinds = [("numbers" if is_numeric(table.frame[key]) else "text") for table in (left, right)]
        if kinds[0] != kinds[1] and len(left) and len(right):
            found = f"{kinds[0]} in {left.title} and {kinds[1]} in {right.title}"
            raise TableError(f"-merge: column {key!r} holds {found}", "no row would fit; write it alike in both")
    repeated = np.flatnonzero(right.frame.duplicated(list(keys)).to_numpy())
    if len(repeated):
        row = int(repeated[0])
        same = (right.groups(keys, "-merge") == right.groups(keys, "-merge")[row]).argmax()
        found = f"{right.described(row, keys)} stands twice: {right.where(int(same))} and {right.where(row)}"
        raise TableError(f"-merge: {found}", "name more key columns, or put this table first")


def _pairs(left: Table, right: Table, keys: Sequence[str], keep: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Positions of the rows that belong together, -1 where there is none."""
    at = unique_names(["left", "right"], keys)
    sides = []
    for table, name in zip((left, right), at, strict=True):
        part = pd.DataFrame({key: table.frame[key] for key in keys})
        whole = {key: "Int64" for key in keys if part[key].dtype == np.int64}
        sides.append(part.astype(whole).assign(**{name: np.arange(len(table))}))
    how: Any = {"both": "inner", "first": "left", "all": "outer"}[keep]
    pairs = sides[0].merge(sides[1], on=list(keys), how=how)
    found = [pairs[name].fillna(-1).to_numpy(dtype=np.int64) for name in at]
    order = np.lexsort((found[1], np.where(found[0] < 0, len(left), found[0])))
    return found[0][order], found[1][order]


def _beside(left: Table, right: Table, at_left: Positions, at_right: Positions, keys: Sequence[str]) -> Table:
    """Columns of both, for pairs of rows."""
    columns = {name: _taken(left.frame[name], at_left) for name in left.names}
    others = {name: _taken(right.frame[name], at_right) for name in right.names}
    for key in keys:
        columns[key] = _filled(columns[key], others.pop(key), at_left)
    clashing = [name for name in others if name in columns and not _alike(columns[name], others[name])]
    stems = unique_names(["_".join(origin.stem for origin in left.origins), right.origins[0].stem])
    taken = {*columns, *others}
    named: dict[str, pd.Series[Any]] = {}
    for part, stem in zip((columns, others), stems, strict=True):
        for name, series in part.items():
            wanted = unique_names([f"{name}_{stem}"], [*taken, *named])[0] if name in clashing else name
            named.setdefault(wanted, series)
    shift, lone = len(left.origins), at_left < 0
    origin = np.where(lone, _at(right.origin, at_right) + shift, _at(left.origin, at_left))
    line = np.where(lone, _at(right.line, at_right), _at(left.line, at_left))
    return Table(pd.DataFrame(named), (*left.origins, *right.origins), origin, line)


def _at(values: Positions, at: Positions) -> Positions:
    return values[np.maximum(at, 0)] if len(values) else np.zeros(len(at), dtype=np.int64)


def _taken(series: pd.Series[Any], at: Positions) -> pd.Series[Any]:
    """The cells at these positions, empty at -1."""
    if (at >= 0).all():
        return series.iloc[at].reset_index(drop=True)
    if is_integer(series):
        return series.astype("Int64").reindex(at).reset_index(drop=True)
    if series.dtype != np.bool_ and series.dtype != object:
        return series.reindex(at).reset_index(drop=True)
    cells = series.tolist()
    return pd.Series([cells[place] if place >= 0 else None for place in at.tolist()], dtype=object)


def _filled(mine: pd.Series[Any], theirs: pd.Series[Any], at: Positions) -> pd.Series[Any]:
    """A key column of both sides: the left one's where it has the row."""
    if (at >= 0).all():
        return mine
    joined = mine.astype(object).where(pd.Series(at >= 0), theirs.astype(object))
    whole = is_integer(mine) and is_integer(theirs)
    return _tight(joined.astype("Int64")) if whole else joined.astype(np.float64) if is_numeric(mine) else joined


def _alike(one: pd.Series[Any], other: pd.Series[Any]) -> bool:
    return is_numeric(one) == is_numeric(other) and one.tolist() == other.tolist()
