"""Which files a table may replace: those that are tables of its kind, and nothing else that a user has."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deffe.errors import UsageError

LONGEST_HEADER = 1 << 20


def header_of(path: Path) -> list[str]:
    """The names in the first line of a table with commas; empty for a file that has none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(LONGEST_HEADER)
            return next(csv.reader([line], strict=True), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def check_replaceable(
    path: Path,
    option: str,
    ours: Callable[[Sequence[str]], bool],
    used: Mapping[str, Path],
    header: Callable[[Path], Sequence[str]] = header_of,
) -> None:
    """Refuse to write a table where something else would be lost.

    Args:
        path: where it is to be written.
        option: that names it, for messages.
        ours: whether a header is that of a table of the same kind, which may be replaced, as an empty file may.
        used: files that must stay, whatever they hold, by what they are.
        header: reads the names of a table's columns.
    Raises:
        UsageError: the path is one of these files, a folder, or a file that holds something else.
    """
    for what, file in used.items():
        if _same(path, file):
            raise UsageError(f"{option}: {path} is {what}, and would be overwritten", "name another file")
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no plain file"
        raise UsageError(f"{option}: {path} cannot be written: it is {what}", "name a file to write")
    if not ours(header(path)):
        what = f"{option}: {path} is there, and is no table that this command wrote"
        raise UsageError(what, "name another file, or move that one away")


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return path.absolute() == other.absolute()
