"""The Gaussian process: one covariance in likelihood and prediction, sure where it has seen, quick with many rows."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deffe.metrics import mape
from deffe.models._learning.regressor import Task
from deffe.models.gaussian_process import GaussianProcess
from deffe.surrogates.kernel import JITTER, SCALARS, Hyperparameters, NegativeLogPosterior
from deffe.surrogates.posterior import ExactPosterior, SparsePosterior
from deffe.surrogates.target import Target

Array = NDArray[np.float64]
KMEANS = Path(__file__).parents[2] / ".." / "shared" / "data" / "riscv_gem5" / "kmeans.csv"


def grid(n: int, d: int = 3, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 5, (n, d)) / 4


def learned(features: Array, values: Array, process: GaussianProcess | None = None, **task: object) -> GaussianProcess:
    process = process or GaussianProcess(0)
    rng = np.random.default_rng(3)
    process.fit(Task(features, values, Target(False, 0, 1), rng, **task))  # type: ignore[arg-type]
    return process


def likelihood(process: GaussianProcess, features: Array, values: Array) -> float:
    return -NegativeLogPosterior(features, values)(process.posterior.parameters.theta())[0]


def test_the_gradient_of_the_likelihood_is_that_of_the_likelihood() -> None:
    features, rng = np.hstack([grid(40, 2), np.random.default_rng(1).random((40, 1))]), np.random.default_rng(2)
    objective = NegativeLogPosterior(features, rng.normal(size=40))
    theta = rng.normal(0, 0.5, SCALARS + 6)
    value, gradient = objective(theta)
    for axis, step in enumerate(np.eye(len(theta)) * 1e-5):
        slope = (objective(theta + step)[0] - objective(theta - step)[0]) / 2e-5
        assert gradient[axis] == pytest.approx(slope, abs=1e-5, rel=1e-5)
    assert math.isfinite(value)


def test_the_likelihood_and_the_prediction_use_one_covariance() -> None:
    features, rng = grid(30), np.random.default_rng(2)
    target, theta = rng.normal(size=30), rng.normal(0, 0.5, SCALARS + 6)
    parameters = Hyperparameters.of(theta)
    covariance = parameters.covariance(features, features)
    np.testing.assert_allclose(np.diag(covariance), parameters.variance(features))
    covariance += (parameters.noise + JITTER) * np.eye(30)
    objective = NegativeLogPosterior(features, target)
    off = (theta[SCALARS:] - objective.prior_mean) / objective.prior_std
    plain = 0.5 * target @ np.linalg.solve(covariance, target) + 0.5 * np.linalg.slogdet(covariance)[1]
    assert objective(theta)[0] == pytest.approx(plain + 0.5 * off @ off)


def test_a_process_is_sure_where_it_has_seen_and_unsure_far_away() -> None:
    features = np.linspace(0, 0.4, 9)[:, None]
    _, std = learned(features, np.sin(6 * features[:, 0])).predict(np.array([[0.2], [0.45], [1.0]]))
    assert std[0] < std[1] < std[2]


def test_many_rows_are_learned_through_inducing_points_with_a_note() -> None:
    features = np.random.default_rng(0).random((120, 2))
    process = learned(features, features[:, 0], GaussianProcess(0, hyper_rows=30, max_rows=50))
    assert any("120 points, learned through 50 of them" in note for note in process.notes)
    assert np.max(np.abs(process.predict(features)[0] - features[:, 0])) < 0.05


def test_inducing_points_that_are_all_points_change_nothing() -> None:
    features = np.random.default_rng(0).random((60, 3))
    values = np.sin(4 * features[:, 0]) * features[:, 1]
    exact = learned(features, values).posterior
    sparse = SparsePosterior.of(exact.parameters, features, values, features)
    sparse_mean, sparse_variance = sparse.predict(grid(50))
    mean, variance = ExactPosterior(sparse.parameters, features, values).predict(grid(50))
    np.testing.assert_allclose(sparse_mean, mean, atol=1e-3)
    np.testing.assert_allclose(sparse_variance, variance, atol=1e-3)


def test_inducing_points_learn_from_all_rows() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((800, 2))
    truth = np.sin(5 * features[:, 0]) + features[:, 1]
    values = truth + rng.normal(0, 0.3, len(truth))
    sparse = learned(features, values, GaussianProcess(0, hyper_rows=100, max_rows=100))
    mean, std = sparse.predict(features)
    few = ExactPosterior(sparse.posterior.parameters, features[:100], values[:100]).predict(features)[0]
    assert np.std(mean - truth) < 0.7 * np.std(few - truth)
    assert 0.85 < np.std((mean - values) / std) < 1.15


def test_what_inducing_points_know_is_kept_in_a_checkpoint(tmp_path: Path) -> None:
    features = np.random.default_rng(0).random((120, 2))
    process = learned(features, features[:, 0], GaussianProcess(0, hyper_rows=30, max_rows=50))
    again = GaussianProcess.restore(tmp_path, process.save(tmp_path), trust=False)
    for one, other in zip(process.predict(features), again.predict(features), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_sibling_is_where_the_search_begins() -> None:
    features = grid(60)
    values = np.sin(3 * features[:, 0]) + features[:, 1] * features[:, 2]
    cold = learned(features, values, GaussianProcess(1))
    near = learned(features[:50], values[:50], sibling=cold)
    assert likelihood(near, features[:50], values[:50]) >= likelihood(cold, features[:50], values[:50])
    other = learned(features[:, :2], values, sibling=cold)
    assert len(other.posterior.parameters.lengths) == 2


def test_points_that_are_nearly_the_same_do_not_break_the_algebra() -> None:
    features = np.repeat(grid(20), 3, axis=0) + 1e-9 * np.random.default_rng(0).random((60, 3))
    parameters = Hyperparameters(1e4, 1e4, 1e3, 1e-12, np.full(3, 5.0), np.full(3, 50.0))
    for posterior in (
        ExactPosterior(parameters, features, features[:, 0]),
        SparsePosterior.of(parameters, features, features[:, 0], features[:30]),
    ):
        mean, variance = posterior.predict(features)
        assert np.all(np.isfinite(mean) & np.isfinite(variance) & (variance >= 0))


@pytest.mark.skipif(not KMEANS.is_file(), reason=f"no gem5 results at {KMEANS}")
def test_two_hundred_simulations_predict_the_caches_under_kmeans() -> None:
    pd = pytest.importorskip("pandas")
    table = pd.read_csv(KMEANS)
    knobs = np.log2(table.iloc[:, :8].to_numpy(dtype=np.float64))
    features = (knobs - knobs.min(axis=0)) / np.ptp(knobs, axis=0)
    cost = table["cpu_cycles"].to_numpy(dtype=np.float64)
    order = np.random.default_rng(0).permutation(len(cost))
    train, rest = order[:200], order[200:2200]
    target = Target.of(cost[train])
    process = learned(features[train], target.forward(cost[train]))
    assert mape(cost[rest], target.cost(process.predict(features[rest])[0])) < 1.8
