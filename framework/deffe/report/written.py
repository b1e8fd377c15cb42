"""Finds a table that a run wrote, as it left it."""

from __future__ import annotations

import os
from pathlib import Path

from deffe.store import Store


def find_table(store: Store, table: str, what: str) -> tuple[Path | None, str]:
    """A table as the run left it; else why there is none, or nothing where the run has never written it.

    Args:
        table: the name the run gives it, relative to the folder it was started in.
        what: it holds.
    """
    marks: dict[str, list[int]] = store.get_meta("tables", {})
    root: Path = store.folder
    found: dict[Path, list[int]] = {root / name: mark for name, mark in marks.items() if table and name.endswith(table)}
    paths = {path: mark for path, mark in found.items() if path.name == Path(table).name}
    there = {path: mark for path, mark in paths.items() if path.is_file()}
    whole = [path for path, mark in there.items() if path.stat().st_size == mark[0]]
    if whole:
        newest = max(whole, key=_age)
        return Path(os.path.normpath(newest)), ""
    if there:
        return None, f"the {what} in {os.path.normpath(next(iter(there)))} have been changed since the run"
    return None, f"the {what} in {os.path.normpath(next(iter(paths)))} are gone" if paths else ""


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns
