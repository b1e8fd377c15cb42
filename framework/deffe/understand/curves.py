"""Response curves: a cost over one knob or two, the mean over the valid points that have those values.

The mean over valid points is a partial dependence (Friedman, Annals of Statistics 29(5), 2001,
doi:10.1214/aos/1013203451) where knobs are free; where constraints tie them together, only points that exist count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.records import TAILS_90, Prediction
from deffe.understand.bins import Bins
from deffe.understand.found import Curve, Surface

MOST_VALUES = 24
MOST_VALUES_OF_TWO = 12


def curves_of(knob: str, bins: Bins, groups: NDArray[np.int64], found: Prediction) -> Iterator[Curve]:
    """The curve of each cost over one knob, from (n,) groups of points and the (n, c) prediction of them."""
    rows = [np.flatnonzero(groups == group) for group in range(len(bins))]
    points = tuple(map(len, rows))
    for cost in range(found.mean.shape[1]):
        mean, lower, upper = (
            tuple(_mean(part[inside, cost]) for inside in rows) for part in (found.mean, found.lower, found.upper)
        )
        tails = [np.percentile(found.mean[inside, cost], TAILS_90) if len(inside) else (np.nan,) * 2 for inside in rows]
        low, high = (tuple(float(tail[end]) for tail in tails) for end in (0, 1))
        yield Curve(knob, bins.texts, bins.numbers, points, mean, lower, upper, low, high)


def surface_of(
    knobs: tuple[str, str],
    bins: tuple[Bins, Bins],
    groups: tuple[NDArray[np.int64], NDArray[np.int64]],
    found: Prediction,
    cost: int,
) -> Surface:
    """A cost over two knobs, from their (n,) groups."""
    shape = (len(bins[0]), len(bins[1]))
    active = (groups[0] >= 0) & (groups[1] >= 0)
    cells = groups[0][active] * shape[1] + groups[1][active]
    counts = np.bincount(cells, minlength=shape[0] * shape[1])

    def mean(part: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
        with np.errstate(invalid="ignore"):
            means = np.bincount(cells, part[active, cost], minlength=shape[0] * shape[1]) / counts
        return _rows(means.reshape(shape))

    return Surface(
        knobs[0],
        knobs[1],
        (bins[0].texts, bins[1].texts),
        (bins[0].numbers, bins[1].numbers),
        _rows(counts.reshape(shape)),
        mean(found.mean),
        mean(found.lower),
        mean(found.upper),
    )


def _rows(table: NDArray[Any]) -> tuple[tuple[Any, ...], ...]:
    rows: Any = table.tolist()
    return tuple(tuple(row) for row in rows)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
