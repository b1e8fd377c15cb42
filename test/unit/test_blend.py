"""Which of several learners is trusted: never much worse than the best of them, on points that none has seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deffe.models._learning.blend import blend, combine
from deffe.models._learning.fitting import Job, learn_cost
from deffe.models._learning.folds import distinct, fold_of
from deffe.models._learning.way import Shape, Way
from deffe.models._smooth.linear import Lasso
from deffe.models._trees.forest import Forest

Array = NDArray[np.float64]


def case(seed: int, *errors: float, m: int = 60) -> tuple[Array, Array, Array, NDArray[np.intp]]:
    """Means and deviations of ways that are off by these errors, independently; values; folds."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=m)
    means = np.stack([values + error * rng.normal(size=m) for error in errors])
    return means, np.ones_like(means), values, np.arange(m) % 5


def rms(values: Array) -> Any:
    return lambda mean: float(np.sqrt(np.mean((mean - values) ** 2)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("errors", [(0.1, 1.0, 3.0), (0.5, 0.5, 0.5), (1.0, 1.1), (3.0, 3.0, 3.0, 3.0)])
def test_a_blend_is_never_much_worse_than_the_best_on_further_points(seed: int, errors: tuple[float, ...]) -> None:
    means, stds, values, folds = case(seed, *errors, m=1060)
    seen = slice(0, 60)
    found = blend(means[:, seen], stds[:, seen], values[seen], folds[seen], rms(values[seen]))
    assert found.weights.sum() == pytest.approx(1)
    assert np.all(found.weights >= 0)
    assert found.error <= min(found.errors) * 1.03
    mixed, _ = combine(found.weights, means[:, 60:], stds[:, 60:])
    rest = rms(values[60:])
    assert rest(mixed) <= 1.15 * min(rest(mean) for mean in means[:, 60:])


def test_errors_that_are_independent_cancel() -> None:
    means, stds, values, folds = case(0, 0.5, 0.5, 0.5, 0.5, m=400)
    found = blend(means, stds, values, folds, rms(values))
    np.testing.assert_allclose(found.weights, 0.25, atol=0.15)
    assert found.error < 0.7 * min(found.errors)


def test_a_way_that_is_far_better_stands_alone() -> None:
    means, stds, values, folds = case(1, 0.01, 2.0, 2.0)
    found = blend(means, stds, values, folds, rms(values))
    assert found.weights.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(found.mean, means[0])


def test_the_weights_that_predict_a_fold_are_not_fitted_on_it() -> None:
    # one way knows the first fold alone: weights that saw that fold would gain from it there
    means, stds, values, folds = case(2, 1.0, 1.0, m=100)
    first = folds == 0
    means[1, first] = values[first]
    found = blend(means, stds, values, folds, rms(values))
    elsewhere = rms(values[~first])
    assert found.mean[first] != pytest.approx(values[first], abs=0.05)
    assert elsewhere(found.mean[~first]) <= 1.1 * min(elsewhere(mean[~first]) for mean in means)


def test_ways_that_disagree_are_less_sure() -> None:
    weights = np.array([0.5, 0.5])
    mean, std = combine(weights, np.array([[1.0, 0.0], [1.0, 4.0]]), np.full((2, 2), 0.5))
    np.testing.assert_allclose(mean, [1, 2])
    np.testing.assert_allclose(std, [0.5, np.hypot(0.5, 2)])


def test_a_prediction_that_is_out_of_range_is_never_chosen() -> None:
    means, stds, values, folds = case(3, 0.5, 0.5)

    def judge(mean: Array) -> float:
        return np.inf if np.array_equal(mean, means[0]) else float(rms(values)(mean))

    found = blend(means, stds, values, folds, judge)
    assert found.errors[0] == np.inf
    assert found.error < 1


def test_a_learned_blend_says_who_won_and_by_how_much() -> None:
    features = np.random.default_rng(0).random((60, 3))
    cost = np.exp(features @ [1.0, 2.0, 3.0])
    rng = np.random.default_rng(0)
    ways = [Way("extra_trees", lambda: Forest(10, extra=True)), Way("lasso", Lasso)]
    folds = fold_of(distinct(features), 5, rng)
    found = learn_cost(ways, Job("cycles", features, Shape((0, 1, 2)), cost, folds, rng, log=True))
    told = " ".join(found.notes)
    assert "lasso is best by" in told
    assert told.index("lasso") < told.index("extra_trees")
    assert [member.label for member in found.fitted.members] == ["lasso"]
