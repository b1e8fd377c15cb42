"""Puts together what drives each cost, from a model's predictions of valid points, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from deffe.records import Costs, Levels, Prediction
from deffe.space import DesignSpace
from deffe.understand import indices
from deffe.understand.bins import Bins
from deffe.understand.curves import MOST_VALUES, MOST_VALUES_OF_TWO, curves_of, surface_of
from deffe.understand.draws import base_points, codes_of, drawn_anew
from deffe.understand.found import CostEffects, Curve, Effects, Interaction, KnobEffect, Surface, Verdict
from deffe.understand.importance import Importance, Unseen, importance_of

Predict = Callable[[Levels], Prediction]

POINTS = 4096
PAIR_POINTS = 2048
CHUNK = 20_000
MOST_PAIRED = 8
"""Knobs between which interactions are looked for: those with the largest share in them."""
MOST_SURFACES = 3
RARE = 40
"""Points that each value of a knob has in its curve at least, where there are as many."""
MORE = 16
"""How many times as many points are drawn to find those of rare values."""
LEAST_SHARE = 0.01
"""A total effect below it does not matter in any case."""
LITTLE, DRIVES = 0.05, 0.3
USELESS = 0.5
"""Where the model leaves more than this share of a cost's variance unexplained, nothing is said of its knobs."""


def understand(
    space: DesignSpace,
    predict: Predict,
    costs: Sequence[str],
    rng: np.random.Generator,
    *,
    points: int = POINTS,
    unseen: Unseen | None = None,
    unexplained: Mapping[str, float] | None = None,
    in_depth: bool = True,
) -> Effects:
    """What each knob does to each cost, over all valid points alike.

    A space of at most ``points`` points is taken as a whole, else as many are drawn. Means, shares and curves are over
    valid points alone: a knob is drawn anew only within what the others leave it.

    Args:
        predict: (n, p) levels to an (n, c) ``Prediction``.
        costs: names of the c costs.
        points: to predict for each knob; the number of predictions is this times one more than there are knobs.
        unseen: measured points that the model did not learn from; without them no importance is found.
        unexplained: cost to the share of its variance that the model does not explain, 1 - R2 on unseen points.
        in_depth: find interactions and surfaces too, and predict further points for curves over rare values.
    """
    return _Study(space, predict, costs, rng, points, in_depth).effects(unseen, unexplained or {})


@dataclass(frozen=True)
class _Shares:
    """The effects of one knob, (c,) arrays."""

    main: NDArray[np.float64]
    main_error: NDArray[np.float64]
    total: NDArray[np.float64]
    total_error: NDArray[np.float64]


class _Study:
    """The drawn points, their predictions, and what follows from them."""

    def __init__(
        self,
        space: DesignSpace,
        predict: Predict,
        costs: Sequence[str],
        rng: np.random.Generator,
        points: int,
        in_depth: bool,
    ) -> None:
        self._space, self._ask, self._names, self._rng, self._deep = space, predict, tuple(costs), rng, in_depth
        self._knobs = [i for i, parameter in enumerate(space.parameters) if len(parameter) > 1]
        self._scenarios = [i for i in self._knobs if space.parameters[i].kind == "scenario"]
        if len(self._scenarios) == len(self._knobs):
            self._scenarios = []
        self._levels, self._complete = base_points(space, points, rng)
        self._conditional = any(parameter.when is not None for parameter in space.parameters)
        self._codes = codes_of(space, self._levels)
        self._found = self._predict(self._levels)
        peak = np.abs(self._found.mean).max(axis=0, initial=0.0)
        self._scale = np.where(peak > 0, peak, 1.0)  # so that squares of very large or small costs stay in range
        self._costs = self._scaled(self._found.mean)
        self._variance = self._costs.var(axis=0)
        self._variance[self._variance < 1e-24] = 0.0  # rounding
        count = PAIR_POINTS if self._complete else min(PAIR_POINTS, len(self._levels))
        self._pair_rows = np.arange(count) % len(self._levels)
        self._anew: dict[int, tuple[Levels, Costs]] = {}
        self._pairs: dict[tuple[int, int], list[Costs]] = {}

    def effects(self, unseen: Unseen | None, unexplained: Mapping[str, float]) -> Effects:
        shares = {column: self._shares(column) for column in self._knobs}
        curves = {column: self._curves(column) for column in self._knobs}
        measured = unseen is not None and len(unseen.levels) > 1
        importance = (
            importance_of(self._space, self._ask, self._knobs, unseen, self._rng) if measured and unseen else {}
        )
        found = tuple(
            self._cost(index, shares, curves, importance, unexplained.get(name, math.nan))
            for index, name in enumerate(self._names)
        )
        tied = bool(self._space.constraints) or self._conditional or self._space.listing is not None
        count = len(unseen.levels) if unseen is not None and importance else 0
        return Effects(found, len(self._levels), self._complete, tied, count)

    def _cost(
        self,
        index: int,
        shares: Mapping[int, _Shares],
        curves: Mapping[int, Sequence[Curve]],
        importance: Mapping[int, Importance],
        unexplained: float,
    ) -> CostEffects:
        order = sorted(self._knobs, key=lambda column: -shares[column].total[index])
        pairs = self._interactions(index, order, shares) if self._deep else {}
        left = self._left(index)
        knobs = [self._knob(index, column, shares[column], importance, pairs, unexplained, left) for column in order]
        ranked = sorted(pairs, key=lambda pair: -pairs[pair].share if pairs[pair].share == pairs[pair].share else 1)
        return CostEffects(
            cost=self._names[index],
            mean=float(self._found.mean[:, index].mean()),
            std=float(np.sqrt(self._variance[index]) * self._scale[index]),
            unexplained=unexplained,
            noise=noise_of(unexplained, len(self._knobs)),
            at_scenario=left,
            knobs=tuple(knobs),
            interactions=tuple(pairs[pair] for pair in ranked),
            curves=tuple(curves[column][index] for column in order),
            surfaces=tuple(self._surface(index, pair) for pair in ranked[:MOST_SURFACES]),
        )

    def _knob(
        self,
        index: int,
        column: int,
        shares: _Shares,
        importance: Mapping[int, Importance],
        pairs: Mapping[tuple[int, int], Interaction],
        unexplained: float,
        left: float,
    ) -> KnobEffect:
        name = self._space.names[column]
        own = [pair for pair in pairs.values() if name in (pair.one, pair.other) and pair.share >= LEAST_SHARE]
        best = max(own, key=lambda pair: pair.share, default=None)
        lost = importance.get(column)
        total, scenario = float(shares.total[index]), column in self._scenarios
        here = 1.0 if scenario or not self._scenarios else left
        share = total / here if here > 0 else 0.0
        return KnobEffect(
            name,
            float(shares.main[index]),
            float(shares.main_error[index]),
            total,
            float(shares.total_error[index]),
            float(lost.loss[index]) if lost else math.nan,
            float(lost.error[index]) if lost else math.nan,
            "" if best is None else best.other if best.one == name else best.one,
            math.nan if best is None else best.share,
            verdict_of(
                share,
                unexplained / here if here > 0 else math.nan,
                len(self._knobs),
                float(lost.least[index]) / here if lost and here > 0 else math.nan,
            ),
            math.nan if scenario or not self._scenarios else share,
            scenario,
        )

    # shares

    def _shares(self, column: int) -> _Shares:
        groups = self._codes[:, column].astype(np.int64) + 1
        if self._complete and not self._conditional:
            others = indices.groups_of(self._levels[:, [other for other in self._knobs if other != column]])
            parts = [self._exact_shares(groups, others, costs) for costs in self._costs.T]
        else:
            anew = self._scaled(self._predict(drawn_anew(self._space, self._levels, column, self._rng)).mean)
            parts = [self._drawn_shares(groups, i, anew[:, i]) for i in range(len(self._names))]
        return _Shares(*np.array(parts).T) if parts else _Shares(*(np.empty(0) for _ in range(4)))

    @staticmethod
    def _exact_shares(
        groups: NDArray[np.int64], others: NDArray[np.int64], costs: NDArray[np.float64]
    ) -> tuple[float, float, float, float]:
        return indices.main_of_all(costs, groups), 0.0, indices.total_of_all(costs, others), 0.0

    def _drawn_shares(
        self, groups: NDArray[np.int64], i: int, anew: NDArray[np.float64]
    ) -> tuple[float, float, float, float]:
        costs = self._costs[:, i]
        if not self._variance[i]:
            return 0.0, 0.0, 0.0, 0.0
        main = indices.main_of_drawn(costs, groups), indices.main_error(costs, groups)
        return *main, *indices.total_of_drawn(costs, anew, self._variance[i])

    def _left(self, index: int) -> float:
        """The share of the variance that is left at a given scenario."""
        if not self._scenarios or not self._variance[index]:
            return 1.0
        groups = indices.groups_of(self._codes[:, self._scenarios])
        main = indices.main_of_all if self._complete else indices.main_of_drawn
        share = main(self._costs[:, index], groups)
        return 1.0 if math.isnan(share) else 1 - share

    # interactions

    def _interactions(
        self, index: int, order: Sequence[int], shares: Mapping[int, _Shares]
    ) -> dict[tuple[int, int], Interaction]:
        """Of the knobs that take part in some, by their columns."""
        if not self._variance[index]:
            return {}
        left = {column: shares[column].total[index] - shares[column].main[index] for column in order}
        likely = [column for column in order if not left[column] < LEAST_SHARE / 2]
        likely = sorted(likely, key=lambda column: -left[column])[:MOST_PAIRED]
        return {pair: self._interaction(index, pair) for pair in combinations(sorted(likely), 2)}

    def _interaction(self, index: int, pair: tuple[int, int]) -> Interaction:
        if pair not in self._pairs:
            self._pairs[pair] = self._corners(pair)
        corners = [corner[:, index] for corner in self._pairs[pair]]
        share = indices.both(corners, float(self._variance[index])) if len(corners[0]) > 1 else (math.nan, math.nan)
        return Interaction(self._space.names[pair[0]], self._space.names[pair[1]], share[0], share[1])

    def _corners(self, pair: tuple[int, int]) -> list[Costs]:
        """(m, c) costs of points, of these with each of two knobs drawn anew, and with both; of valid ones alone."""
        (one, costs_of_one), (other, costs_of_other) = (self._replaced(column) for column in pair)
        two = one.copy()
        two[:, pair[1]] = other[:, pair[1]]
        two = self._space.canonical(two)
        fine = self._space.valid(two)
        base = self._costs[self._pair_rows]
        return [base[fine], costs_of_one[fine], costs_of_other[fine], self._scaled(self._predict(two[fine]).mean)]

    def _replaced(self, column: int) -> tuple[Levels, Costs]:
        """The points that interactions are found from, with one knob drawn anew, and their costs."""
        if column not in self._anew:
            levels = drawn_anew(self._space, self._levels[self._pair_rows], column, self._rng)
            self._anew[column] = levels, self._scaled(self._predict(levels).mean)
        return self._anew[column]

    # curves

    def _curves(self, column: int) -> list[Curve]:
        parameter = self._space.parameters[column]
        bins = Bins.of(parameter, MOST_VALUES)
        groups, found = bins.groups(self._codes[:, column]), self._found
        if self._deep and not self._complete:
            rare = self._rare(column, bins, groups)
            if len(rare):
                groups = np.concatenate([groups, bins.groups(codes_of(self._space, rare)[:, column])])
                found = Prediction.joined([found, self._predict(rare)])
        return list(curves_of(parameter.name, bins, groups, found))

    def _rare(self, column: int, bins: Bins, groups: NDArray[np.int64]) -> Levels:
        """Further points of the values that few of the drawn points have."""
        lacking = RARE - np.bincount(groups[groups >= 0], minlength=len(bins))
        if not (lacking > 0).any():
            return self._levels[:0]
        drawn = self._space.draw(MORE * len(self._levels), self._rng)
        theirs = bins.groups(codes_of(self._space, drawn)[:, column])
        rows = [np.flatnonzero(theirs == group)[: max(lacking[group], 0)] for group in range(len(bins))]
        return drawn[np.concatenate(rows)]

    def _surface(self, index: int, pair: tuple[int, int]) -> Surface:
        one, other = (self._space.parameters[column] for column in pair)
        bins = Bins.of(one, MOST_VALUES_OF_TWO), Bins.of(other, MOST_VALUES_OF_TWO)
        groups = bins[0].groups(self._codes[:, pair[0]]), bins[1].groups(self._codes[:, pair[1]])
        return surface_of((one.name, other.name), bins, groups, self._found, index)

    # predictions

    def _scaled(self, costs: Costs) -> Costs:
        return costs / self._scale

    def _predict(self, levels: Levels) -> Prediction:
        """Predict each distinct point once, in pieces."""
        _, first, place = np.unique(self._space.ids(levels), return_index=True, return_inverse=True)
        distinct = levels[first]
        pieces = [self._ask(distinct[start : start + CHUNK]) for start in range(0, max(len(distinct), 1), CHUNK)]
        return Prediction.joined(pieces).take(place.reshape(-1))


def noise_of(unexplained: float, knobs: int) -> float:
    """The share below which a total effect may be made of noise: ``LEAST_SHARE``, or, where that is more, an even part
    of what the model does not explain."""
    even = unexplained / max(knobs, 1)
    return max(LEAST_SHARE, even) if even == even else LEAST_SHARE


def verdict_of(total: float, unexplained: float, knobs: int, importance: float) -> Verdict:
    """What a total effect means; ``importance`` is the least that is likely, NaN where it is not known."""
    if unexplained > USELESS or math.isnan(total):
        return "not known"
    if total < noise_of(unexplained, knobs):
        return "does not matter" if total < LEAST_SHARE or importance < LEAST_SHARE else "not visible"
    if total < LITTLE:
        return "matters little"
    return "drives it" if total >= DRIVES else "matters"
