"""Gathers the results that lie in the folders of points: ``param.json`` beside ``results.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deffe.errors import TableError, counted
from deffe.table_tools.cells import typed
from deffe.table_tools.table import Origin, Table, fresh
from deffe.tables.columns import unique_names

PARAMETERS, RESULTS = "param.json", "results.json"
_OWN = ("dir", "index")
_MOST_TOLD = 5


def gather(folder: Path, results: str, say: Callable[[str], None]) -> Table:
    """A row for each folder with a ``param.json``: its parameters, its results, and where it is.

    Args:
        folder: looked through with all folders in it.
        results: the name of the files with the costs: JSON, an object of numbers or texts.
    Returns:
        the rows in the order of the paths; a point without results has empty costs, and is told.
    Raises:
        TableError: no such folder, no points in it, or a file that is not as it must be, with its place.
    """
    if not folder.is_dir():
        raise TableError(f"-dirname: {folder} is no folder", "name the folder of the points, such as explore")
    files = sorted(folder.rglob(PARAMETERS), key=lambda file: _natural(file.parent))
    if not files:
        raise TableError(
            f"-dirname: {folder} has no {PARAMETERS} in it", "name the folder of the points, such as explore"
        )
    rows: list[tuple[dict[str, Any], dict[str, Any]]] = []
    lacking = []
    for file in files:
        costs = file.with_name(results)
        found = _object(costs) if costs.is_file() else {}
        if not costs.is_file():
            lacking.append(costs)
        knobs = {name: value for name, value in _object(file).items() if name not in _OWN}
        rows.append((knobs, found))
    if lacking:
        told = ", ".join(map(str, lacking[:_MOST_TOLD])) + (", ..." if len(lacking) > _MOST_TOLD else "")
        say(f"-dirname: {counted(len(lacking), 'point')} of {len(files)} without results: {told}")
    return _table(folder, files, rows)


def _table(folder: Path, files: list[Path], rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> Table:
    import pandas as pd

    knobs = list(dict.fromkeys(name for row, _ in rows for name in row))
    costs = list(dict.fromkeys(name for _, row in rows for name in row))
    names = unique_names(costs, knobs)  # a cost may be called as a knob is
    columns = {name: typed([_text(row.get(name)) for row, _ in rows]) for name in knobs}
    columns |= {name: typed([_text(row.get(cost)) for _, row in rows]) for cost, name in zip(costs, names, strict=True)}
    directory = unique_names(["RunDir"], [*knobs, *names])[0]
    columns[directory] = pd.Series([str(file.parent) for file in files], dtype=object)
    return fresh(pd.DataFrame(columns), Origin(str(folder), folder.name, "point"), np.arange(1, len(files) + 1))


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """What orders ``explore_2`` before ``explore_10``."""
    import re

    pieces = re.findall(r"\d+|\D+", str(path))
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces]


def _object(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise TableError(f"{file}, line {error.lineno}: {error.msg}", "it must be JSON: an object of values") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{file} cannot be read: {error}", "check its mode, and that it is text") from error
    if not isinstance(data, dict):
        raise TableError(f"{file} holds a {type(data).__name__}", 'it must be an object, such as {"cycles": 12}')
    for name, value in data.items():
        if isinstance(value, dict | list):
            raise TableError(f"{file}, {name!r}: {json.dumps(value)[:60]} is no single value", "give a number or text")
    return data


def _text(value: Any) -> str:
    return "" if value is None else str(value)
