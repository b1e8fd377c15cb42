"""Says which extra brings a library that is not there, or what is wrong with the one that is."""

from __future__ import annotations

import importlib
import importlib.util

from deffe.errors import UsageError


def need(library: str, what: str, extra: str) -> None:
    """UsageError where a library is not installed, or cannot be imported.

    Args:
        library: its name for ``import``.
        what: that it is needed for, as the start of a sentence.
        extra: of deffe, that brings it.
    """
    if importlib.util.find_spec(library) is None:
        raise UsageError(f"{what} needs {library}, which is not there", f"pip install 'deffe[{extra}]'")
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise UsageError(
            f"{what} needs {library}, which does not work: {error}", f"pip install 'deffe[{extra}]'"
        ) from error
