"""Which run directory a user means: its path, or the configuration of the run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deffe.errors import StoreError, UsageError
from deffe.operate.notes import target_key
from deffe.store.database import DATABASE_NAME

if TYPE_CHECKING:
    from deffe.store import Store

DEFAULT_CONFIG = "config.json"
ORIGIN = "origin"
"""The note of where a run comes from; its configuration is relative to the run directory."""
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


def note_origin(store: Store, config: Path, **told: Any) -> None:
    """Let a run directory tell which configuration it is of, and what of the command line makes it what it is."""
    origin = {"configuration": os.path.relpath(config.absolute(), store.folder), **told}
    if store.get_meta(ORIGIN) != origin:
        store.set_meta(ORIGIN, origin)


def note_target(store: Store, exploration: int, target: Mapping[str, str] | None) -> None:
    """Let a run directory tell which points count."""
    key = target_key(exploration)
    if store.get_meta(key, None) != target:
        store.set_meta(key, target)


def located(named: str, flags: Mapping[str, Any]) -> tuple[Path, Path]:
    """The configuration and the directory of a run.

    Args:
        named, flags: as for ``run_folder``; the directory need not be there, since a table of known results may do.
    Raises:
        UsageError: there is no such folder or file, or the configuration is not known.
        StoreError, ConfigError: as for ``run_folder``.
    """
    given = Path(named or flags.get("run_directory") or flags.get("config") or DEFAULT_CONFIG)
    if given.is_file() and given.name != DATABASE_NAME:
        return given, Path(flags.get("run_directory") or _configured(given, beside=bool(named))).absolute()
    if not named and flags.get("config") and Path(flags["config"]).is_file():
        return Path(flags["config"]), given.absolute()
    folder = run_folder(named, flags)
    if flags.get("config"):
        return Path(flags["config"]), folder
    return _origin(folder), folder


def _origin(folder: Path) -> Path:
    """The configuration of a run: as it notes, else the only one beside it."""
    from deffe.store import Store

    with closing(Store.read(folder)) as store:
        noted = (store.get_meta(ORIGIN) or {}).get("configuration")
    for path in (*([folder / noted] if noted else []), folder.parent / DEFAULT_CONFIG):
        if path.is_file():
            return Path(os.path.normpath(path.absolute()))
    what = f"the configuration of the run in {folder} is not known" + (
        f": there is no {folder / noted}" if noted else ""
    )
    raise UsageError(what, f"give it: -config FILE -run-directory {folder}")
