"""The SQLite file of a run directory: opening it, checking that it is ours and whole, and explaining its errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deffe.errors import StoreError

DATABASE_NAME = "deffe.sqlite"
APPLICATION_ID = 0x64656666
FORMAT = 1
WAIT_S = 600.0
"""How long a writer waits for a reader that holds the database, and a reader for a writer."""

_MAGIC = b"SQLite format 3\0"
_KEPT = "the file was left as it is"
_CORRUPT = f"{_KEPT}: restore a copy, try `sqlite3 FILE .recover`, or choose another run directory"


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open the database of a run directory and check that it is whole and ours; an empty one is neither's yet.

    A reader opens it for writing too where it may, because only so can SQLite roll back what a killed writer
    left half done; ``query_only`` keeps it from writing anything else.

    Raises:
        StoreError: the file is damaged, of another program, or of a newer version.
    """
    with faults(path):
        _check_header(path)
        mode = "rwc" if write else "rw"
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=WAIT_S, isolation_level=None
        )
    try:
        with faults(path):
            if write:
                _prepare_writer(connection)
            else:
                connection.execute("PRAGMA query_only = ON")
            _check_whole(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare_writer(connection: sqlite3.Connection) -> None:
    # TRUNCATE: a rollback journal, because run directories lie on network file systems, where WAL does not work.
    # NORMAL: a commit is in the kernel's hands before record() returns, so killing the process loses nothing; the
    # journal is on the disk before the database changes, so after a power cut the last commits may be gone, no more.
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -32768")


def disconnect(connection: sqlite3.Connection) -> None:
    """Close what ``connect`` opened for writing, and let SQLite remove the empty journal that TRUNCATE leaves.

    SQLite rolls back first what is left half done, and removes nothing while another program writes.
    """
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nothing was ever committed to the database."""
    return int(connection.execute("PRAGMA page_count").fetchone()[0]) == 0


def _check_header(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_file():
        raise StoreError(f"{path} is not a file", "choose another run directory")
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}", "check its owner and mode") from error
    if head and head != _MAGIC:
        raise StoreError(f"{path} is damaged, or not a database", _CORRUPT.replace("FILE", str(path)))


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]  # rolls back what was half done
    pages, size, application, version = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "page_size", "application_id", "user_version")
    )
    found = path.stat().st_size
    if found < pages * size:
        raise StoreError(
            f"{path} is damaged: {found:,} bytes of {pages * size:,} are there", _CORRUPT.replace("FILE", str(path))
        )
    if pages and application != APPLICATION_ID:
        raise StoreError(f"{path} belongs to another program", f"{_KEPT}; choose another run directory")
    if version > FORMAT:
        raise StoreError(
            f"{path} has format {version}, made by a newer deffe; this one knows formats up to {FORMAT}",
            f"{_KEPT}; install the newer version, or choose another run directory",
        )
    if pages and not tables:
        raise StoreError(f"{path} is damaged: it has no tables", _CORRUPT.replace("FILE", str(path)))


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn what SQLite reports into a StoreError that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.NotSupportedError):
            raise
        raise _explained(path, error) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes what is damaged
        raise damaged(path, "its text is not UTF-8") from error


def _explained(path: Path, error: sqlite3.DatabaseError) -> StoreError:
    said = str(error)
    hints = {
        "is full": "nothing recorded so far is lost: free space on its disk and run the same command again",
        "disk I/O error": "nothing recorded so far is lost: check the disk and quota, and run the same command again",
        "readonly": "check the owner and the mode of the file and its folder",
        "unable to open": "check the owner and the mode of the file and its folder",
        "locked": "another program holds it: close what reads it, then run the same command again",
        "too many": "the design space has more parameters than a table can have columns",
    }
    hint = next((text for words, text in hints.items() if words in said), _CORRUPT.replace("FILE", str(path)))
    return StoreError(f"{path}: {said}", hint)


def damaged(path: Path, what: str) -> StoreError:
    """The error for a database that SQLite can read but whose content makes no sense."""
    return StoreError(f"{path} is damaged: {what}", _CORRUPT.replace("FILE", str(path)))


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
