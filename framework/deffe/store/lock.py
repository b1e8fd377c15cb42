"""One writer per run directory: an operating-system lock on a file that names its holder."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from deffe.errors import StoreError

LOCK_NAME = "deffe.lock"


class RunLock:
    """Held from construction to ``release``, or to the end of the process, however it ends.

    Raises:
        StoreError: another process holds it (named by host and process id), or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._lock = FileLock(self._path, thread_local=False)
        try:
            self._lock.acquire(blocking=False)
            self._path.write_text(f"host {socket.gethostname()}, process {os.getpid()}\n", encoding="utf-8")
        except Timeout as error:
            raise StoreError(
                f"the run directory {folder} is in use by {self._holder()}",
                "one run writes a run directory at a time: wait for it, stop it, or choose another run directory",
            ) from error
        except OSError as error:
            self.release()
            raise StoreError(
                f"the run directory {folder} cannot be written: {error.strerror or error}",
                "choose a run directory on a disk with free space where you may write",
            ) from error

    def _holder(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
        except OSError:
            return "another process"

    def release(self) -> None:
        """Let another process write the run directory."""
        self._lock.release()
