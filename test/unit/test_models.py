"""Models: accurate, honest about their error, bounded in memory, never silent about what they cannot learn from."""

from __future__ import annotations

import dataclasses
import logging
import math
import tracemalloc
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deffe.errors import DeffeError, PluginError
from deffe.metrics import mape
from deffe.models import OLD_NAMES, _learning, gaussian_process, sklearn_rf
from deffe.models._kernel import JITTER, SCALARS, Hyperparameters, NegativeLogPosterior
from deffe.options import read_arguments
from deffe.plugins import KINDS, builtin_names

Array = NDArray[np.float64]

MODELS = [gaussian_process, sklearn_rf]
QUICK = {gaussian_process: {"restarts": 0}, sklearn_rf: {"trees": 20}}
KMEANS = Path(__file__).parents[2] / ".." / "shared" / "data" / "riscv_gem5" / "kmeans.csv"

every_model = pytest.mark.parametrize("module", MODELS, ids=lambda module: module.__name__.rsplit(".", 1)[-1])


def model(module: ModuleType, costs: tuple[str, ...] = ("cycles",), seed: int = 0, **options: object) -> Any:
    framework = SimpleNamespace(
        costs=costs,
        log=logging.getLogger("test"),
        options=lambda kind: kind.model_validate({**QUICK[module], **options}),
        rng=lambda step=0: np.random.default_rng([seed, step]),
    )
    made = module.GetObject(framework)
    made.Initialize()
    return made


def grid(n: int, d: int = 3, seed: int = 0) -> Array:
    """Points on five levels an axis, as knobs have; mostly distinct."""
    return np.random.default_rng(seed).integers(0, 5, (n, d)) / 4


def cycles(features: Array) -> Array:
    return np.exp(8 + 2 * features[:, 0] + features[:, 1] * (1 + features[:, 2]))


@every_model
def test_a_smooth_cost_is_learned_in_its_own_unit(module: ModuleType) -> None:
    features = np.unique(grid(400), axis=0)
    order = np.random.default_rng(1).permutation(len(features))
    train, rest = features[order[:60]], features[order[60:]]
    learner = model(module)
    report = learner.Run(train, cycles(train)[:, None])
    prediction = learner.Predict(rest)
    limit = 1 if module is gaussian_process else 30
    assert mape(cycles(rest), prediction.mean[:, 0]) < limit
    assert report.trained_on == 60
    assert report.costs[0].cost == "cycles"
    assert "5-fold" in report.costs[0].method
    assert report.costs[0].points == 60
    assert report.costs[0].r2 > 0.7
    assert report.costs[0].rank > 0.9
    assert np.all(prediction.std > 0)
    assert np.all(np.isfinite(prediction.std))


@every_model
def test_the_error_reported_is_of_unseen_points_noise_cannot_be_learned(module: ModuleType) -> None:
    features = np.random.default_rng(0).random((60, 3))
    noise = np.exp(np.random.default_rng(1).normal(size=(60, 1)))
    report = model(module).Run(features, noise)
    assert report.costs[0].mape > 30
    assert any("useless" in note and note.startswith("cycles") for note in report.notes)


@every_model
def test_rows_of_one_point_never_stand_on_both_sides_of_a_fold(module: ModuleType) -> None:
    # each point has a random cost and four equal rows: a split by rows would find it in the training rows
    points = np.random.default_rng(0).random((25, 3))
    cost = np.exp(np.random.default_rng(1).normal(size=25))
    report = model(module).Run(np.repeat(points, 4, axis=0), np.repeat(cost, 4)[:, None])
    assert report.costs[0].r2 < 0.5
    assert any("100 rows are 25 distinct points" in note for note in report.notes)


def test_folds_are_even_and_keep_points_together() -> None:
    points = np.random.default_rng(0).permutation(np.repeat(np.arange(23), 3))
    folds = _learning.fold_of(points, 5, np.random.default_rng(0))
    assert sorted(np.unique(folds)) == [0, 1, 2, 3, 4]
    held = [set(points[folds == fold]) for fold in range(5)]
    assert sum(len(part) for part in held) == 23
    assert max(map(len, held)) - min(map(len, held)) <= 1


def test_nothing_is_learned_from_the_fold_that_is_predicted() -> None:
    seen: list[tuple[set[float], set[float]]] = []

    class Spy:
        notes = ()

        def fit(self, features: Array, target: Array, rng: np.random.Generator) -> None:
            assert target.mean() == pytest.approx(0)
            assert target.std() == pytest.approx(1)
            self.rows = set(features[:, 0])

        def predict(self, features: Array) -> tuple[Array, Array]:
            seen.append((self.rows, set(features[:, 0])))
            return np.zeros(len(features)), np.ones(len(features))

    features = np.linspace(0, 1, 20)[:, None]
    learner = _learning.TableLearner("spy", ["cycles"], Spy, np.random.default_rng)
    learner.learn(features, np.exp(features))
    assert len(seen) == 5
    assert set().union(*(held for _, held in seen)) == set(features[:, 0])
    assert all(not rows & held for rows, held in seen)


@every_model
def test_same_seed_same_numbers_and_another_step_other_draws(module: ModuleType) -> None:
    features = grid(40)
    costs = cycles(features)[:, None]
    first, second, other = model(module), model(module), model(module)
    reports = [learner.Run(features, costs, step) for learner, step in ((first, 1), (second, 1), (other, 2))]
    assert dataclasses.asdict(reports[0]) == dataclasses.asdict(reports[1])
    np.testing.assert_array_equal(first.Predict(features).mean, second.Predict(features).mean)
    assert reports[2].costs[0].mape != reports[0].costs[0].mape


@every_model
def test_several_costs_keep_their_columns(module: ModuleType) -> None:
    features = grid(60)
    costs = np.stack([cycles(features), 7 - features[:, 0], np.full(60, 3.0)], axis=1)
    learner = model(module, ("cycles", "delta", "fixed"))
    report = learner.Run(features, costs)
    assert [cost.cost for cost in report.costs] == ["cycles", "delta", "fixed"]
    prediction = learner.Predict(features)
    assert np.corrcoef(prediction.mean[:, 0], costs[:, 0])[0, 1] > 0.9
    assert np.corrcoef(prediction.mean[:, 1], costs[:, 1])[0, 1] > 0.9
    np.testing.assert_array_equal(prediction.mean[:, 2], 3.0)


@every_model
def test_a_constant_cost_is_predicted_exactly_and_said_so(module: ModuleType) -> None:
    learner = model(module)
    report = learner.Run(grid(20), np.full((20, 1), 1234.5))
    assert any("is 1234.5 at all points" in note for note in report.notes)
    prediction = learner.Predict(grid(5))
    np.testing.assert_array_equal(prediction.mean, 1234.5)
    np.testing.assert_array_equal(prediction.std, 0)
    assert report.costs[0].mape == 0
    assert math.isnan(report.costs[0].r2)


@every_model
def test_costs_of_zero_and_below_are_learned_without_the_logarithm(module: ModuleType) -> None:
    features = grid(60)
    cost = features[:, 0] - 0.5
    learner = model(module)
    report = learner.Run(features, cost[:, None])
    assert math.isnan(report.costs[0].mape)
    assert report.costs[0].r2 > 0.8
    assert any("without the logarithm" in note for note in report.notes)
    assert any("no percentage error" in note for note in report.notes)
    assert learner.Predict(features).mean.min() < 0


@every_model
@pytest.mark.parametrize("rows", [1, 2])
def test_fewer_than_three_points_give_the_mean_and_no_error(module: ModuleType, rows: int) -> None:
    learner = model(module)
    report = learner.Run(np.arange(rows)[:, None] / 2, np.array([[4.0], [9.0]])[:rows])
    assert math.isnan(report.costs[0].mape)
    assert math.isnan(report.costs[0].r2)
    assert report.costs[0].points == 0
    assert any("too few" in note for note in report.notes)
    prediction = learner.Predict(np.array([[0.3], [0.9]]))
    np.testing.assert_allclose(prediction.mean, 4.0 if rows == 1 else 6.0)  # the geometric mean: logarithms are learned
    assert np.all(np.isnan(prediction.std)) == (rows == 1)


@every_model
@pytest.mark.parametrize("rows", [3, 4])
def test_fewer_rows_than_folds_leave_one_out(module: ModuleType, rows: int) -> None:
    report = model(module).Run(np.arange(rows)[:, None] / 4, np.exp(np.arange(rows, dtype=np.float64))[:, None])
    assert f"{rows}-fold" in report.costs[0].method
    assert math.isfinite(report.costs[0].mape)
    assert any("each point is a fold of its own" in note for note in report.notes)


@every_model
def test_a_space_in_which_nothing_varies_gives_the_mean(module: ModuleType) -> None:
    learner = model(module)
    report = learner.Run(np.empty((4, 0)), np.array([[1.0], [2.0], [4.0], [8.0]]))
    assert any("no knob varies" in note for note in report.notes)
    prediction = learner.Predict(np.empty((3, 0)))
    np.testing.assert_allclose(prediction.mean, 8**0.5)
    assert np.all(prediction.std > 0)


@every_model
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cost_that_is_not_finite_is_refused_by_row_and_name(module: ModuleType, bad: float) -> None:
    costs = np.ones((5, 2))
    costs[3, 1] = bad
    with pytest.raises(DeffeError, match=r"energy is (nan|inf) in row 3"):
        model(module, ("cycles", "energy")).Run(grid(5), costs)


@every_model
def test_nothing_to_learn_from_or_the_wrong_shape_is_refused(module: ModuleType) -> None:
    learner = model(module)
    with pytest.raises(DeffeError, match="before it has learned"):
        learner.Predict(grid(2))
    with pytest.raises(DeffeError, match="no points"):
        learner.Run(np.empty((0, 3)), np.empty((0, 1)))
    with pytest.raises(DeffeError, match="expected"):
        learner.Run(grid(5), np.ones((4, 1)))
    with pytest.raises(DeffeError, match="not finite"):
        learner.Run(np.full((5, 3), np.nan), np.ones((5, 1)))
    learner.Run(grid(5), np.ones((5, 1)))
    with pytest.raises(DeffeError, match="3 features"):
        learner.Predict(grid(5, d=2))


@every_model
@pytest.mark.parametrize("unit", [1e-300, 1e-9, 1e9, 1e290])
def test_predictions_scale_with_the_unit_of_the_cost(module: ModuleType, unit: float) -> None:
    features = grid(30)
    one, other = model(module), model(module)
    one.Run(features, cycles(features)[:, None])
    other.Run(features, cycles(features)[:, None] * unit)
    # rounding decides between equally good splits of a tree
    tolerance = 1e-3 if module is gaussian_process else 0.3
    np.testing.assert_allclose(other.Predict(features).mean, one.Predict(features).mean * unit, rtol=tolerance)


def test_a_logarithm_comes_back_as_the_median_and_the_log_normal_deviation() -> None:
    cost = np.random.default_rng(0).lognormal(3, 0.5, 1000)
    target = _learning.Target.of(cost)
    np.testing.assert_allclose(target.backward(target.forward(cost), np.zeros(1000))[0], cost)
    draws = np.exp(target.centre + target.scale * np.random.default_rng(1).normal(0.3, 0.8, 400_000))
    median, std = target.backward(np.array([0.3]), np.array([0.8]))
    assert median[0] == pytest.approx(np.median(draws), rel=0.01)
    assert std[0] == pytest.approx(np.std(draws), rel=0.02)


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
    learner = model(gaussian_process)
    learner.Run(features, np.exp(np.sin(6 * features)))
    std = learner.Predict(np.array([[0.2], [0.45], [1.0]])).std[:, 0]
    assert std[0] < std[1] < std[2]


def test_more_rows_than_fit_are_thinned_with_a_note() -> None:
    features = np.random.default_rng(0).random((120, 2))
    learner = model(gaussian_process, max_rows=50, hyper_rows=30)
    report = learner.Run(features, np.exp(features[:, :1]))
    assert report.trained_on == 120
    assert any("50 of 120 points" in note for note in report.notes)
    assert mape(np.exp(features[:, 0]), learner.Predict(features).mean[:, 0]) < 1


@every_model
def test_predicting_many_points_takes_bounded_memory_and_does_not_depend_on_the_company(module: ModuleType) -> None:
    train = grid(60)
    learner = model(module)
    learner.Run(train, cycles(train)[:, None])
    points = np.random.default_rng(3).random((100_000, 3))
    tracemalloc.start()
    prediction = learner.Predict(points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 << 20
    np.testing.assert_allclose(learner.Predict(points[-3:]).mean, prediction.mean[-3:], rtol=1e-8)


@pytest.mark.parametrize("method", ["SVR", "LassoLars"])
def test_the_other_learners_have_a_deviation_from_their_errors(method: str) -> None:
    features = grid(60)
    learner = model(sklearn_rf, method=method)
    report = learner.Run(features, cycles(features)[:, None])
    prediction = learner.Predict(features)
    assert report.costs[0].r2 > 0.5
    assert np.all(prediction.std > 0)
    relative = prediction.std[:, 0] / prediction.mean[:, 0]
    np.testing.assert_allclose(relative, relative[0])
    assert relative[0] < 1


def test_options_of_older_configurations_are_read_by_their_names() -> None:
    text = "-rf_random_state 3 -rf_n_estimators 50 -rf_max_depth None -rf_n_jobs 1 -rf_crtiterion mse"
    options = sklearn_rf.ForestOptions.model_validate(read_arguments(sklearn_rf.ForestOptions, text))
    assert (options.trees, options.depth, options.jobs, options.random_state) == (50, None, 1, 3)
    assert options.without_effect() == ["rf_criterion"]
    text = "-epochs 20 -batch-size 256 -loss custom_mean_abs_log_loss -convs 2 -nodes 256 -plot-loss -freeze-layers -1"
    network = gaussian_process.ProcessOptions.model_validate(read_arguments(gaussian_process.ProcessOptions, text))
    assert "epochs" in network.without_effect()


def test_what_has_no_effect_is_said_and_a_checkpoint_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "test"):
        model(gaussian_process, epochs=10, stands_in_for="keras_cnn")
    assert "no effect: -epochs" in caplog.text
    assert "keras_cnn is not at hand" in caplog.text
    with pytest.raises(PluginError, match=r"kmeans\.hdf5"):
        model(gaussian_process, icp=("kmeans.hdf5",))


def test_older_names_stand_for_models_that_exist() -> None:
    names = set(builtin_names(KINDS["model"]))
    assert names == {"gaussian_process", "sklearn_rf"}
    assert {name for name, _ in OLD_NAMES.values()} <= names


@pytest.mark.skipif(not KMEANS.is_file(), reason=f"no gem5 results at {KMEANS}")
def test_two_hundred_simulations_predict_the_caches_under_kmeans() -> None:
    pd = pytest.importorskip("pandas")
    table = pd.read_csv(KMEANS)
    knobs = np.log2(table.iloc[:, :8].to_numpy(dtype=np.float64))
    features = (knobs - knobs.min(axis=0)) / np.ptp(knobs, axis=0)
    cost = table["cpu_cycles"].to_numpy(dtype=np.float64)
    order = np.random.default_rng(0).permutation(len(cost))
    train, rest = order[:200], order[200:]
    learner = model(gaussian_process)
    report = learner.Run(features[train], cost[train][:, None])
    error = mape(cost[rest], learner.Predict(features[rest]).mean[:, 0])
    assert error < 1.8
    assert report.costs[0].mape == pytest.approx(error, rel=0.5)
