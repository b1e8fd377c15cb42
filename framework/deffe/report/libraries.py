"""Says which extra brings a library of the report that is not there."""

from __future__ import annotations

import importlib.util

from deffe.errors import UsageError


def need(name: str, flag: str) -> None:
    """UsageError where a library is not installed."""
    if importlib.util.find_spec(name) is None:
        raise UsageError(f"{flag} needs {name}, which is not there", "pip install 'deffe[report]'")
