"""Where a run notes what it has found, for those who show it: keys in the run directory, one an exploration."""

from __future__ import annotations

VOLUME = "hypervolume"
"""What a forecast is of where there are several objectives."""


def effects_key(exploration: int) -> str:
    """Of what drives each cost."""
    return f"effects_{exploration}"


def target_key(exploration: int) -> str:
    """Of the values of knobs at which points count, {knob: text}; None where all do."""
    return f"target_{exploration}"


def forecast_key(exploration: int) -> str:
    """Of what further evaluations are expected to bring."""
    return f"forecast_{exploration}"
