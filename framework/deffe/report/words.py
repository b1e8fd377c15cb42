"""Numbers and amounts as a report writes them, and even choices of many points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDE = 10.0
"""How many times the least of positive values the largest is, from where a logarithmic axis shows them better."""


def brief(value: float) -> str:
    """A number beside an axis: ``20k``, ``1.5M``, ``0.025``."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1000 * size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def is_wide(values: NDArray[np.float64]) -> bool:
    """Whether values are better shown on a logarithmic axis."""
    values = values[np.isfinite(values)]
    return bool(len(values) and values.min() > 0 and values.max() > WIDE * values.min())


def even(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the rows, evenly chosen, first and last among them."""
    if len(rows) <= most:
        return rows
    return np.asarray(rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(np.int64))])


def of_all(shown: int, total: int, what: str) -> str:
    """Says that not all are shown, or nothing."""
    return f" {shown:,} of {total:,} {what} are drawn, evenly chosen." if shown < total else ""


def listed(lines: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(lines[:-1]), lines[-1]] if len(lines) > 1 else lines)
