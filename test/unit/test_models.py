"""Every model that learns: accurate, honest about its error, the same again, not silent about what it cannot learn."""

from __future__ import annotations

import dataclasses
import json
import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deffe.errors import ConfigError, DeffeError, PluginError
from deffe.metrics import mape
from deffe.models import OLD_NAMES, auto, sklearn_rf
from deffe.models._learning.learner import TableLearner
from deffe.models._learning.options import LearnerOptions
from deffe.models._learning.regressor import Held, Task
from deffe.models._learning.way import Way
from deffe.options import read_arguments
from deffe.plugins import KINDS, Plugin, builtin_names, load
from deffe.testing import make_framework, with_options

Array = NDArray[np.float64]
Make = Callable[..., Plugin]

QUICK: dict[str, dict[str, object]] = {
    "auto": {"learners": ["gaussian_process", "extra_trees"], "hyper_rows": 50},
    "boosting": {"rounds": 100},
    "catboost_trees": {"rounds": 60},
    "extra_trees": {"trees": 10},
    "gaussian_process": {"restarts": 0, "hyper_rows": 50},
    "lasso": {},
    "multi_output": {"restarts": 0, "hyper_rows": 50},
    "sklearn_rf": {"trees": 10},
    "support_vectors": {},
    "torch_cnn": {"epochs": 3},
    "xgboost_trees": {"rounds": 60, "rate": 0.2},
}
"""Models that learn from a table at once, with options that make them quick."""
NETWORKS = {"keras_cnn", "torch_cnn", "original_cnn"}
SMOOTH = {"auto", "gaussian_process", "multi_output"}
KNOBS = [{"name": name, "values": "0-5"} for name in "xyz"]

present = sorted((set(QUICK) - NETWORKS) & set(builtin_names(KINDS["model"])))
every_model = pytest.mark.parametrize("name", present)
two_models = pytest.mark.parametrize("name", ["auto", "sklearn_rf"])
"""For what all models share."""


@pytest.fixture
def model(tmp_path: Path) -> Make:
    """Makes a model by name."""

    def make(name: str, costs: tuple[str, ...] = ("cycles",), seed: int = 0, **options: object) -> Plugin:
        if name in ("xgboost_trees", "catboost_trees"):
            pytest.importorskip(name.removesuffix("_trees"))
        config = {"knobs": KNOBS, "constraints": [], "costs": list(costs)}
        framework = make_framework(tmp_path, "model", config=config, seed=seed)
        return load(
            "model", name, with_options(framework, **{"transform": "log", "folds": 3, **QUICK[name], **options})
        )

    return make


def run(model: Plugin, features: Array, costs: Array, step: int = 0) -> Any:
    return model.ask("Run", features=features, costs=costs, levels=None, step=step, validation=None)


def predict(model: Plugin, features: Array) -> Any:
    return model.ask("Predict", features=features, levels=None)


def grid(n: int, d: int = 3, seed: int = 0) -> Array:
    """Points on five levels an axis, as knobs have; mostly distinct."""
    return np.random.default_rng(seed).integers(0, 5, (n, d)) / 4


def cycles(features: Array) -> Array:
    return np.exp(8 + 2 * features[:, 0] + features[:, 1] * (1 + features[:, 2]))


def test_every_model_is_tested_here_or_with_the_networks() -> None:
    assert set(builtin_names(KINDS["model"])) <= set(QUICK) | NETWORKS


@every_model
def test_a_smooth_cost_is_learned_in_its_own_unit(name: str, model: Make) -> None:
    features = np.unique(grid(400), axis=0)
    order = np.random.default_rng(1).permutation(len(features))
    train, rest = features[order[:60]], features[order[60:]]
    learner = model(name)
    report = run(learner, train, cycles(train)[:, None])
    prediction = predict(learner, rest)
    assert mape(cycles(rest), prediction.mean[:, 0]) < (1 if name in SMOOTH else 40)
    assert report.trained_on == 60
    (cost,) = report.costs
    assert (cost.cost, cost.points) == ("cycles", 60)
    assert "3-fold" in cost.method
    assert cost.r2 > 0.6
    assert cost.rank > 0.85
    assert np.all((prediction.std > 0) & np.isfinite(prediction.std))
    assert np.all((prediction.lower <= prediction.mean) & (prediction.mean <= prediction.upper))


@two_models
def test_a_model_of_noise_says_that_it_is_useless(name: str, model: Make) -> None:
    features = np.random.default_rng(0).random((40, 3))
    noise = np.exp(np.random.default_rng(1).normal(size=(40, 1)))
    report = run(model(name), features, noise)
    assert report.costs[0].mape > 30
    assert any("useless" in note and note.startswith("cycles") for note in report.notes)


@two_models
def test_rows_of_one_point_never_stand_on_both_sides_of_a_fold(name: str, model: Make) -> None:
    # each point has a random cost and four equal rows: a split by rows would find it in the training rows
    points = np.random.default_rng(0).random((25, 3))
    cost = np.exp(np.random.default_rng(1).normal(size=25))
    report = run(model(name), np.repeat(points, 4, axis=0), np.repeat(cost, 4)[:, None])
    assert report.costs[0].r2 < 0.5
    assert any("100 rows are 25 distinct points" in note for note in report.notes)


@every_model
def test_same_seed_same_numbers_and_another_step_other_draws(name: str, model: Make) -> None:
    features = grid(40)
    costs = cycles(features)[:, None]
    first, second, other = (model(name) for _ in range(3))
    reports = [run(learner, features, costs, step) for learner, step in ((first, 1), (second, 1), (other, 2))]
    np.testing.assert_equal(dataclasses.asdict(reports[0]), dataclasses.asdict(reports[1]))
    for part in ("mean", "std", "lower", "upper"):
        np.testing.assert_array_equal(getattr(predict(first, features), part), getattr(predict(second, features), part))
    assert reports[2].costs[0].mape != reports[0].costs[0].mape


@every_model
def test_several_costs_keep_their_columns(name: str, model: Make) -> None:
    features = grid(60)
    costs = np.stack([cycles(features), 7 - features[:, 0], np.full(60, 3.0)], axis=1)
    learner = model(name, ("cycles", "delta", "fixed"))
    report = run(learner, features, costs)
    assert [cost.cost for cost in report.costs] == ["cycles", "delta", "fixed"]
    prediction = predict(learner, features)
    assert np.corrcoef(prediction.mean[:, 0], costs[:, 0])[0, 1] > 0.9
    assert np.corrcoef(prediction.mean[:, 1], costs[:, 1])[0, 1] > 0.9
    np.testing.assert_array_equal(prediction.mean[:, 2], 3.0)


@two_models
def test_a_constant_cost_is_predicted_exactly_and_said_so(name: str, model: Make) -> None:
    learner = model(name)
    report = run(learner, grid(20), np.full((20, 1), 1234.5))
    assert any("is 1234.5 at all points" in note for note in report.notes)
    prediction = predict(learner, grid(5))
    np.testing.assert_array_equal(prediction.mean, 1234.5)
    np.testing.assert_array_equal(prediction.std, 0)
    assert (report.costs[0].points, report.costs[0].mape) == (20, 0)
    assert report.costs[0].method == "constant so far"
    assert math.isnan(report.costs[0].r2)
    few = run(model(name), grid(2), np.full((2, 1), 1234.5))
    assert few.costs[0].points == 0
    assert math.isnan(few.costs[0].mape)


@every_model
def test_costs_below_zero_are_learned_without_the_logarithm(name: str, model: Make) -> None:
    features = grid(60)
    learner = model(name)
    report = run(learner, features, features[:, :1] - 0.5)
    assert math.isnan(report.costs[0].mape)
    assert report.costs[0].r2 > 0.7
    assert any("without the logarithm" in note for note in report.notes)
    assert any("no percentage error" in note for note in report.notes)
    assert predict(learner, features).mean.min() < 0


@two_models
def test_counts_with_zeros_are_never_predicted_below_zero(name: str, model: Make) -> None:
    features = grid(60)
    cost = np.where(features[:, 0] < 0.3, 0.0, np.round(np.exp(6 * features[:, 0])))
    learner = model(name, transform="log")
    report = run(learner, features, cost[:, None])
    prediction = predict(learner, features)
    assert np.all(prediction.mean >= 0)
    assert np.all(prediction.lower >= 0)
    assert prediction.mean[cost == 0].max() < prediction.mean[cost > 100].min()
    assert any("values of 0" in note for note in report.notes)


@two_models
@pytest.mark.parametrize("rows", [1, 2])
def test_fewer_than_three_points_give_the_mean_and_no_error(name: str, rows: int, model: Make) -> None:
    learner = model(name)
    report = run(learner, np.arange(rows)[:, None] / 2, np.array([[4.0], [9.0]])[:rows])
    assert math.isnan(report.costs[0].mape)
    assert math.isnan(report.costs[0].r2)
    assert report.costs[0].points == 0
    assert any("too few" in note for note in report.notes)
    prediction = predict(learner, np.array([[0.3], [0.9]]))
    np.testing.assert_allclose(prediction.mean, 4.0 if rows == 1 else 6.0)  # the geometric mean: logarithms are learned
    assert np.all(np.isnan(prediction.std)) == (rows == 1)


@every_model
@pytest.mark.parametrize("rows", [3, 4])
def test_fewer_points_than_folds_leave_one_out(name: str, rows: int, model: Make) -> None:
    features, costs = np.arange(rows)[:, None] / 4, np.exp(np.arange(rows, dtype=np.float64))[:, None]
    report = run(model(name, folds=5), features, costs)
    assert f"{rows}-fold" in report.costs[0].method
    assert math.isfinite(report.costs[0].mape)
    assert any("each point is a fold of its own" in note for note in report.notes)


@two_models
def test_a_space_in_which_nothing_varies_gives_the_mean(name: str, model: Make) -> None:
    learner = model(name)
    report = run(learner, np.empty((4, 0)), np.array([[1.0], [2.0], [4.0], [8.0]]))
    assert any("no knob varies" in note for note in report.notes)
    prediction = predict(learner, np.empty((3, 0)))
    np.testing.assert_allclose(prediction.mean, 8**0.5)
    assert np.all(prediction.std > 0)


@every_model
def test_a_feature_that_does_not_vary_is_no_obstacle(name: str, model: Make) -> None:
    features = grid(40)
    features[:, 1] = 0.5
    learner = model(name)
    assert run(learner, features, cycles(features)[:, None]).costs[0].r2 > 0.6
    assert np.all(np.isfinite(predict(learner, grid(20, seed=1)).mean))


@two_models
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cost_that_is_not_finite_is_refused_by_row_and_name(name: str, bad: float, model: Make) -> None:
    costs = np.ones((5, 2))
    costs[3, 1] = bad
    with pytest.raises(DeffeError, match=r"energy is (nan|inf) in row 3"):
        run(model(name, ("cycles", "energy")), grid(5), costs)


@two_models
def test_nothing_to_learn_from_or_the_wrong_shape_is_refused(name: str, model: Make, tmp_path: Path) -> None:
    learner = model(name)
    with pytest.raises(DeffeError, match="before it has learned"):
        predict(learner, grid(2))
    with pytest.raises(DeffeError, match="learned nothing"):
        learner.ask("Save", cost="cycles", folder=tmp_path)
    with pytest.raises(DeffeError, match="no points"):
        run(learner, np.empty((0, 3)), np.empty((0, 1)))
    with pytest.raises(DeffeError, match="expected"):
        run(learner, grid(5), np.ones((4, 1)))
    with pytest.raises(DeffeError, match="not finite"):
        run(learner, np.full((5, 3), np.nan), np.ones((5, 1)))
    run(learner, grid(5), np.ones((5, 1)))
    with pytest.raises(DeffeError, match="3 features"):
        predict(learner, grid(5, d=2))


@two_models
@pytest.mark.parametrize("unit", [1e-300, 1e290])
def test_predictions_scale_with_the_unit_of_the_cost(name: str, unit: float, model: Make) -> None:
    features = grid(30)
    one, other = model(name), model(name)
    run(one, features, cycles(features)[:, None])
    run(other, features, cycles(features)[:, None] * unit)
    # rounding decides between equally good splits of a tree
    tolerance = 1e-3 if name in SMOOTH else 0.3
    np.testing.assert_allclose(predict(other, features).mean, predict(one, features).mean * unit, rtol=tolerance)


@every_model
def test_predicting_many_points_takes_bounded_memory_and_does_not_depend_on_the_company(name: str, model: Make) -> None:
    train = grid(40)
    learner = model(name)
    run(learner, train, cycles(train)[:, None])
    points = np.random.default_rng(3).random((40_000, 3))
    tracemalloc.start()
    prediction = predict(learner, points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 90 << 20
    np.testing.assert_allclose(predict(learner, points[-3:]).mean, prediction.mean[-3:], rtol=1e-8)


# checkpoints


def saved(learner: Plugin, folder: Path, cost: str = "cycles") -> dict[str, Any]:
    folder.mkdir()
    facts = learner.ask("Save", cost=cost, folder=folder)
    return dict(json.loads(json.dumps(dict(facts), allow_nan=False)))


@every_model
def test_what_is_saved_predicts_the_same_when_restored(name: str, model: Make, tmp_path: Path) -> None:
    features = grid(40)
    learner = model(name, ("cycles", "energy"))
    run(learner, features, np.stack([cycles(features), 3 + features[:, 1]], axis=1))
    points = grid(200, seed=1)
    expected = predict(learner, points)
    for column, cost in enumerate(("cycles", "energy")):
        facts = saved(learner, tmp_path / cost, cost)
        restored = learner.module.Restore(tmp_path / cost, facts, False).Predict(points)
        for part in ("mean", "std", "lower", "upper"):
            np.testing.assert_array_equal(getattr(restored, part)[:, 0], getattr(expected, part)[:, column])
    with pytest.raises(DeffeError, match="3 features"):
        learner.module.Restore(tmp_path / "energy", facts, False).Predict(grid(5, d=4))


@two_models
@pytest.mark.parametrize("damage", ["no fitted", "no learner", "another learner", "another target", "list", "no files"])
def test_a_damaged_checkpoint_is_refused_clearly(name: str, damage: str, model: Make, tmp_path: Path) -> None:
    features = grid(30)
    learner = model(name)
    run(learner, features, cycles(features)[:, None])
    facts = saved(learner, tmp_path / "kept")
    member = facts["fitted"]["members"][0]
    if damage == "no fitted":
        del facts["fitted"]
    elif damage == "no learner":
        del member["learner"]
    elif damage == "another learner":
        member["learner"] = "oracle"
    elif damage == "another target":
        facts["fitted"]["target"]["unit"] = 3
    elif damage == "list":
        facts["fitted"] = [1, 2]
    else:
        for path in [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]:
            path.unlink()
    with pytest.raises(DeffeError) as caught:
        learner.module.Restore(tmp_path / "kept", facts, False)
    assert "oracle" in str(caught.value) if damage == "another learner" else "kept" in str(caught.value)


@every_model
def test_a_step_does_not_depend_on_the_steps_before_it(name: str, model: Make) -> None:
    features = grid(60)
    costs = cycles(features)[:, None]
    through, resumed = model(name), model(name)
    run(through, features[:30], costs[:30], 0)
    reports = [run(learner, features, costs, 1) for learner in (through, resumed)]
    np.testing.assert_equal(dataclasses.asdict(reports[0]), dataclasses.asdict(reports[1]))
    np.testing.assert_array_equal(predict(through, features).mean, predict(resumed, features).mean)


def test_a_network_goes_on_from_a_checkpoint_as_it_would_have_without_a_break(model: Make, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    features = grid(60)
    costs, aside = cycles(features)[:, None], np.arange(60) % 5 == 0
    through, resumed, fresh = (model("torch_cnn", tl_samples=True) for _ in range(3))
    through.ask("Run", features=features[:30], costs=costs[:30], step=0, validation=aside[:30])
    resumed.ask("Load", cost="cycles", folder=tmp_path / "kept", facts=saved(through, tmp_path / "kept"))
    for learner in (through, resumed, fresh):
        learner.ask("Run", features=features, costs=costs, step=1, validation=aside)
    went, came, began = (predict(learner, features).mean for learner in (through, resumed, fresh))
    np.testing.assert_allclose(came, went, rtol=1e-6)
    assert not np.allclose(began, went, rtol=1e-3)
    with pytest.raises(DeffeError, match="kept"):
        resumed.ask("Load", cost="cycles", folder=tmp_path / "kept", facts={})


# what all of them share


class Spy:
    """A learner that notes what it was given."""

    notes: tuple[str, ...] = ()
    tasks: list[Task]
    asked: list[set[float]]
    sees_held: Held | None = None

    def fit(self, task: Task) -> None:
        self.tasks.append(task)
        self.held = self.sees_held

    def predict(self, features: Array) -> tuple[Array, Array]:
        self.asked.append(set(features[:, 0]))
        return np.zeros(len(features)), np.ones(len(features))


@pytest.fixture
def spy() -> type[Spy]:
    return type("OwnSpy", (Spy,), {"tasks": [], "asked": []})


def spying(spy: type[Spy], tmp_path: Path, **way: Any) -> TableLearner:
    framework = make_framework(tmp_path, "model", config={"costs": ["cycles"]})
    return TableLearner(framework, [Way("spy", spy, **way)], LearnerOptions(transform="log"))  # type: ignore[arg-type]


def test_nothing_is_learned_from_the_fold_that_is_predicted(spy: type[Spy], tmp_path: Path) -> None:
    features = np.linspace(0, 1, 20)[:, None]
    learner = spying(spy, tmp_path)
    learner.Run(features, np.exp(features))
    assert len(spy.asked) == 5
    assert set().union(*spy.asked) == set(features[:, 0])
    assert all(not set(task.features[:, 0]) & held for task, held in zip(spy.tasks, spy.asked, strict=False))
    everything = spy.tasks[-1]
    assert len(everything.values) == 20
    assert everything.sibling is None
    assert everything.values.mean() == pytest.approx(0)
    assert everything.values.std() == pytest.approx(1)
    assert all(task.previous is None for task in spy.tasks)


def test_a_learner_that_goes_on_is_given_what_it_learned_before(spy: type[Spy], tmp_path: Path) -> None:
    features = np.linspace(0, 1, 20)[:, None]
    learner = spying(spy, tmp_path)
    learner.goes_on = True
    for step in range(2):
        learner.Run(features, np.exp(features), step)
    assert [isinstance(task.previous, spy) for task in spy.tasks] == [False] * 6 + [True] * 6


def test_what_a_learner_sets_aside_itself_judges_it(spy: type[Spy], tmp_path: Path) -> None:
    features = np.linspace(0, 1, 20)[:, None]
    spy.sees_held = Held(np.arange(4), np.zeros(4), np.full(4, np.nan))
    report = spying(spy, tmp_path, sets_aside=True).learn(features, np.exp(features), 0, np.arange(20) < 4)
    assert report.costs[0].points == 4
    assert report.costs[0].method == "4 points set aside"
    assert len(spy.tasks) == 1
    assert spy.tasks[0].validation is not None
    spy.sees_held = None
    again = spying(spy, tmp_path, sets_aside=True).learn(features, np.exp(features), 0)
    assert again.costs[0].method == "5-fold cross-validation"


def test_noisy_costs_that_move_together_are_better_learned_together(model: Make) -> None:
    rng = np.random.default_rng(0)
    features = rng.random((160, 3))
    truth = np.exp(2 * features[:, 0] + np.sin(5 * features[:, 1]))[:, None] * np.array([1.0, 5.0, 0.2, 9.0])
    costs = truth * np.exp(rng.normal(0, 0.4, truth.shape))
    names = ("a", "b", "c", "d")
    errors = []
    for name in ("gaussian_process", "multi_output"):
        learner = model(name, names)
        run(learner, features[:60], costs[:60])
        found = predict(learner, features[60:]).mean
        errors.append(np.mean([mape(truth[60:, i], found[:, i]) for i in range(4)]))
    assert errors[1] < 0.9 * errors[0]


# options


def test_auto_compares_the_learners_it_is_told_to(model: Make) -> None:
    features = grid(40)
    learner = model("auto", learners=["lasso", "support_vectors", "lasso"])
    told = " ".join(run(learner, features, cycles(features)[:, None]).notes)
    assert "lasso" in told
    assert "support_vectors" in told
    assert "gaussian_process" not in told
    assert told.count("lasso 0.") + told.count("lasso 1") >= 1
    with pytest.raises(ConfigError, match="oracle"):
        model("auto", learners=["oracle"])
    with pytest.raises(ConfigError, match="learners"):
        model("auto", learners=[])


@pytest.mark.parametrize("name", ["xgboost", "catboost"])
def test_auto_says_what_to_install_for_a_learner(name: str, model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise PluginError(f"{name} is not at hand", "pip install")

    monkeypatch.setitem(auto.LIBRARIES, name, absent)
    model("auto")
    with pytest.raises(PluginError, match=name):
        model("auto", learners=["extra_trees", name])


def test_options_of_older_configurations_are_read_by_their_names(model: Make, caplog: pytest.LogCaptureFixture) -> None:
    text = "-rf_random_state 3 -rf_n_estimators 50 -rf_max_depth None -rf_n_jobs 1 -rf_crtiterion mse"
    options = sklearn_rf.ForestOptions.model_validate(read_arguments(sklearn_rf.ForestOptions, text))
    assert (options.trees, options.depth, options.jobs, options.random_state) == (50, None, 1, 3)
    assert options.without_effect() == ["rf_criterion"]
    text = "-epochs 20 -batch-size 256 -loss custom_mean_abs_log_loss -convs 2 -nodes 256 -plot-loss -freeze-layers -1"
    network = auto.AutoOptions.model_validate(read_arguments(auto.AutoOptions, text))
    assert "epochs" in network.without_effect()
    with caplog.at_level("INFO", "deffe.testing"):
        model("auto", epochs=10)
    assert "no effect: -epochs" in caplog.text


def test_older_names_stand_for_models_that_exist() -> None:
    assert {name for name, _ in OLD_NAMES.values()} <= set(builtin_names(KINDS["model"]))
