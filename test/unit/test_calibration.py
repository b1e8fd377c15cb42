"""Intervals hold as often as they say: on noise, on trees that are too sure of themselves, on few points."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from deffe.models._learning.calibration import coverage, factor
from deffe.models._learning.fitting import Job, Learned, learn_cost
from deffe.models._learning.folds import distinct, fold_of
from deffe.models._learning.way import Shape, Way
from deffe.models._smooth.linear import Lasso
from deffe.models._trees.forest import Forest
from deffe.models.gaussian_process import GaussianProcess

Array = NDArray[np.float64]

WAYS = {
    "gaussian_process": Way("gaussian_process", partial(GaussianProcess, 0, 60)),
    "extra_trees": Way("extra_trees", partial(Forest, 20, extra=True)),
    "lasso": Way("lasso", Lasso),
}


def learned(way: Way, features: Array, cost: Array) -> Learned:
    rng = np.random.default_rng(0)
    folds = fold_of(distinct(features), 5, rng)
    return learn_cost([way], Job("cost", features, Shape(tuple(range(features.shape[1]))), cost, folds, rng, log=True))


def table(n: int, noise: float, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 8, (n, 4)) / 7
    shape = 2 * features[:, 0] + np.sin(4 * features[:, 1]) * features[:, 2] + noise * rng.normal(size=n)
    return features, np.exp(shape)


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("noise", [0.02, 0.5])
def test_nine_of_ten_unseen_points_lie_in_their_interval(name: str, noise: float) -> None:
    shares = []
    for seed in range(2):
        features, cost = table(900, noise, seed)
        found = learned(WAYS[name], features[:100], cost[:100])
        _, _, lower, upper = found.fitted.predict(features[100:])
        shares.append(100 * np.mean((lower <= cost[100:]) & (cost[100:] <= upper)))
        assert 80 <= found.report.coverage <= 97
    assert 83 <= np.mean(shares) <= 97


@pytest.mark.parametrize("name", WAYS)
def test_pure_noise_has_intervals_as_wide_as_the_noise(name: str) -> None:
    rng = np.random.default_rng(3)
    features, cost = rng.random((560, 3)), np.exp(rng.normal(size=560))
    found = learned(WAYS[name], features[:60], cost[:60])
    _, _, lower, upper = found.fitted.predict(features[60:])
    assert 80 <= 100 * np.mean((lower <= cost[60:]) & (cost[60:] <= upper)) <= 97
    assert 80 <= found.report.coverage <= 97


def test_trees_that_agree_on_what_is_not_so_have_finite_intervals() -> None:
    # where a cost is mostly one value, the trees agree there, and are wrong at times
    rng = np.random.default_rng(1)
    features = rng.random((60, 2))
    cost = np.where(rng.random(60) < 0.15, rng.random(60) * 10 + 1, 1.0)
    found = learned(WAYS["extra_trees"], features, cost)
    assert np.isfinite(found.fitted.width)
    _, std, lower, upper = found.fitted.predict(rng.random((200, 2)))
    assert np.all(np.isfinite(lower) & np.isfinite(upper) & (std > 0))
    assert np.max(upper) < 1e4


def test_the_factor_is_the_quantile_with_one_point_to_come() -> None:
    values, mean, std = np.arange(1.0, 20.0), np.zeros(19), np.ones(19)
    assert factor(values, mean, std) == 18  # of 19 points and one to come, 18 of 20 are nine of ten
    assert factor(values, mean, 2 * std) == 9
    assert factor(values[:4], mean[:4], std[:4]) == 4
    assert factor(mean, mean, mean) == 0


def test_coverage_uses_widths_of_the_other_folds() -> None:
    folds = np.repeat([0, 1], 50)
    values = np.concatenate([np.random.default_rng(0).normal(size=50), 10 * np.random.default_rng(1).normal(size=50)])
    found = coverage(values, np.zeros(100), np.ones(100), folds)
    # the quiet half is held by the width of the loud one, and hardly a point of the loud half by that of the quiet one
    assert 50 <= found <= 62
    assert np.isnan(coverage(values, np.zeros(100), np.ones(100), np.zeros(100, dtype=np.intp)))
