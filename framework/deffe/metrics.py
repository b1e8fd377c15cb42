"""How good predictions and fronts are: percentage error, R2, rank correlation, Pareto set, hypervolume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

BLOCK = 512


def mape(actual: Vector, predicted: Vector) -> float:
    """Mean absolute percentage error of (n,) predictions, in percent; NaN when an actual is 0 or there is none.

    A cost that is 0 everywhere, as predicted, has the error 0.
    """
    if len(actual) and not np.any(actual) and not np.any(predicted):
        return 0.0
    if len(actual) == 0 or np.any(actual == 0):
        return float("nan")
    return float(100 * np.mean(np.abs((predicted - actual) / actual)))


def r2(actual: Vector, predicted: Vector) -> float:
    """Coefficient of determination of (n,) predictions; NaN when the actuals do not vary."""
    if len(actual) < 2 or np.ptp(actual) == 0:
        return float("nan")
    # scaled, so that the squares of very large or small costs stay in range
    peak = np.max(np.abs(actual))
    actual, predicted = actual / peak, predicted / peak
    return float(1 - np.sum((actual - predicted) ** 2) / np.sum((actual - actual.mean()) ** 2))


def coverage(actual: Vector, lower: Vector, upper: Vector) -> float:
    """Percent of (n,) actuals inside their (n,) bounds; NaN when there is none, or a bound is not known."""
    if len(actual) == 0 or bool(np.isnan(lower).any() or np.isnan(upper).any()):
        return float("nan")
    return float(100 * np.mean((lower <= actual) & (actual <= upper)))


def rank_correlation(actual: Vector, predicted: Vector) -> float:
    """Spearman's rank correlation of (n,) values, ties at their mean rank; NaN when either side does not vary.

    Source: Spearman, The American Journal of Psychology 15(1), 1904, doi:10.2307/1412159.
    """
    if len(actual) < 2 or not (np.all(np.isfinite(actual)) and np.all(np.isfinite(predicted))):
        return float("nan")
    a, b = _ranks(actual), _ranks(predicted)
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip(a @ b / spread, -1, 1)) if spread > 0 else float("nan")


def _ranks(values: Vector) -> Vector:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: Vector = np.cumsum(counts) - (counts - 1) / 2
    return mean_ranks[inverse]


DEFAULT_LOSS = "custom_mean_abs_log_loss"


def loss(name: str, actual: Vector, predicted: Vector) -> float:
    """A loss of networks as a function of (n,) costs and their predictions, however these were made.

    Args:
        name: of ``LOSSES``.
    Returns:
        ``custom_mean_abs_log_loss``: mean of |ln predicted - ln actual| / |ln actual|, for costs above 0;
        ``custom_mean_abs_exp_loss``, ``custom_mean_abs_loss``: mean of |predicted - actual| / |actual|;
        ``mean_squared_error``: mean of (predicted - actual)^2, in squared units of the cost.
        NaN where it is not defined: without points, for costs of 0, logarithms of 0 and of costs below 0.
    Raises:
        KeyError: no such loss.
    """
    with np.errstate(all="ignore"):
        each = LOSSES[name](actual, predicted)
        value = float(np.mean(each)) if len(actual) else float("nan")
    return value if np.isfinite(value) else float("nan")


def _log_loss(actual: Vector, predicted: Vector) -> Vector:
    return np.asarray(np.abs((np.log(predicted) - np.log(actual)) / np.log(actual)))


def _relative_loss(actual: Vector, predicted: Vector) -> Vector:
    return np.asarray(np.abs((predicted - actual) / actual))


def _squared_loss(actual: Vector, predicted: Vector) -> Vector:
    return np.asarray((predicted - actual) ** 2)


LOSSES: Mapping[str, Callable[[Vector, Vector], Vector]] = {
    "custom_mean_abs_log_loss": _log_loss,
    "custom_mean_abs_exp_loss": _relative_loss,
    "custom_mean_abs_loss": _relative_loss,
    "mean_squared_error": _squared_loss,
    "mean_squared_error_int": _squared_loss,
}
"""Losses by the names that the original gives them, of one prediction each."""


def to_minimise(costs: ArrayLike, goals: Sequence[str] | None) -> Vector:
    """(n, k) costs with those to be maximised negated.

    Args:
        goals: k times ``min`` or ``max``; None where all are to be minimised.
    Raises:
        ValueError: shapes that do not fit, or an unknown goal.
    """
    array = np.asarray(costs, dtype=np.float64)
    if array.ndim != 2 or (goals is not None and array.shape[1] != len(goals)):
        raise ValueError(f"costs: expected shape (n, {'k' if goals is None else len(goals)}), got {array.shape}")
    if goals is None:
        return array
    wrong = [goal for goal in goals if goal not in ("min", "max")]
    if wrong:
        raise ValueError(f"goals: 'min' or 'max', got {wrong[0]!r}")
    signs = np.array([1.0 if goal == "min" else -1.0 for goal in goals])
    return np.asarray(array * signs)


def pareto_mask(costs: ArrayLike, goals: Sequence[str] | None = None) -> Mask:
    """Which points no other point dominates: as good in every objective and better in one.

    Args:
        costs: (n, k) float64; a row with a NaN is never in the front, and dominates nothing.
        goals: k times ``min`` or ``max``; None where all are to be minimised.
    Returns:
        (n,) bool; equal points are in the front together. Up to two objectives take O(n log n) time.
    Raises:
        ValueError: shapes that do not fit, or an unknown goal.
    """
    values = to_minimise(costs, goals)
    mask = np.zeros(len(values), dtype=bool)
    rows = np.flatnonzero(~np.isnan(values).any(axis=1))
    if len(rows) == 0 or values.shape[1] == 0:
        return mask
    # in lexicographic order no point is dominated by a later one
    rows = rows[np.lexsort(values[rows].T[::-1])]
    ordered = values[rows]
    first = np.append(True, np.any(ordered[1:] != ordered[:-1], axis=1))
    distinct = ordered[first]
    keep = _front_of_two(distinct) if distinct.shape[1] <= 2 else _front_of_many(distinct)
    mask[rows] = keep[np.cumsum(first) - 1]
    return mask


def distinct_front(costs: Vector) -> Vector:
    """The distinct rows of (n, k) costs, all to be minimised, that no other row dominates, in lexicographic order."""
    front = costs[pareto_mask(costs)]
    return np.asarray(np.unique(front, axis=0)) if len(front) else front


def pareto_layers(costs: Vector, rows: NDArray[np.intp], count: int) -> Iterator[NDArray[np.intp]]:
    """The rows of the front of (n, k) costs, all to be minimised, then those of the front of what is left, and so on.

    Args:
        rows: positions to part; each layer has its own in their order. Rows with a NaN are the last layer.
        count: rows that are wanted; the layer that completes them is the last.
    Source: Goldberg, Genetic Algorithms in Search, Optimization and Machine Learning, 1989 (non-dominated sorting).
    """
    missing = count
    while len(rows) and missing > 0:
        front = pareto_mask(costs[rows])
        if not front.any():  # what is left cannot be compared
            front[:] = True
        yield rows[front]
        missing -= int(front.sum())
        rows = rows[~front]


def _front_of_two(ordered: Vector) -> Mask:
    """The front of distinct points in lexicographic order, of one or two objectives: a falling staircase."""
    last = ordered[:, -1]
    if ordered.shape[1] == 1:
        return np.asarray(np.arange(len(last)) == 0)
    best_before = np.append(np.inf, np.minimum.accumulate(last)[:-1])
    falls = np.asarray(last < best_before)
    falls[0] = True
    return falls


def _front_of_many(ordered: Vector) -> Mask:
    """The front of distinct points in lexicographic order: blocks are held against the front found so far."""
    keep = np.zeros(len(ordered), dtype=bool)
    front = ordered[:0]
    for start in range(0, len(ordered), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(ordered)))
        for part in range(0, len(front), BLOCK):
            rows = rows[~_covered(ordered[rows], front[part : part + BLOCK])]
        rows = rows[~_covered(ordered[rows], ordered[rows])]
        keep[rows] = True
        front = np.concatenate([front, ordered[rows]])
    return keep


def _covered(points: Vector, others: Vector) -> Mask:
    """Which points have another one, among the others, that is nowhere worse; equal rows are the same point."""
    nowhere_worse = np.ones((len(points), len(others)), dtype=bool)
    same = np.ones_like(nowhere_worse)
    for mine, theirs in zip(points.T, others.T, strict=True):
        nowhere_worse &= theirs[None, :] <= mine[:, None]
        same &= theirs[None, :] == mine[:, None]
    return np.asarray((nowhere_worse & ~same).any(axis=1))


def hypervolume(front: ArrayLike, reference: ArrayLike, goals: Sequence[str] | None = None) -> float:
    """The volume between the points and the reference point that at least one point dominates.

    Exact for any number of objectives k, by slicing along the last; time grows as n^(k-1), so it is meant for fronts
    of a few hundred points. Points that have a NaN, or are not better than the reference in every objective, add
    nothing.

    Args:
        front: (n, k) costs.
        reference: (k,) the worst point of interest.
        goals: k times ``min`` or ``max``; None where all are to be minimised.
    Returns:
        volume in the product of the costs' units; 0 for no points.
    Raises:
        ValueError: shapes that do not fit, an unknown goal or a reference that is not finite.
    Source: Zitzler, Thiele, IEEE Trans. Evolutionary Computation 3(4), 1999, doi:10.1109/4235.797969.
    """
    limit = to_minimise(np.atleast_2d(np.asarray(reference, dtype=np.float64)), goals)[0]
    if not np.all(np.isfinite(limit)):
        raise ValueError(f"reference: finite numbers, got {reference!r}")
    points = to_minimise(front, ["min"] * len(limit) if goals is None else goals)
    points = points[np.all(points < limit, axis=1)]
    if len(points) == 0:
        return 0.0
    return _volume(points[pareto_mask(points)], limit)


def _volume(points: Vector, limit: Vector) -> float:
    if points.shape[1] == 1:
        return float(limit[0] - points.min())
    order = np.argsort(points[:, -1], kind="stable")
    points = points[order]
    heights = np.append(points[1:, -1], limit[-1]) - points[:, -1]
    if points.shape[1] == 2:
        widths = limit[0] - np.minimum.accumulate(points[:, 0])
        return float(widths @ heights)
    slices = [i for i in range(len(points)) if heights[i] > 0]
    total = 0.0
    for i in slices:
        below = points[: i + 1, :-1]
        total += heights[i] * _volume(below[pareto_mask(below)], limit[:-1])
    return total
