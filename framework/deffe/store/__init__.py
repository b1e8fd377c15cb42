"""The run directory: its database, its lock, and how it is resumed."""

from __future__ import annotations

from deffe.store.database import DATABASE_NAME
from deffe.store.run_store import Source, Store

__all__ = ["DATABASE_NAME", "Source", "Store"]
