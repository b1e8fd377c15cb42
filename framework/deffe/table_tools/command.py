"""Runs ``run_deffe tables``: reads tables, does the steps in their order, draws, and writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from deffe.errors import UsageError, counted
from deffe.table_tools import fronts, ordering, plot_fronts, plot_groups, plot_panels, plot_points
from deffe.table_tools.failed import read_parted
from deffe.table_tools.formulas import compute, select
from deffe.table_tools.joining import combine, merge, stitch
from deffe.table_tools.look import Look, read_look
from deffe.table_tools.mapping import rename
from deffe.table_tools.normalizing import normalize
from deffe.table_tools.options import Call, read_call
from deffe.table_tools.picture import make_picture
from deffe.table_tools.reading import read_table, sheet_of
from deffe.table_tools.run_folders import RESULTS, gather
from deffe.table_tools.statistics import add_statistic
from deffe.table_tools.sufficient import just_sufficient
from deffe.table_tools.table import Table
from deffe.table_tools.writing import PICTURES, TABLES, check_output, write_table
from deffe.tables.columns import unique_names

Say = Callable[[str], None]
SHOWN_ROWS, SHOWN_COLUMNS = 20, 14
DRAWINGS: Mapping[str, Callable[[Any, Table, Look], None]] = {
    "group-plot": plot_groups.draw,
    "multi-plot": plot_panels.draw,
    "plot-scatter": plot_points.draw_scatter,
    "plot3d": plot_points.draw_three,
    "pareto": plot_fronts.draw_front,
    "non-pareto": plot_fronts.draw_others,
    "pareto-deviation": plot_fronts.draw_deviation,
}
JOINS = ("combine", "common-columns", "merge", "stitch")


def run_tables(words: Sequence[str], say: Say, tell: Say) -> int:
    """Do what the words behind ``run_deffe tables`` ask for; the exit code.

    Args:
        say: tells results.
        tell: tells remarks on the way.
    Raises:
        UsageError: the command line is wrong, or a file cannot be written; nothing is left half written.
        TableError: a table cannot be read, or does not fit what is asked.
    """
    call = read_call(words)
    outputs = _outputs(call)
    _check_outputs(call, outputs)
    look = read_look(call.options, _units(call.options))
    tables = _read(call, tell)
    for name, value in _joins_once(call.steps):
        if name in DRAWINGS:
            make_picture(Path(value), f"-{name}", DRAWINGS[name], _single(tables, f"-{name}"), look)
            say(f"written: {value}")
        else:
            tables = _step(tables, name, value, look, call.options, tell)
    _finish(call, tables, say)
    return 0


def _outputs(call: Call) -> list[tuple[str, Path]]:
    """Option and file of everything that will be written."""
    named = [(f"-{name}", Path(value)) for name, value in call.steps if name in DRAWINGS]
    return named + [(f"-{name}", Path(call.options[name])) for name in ("output", "identify-failed")
                    if name in call.options]  # fmt: skip


def _check_outputs(call: Call, outputs: Sequence[tuple[str, Path]]) -> None:
    if not call.inputs and "dirname" not in call.options:
        raise UsageError("no table is given", "run_deffe tables FILE ..., or -dirname DIR; -h shows all")
    used = {f"an input ({word})": sheet_of(word)[0] for word in call.inputs}
    if "config" in call.options:
        used["the configuration"] = Path(call.options["config"])
    for option, path in outputs:
        endings = PICTURES if option.removeprefix("-") in DRAWINGS else tuple(TABLES)
        check_output(path, option, endings, used, replace="overwrite" in call.options)
        used[f"what {option} writes"] = path
    places = [path.absolute() for _, path in outputs]
    for option, path in outputs:
        if places.count(path.absolute()) > 1:
            raise UsageError(f"{option}: {path} would be written twice", "name a file for each")


def _units(options: Mapping[str, Any]) -> dict[str, str]:
    """The units of knobs and costs in the configuration that is named."""
    if "config" not in options:
        return {}
    from deffe.config import load

    config = load(options["config"])
    knobs = {parameter.name: parameter.unit for parameter in config.declared_space.parameters if parameter.unit}
    return {**knobs, **config.units}


def _read(call: Call, tell: Say) -> list[Table]:
    tables, failed = [], []
    for word in call.inputs:
        if "identify-failed" in call.options:
            table, bad = read_parted(Path(word), tell)
            failed.append(bad)
        else:
            table = read_table(word, tell)
        tables.append(table)
    if "dirname" in call.options:
        tables.append(gather(Path(call.options["dirname"]), call.options.get("results", RESULTS), tell))
    if failed:
        path = Path(call.options["identify-failed"])
        write_table(pd.concat(failed, ignore_index=True), path, "-identify-failed")
        tell(f"written: {path} ({counted(sum(map(len, failed)), 'failed row')})")
    return _told_apart(tables)


def _told_apart(tables: Sequence[Table]) -> list[Table]:
    """The tables, those from files of one name with a number behind it in the short names of their origins."""
    stems = [table.origins[0].stem for table in tables]
    distinct = unique_names(stems)
    return [
        replace(table, origins=(replace(table.origins[0], stem=stem),))
        for table, stem in zip(tables, distinct, strict=True)
    ]


def _joins_once(steps: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The steps; ``-combine -common-columns`` in either order is one of them."""
    names = [name for name, _ in steps]
    if "common-columns" in names and "combine" in names:
        return [(name, value) for name, value in steps if name != "combine"]
    return list(steps)


def _single(tables: Sequence[Table], option: str) -> Table:
    if len(tables) > 1:
        found = f"{option}: there are {len(tables)} tables: {', '.join(table.title for table in tables)}"
        raise UsageError(found, "make one of them by -combine, -merge COLUMN ... or -stitch before it")
    return tables[0]


def _step(tables: list[Table], name: str, value: Any, look: Look, options: Mapping[str, Any], tell: Say) -> list[Table]:
    """Do one step, on each table or on all of them."""
    if name in JOINS:
        return [_join(tables, name, value, options, tell)]
    if name == "map":
        return rename(tables, value)
    steps: dict[str, Callable[[Table], Table]] = {
        "source": lambda table: ordering.add_source(table, value),
        "arith": lambda table: compute(table, value, tell),
        "condition": lambda table: select(table, value, tell),
        "stats": lambda table: add_statistic(table, value),
        "normalize": lambda table: normalize(table, value, tell),
        "sequencing": lambda table: ordering.number_rows(table, value),
        "just-sufficient": lambda table: just_sufficient(table, value, tell),
        "keep-pareto": lambda table: fronts.keep_front(table, look.objectives, tell),
        "keep-non-pareto": lambda table: fronts.keep_front(table, look.objectives, tell, others=True),
        "add-deviation": lambda table: fronts.add_deviation(table, look.objectives, value),
        "sort": lambda table: ordering.sort(table, value),
        "unique": lambda table: ordering.unique(table, value, tell),
        "columns": lambda table: ordering.columns(table, value),
    }
    return [steps[name](table) for table in tables]


def _join(tables: Sequence[Table], name: str, value: Any, options: Mapping[str, Any], tell: Say) -> Table:
    if name in ("merge", "stitch") and len(tables) == 1:
        raise UsageError(f"-{name}: there is one table alone, {tables[0].title}", "name two tables or more")
    if name == "stitch":
        return stitch(tables)
    if name == "merge":
        return merge(tables, value, options.get("merge-keep", "both"), tell)
    return combine(tables, tell, common=name == "common-columns")


def _finish(call: Call, tables: Sequence[Table], say: Say) -> None:
    """Write the table; without a file for anything, show its beginning."""
    if "output" in call.options:
        table, path = _single(tables, "-output"), Path(call.options["output"])
        write_table(table.frame, path, "-output")
        say(f"written: {path} ({table.size()})")
    elif not any(name in DRAWINGS for name, _ in call.steps):
        table = _single(tables, "the table to show")
        if len(table):
            shown = table.frame.head(SHOWN_ROWS)
            texts = pd.DataFrame({name: [_shown(cell) for cell in shown[name].tolist()] for name in table.names})
            say(texts.to_string(index=False, max_cols=SHOWN_COLUMNS))
        more = f"and {len(table) - SHOWN_ROWS:,} more: " if len(table) > SHOWN_ROWS else ""
        say(f"{more}{table.size()}; -output FILE writes them")


def _shown(cell: Any) -> str:
    if cell is None or cell is pd.NA or cell != cell:
        return ""
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)
