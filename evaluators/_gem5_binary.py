"""Finds the executable of gem5: by option, environment or PATH."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

BINARIES = ("gem5.fast", "gem5.opt", "gem5.debug")


def find_gem5(
    gem5: str, gem5_dir: str, build: str, environ: Mapping[str, str], find: Callable[[str], Path | None]
) -> Path:
    """The executable of gem5: what is named first counts, and has to be one.

    Args:
        gem5, gem5_dir, build: options of the evaluator; empty when not given.
        environ: the environment, with GEM5 and gem5_dir.
        find: a file named in the configuration.
    Raises:
        ValueError: there is none; with what was looked at, and what to do.
    """
    for place, name in (("option gem5", gem5), ("environment variable GEM5", environ.get("GEM5", ""))):
        if name:
            found = find(name) or Path(shutil.which(name) or name)
            return _executable(found, f"{place} is {name!r}")
    for place, name in (("option", gem5_dir), ("environment variable", environ.get("gem5_dir", ""))):
        if name:
            return _build(find(name) or Path(name), build, f"{place} gem5_dir is {name!r}")
    for name in ("gem5.fast", "gem5.opt", "gem5"):
        path = shutil.which(name)
        if path:
            return Path(path).absolute()
    raise ValueError(
        "gem5 was not found; set GEM5 to its executable, or gem5_dir to a folder of gem5 with build/RISCV/gem5.fast, "
        "or put gem5.fast, gem5.opt or gem5 on the PATH"
    )


def _executable(path: Path, said: str) -> Path:
    if not path.exists():
        raise ValueError(f"{said}, which is not there")
    if path.is_dir():
        return _build(path, "RISCV", said)
    if not os.access(path, os.X_OK):
        raise ValueError(f"{said}, which is not executable")
    return path.absolute()


def _build(folder: Path, build: str, said: str) -> Path:
    places = (folder / "build" / build, folder / "build" / "ALL", folder)
    for place in places:
        for name in BINARIES:
            if os.access(place / name, os.X_OK) and (place / name).is_file():
                return (place / name).absolute()
    raise ValueError(f"{said}, but there is no build/{build}/gem5.fast, gem5.opt or gem5.debug in it")
