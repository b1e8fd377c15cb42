"""Networks on PyTorch and Keras: what they learn, what they keep, where they start, and what they refuse."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deffe.api import DeffeError, FeatureMap, Framework, PluginError
from deffe.config import load
from deffe.models._learning.regressor import Task
from deffe.models._network.inputs import Inputs, inputs_between
from deffe.models._network.layout import Layer, Layout, Network
from deffe.models._network.loss import Frame, Loss, frame_of
from deffe.models._network.options import NetworkOptions, frozen_layers, keras_layout
from deffe.models._network.regressor import NetworkRegressor
from deffe.models._network.start import Origin
from deffe.models._network.training import SNAPSHOTS, Examples, Judge, honest
from deffe.models.original_cnn import OriginalNetwork
from deffe.plugins import KINDS, make
from deffe.sources import Source
from deffe.surrogates.target import Target
from deffe.testing import make_framework, with_options

# of Keras itself
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
needs_keras = pytest.mark.skipif(
    find_spec("keras") is None or not any(map(find_spec, ("tensorflow", "torch", "jax"))),
    reason="keras, or a library it runs on, is not installed",
)
BACKENDS = [pytest.param("torch_cnn", marks=needs_torch), pytest.param("keras_cnn", marks=needs_keras)]
LOSSES = ["custom_mean_abs_log_loss", "custom_mean_abs_exp_loss", "custom_mean_abs_loss", "mean_squared_error"]
SMALL: dict[str, Any] = {"epochs": 40, "nodes": 32, "learning_rate": 5e-3, "batch_size": 32}

Make = Callable[..., NetworkRegressor]


@pytest.fixture(params=BACKENDS)
def make_regressor(request: pytest.FixtureRequest) -> Make:
    module = importlib.import_module(f"deffe.models.{request.param}")
    if request.param == "keras_cnn":
        return lambda **options: module.KerasRegressor(NetworkOptions(**{**SMALL, **options}))
    return lambda **options: module.TorchRegressor(module.TorchOptions(**{**SMALL, **options}))


@pytest.fixture
def torch_regressor() -> Make:
    module = pytest.importorskip("deffe.models.torch_cnn") if find_spec("torch") else pytest.skip("no torch")
    return lambda **options: module.TorchRegressor(module.TorchOptions(**{**SMALL, **options}))


def points(rows: int, knobs: int = 6, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).integers(0, 9, size=(rows, knobs)) / 8


def smooth_cost(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Between 0.1 and 8, so mostly around 1, where logarithms change sign."""
    return 0.1 + np.exp(2 * features[:, 0] - features[:, 1]) * (0.3 + features[:, 2] * features[:, 3])


def task_of(
    features: NDArray[np.float64], cost: NDArray[np.float64], *, log: bool = True, seed: int = 0, previous: Any = None
) -> Task:
    target = Target.of(cost, log)
    aside = np.arange(len(cost)) % 5 == 0
    return Task(features, target.forward(cost), target, np.random.default_rng(seed), aside, previous)


def predicted(regressor: NetworkRegressor, task: Task, features: NDArray[np.float64]) -> NDArray[np.float64]:
    return task.target.cost(regressor.predict(features)[0])


# layers


def random_network(layout: Layout, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 0.4, size=shape).astype(np.float32) for shape in layout.shapes]
    starts = np.cumsum([0, *layout.sizes()])
    for start, size in zip(starts, layout.sizes(), strict=False):
        if size == 6:
            weights[start + 5] = np.abs(weights[start + 5]) + np.float32(0.5)
    return Network(layout, tuple(weights))


@needs_torch
@pytest.mark.parametrize("width", [3, 5])
def test_padded_and_normalised_convolutions_are_those_of_torch(width: int) -> None:
    import torch
    from torch.nn import functional

    layout = Layout(7, (Layer(4, width, same=True, normalised=True), Layer(1, activation="linear")))
    network, features = random_network(layout), points(40, 7)
    kernel, bias, gain, shift, mean, variance, dense, last = map(torch.tensor, network.weights)
    rows = torch.tensor(features, dtype=torch.float32)[:, None, :]
    rows = functional.conv1d(rows, kernel.permute(2, 1, 0), bias, padding="same")
    rows = torch.tanh(functional.batch_norm(rows, mean, variance, gain, shift))
    expected = rows.permute(0, 2, 1).flatten(1) @ dense + last
    np.testing.assert_allclose(network(features), expected[:, 0].numpy(), rtol=1e-4, atol=1e-5)


def test_a_network_refuses_weights_that_do_not_fit_and_features_of_another_number() -> None:
    layout = keras_layout(6, NetworkOptions(nodes=8))
    network = random_network(layout)
    with pytest.raises(DeffeError, match="shapes"):
        Network(layout, network.weights[:-1])
    with pytest.raises(DeffeError, match="finite"):
        Network(layout, (network.weights[0] * np.float32(np.nan), *network.weights[1:]))
    with pytest.raises(DeffeError, match="6 features"):
        network(points(3, 5))
    assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout


@pytest.mark.parametrize(("inputs", "convolutions"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (30, 2)])
def test_convolutions_that_inputs_are_too_few_for_are_left_out(inputs: int, convolutions: int) -> None:
    layout = keras_layout(inputs, NetworkOptions())
    assert sum(layer.width > 0 for layer in layout.layers) == convolutions
    assert np.isfinite(random_network(layout)(points(4, inputs))).all()


@pytest.mark.parametrize(
    ("convs", "count", "frozen"),
    [(2, -1, 0), (2, 2, 0), (2, 3, 1), (2, 5, 2), (2, 8, 3), (2, 99, 4), (0, 2, 1), (0, 4, 2)],
)
def test_frozen_layers_are_counted_as_keras_counts_them(convs: int, count: int, frozen: int) -> None:
    assert frozen_layers(keras_layout(8, NetworkOptions(convs=convs)), count) == frozen


# losses


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_what_its_name_says(name: Any) -> None:
    rng = np.random.default_rng(0)
    cost = rng.uniform(20, 900, 50)
    frame, loss, notes = frame_of(cost, name)
    output = frame.forward(cost) + rng.normal(0, 0.1, 50)
    mean = np.mean(loss.penalty(output - frame.forward(cost), loss.weights(cost, frame)))
    found, log = frame.backward(output), np.log(cost)
    expected = {
        "custom_mean_abs_log_loss": np.mean(np.abs(np.log(np.abs(found)) - log) / log),
        "custom_mean_abs_exp_loss": np.mean(np.abs(found - cost) / cost),
        "custom_mean_abs_loss": np.mean(np.abs(found - cost) / cost),
        "mean_squared_error": np.mean((found - cost) ** 2) / np.var(cost),
    }
    assert mean == pytest.approx(expected[name])
    assert not notes


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("factor", [1.0, 1e-3, 250.0])
def test_every_cost_comes_back_from_its_output(name: Any, factor: float) -> None:
    for cost in (np.array([1e-9, 0.2, 1.0, 3e7]), np.array([0.0, 0.5, 0.0, 40.0]), np.array([-3.0, 0.0, 8.0, 1e5])):
        frame, loss, _ = frame_of(cost, name, factor)
        np.testing.assert_allclose(frame.backward(frame.forward(cost)), cost, rtol=1e-9, atol=1e-9 * np.ptp(cost))
        weights = loss.weights(cost, frame)
        assert np.isfinite(weights).all()
        assert (weights > 0).all()
        assert np.isfinite(loss.penalty(np.array([-1e6, -1.0, 1.0, 1e6]), weights)).all()


@pytest.mark.parametrize("name", LOSSES[:2])
def test_costs_without_a_logarithm_are_learned_in_a_way_that_is_told(name: Any) -> None:
    _, loss, notes = frame_of(np.array([0.0, 2.0, 6.0]), name)
    assert (loss.name, "1" in notes[0]) == (name, True)
    _, loss, notes = frame_of(np.array([-1.0, 2.0, 6.0]), name)
    assert loss.name == "mean_squared_error"
    assert "below 0" in notes[0]
    frame, _, notes = frame_of(np.full(3, 4.0), name)
    np.testing.assert_array_equal(frame.backward(frame.forward(np.full(3, 4.0))), np.full(3, 4.0))
    assert "is 4 at all points" in notes[0]


def test_losses_have_short_names() -> None:
    assert NetworkOptions(loss="log").loss == "custom_mean_abs_log_loss"
    assert NetworkOptions(loss="").loss == "custom_mean_abs_exp_loss"
    assert NetworkOptions(real_objective=True).objective == "custom_mean_abs_loss"
    assert [NetworkOptions(loss=loss).log for loss in ("log", "exp", "abs", "mse")] == [True, True, False, False]


# the judge


LINE = Layout(1, (Layer(1, activation="linear"),))


def constant(value: float) -> list[NDArray[np.float32]]:
    """Weights of a network that says ``value`` whatever it is given."""
    return [np.zeros((1, 1), np.float32), np.full(1, value, np.float32)]


def judge_of(first: list[bool], wanted: list[float], patience: int = 0, start: Network | None = None) -> Judge:
    rows = len(wanted)
    examples = Examples(np.zeros((rows, 1)), np.array(wanted), np.ones(rows))
    return Judge(LINE, Loss("custom_mean_abs_loss", 1.0), examples, np.array(first, dtype=bool), patience, start)


def test_the_best_weights_are_kept_and_training_stops_early() -> None:
    judge = judge_of([True, False], [0.0, 0.0], patience=3)
    going = [judge.see(epoch, 1.0, constant(value)) for epoch, value in enumerate([5, 3, 4, 2, 6, 7, 8], 1)]
    assert going == [True] * 6 + [False]
    assert [(kept.epoch, kept.val_loss) for kept in judge.kept] == [(1, 5), (2, 3), (4, 2)]
    assert judge.kept[-1].network.weights[1] == 2


def test_a_start_is_judged_first_and_does_not_stop_what_makes_progress() -> None:
    judge = judge_of([True, False], [0.0, 0.0], patience=2, start=Network(LINE, tuple(constant(1))))
    assert [judge.see(epoch, 1.0, constant(value)) for epoch, value in enumerate([9, 8, 7, 6], 1)] == [True] * 4
    assert [kept.epoch for kept in judge.kept] == [0]


def test_few_snapshots_are_kept_of_many_and_the_best_among_them() -> None:
    judge = judge_of([True, False], [0.0, 0.0])
    for epoch in range(1, 1001):
        judge.see(epoch, 1.0, constant(2000.0 - epoch))
    assert 10 <= len(judge.kept) <= SNAPSHOTS
    assert judge.kept[-1].epoch == 1000
    assert [kept.epoch for kept in judge.kept] == sorted(kept.epoch for kept in judge.kept)


def test_honest_predictions_are_chosen_by_the_other_half() -> None:
    judge = judge_of([True, True, False, False], [1.0, 1.0, 5.0, 5.0])
    for epoch, value in enumerate([3.0, 1.0, 5.0, 2.0], 1):
        judge.see(epoch, 0.0, constant(value))
    # the first half wants 1 and would choose it, so the second is predicted by 1, and the other way round
    np.testing.assert_allclose(honest([judge]), [5, 5, 1, 1])


def test_weights_that_are_not_finite_end_a_training() -> None:
    judge = judge_of([True], [0.0])
    assert not judge.see(1, 1.0, constant(np.nan))
    assert not judge.kept


def test_without_validation_rows_the_training_loss_decides() -> None:
    judge = judge_of([], [])
    for epoch, loss in enumerate([3.0, 1.0, 2.0], 1):
        judge.see(epoch, loss, constant(epoch))
    assert [kept.epoch for kept in judge.kept] == [1, 2]
    assert np.isnan(judge.kept[-1].val_loss)


# learning


@pytest.mark.parametrize("loss", LOSSES)
def test_costs_around_one_are_learned_under_every_loss(make_regressor: Make, loss: str) -> None:
    features = points(300)
    task = task_of(features, smooth_cost(features), log=loss in LOSSES[:2])
    regressor = make_regressor(loss=loss)
    regressor.fit(task)
    fresh = points(500, seed=1)
    actual, found = smooth_cost(fresh), predicted(regressor, task, fresh)
    assert 1 - np.mean((found - actual) ** 2) / np.var(actual) > 0.7
    assert np.isnan(regressor.predict(fresh)[1]).all()
    assert regressor.held is not None
    np.testing.assert_array_equal(regressor.held.rows, np.flatnonzero(task.validation))


@pytest.mark.parametrize("loss", LOSSES[:2])
def test_costs_with_zeros_are_learned_under_losses_of_the_logarithm(make_regressor: Make, loss: str) -> None:
    features = points(300)
    cost = np.where(features[:, 0] < 0.3, 0.0, smooth_cost(features))
    for log in (True, False):
        task = task_of(features, cost, log=log)
        regressor = make_regressor(loss=loss)
        regressor.fit(task)
        found = predicted(regressor, task, features)
        assert "values of 0" in regressor.notes[0]
        assert np.median(found[cost == 0]) < 0.1
        assert np.corrcoef(found, cost)[0, 1] > 0.9


def test_costs_below_zero_fall_back_to_the_squared_error(make_regressor: Make) -> None:
    features = points(200)
    cost = smooth_cost(features) - 2
    task = task_of(features, cost)
    regressor = make_regressor(loss="log")
    regressor.fit(task)
    assert "below 0" in regressor.notes[0]
    assert regressor.loss == "mean_squared_error"
    assert np.corrcoef(predicted(regressor, task, features), cost)[0, 1] > 0.9


def test_the_same_seed_gives_the_same_numbers(make_regressor: Make) -> None:
    features = points(60)
    task = partial(task_of, features, smooth_cost(features))
    results = []
    for seed in (0, 0, 1):
        regressor = make_regressor(epochs=4, dropout=0.2)
        regressor.fit(task(seed=seed))
        results.append(regressor.predict(features)[0])
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_random_numbers_and_threads_of_others_are_left_alone(torch_regressor: Make) -> None:
    import torch

    features = points(40)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    torch_regressor(epochs=2, dropout=0.3).fit(task_of(features, smooth_cost(features)))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_batch_and_epochs_are_as_given(make_regressor: Make) -> None:
    features, seen = points(100), []
    regressor = make_regressor(epochs=7, batch_size=9, patience=0)
    train = regressor.train
    regressor.train = lambda course, judge: (seen.append(course), train(course, judge))[1]  # type: ignore[assignment,method-assign]
    regressor.fit(task_of(features, smooth_cost(features)))
    assert [(course.batch_size, course.epochs, len(course.examples)) for course in seen] == [(9, 7, 80)]
    assert regressor.judge is not None
    assert [epoch for epoch, *_ in regressor.judge.losses] == list(range(1, 8))
    assert NetworkOptions(epochs=-1, batch_size="-1").epochs is None


def test_two_rows_are_enough_to_train_and_few_to_judge_by(make_regressor: Make) -> None:
    features = points(3)
    regressor = make_regressor(epochs=2)
    regressor.fit(task_of(features, np.array([1.0, 2.0, 3.0])))
    assert np.isfinite(regressor.predict(features)[0]).all()
    assert regressor.held is None


@pytest.mark.parametrize("variant", ["torch_wl_cnn_gen", "torch_wl_cnn", "torch_wl_cnn_5", "torch_wl_cnn_16", "keras"])
@pytest.mark.parametrize("inputs", [1, 4, 11])
def test_variants_take_any_number_of_inputs(torch_regressor: Make, variant: str, inputs: int) -> None:
    features = points(40, inputs)
    regressor = torch_regressor(network=variant, batch_norm=True, epochs=2, dropout=0.5)
    regressor.fit(task_of(features, 1 + features[:, 0]))
    assert np.isfinite(regressor.predict(features)[0]).all()


def test_the_variant_for_eight_inputs_has_as_many_weights_as_the_original() -> None:
    pytest.importorskip("torch")
    from deffe.models.torch_cnn import TorchOptions, torch_layout

    shapes = torch_layout(8, TorchOptions(batch_norm=True)).shapes
    running = 2 * (64 + 32)
    assert sum(int(np.prod(shape)) for shape in shapes) - running == 10_753
    assert sum(int(np.prod(shape)) for shape in keras_layout(8, NetworkOptions()).shapes) == 80_385


# starting from earlier weights


def fitted(make: Make, features: NDArray[np.float64], cost: NDArray[np.float64], **options: Any) -> NetworkRegressor:
    regressor = make(**options)
    regressor.fit(task_of(features, cost))
    return regressor


def restored(regressor: NetworkRegressor, folder: Path) -> NetworkRegressor:
    folder.mkdir()
    facts = json.loads(json.dumps(regressor.save(folder)))
    found: NetworkRegressor = type(regressor).restore(folder, facts, False)
    return found


def test_a_step_starts_from_the_weights_of_the_step_before_when_asked_to(make_regressor: Make) -> None:
    features = points(120)
    cost = smooth_cost(features)
    earlier = fitted(make_regressor, features[:80], cost[:80])
    for asked in (True, False):
        later = make_regressor(tl_samples=asked, epochs=2)
        task = task_of(features, cost, previous=earlier)
        later.fit(task)
        assert later.judge is not None
        assert (later.judge.losses[0][0] == 0) is asked
        assert ("starts from earlier weights" in later.notes) is asked
    # where training began is what the earlier network says
    later = make_regressor(tl_samples=True, epochs=1, learning_rate=1e-9)
    later.fit(task)
    before = predicted(earlier, task_of(features[:80], cost[:80]), features)
    np.testing.assert_allclose(predicted(later, task, features), before, rtol=1e-4)


def test_frozen_layers_stay_as_they_were(make_regressor: Make, tmp_path: Path) -> None:
    features = points(80)
    earlier = restored(fitted(make_regressor, features, smooth_cost(features)), tmp_path / "a")
    later = make_regressor(freeze_layers=5, epochs=3)
    later.fit(task_of(features, 3 * smooth_cost(features) ** 2, previous=earlier))
    assert later.judge is not None
    trained = later.judge.kept[-1]
    same = [np.array_equal(a, b) for a, b in zip(earlier.network.weights, trained.network.weights, strict=True)]
    assert same[:4] == [True] * 4
    assert not any(same[4:]) or trained.epoch == 0


def test_a_network_of_the_original_is_learned_on_from(make_regressor: Make) -> None:
    features = points(120)
    layout = keras_layout(6, NetworkOptions(nodes=16))
    relu = dataclasses.replace(layout.layers[-1], activation="relu")
    network = random_network(Layout(6, (*layout.layers[:-1], relu)))
    original = OriginalNetwork(dataclasses.replace(network, weights=(*network.weights[:-1], np.full(1, 5, np.float32))))
    cost = original.Predict(features).mean[:, 0]
    later = make_regressor(epochs=1, learning_rate=1e-9, loss="log")
    task = task_of(features, cost, previous=original)
    later.fit(task)
    np.testing.assert_allclose(predicted(later, task, features), cost, rtol=1e-3)
    assert "starts from earlier weights" in later.notes


def test_earlier_weights_that_mislead_are_not_kept(torch_regressor: Make) -> None:
    features = points(200)
    # large weights of no meaning: saturated, and slow to move
    layout = keras_layout(6, NetworkOptions(nodes=16))
    network = random_network(layout)
    useless = Origin(Network(layout, tuple(40 * weight for weight in network.weights)), Frame(True))
    later = torch_regressor(epochs=60)
    later.fit(task_of(features, smooth_cost(features), previous=useless))
    anew = fitted(torch_regressor, features, smooth_cost(features), epochs=60)
    assert "they are not used" in later.notes[-1]
    np.testing.assert_array_equal(later.predict(features)[0], anew.predict(features)[0])


def test_earlier_networks_that_do_not_fit_are_told(torch_regressor: Make) -> None:
    features = points(60)
    narrow = fitted(torch_regressor, features[:, :5], smooth_cost(features), epochs=1)
    narrow.judge = None
    later = torch_regressor(epochs=1)
    later.fit(task_of(features, smooth_cost(features), previous=narrow))
    assert "5 features" in later.notes[0]
    plain = torch_regressor(epochs=1, loss="mse")
    plain.fit(task_of(features, smooth_cost(features), previous=Origin.of(later)))
    assert "logarithm" in plain.notes[0]
    other = torch_regressor(epochs=1)
    other.fit(task_of(features, smooth_cost(features), previous="something else"))
    assert not other.notes


SPACE = {
    "knobs": [
        {"name": "size", "values": "1, 2, 4, 8, 16", "scale": "log2"},
        {"name": "objects", "values": "100-1001-100", "map": "options"},
        {"name": "policy", "values": ["lru", "random"]},
        {"name": "line", "values": 64},
    ],
    "constraints": [],
    "costs": ["cycles"],
    "model": {"pyscript": "torch_cnn"},
}


def space_of(folder: Path, **changes: Any) -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**SPACE, **changes}))
    return load(folder / "config.json").explorations[0].space


def values(space: Any, rows: int = 30) -> tuple[Any, dict[str, Any]]:
    levels = space.sample(rows, np.random.default_rng(0))
    frame = space.frame(levels)
    return levels, {name: frame[name].to_numpy() for name in frame.columns}


def test_inputs_of_another_map_are_made_of_the_features_of_this_run(tmp_path: Path) -> None:
    space = space_of(tmp_path)
    theirs = FeatureMap.linear({"line": (16, 128), "options": (100, 100_000), "size": (1, 64), "ways": (1, 8)})
    mapping = {"size": "size", "objects": "options", "line": "line"}
    inputs = inputs_between(space, theirs, mapping, {"ways": 4})
    assert isinstance(inputs, Inputs)
    levels, columns = values(space)
    there = {"size": columns["size"], "options": columns["objects"], "line": columns["line"], "ways": np.full(30, 4)}
    expected = theirs.features(there)
    for found in (inputs, Inputs.from_json(json.loads(json.dumps(inputs.to_json())))):
        np.testing.assert_allclose(found(space.features(levels)), expected, atol=1e-12)


def test_categories_are_found_by_their_values(tmp_path: Path) -> None:
    space = space_of(tmp_path)
    knobs = [
        knob | {"values": ["random", "fifo", "lru"]} if knob["name"] == "policy" else knob for knob in SPACE["knobs"]
    ]  # type: ignore[attr-defined,operator]
    theirs = space_of(tmp_path / "other", knobs=knobs).feature_map
    inputs = inputs_between(space, theirs, {name: name for name in ("size", "objects", "policy")}, {})
    assert isinstance(inputs, Inputs)
    levels, columns = values(space)
    np.testing.assert_allclose(inputs(space.features(levels)), theirs.features(columns), atol=1e-12)


@dataclasses.dataclass(frozen=True)
class Learned:
    """A checkpoint as a model sees it."""

    restored: OriginalNetwork
    features: FeatureMap
    cost: str = ""
    fallback: Any = dataclasses.field(default_factory=dict)


@needs_torch
def test_a_checkpoint_of_another_map_is_where_a_run_starts(tmp_path: Path) -> None:
    theirs = FeatureMap.linear({"options": (100, 2000), "size": (1, 64), "policy": (0, 1), "a": (0, 2), "b": (0, 2)})
    layout = keras_layout(5, NetworkOptions(nodes=16))
    original = OriginalNetwork(random_network(layout))
    source = Source(
        "old.hdf5",
        {"cycles": ""},
        {"size": "size", "objects": "options"},
        learned=Learned(original, theirs, fallback={"policy": 0.5, "a": 1, "b": 1}),  # type: ignore[arg-type]
    )
    framework, space = framework_of(tmp_path, sources=(source,), epochs=1, learning_rate=1e-9, freeze_layers=1)
    levels, columns = values(space, 60)
    fixed = {"policy": np.full(60, 0.5), "a": np.ones(60), "b": np.ones(60)}
    inside = theirs.features({"options": columns["objects"], "size": columns["size"], **fixed})
    cost = original.Predict(inside).mean
    model = plugin("torch_cnn", framework)
    report = model.call("Run", features=space.features(levels), costs=cost, levels=levels, step=0, validation=aside(60))
    assert any("starts from earlier weights" in note for note in report.notes)
    found = model.call("Predict", features=space.features(levels), levels=levels)
    np.testing.assert_allclose(found.mean, cost, rtol=1e-3)


# files and failures


def test_saved_weights_predict_the_same(make_regressor: Make, tmp_path: Path) -> None:
    features = points(60)
    regressor = fitted(make_regressor, features, smooth_cost(features), epochs=3)
    again = restored(regressor, tmp_path / "kept")
    np.testing.assert_array_equal(again.predict(features)[0], regressor.predict(features)[0])


def test_damaged_files_are_refused(make_regressor: Make, tmp_path: Path) -> None:
    features = points(60)
    regressor = fitted(make_regressor, features, smooth_cost(features), epochs=1)
    facts = regressor.save(tmp_path)
    path = tmp_path / regressor.file
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"nothing of the kind" * 50):
        path.write_bytes(content)
        with pytest.raises(DeffeError, match=regressor.file):
            type(regressor).restore(tmp_path, facts, False)
    path.write_bytes(whole)
    other = {**facts, "layout": keras_layout(9, NetworkOptions()).to_json()}
    for wrong in (other, {}, {**facts, "frame": {"odd": 1}}):
        with pytest.raises(DeffeError):
            type(regressor).restore(tmp_path, wrong, False)
    path.unlink()
    with pytest.raises(DeffeError, match=regressor.file):
        type(regressor).restore(tmp_path, facts, False)


@needs_torch
def test_weights_of_torch_are_read_without_torch(
    torch_regressor: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = points(60)
    regressor = fitted(torch_regressor, features, smooth_cost(features), epochs=1)
    expected = regressor.predict(features)[0]
    monkeypatch.setitem(sys.modules, "torch", None)
    np.testing.assert_array_equal(restored(regressor, tmp_path / "kept").predict(features)[0], expected)


@needs_torch
def test_a_gpu_with_too_little_memory_leaves_the_training_to_the_cpu(
    torch_regressor: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from deffe.models import torch_cnn

    train = torch_cnn._train

    def small_gpu(course: Any, judge: Judge, device: str) -> None:
        train(dataclasses.replace(course, epochs=2), judge, "cpu")
        if device == "cuda":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch_cnn, "find_device", lambda wanted: "cuda")
    monkeypatch.setattr(torch_cnn, "_train", small_gpu)
    features = points(60)
    regressor = fitted(torch_regressor, features, smooth_cost(features))
    assert "trained on the CPU" in regressor.notes[0]
    assert regressor.judge is not None
    assert [epoch for epoch, *_ in regressor.judge.losses] == [1, 2]


@needs_torch
def test_a_device_that_is_not_there_is_refused() -> None:
    from deffe.models.torch_cnn import find_device

    for device in ("cuda:99", "abacus"):
        with pytest.raises(PluginError, match=device):
            find_device(device)


@pytest.mark.parametrize(("name", "extra"), [("torch_cnn", "deffe\\[torch\\]"), ("keras_cnn", "deffe\\[keras\\]")])
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, name.removesuffix("_cnn"), None)
    framework, _ = framework_of(tmp_path)
    with pytest.raises(PluginError, match=extra):
        plugin(name, framework)


def test_a_training_that_runs_away_is_told(torch_regressor: Make) -> None:
    features = points(60)
    regressor = torch_regressor()
    regressor.train = lambda course, judge: ()  # type: ignore[method-assign]
    with pytest.raises(DeffeError, match="ran away"):
        regressor.fit(task_of(features, smooth_cost(features)))


# the plugin


def framework_of(folder: Path, sources: tuple[Source, ...] = (), **options: Any) -> tuple[Framework, Any]:
    framework = make_framework(folder, "model", config=SPACE)
    framework = with_options(framework, **{**SMALL, "epochs": 12, **options})
    return dataclasses.replace(framework, sources=sources), framework.space


def plugin(name: str, framework: Framework) -> Any:
    module = importlib.import_module(f"deffe.models.{name}")
    return make(KINDS["model"], module, name, dataclasses.replace(framework, name=name))


def aside(rows: int) -> NDArray[np.bool_]:
    return np.arange(rows) % 4 == 0


@pytest.fixture(params=BACKENDS)
def learned(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any, Any]:
    framework, space = framework_of(tmp_path, plot_loss=True, plot_model=True)
    levels, columns = values(space, 60)
    cost = columns["objects"].astype(float) * (3 + columns["size"].astype(float) ** 0.5)
    model = plugin(request.param, framework)
    report = model.call(
        "Run", features=space.features(levels), costs=cost[:, None], levels=levels, step=0, validation=aside(60)
    )
    return model, report, (space.features(levels), levels)


def test_snapshots_are_states_that_can_be_restored(learned: Any, tmp_path: Path) -> None:
    model, report, (features, levels) = learned
    snapshots = model.call("Snapshots", cost="cycles")
    assert 1 < len(snapshots) <= SNAPSHOTS
    assert [shot.epoch for shot in snapshots] == sorted({shot.epoch for shot in snapshots})
    assert snapshots[0].epoch >= 1
    assert snapshots[-1].val_loss == min(shot.val_loss for shot in snapshots)
    assert report.costs[0].points == int(aside(60).sum())
    present = model.call("Predict", features=features, levels=levels)
    states = []
    for shot in (snapshots[0], snapshots[-1]):
        folder = tmp_path / f"epoch{shot.epoch}"
        folder.mkdir()
        facts = json.loads(json.dumps(shot.save(folder)))
        states.append(model.module.Restore(folder, facts, False).Predict(features))
    np.testing.assert_array_equal(states[1].mean, present.mean)
    np.testing.assert_array_equal(states[1].upper, present.upper)
    assert not np.array_equal(states[0].mean, present.mean)


def test_losses_and_layers_are_drawn(learned: Any, tmp_path: Path) -> None:
    _, report, _ = learned
    told = "\n".join(report.notes)
    for picture, library in (("loss-cycles", "matplotlib"), ("model-cycles", "pydot")):
        found = [path for path in (tmp_path / "explore").iterdir() if path.stem == picture]
        if find_spec(library):
            assert [path for path in found if path.stat().st_size > 100]
            assert str(found[0]) in told
        else:
            assert not found
            assert library in told


def test_a_cost_that_does_not_vary_needs_no_network(tmp_path: Path) -> None:
    if find_spec("torch") is None:
        pytest.skip("torch is not installed")
    framework, space = framework_of(tmp_path)
    levels, _ = values(space, 20)
    model = plugin("torch_cnn", framework)
    features = space.features(levels)
    model.call("Run", features=features, costs=np.full((20, 1), 7.0), levels=levels, step=0, validation=aside(20))
    assert model.call("Snapshots", cost="cycles") == []
    np.testing.assert_array_equal(model.call("Predict", features=features, levels=levels).mean, np.full((20, 1), 7.0))
