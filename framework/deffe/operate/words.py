"""Times and durations as people read them."""

from __future__ import annotations

import time


def duration(seconds: float) -> str:
    """Such as ``3.2 s``, ``4 min 10 s``, ``2 h 05 min`` or ``3 days 02 h``."""
    seconds = max(seconds, 0.0)  # the clock may have been set
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} days {hours % 24:02d} h"


def moment(when: float) -> str:
    """A time of the clock as local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
