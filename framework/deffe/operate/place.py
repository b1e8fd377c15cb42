"""Which run directory a user means: its path, or the configuration of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deffe.errors import StoreError, UsageError
from deffe.store.database import DATABASE_NAME

DEFAULT_CONFIG = "config.json"
HINT = "give the run directory, or the configuration of the run"


def run_folder(named: str, flags: Mapping[str, Any]) -> Path:
    """The run directory.

    Args:
        named: a run directory, its database, or a configuration; where it is empty, the flags tell.
        flags: of the command line.
    Raises:
        UsageError: there is no such folder or file.
        StoreError: there is no run.
        ConfigError: the configuration has faults.
    """
    given = Path(named or flags.get("run_directory") or flags.get("config") or DEFAULT_CONFIG)
    if given.is_dir() and not (given / DATABASE_NAME).exists() and (given / DEFAULT_CONFIG).is_file():
        given = given / DEFAULT_CONFIG
    if given.name == DATABASE_NAME and given.is_file():
        given = given.parent
    if not given.exists():
        raise UsageError(f"there is no {given}", HINT)
    folder = given if given.is_dir() else _configured(given, beside=bool(named))
    if not (folder / DATABASE_NAME).exists():
        hint = "nothing has been run there yet" if given.is_file() else HINT
        raise StoreError(f"there is no run in {folder}: it has no {DATABASE_NAME}", hint)
    return folder


def _configured(file: Path, beside: bool) -> Path:
    """The run directory that a configuration names, in the folder that the run was called in.

    Args:
        beside: look beside the configuration first, else there only if the current folder has no such run.
    """
    from deffe.config import load

    name = load(file).framework.run_directory
    folders = [folder / name for folder in (Path.cwd(), file.absolute().parent)]
    if beside:
        folders.reverse()
    return next((folder for folder in folders if (folder / DATABASE_NAME).exists()), folders[0])
