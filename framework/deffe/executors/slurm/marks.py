"""The marks by which trials on other machines tell that they have begun and ended: small files, put in place by rename.

The machines of the cluster import this module, so it needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

BEGUN, ENDED = "begun", "ended"
_NAME = re.compile(r"(?P<key>.+)\.(?P<number>\d+)\.(?P<kind>begun|ended)")
_LOOKS = ".look"


class Mark(NamedTuple):
    """A mark: the key of its trial, the number of the submission, and its kind."""

    key: str
    number: int
    kind: str

    @property
    def name(self) -> str:
        """Its file name."""
        return f"{self.key}.{self.number}.{self.kind}"


def put(path: Path, data: Mapping[str, Any]) -> None:
    """Write a file so that it is never seen half written.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def put_first(path: Path, text: str) -> None:
    """Write a file unless it is there; of several writers one wins, and it is never seen half written.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        part.write_text(text, encoding="ascii")
        os.link(part, path)
    except FileExistsError:
        return
    except OSError:  # a disk without hard links, or one that takes nothing
        with contextlib.suppress(FileExistsError), path.open("x", encoding="ascii") as file:
            file.write(text)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def get(path: Path) -> dict[str, Any]:
    """What ``put`` wrote.

    Raises:
        OSError, ValueError: it is not there or cannot be read.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{path} is no mark")
    return found


def seen(folder: Path) -> Iterator[Mark]:
    """All marks of a folder.

    Raises:
        OSError: the folder cannot be read.
    """
    look = folder / _LOOKS
    with contextlib.suppress(OSError):  # a change by this machine makes a network file system read the folder anew
        look.touch()
        look.unlink()
    with os.scandir(folder) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found is not None and not entry.name.startswith("."):
                yield Mark(found["key"], int(found["number"]), found["kind"])


def clean(folder: Path, before: list[str]) -> None:
    """Remove what an attempt that was cut short left in a folder, so that the next one does not take it for its own.

    Args:
        before: names of what was there before it.
    """
    kept = set(before)
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.name in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
