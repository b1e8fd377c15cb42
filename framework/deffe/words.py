"""Numbers, sizes, points, times and durations as people read them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path


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


def number(value: float, digits: int | None = None) -> str:
    """A cost: whole numbers in full, others to six digits, or all to so many; a dash where there is none."""
    if not math.isfinite(value):
        return "-"
    if digits is not None or value != int(value):
        value = float(f"{value:.{digits or 6}g}")
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e15 else f"{value:,.6g}"


def percent(mape: float) -> str:
    """A percentage, or a dash where there is none, as for costs that are zero."""
    return "-" if math.isnan(mape) else f"{mape:.2f} %" if mape < 1e5 else f"{mape:.3g} %"


def grouped(size: int) -> str:
    """A size with separators, or in powers of ten beyond 15 digits."""
    return f"{size:,}" if size < 10**15 else f"{size:.3e}" if size < 10**300 else f"10^{len(str(size)) - 1}"


def short(path: Path) -> str:
    """A path, from the current folder on if it is inside."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def describe_point(values: Mapping[str, object]) -> str:
    """Such as ``l1d_size=16 l2_size=128``."""
    return " ".join(f"{name}={value}" for name, value in values.items())
