"""Pickles that lie on a shared disk: signed with a key that only the owner of the run can read, and checked before use.

The machines of the cluster import this module, so it needs the standard library alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import pickle
import secrets
import stat
from pathlib import Path
from typing import Any

from deffe.errors import DeffeError

KEY_BYTES = 32
_MAC_BYTES = hashlib.sha256().digest_size


class Signer:
    """Packs values into signed texts. A text is bound to its purpose: one cannot be put in the place of another."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def of_file(cls, path: Path, *, create: bool = False) -> Signer:
        """The signer of a run.

        Args:
            create: make the key if there is none.
        Raises:
            DeffeError: the file is of another user, or others can read or write it.
            OSError: it cannot be read or written.
        """
        if create and not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with open(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
                what = f"{path} is not a file that you alone own and can read"
                raise DeffeError(what, "nothing signed with it is trusted: remove the folder it is in")
            key = file.read()
        if len(key) != KEY_BYTES:
            raise DeffeError(f"{path} is damaged: {len(key)} bytes instead of {KEY_BYTES}", "remove the folder")
        return cls(key)

    def pack(self, value: Any, purpose: str) -> str:
        """A value as signed text.

        Raises:
            Exception: whatever the value's class raises when it is pickled.
        """
        data = pickle.dumps(value)
        return base64.b64encode(self._mac(data, purpose) + data).decode()

    def unpack(self, text: str, purpose: str) -> Any:
        """The value of a text that ``pack`` made with this key for this purpose.

        Raises:
            DeffeError: the text is of somebody else, or was changed; it has not been loaded.
            Exception: whatever the value's class raises when it is loaded.
        """
        return pickle.loads(self.checked(text, purpose))  # this run has written it

    def checked(self, text: str, purpose: str) -> bytes:
        """The pickled value of a text that ``pack`` made with this key for this purpose.

        Raises:
            DeffeError: the text is of somebody else, or was changed.
        """
        try:
            whole = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise DeffeError("a signed text of the run is damaged") from error
        mac, data = whole[:_MAC_BYTES], whole[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(data, purpose)):
            raise DeffeError("a signed text does not come from this run, and is not loaded")
        return data

    def _mac(self, data: bytes, purpose: str) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + data, "sha256")
