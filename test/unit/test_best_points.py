"""Properties of the best points kept of many: the same as of all at once, however the points come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deffe import metrics
from deffe.answer.best import FRONT_LIMIT, BestPoints, spread_out
from deffe.outlook.probability_of_improvement import probability_of_improvement
from deffe.records import Costs, Prediction

GOALS = ("min", "max", "min")


def numbered(costs: Costs) -> np.ndarray:
    """Points that are told apart by their level."""
    return np.arange(len(costs), dtype=np.int32)[:, None]


def collected(costs: Costs, cuts: list[int], goals: tuple[str, ...], **given: int) -> BestPoints:
    best = BestPoints(list(range(len(goals))), goals, **given)
    levels = numbered(costs)
    for part in np.split(np.arange(len(costs)), cuts):
        best.add(levels[part], costs[part])
    return best


def brute_top(costs: Costs, column: int, goals: tuple[str, ...], most: int) -> list[int]:
    """The best for one objective; of equal ones those of the front, then the earlier."""
    values = costs[:, column] if goals[column] == "min" else -costs[:, column]
    beside = ~np.isin(np.arange(len(costs)), brute_front(costs, goals))
    return [int(row) for row in np.lexsort([beside, values])[:most]]


def brute_front(costs: Costs, goals: tuple[str, ...]) -> list[int]:
    rows = np.flatnonzero(metrics.pareto_mask(costs, goals))
    first = {tuple(costs[row]): int(row) for row in rows[::-1]}
    return sorted(first.values())


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("decimals", [1, 6], ids=["many equal", "all different"])
@pytest.mark.parametrize("cuts", [[], [1], [500, 501, 900], list(range(40, 1000, 40))])
def test_the_best_in_pieces_are_the_best_of_all(objectives: int, decimals: int, cuts: list[int]) -> None:
    costs = np.random.default_rng(objectives).random((1000, objectives)).round(decimals)
    goals = GOALS[:objectives]
    best = collected(costs, cuts, goals, most=7)
    assert best.levels is not None
    for i in range(objectives):
        assert best.levels[best.top(i), 0].tolist() == brute_top(costs, i, goals, 7)
    assert sorted(best.levels[best.front(), 0].tolist()) == brute_front(costs, goals)


def test_parts_that_are_joined_in_order_are_the_best_of_all() -> None:
    costs = np.random.default_rng(3).random((600, 2)).round(2)
    whole = collected(costs, [], ("min", "max"), most=5)
    joined = BestPoints([0, 1], ["min", "max"], 5)
    empty = replace(joined)
    for start in range(0, 600, 100):
        part = replace(empty)
        part.add(numbered(costs)[start : start + 100], costs[start : start + 100])
        joined.join(part)
    assert joined.levels is not None
    assert whole.levels is not None
    np.testing.assert_array_equal(joined.levels, whole.levels)
    np.testing.assert_array_equal(joined.front(), whole.front())


def test_a_front_without_end_stays_bounded_keeps_its_extremes_and_is_thinned_evenly() -> None:
    share = np.random.default_rng(0).permutation(np.linspace(0, 1, 30_000))
    costs = np.column_stack([share, 1 - share])
    best = collected(costs, list(range(1000, 30_000, 1000)), ("min", "min"), front_limit=100)
    front = best.costs[best.front(), 0] if best.costs is not None else np.empty(0)
    assert 100 <= len(front) <= 200
    assert (front.min(), front.max()) == (0.0, 1.0)
    assert np.diff(np.sort(front)).max() < 3 / 100
    assert FRONT_LIMIT >= 1000


@pytest.mark.parametrize("objectives", [2, 3])
def test_spreading_out_keeps_the_ends_of_every_objective(objectives: int) -> None:
    values = np.random.default_rng(5).random((300, objectives)) ** 3
    chosen = spread_out(values, 20)
    assert len(set(chosen.tolist())) == 20
    assert {*values.argmin(axis=0), *values.argmax(axis=0)} <= set(chosen.tolist())


def test_predictions_that_are_no_numbers_are_passed_over() -> None:
    costs = np.array([[np.nan, 1.0], [2.0, np.nan], [3.0, 3.0], [np.nan, np.nan]])
    best = collected(costs, [2], ("min", "min"))
    assert best.levels is not None
    assert best.levels[best.front(), 0].tolist() == [2]
    assert best.levels[best.top(0), 0].tolist() == [1, 2]


def test_without_points_there_is_no_best() -> None:
    best = BestPoints([0], ["min"])
    assert best.best(0) is None
    assert not len(best.front())


# --- chances


def prediction(mean: list[list[float]], std: float, skew: float = 1.0) -> Prediction:
    middle = np.array(mean)
    return Prediction(middle, np.full_like(middle, std), middle - 1.645 * std, middle + skew * 1.645 * std)


@pytest.mark.parametrize(("goal", "sign"), [("min", 1.0), ("max", -1.0)])
def test_the_chance_of_one_objective_is_that_of_its_interval(goal: str, sign: float) -> None:
    measured = np.array([[10.0 * sign], [12.0 * sign]])
    means = [[10.0 * sign], [8.0 * sign], [12.0 * sign], [100.0 * sign]]
    chance = probability_of_improvement(prediction(means, 2.0), measured, [goal])
    np.testing.assert_allclose(chance, [0.5, 0.8413, 0.1587, 0], atol=1e-3)


def test_each_side_of_an_interval_counts_for_itself() -> None:
    wide_above = probability_of_improvement(prediction([[8.0]], 2.0, skew=3.0), np.array([[10.0]]), ["min"])
    assert wide_above[0] == pytest.approx(0.6306, abs=1e-3)


def test_a_chance_of_two_objectives_is_that_no_measured_point_is_nowhere_worse() -> None:
    measured = np.array([[1.0, 3.0], [3.0, 1.0]])
    chance = probability_of_improvement(
        prediction([[0.0, 0.0], [9.0, 9.0], [2.0, 2.0], [3.0, 9.0]], 0.1), measured, ["min", "min"]
    )
    np.testing.assert_allclose(chance, [1, 0, 1, 0], atol=1e-6)
    even = probability_of_improvement(prediction([[1.0, 9.0]], 0.1), measured, ["min", "min"])
    assert even[0] == pytest.approx(0.5, abs=0.01)


def test_what_is_certain_and_what_is_unknown() -> None:
    certain = probability_of_improvement(prediction([[1.0], [2.0], [3.0]], 0.0), np.array([[2.0]]), ["min"])
    np.testing.assert_array_equal(certain, [1, 0, 0])
    assert np.isnan(probability_of_improvement(prediction([[1.0]], 1.0), np.empty((0, 1)), ["min"])).all()
    assert np.isnan(probability_of_improvement(prediction([[np.nan]], 1.0), np.array([[1.0]]), ["min"])).all()
