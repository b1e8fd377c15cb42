"""Reads the records of a CSV file in blocks: any usual delimiter, quotes, a byte-order mark, errors with their line."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from deffe.errors import TableError, counted

BLOCK = 32_768
_DELIMITERS = ",;\t"


class CsvFile:
    """A CSV file with a header.

    Args:
        path: the file; compressed if its name ends in ``.gz``.
        expected: names of columns, by which the delimiter is recognised.
    Attributes:
        names: the names of the columns.
    Raises:
        TableError: there is no such file, it cannot be read as text, or it has no header.
    """

    def __init__(self, path: Path, expected: Collection[str]) -> None:
        self.path = path
        if not path.is_file():
            what = "is a folder, not a file" if path.is_dir() else "does not exist"
            raise TableError(f"{path}: the table {what}", "name a CSV file with a header")
        headers = {delimiter: self._header(delimiter, expected) for delimiter in _DELIMITERS}
        wanted = {name.lower() for name in expected}

        def fits(delimiter: str) -> tuple[int, int]:
            return len(wanted & {name.lower() for name in headers[delimiter]}), len(headers[delimiter])

        self._delimiter = max(_DELIMITERS, key=fits)
        self.names = headers[self._delimiter]
        if not self.names:
            raise TableError(f"{path} is empty", "a table has a line with the names of its columns, then a line a row")

    def blocks(self) -> Iterator[list[list[str]]]:
        """Yield lists of records, each as long as the header; empty lines are left out.

        Raises:
            TableError: for a record of another length, or a broken one, with its line.
        """
        first = 0
        with self._records(self._delimiter) as records:
            next(filter(None, records))
            while block := list(islice(records, BLOCK)):
                rows = [row for row in block if row]
                self._check_lengths(rows, first)
                yield rows
                first += len(rows)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each record, whatever its length, with the line on which it ends; empty lines are left out.

        Raises:
            TableError: for a broken record, with its line.
        """
        with self._records(self._delimiter) as records:
            next(filter(None, records))
            for row in filter(None, records):
                yield int(records.line_num), row

    def line(self, row: int) -> int:
        """The line on which the data row of this number ends; both count from the top, rows from 0."""
        with self._records(self._delimiter) as records:
            next(islice(filter(None, records), row + 1, None), None)
            return int(records.line_num)

    def _check_lengths(self, rows: Sequence[Sequence[str]], first: int) -> None:
        width = len(self.names)
        if set(map(len, rows)) <= {width}:
            return
        bad = next(i for i, row in enumerate(rows) if len(row) != width)
        found = counted(len(rows[bad]), "field")
        raise TableError(
            f"{self.path}, line {self.line(first + bad)}: {found} where the header has {width}",
            f"every row has a field for each of: {', '.join(self.names)}",
        )

    def _header(self, delimiter: str, expected: Collection[str]) -> list[str]:
        with self._records(delimiter, strict=False) as records:
            names: list[str] = next(filter(None, records), [])
            return [name if name in expected else name.strip() for name in names]

    @contextmanager
    def _records(self, delimiter: str, *, strict: bool = True) -> Iterator[Any]:
        with self._open() as file:
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=strict)
            try:
                yield reader
            except csv.Error as error:
                raise TableError(f"{self.path}, line {reader.line_num}: {error}", "check its quotes") from error
            except UnicodeDecodeError as error:
                raise TableError(f"{self.path} is not text in UTF-8: {error.reason}", "save it as UTF-8") from error
            except (OSError, EOFError) as error:
                raise TableError(f"{self.path} cannot be read: {error}") from error

    def _open(self) -> TextIO:
        try:
            if self.path.suffix == ".gz":
                return gzip.open(self.path, "rt", encoding="utf-8-sig", newline="")
            return self.path.open(encoding="utf-8-sig", newline="")
        except OSError as error:
            raise TableError(f"{self.path} cannot be read: {error.strerror or error}", "check its mode") from error
