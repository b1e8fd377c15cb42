"""Ends of trials, kept until their points are recorded: after a kill they are handed out again instead of run again."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO


class Ledger:
    """A file with a line of JSON an end. A line that was cut short by a crash counts for nothing.

    Args:
        path: the file; made when the first line is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def lines(self) -> list[dict[str, Any]]:
        """All ends.

        Raises:
            OSError: the file cannot be read.
        """
        with contextlib.suppress(FileNotFoundError):
            return [found for line in self._path.read_bytes().split(b"\n") if (found := _read(line))]
        return []

    def keep(self, wanted: Callable[[Mapping[str, Any]], bool]) -> list[dict[str, Any]]:
        """Drop the ends that are not wanted any more; the others.

        Raises:
            OSError: the file cannot be written.
        """
        self.close()
        before = self.lines()
        after = [line for line in before if wanted(line)]
        if len(after) < len(before):
            part = self._path.with_name(f".{self._path.name}")
            part.write_bytes(b"".join(_line(line) for line in after))
            part.replace(self._path)
        return after

    def add(self, ends: list[dict[str, Any]]) -> None:
        """Write ends, so that they survive this program.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is None:
            self._file = self._path.open("ab")
            self._file.write(b"\n")  # behind a line that was cut short
        self._file.write(b"".join(_line(end) for end in ends))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; ``add`` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"


def _read(line: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        found = json.loads(line)
        return found if isinstance(found, dict) else None
    return None
