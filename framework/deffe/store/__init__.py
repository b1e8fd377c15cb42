"""The run directory: its database, its lock, and how it is resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deffe.store.database import DATABASE_NAME

if TYPE_CHECKING:
    from deffe.store.points import ExplorationHistory
    from deffe.store.run_store import Source, Store

__all__ = ["DATABASE_NAME", "ExplorationHistory", "Source", "Store"]


def __getattr__(name: str) -> Any:
    """Import the store when it is asked for: who only looks at a database needs none of its libraries."""
    if name in ("ExplorationHistory", "Source", "Store"):
        from deffe.store import run_store

        return getattr(run_store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
