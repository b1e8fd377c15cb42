"""Puts what was made in its place: whole, never over an input, and over a table only when told to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from deffe.errors import UsageError
from deffe.table_tools.excel import check_fits, write_sheet
from deffe.table_tools.libraries import need
from deffe.tables.replacing import check_replaceable

MARK = "made by run_deffe tables"
"""Stands in pictures, which are replaced without being asked."""
TABLES = {".csv": "csv", ".xlsx": "xlsx", ".parquet": "parquet"}
PICTURES = (".png", ".pdf", ".svg")
_NEEDED = {"xlsx": ("xlsxwriter", "writing XLSX", "report"), "parquet": ("pyarrow", "writing Parquet", "parquet")}


def check_output(path: Path, option: str, endings: Sequence[str], used: Mapping[str, Path], *, replace: bool) -> None:
    """Refuse a file before any work is done.

    Args:
        endings: that are allowed.
        used: files that must stay, by what they are.
        replace: whatever file is there.
    Raises:
        UsageError: another ending, an input, a file that is there already, or a library that is not there.
    """
    ending = path.suffix.lower()
    if ending not in endings:
        raise UsageError(f"{option}: the ending of {path} tells no format", f"allowed: {', '.join(endings)}")
    if ending in PICTURES:
        need("matplotlib", "a picture", "report")
    elif TABLES[ending] in _NEEDED:
        need(*_NEEDED[TABLES[ending]])
    check_replaceable(path, option, lambda _: True, used)
    full = path.exists() and path.stat().st_size > 0
    if full and not replace and not (ending in PICTURES and MARK.encode() in path.read_bytes()):
        what = "a table" if ending in TABLES else "no picture of this command"
        raise UsageError(f"{option}: {path} is there, {what}", "name another file, or give -overwrite to replace it")


def write_table(frame: pd.DataFrame, path: Path, option: str) -> None:
    """Write a table in the format that its ending tells; UsageError where it cannot be written, or does not fit."""
    kind = TABLES[path.suffix.lower()]
    if kind == "xlsx":
        check_fits(frame, path)
    writers: dict[str, Callable[[Path], Any]] = {
        "csv": lambda to: _to_csv(frame, to),
        "xlsx": lambda to: write_sheet(frame, to),
        "parquet": lambda to: _to_parquet(frame, to),
    }
    put(path, option, writers[kind])


def put(path: Path, option: str, write: Callable[[Path], object]) -> None:
    """Write to a temporary file beside ``path``, and rename it when it is complete."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        why = f"{option}: {path} cannot be written: {error.strerror or error}"
        raise UsageError(why, "name a file where you may write") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _to_csv(frame: pd.DataFrame, path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        frame.to_csv(file, index=False, lineterminator="\n")


def _to_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Columns with numbers and text are text, since Parquet has one type a column."""
    texts: Any = {
        name: pd.array([None if value is None else str(value) for value in frame[name].tolist()], dtype="string")
        for name in frame.columns
        if frame[name].dtype == object
    }
    frame.assign(**texts).to_parquet(path, engine="pyarrow", index=False)
