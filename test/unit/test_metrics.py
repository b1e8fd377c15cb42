"""Metrics: held against their definitions, on cases small enough to work out in the plainest way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from deffe.metrics import hypervolume, mape, pareto_mask, r2, rank_correlation

Array = NDArray[np.float64]


def test_mape_is_in_percent() -> None:
    assert mape(np.array([100.0, -200.0]), np.array([110.0, -190.0])) == pytest.approx(7.5)


def test_mape_is_not_known_where_an_actual_is_zero_or_there_is_none() -> None:
    assert math.isnan(mape(np.array([0.0, 1.0]), np.array([0.0, 1.0])))
    assert math.isnan(mape(np.empty(0), np.empty(0)))


def test_a_cost_that_is_zero_everywhere_as_predicted_has_no_error() -> None:
    assert mape(np.zeros(3), np.zeros(3)) == 0
    assert math.isnan(mape(np.zeros(3), np.array([0.0, 0.0, 1e-9])))
    assert math.isnan(mape(np.array([0.0, 1.0]), np.array([0.0, 1.0])))


def test_r2_is_one_for_the_truth_zero_for_the_mean_and_negative_for_worse() -> None:
    actual = np.array([1.0, 2.0, 6.0])
    assert r2(actual, actual) == 1
    assert r2(actual, np.full(3, 3.0)) == pytest.approx(0)
    assert r2(actual, -actual) < 0
    assert math.isnan(r2(np.ones(3), actual))
    assert math.isnan(r2(actual[:1], actual[:1]))


@pytest.mark.parametrize("unit", [1e-250, 1e250])
def test_r2_does_not_depend_on_the_unit(unit: float) -> None:
    actual, predicted = np.array([1.0, 2.0, 6.0]), np.array([1.5, 2.0, 5.0])
    assert r2(actual * unit, predicted * unit) == pytest.approx(r2(actual, predicted))


def test_rank_correlation_sees_the_order_alone_and_shares_ranks_among_ties() -> None:
    actual = np.array([1.0, 2.0, 3.0, 50.0])
    assert rank_correlation(actual, np.exp(actual)) == pytest.approx(1)
    assert rank_correlation(actual, -actual) == pytest.approx(-1)
    assert rank_correlation(np.array([1.0, 2.0, 2.0, 3.0]), actual) == pytest.approx(0.9486832980505138)
    assert math.isnan(rank_correlation(actual, np.ones(4)))
    assert math.isnan(rank_correlation(actual, np.array([1.0, 2.0, 3.0, np.nan])))


def plain_front(costs: Array, goals: list[str]) -> list[bool]:
    signs = np.where(np.array(goals) == "min", 1.0, -1.0)
    values = costs * signs
    return [
        not np.isnan(mine).any() and not any(np.all(other <= mine) and np.any(other < mine) for other in values)
        for mine in values
    ]


few_levels = st.sampled_from([-np.inf, -1.0, 0.0, 1.0, 2.0, np.inf, np.nan])


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(0, 25), st.integers(1, 4))
def test_the_pareto_set_is_what_nothing_dominates_ties_and_all(data: st.DataObject, n: int, k: int) -> None:
    costs = data.draw(arrays(np.float64, (n, k), elements=few_levels))
    goals = data.draw(st.lists(st.sampled_from(["min", "max"]), min_size=k, max_size=k))
    assert pareto_mask(costs, goals).tolist() == plain_front(costs, goals)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_the_pareto_set_of_more_points_than_a_block(k: int) -> None:
    costs = np.random.default_rng(k).integers(0, 40, (1500, k)).astype(np.float64)
    costs[:, -1] -= costs[:, 0]  # makes the front long
    assert pareto_mask(costs, ["min"] * k).tolist() == plain_front(costs, ["min"] * k)
    assert pareto_mask(costs).tolist() == pareto_mask(costs, ["min"] * k).tolist()


def test_the_pareto_set_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="shape"):
        pareto_mask(np.zeros((3, 2)), ["min"])
    with pytest.raises(ValueError, match="least"):
        pareto_mask(np.zeros((3, 1)), ["least"])


def counted_volume(front: Array, limit: Array) -> float:
    """Unit cells of an integer grid that a point dominates."""
    cells = np.stack(np.meshgrid(*[np.arange(side) for side in limit.astype(int)], indexing="ij"), axis=-1)
    dominated = np.zeros(cells.shape[:-1], dtype=bool)
    for point in front:
        dominated |= np.all(cells >= point, axis=-1)
    return float(dominated.sum())


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(0, 8), st.integers(1, 4))
def test_the_hypervolume_counts_the_dominated_cells_of_a_grid(data: st.DataObject, n: int, k: int) -> None:
    points = data.draw(arrays(np.float64, (n, k), elements=st.integers(0, 6).map(float)))
    limit = np.full(k, 5.0)
    assert hypervolume(points, limit, ["min"] * k) == pytest.approx(counted_volume(points, limit))
    assert hypervolume(points, limit) == hypervolume(points, limit, ["min"] * k)
    assert hypervolume(-points, -limit, ["max"] * k) == pytest.approx(counted_volume(points, limit))


def test_the_hypervolume_leaves_out_what_is_not_known_and_refuses_an_open_reference() -> None:
    assert hypervolume([[1.0, np.nan], [1.0, 1.0]], [2.0, 3.0], ["min", "min"]) == 2
    with pytest.raises(ValueError, match="reference"):
        hypervolume([[1.0]], [np.inf], ["min"])
