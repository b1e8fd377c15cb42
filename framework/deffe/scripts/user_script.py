"""A user's script of any kind: put into a run directory with a point's values, and the command that runs it there."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from deffe.errors import DeffeError
from deffe.scripts.template import Template

_SHELL = re.compile(rb"#![^\n]*\b(?:ba|da|a|k|z)?sh\b")
_HEAD_BYTES = 1024


class UserScript:
    """A script that is run once a point.

    A shell script is copied into the run directory with its slots filled. A Python script, and any other executable,
    stays where it is and gets ``--name value`` for every name, from a small shell script in the run directory.

    Args:
        path: the script.
        names: names that may stand as ``$name`` in it.
        arguments: fixed arguments, as on a command line; they may have slots too.
        sources: shell scripts that are sourced first.
        stage: begins the name of the small shell script: ``evaluate_run.sh`` calls ``run.py``.
    Raises:
        OSError: the script cannot be read.
        ValueError: it is no script, the arguments cannot be split; the text says what to do.
    """

    def __init__(
        self,
        path: Path,
        names: Collection[str],
        arguments: str = "",
        sources: Sequence[Path] = (),
        stage: str = "evaluate",
    ) -> None:
        self.path = path.resolve()
        self._stage = stage
        self._arguments = shlex.split(arguments)
        self.files = tuple(dict.fromkeys([self.path, *(source.resolve() for source in sources)]))
        self._sources = [f"source {shlex.quote(str(source.resolve()))}" for source in sources]
        either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"
        self._slot = re.compile(rf"\$(?:\{{({either})\}}|({either})(?![A-Za-z0-9_]))")
        self._program = _program(self.path)
        content = b"" if self._program else self.path.read_bytes()
        _check_line_ends(self.path, content)
        for source in self.files[1:]:
            _check_line_ends(source, source.read_bytes())
        self._template = Template(content.decode("utf-8", "surrogateescape"), names)

    def place(
        self, folder: Path, slots: Mapping[str, str], known: Mapping[str, str], name: str = ""
    ) -> tuple[str, ...]:
        """Write what runs the script for one point.

        Args:
            folder: the run directory.
            slots: {name: text} for all names.
            known: {name: text} of what is handed over as ``--name value``.
            name: of the copy; default: that of the script.
        Returns:
            the command, to be run in the folder.
        Raises:
            OSError: it cannot be written.
            DeffeError: a value would end the here-document it is put in.
        """
        name = name or self.path.name
        fixed = [self._slot.sub(lambda slot: slots[slot[1] or slot[2]], word) for word in self._arguments]
        if self._program:
            return self._place_caller(folder, name, f"exec {shlex.join([*self._program, *fixed, *options(known)])}")
        try:
            text = self._template.fill(slots)
        except ValueError as error:
            raise DeffeError(f"{self.path}: {error}", "give the here-document another end mark") from error
        write_script(folder / name, text)
        if not self._sources:
            return ("bash", name, *fixed)
        return self._place_caller(folder, name, f"source {shlex.join([f'./{name}', *fixed])}")

    def _place_caller(self, folder: Path, name: str, call: str) -> tuple[str, ...]:
        caller = f"{self._stage}_{Path(name).stem}.sh"
        write_script(folder / caller, "\n".join(["#!/bin/bash", *self._sources, call, ""]))
        return ("bash", caller)


def options(known: Mapping[str, str]) -> list[str]:
    """``--name value`` for every name; ``True`` is a bare flag, ``False`` is left out."""
    words: list[str] = []
    for name, value in known.items():
        if value != "False":
            words += [f"--{name}"] if value == "True" else [f"--{name}", value]
    return words


def write_script(path: Path, text: str) -> None:
    """Write a new executable text file; the umask applies."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777)
    with open(handle, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def _program(path: Path) -> tuple[str, ...]:
    """How a script is called that is not a shell script; empty for a shell script."""
    if not path.is_file():
        raise ValueError(f"{path} is not a file")
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if path.suffix == ".py":
        python = "python3" if shutil.which("python3") else sys.executable
        return (python, str(path))
    other = b"\0" in head or (head.startswith(b"#!") and not _SHELL.match(head))
    if path.suffix in (".sh", ".bash") or not other:
        if b"\0" in head:
            raise ValueError(f"{path} is not text; allowed: a shell or Python script, or an executable")
        return ()
    if head.startswith(b"#!"):
        _check_line_ends(path, head[: head.find(b"\n") + 1])
    if not os.access(path, os.X_OK):
        raise ValueError(f"{path} is not executable; make it so with: chmod +x {shlex.quote(str(path))}")
    return (str(path),)


def _check_line_ends(path: Path, content: bytes) -> None:
    if b"\r\n" in content:
        convert = f"sed -i 's/\\r$//' {shlex.quote(str(path))}"
        raise ValueError(f"{path} has Windows line ends (CRLF); convert with: {convert}")


def find_scripts(files: Iterable[str], find: Callable[[str], Path | None]) -> tuple[list[Path], list[str]]:
    """Look for files; returns those found and the names of those that are not there."""
    found = {file: find(file) for file in files}
    return [path for path in found.values() if path is not None], [file for file, path in found.items() if path is None]


def fingerprint(files: Iterable[Path]) -> dict[str, str]:
    """{file: digest of its content}, by which a change between two runs is noticed."""
    return {str(file): hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest() for file in files}
