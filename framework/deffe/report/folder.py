"""Writes the files of a report: each whole or not at all, in place of an earlier report and of nothing else."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from deffe.errors import UsageError

MARK = "deffe report"
"""Stands in every file, and tells which ones a later report may replace."""
PAGE, BOOK = "report.html", "report.xlsx"
_HEAD = 4096
_LARGEST = 1 << 26


def check_folder(folder: Path, names: Sequence[str]) -> None:
    """Refuse to write where something else would be lost.

    Raises:
        UsageError: the folder is a file, or one of the files is there and no report wrote it.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"-output: {folder} is no folder", "name a folder for the page and its pictures")
    for name in names:
        path = folder / name
        if path.exists() and not (path.is_file() and _is_ours(path)):
            what = f"-output: {path} is there, and no report wrote it"
            raise UsageError(what, "name another folder, or move that file away")


def _is_ours(path: Path) -> bool:
    with explained(path), path.open("rb") as file:
        head = file.read(_LARGEST if path.suffix == ".pdf" else _HEAD)
    if path.suffix == ".xlsx" and zipfile.is_zipfile(path):
        with contextlib.suppress(KeyError, zipfile.BadZipFile), zipfile.ZipFile(path) as book:
            head = book.read("docProps/core.xml")
    return not head or MARK.encode() in head


def write(path: Path, content: bytes) -> None:
    """Write a file beside its place, and put it there when it is complete.

    Raises:
        UsageError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with explained(path):
            temporary.write_bytes(content)
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system reports into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"-output: {path} cannot be written: {error.strerror or error}", "name a folder where you may write"
        ) from error
