"""The learners of scikit-learn, XGBoost and CatBoost: the same numbers each time, and again after being saved."""

from __future__ import annotations

import builtins
import json
import logging
import pickle
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deffe.errors import CheckpointError, PluginError
from deffe.models import (
    OLD_NAMES,
    boosting,
    catboost_trees,
    extra_trees,
    lasso,
    sklearn_rf,
    support_vectors,
    xgboost_trees,
)
from deffe.models._learning.registry import regressor_class
from deffe.models._learning.regressor import Task
from deffe.models._smooth.linear import Lasso
from deffe.models._smooth.support_vectors import SupportVectors
from deffe.models._trees import walk as _tree_walk
from deffe.models._trees.arrays import LEAF, Trees
from deffe.models._trees.boosting import HistGradientBoosting, XGBoost
from deffe.models._trees.catboost import CatBoost
from deffe.models._trees.forest import Forest
from deffe.models._trees.walk import TreeWalk
from deffe.options import read_arguments
from deffe.surrogates.target import Target

Array = NDArray[np.float64]
Make = Callable[[], Any]

LEARNERS: dict[str, Make] = {
    "random_forest": partial(Forest, 30),
    "extra_trees": partial(Forest, 30, extra=True),
    "hist_boosting": partial(HistGradientBoosting, 60),
    "xgboost": partial(XGBoost, 60),
    "catboost": partial(CatBoost, 60),
    "support_vectors": SupportVectors,
    "lasso": Lasso,
}
LIBRARY = {"xgboost": "xgboost", "catboost": "catboost"}
FILES = {"catboost": "model.cbm", "support_vectors": "support_vectors.npz", "lasso": "weights.npz"}

every_learner = pytest.mark.parametrize("name", LEARNERS)


def new(name: str) -> Any:
    if name in LIBRARY:
        pytest.importorskip(LIBRARY[name], reason=f"{LIBRARY[name]} is not installed")
    return LEARNERS[name]()


def grid(n: int, d: int = 4, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 5, (n, d)) / 4


def surface(features: Array) -> Array:
    first = features[:, 0]
    return np.asarray(np.sin(3 * first) + first * features[:, -1] + 0.5 * features.mean(axis=1))


def task(features: Array, values: Array | None = None, seed: int = 3) -> Task:
    values = surface(features) if values is None else values
    return Task(features, (values - values.mean()) / values.std(), Target(False, 0, 1), np.random.default_rng(seed))


def learned(name: str, given: Task) -> Any:
    learner = new(name)
    learner.fit(given)
    return learner


@every_learner
def test_the_same_seed_gives_the_same_numbers(name: str) -> None:
    points = grid(300, seed=1)
    first, second = (learned(name, task(grid(80))).predict(points) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@every_learner
def test_what_can_be_learned_is_learned(name: str) -> None:
    features, points = grid(200), grid(300, seed=1)
    values = surface(features)
    mean, std = learned(name, task(features)).predict(points)
    expected = (surface(points) - values.mean()) / values.std()
    assert np.sqrt(np.mean((mean - expected) ** 2)) < 0.3
    assert mean.dtype == std.dtype == np.float64
    if name in ("random_forest", "extra_trees"):
        assert np.all(std >= 0)
        assert np.any(std > 0)
    else:
        assert np.all(np.isnan(std))


@every_learner
def test_what_is_saved_predicts_the_same_when_restored(name: str, tmp_path: Path) -> None:
    learner = learned(name, task(grid(80)))
    facts = json.loads(json.dumps(dict(learner.save(tmp_path))))
    restored = regressor_class(name).restore(tmp_path, facts, False)
    points = np.vstack([grid(200, seed=1), np.random.default_rng(2).random((50, 4)) * 3 - 1])
    np.testing.assert_array_equal(restored.predict(points), learner.predict(points))
    again = tmp_path / "again"
    again.mkdir()
    restored.save(again)
    np.testing.assert_array_equal(
        regressor_class(name).restore(again, facts, False).predict(points), learner.predict(points)
    )


class Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, ("import deffe; deffe.trapped = True",)


def foreign_files(good: bytes) -> dict[str, bytes]:
    flipped = bytearray(good)
    middle = len(good) // 2
    flipped[middle : middle + 40] = bytes(byte ^ 0xFF for byte in flipped[middle : middle + 40])
    return {"empty": b"", "cut short": good[: len(good) // 2], "text": b"no model\n" * 50, "flipped": bytes(flipped)}


@every_learner
@pytest.mark.parametrize("kind", ["empty", "cut short", "text", "flipped", "pickle", "pickled array"])
def test_a_foreign_or_damaged_file_is_refused_and_runs_no_code(name: str, kind: str, tmp_path: Path) -> None:
    import deffe

    learner = learned(name, task(grid(60)))
    facts = learner.save(tmp_path)
    path = tmp_path / FILES.get(name, "trees.npz")
    if kind == "flipped" and name == "catboost":
        pytest.skip("CatBoost's format has no checksum; the checkpoint's digest finds it")
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Trap()))
    elif kind == "pickled array":
        with path.open("wb") as file:
            trap = np.array([Trap()], dtype=object)
            np.savez(file, **dict.fromkeys(("feature", "threshold", "vectors", "weights"), trap))
    else:
        path.write_bytes(foreign_files(path.read_bytes())[kind])
    for trust in (False, True):
        with pytest.raises(CheckpointError) as caught:
            regressor_class(name).restore(tmp_path, facts, trust)
        assert path.name in str(caught.value)
    assert not hasattr(deffe, "trapped")


@every_learner
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    facts = learned(name, task(grid(60))).save(tmp_path)
    path = tmp_path / FILES.get(name, "trees.npz")
    path.unlink()
    with pytest.raises(CheckpointError, match=path.name.replace(".", r"\.")):
        regressor_class(name).restore(tmp_path, facts, False)


ODD = {
    "one feature": (np.linspace(0, 1, 20)[:, None], None),
    "a constant feature": (np.column_stack([grid(30, 2), np.full(30, 0.5)]), None),
    "three rows": (np.array([[0.0, 0.0], [0.5, 1.0], [1.0, 0.5]]), np.array([1.0, 2.0, 4.0])),
    "rows of one point": (np.repeat(grid(6, 2), 5, axis=0), np.arange(30.0)),
    "more features than rows": (np.random.default_rng(0).random((8, 30)), None),
    "two equal features": (grid(30, 1) @ np.ones((1, 2)), None),
}


@every_learner
@pytest.mark.parametrize("case", ODD)
def test_odd_inputs_give_finite_numbers(name: str, case: str) -> None:
    features, values = ODD[case]
    learner = learned(name, task(features, values))
    mean, std = learner.predict(np.vstack([features, features + 0.3, features * 2 - 1]))
    assert np.all(np.isfinite(mean))
    assert mean.shape == std.shape == (3 * len(features),)
    nothing, none = learner.predict(np.zeros((0, features.shape[1])))
    assert nothing.shape == none.shape == (0,)


# walking down trees


def walked(trees: Trees, features: Array) -> tuple[Array, Array]:
    """Sums of leaves and of their squares, by walking down each tree with each point."""
    total, squares = np.zeros(len(features)), np.zeros(len(features))
    for root in trees.roots:
        for row, point in enumerate(features.astype(np.float32)):
            node = root
            while trees.left[node] != LEAF:
                inside = point[trees.feature[node]] <= trees.threshold[node]
                node = (trees.left if inside else trees.right)[node]
            total[row] += trees.value[node]
            squares[row] += trees.value[node] ** 2
    return total, squares


def grown(rng: np.random.Generator, depth: int, columns: int) -> Trees:
    """A random tree, some of its branches short."""
    feature, threshold, left, right, value = [], [], [], [], []

    def grow(depth: int) -> int:
        node = len(feature)
        feature.append(int(rng.integers(columns)))
        threshold.append(float(rng.random()))
        left.append(LEAF)
        right.append(LEAF)
        value.append(float(rng.normal()))
        if depth and rng.random() < 0.8:
            left[node] = grow(depth - 1)
            right[node] = grow(depth - 1)
        return node

    grow(depth)
    return Trees.one(feature, threshold, left, right, value)


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 200])
@pytest.mark.parametrize("seed", range(3))
def test_walking_all_at_once_is_walking_one_by_one(rows: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tree_walk, "ROWS_PER_BLOCK", 128)
    monkeypatch.setattr(_tree_walk, "ROWS_PER_CHUNK", 64)
    monkeypatch.setattr(_tree_walk, "NODES_PER_GROUP", 40)
    rng = np.random.default_rng(seed)
    trees = Trees.join([grown(rng, depth, 3) for depth in (6, 0, 1, 9, 4, 2)])
    points = rng.random((rows, 3))
    np.testing.assert_allclose(TreeWalk(trees, squares=True).sums(points), walked(trees, points), rtol=1e-12)


def test_a_point_on_a_threshold_goes_left_as_in_the_libraries() -> None:
    from sklearn.ensemble import RandomForestRegressor

    # splits lie in the middle of two values: predict exactly there, and one step to both sides
    features, points = grid(60, 2), np.arange(-1, 18)[:, None] / 16 @ np.ones((1, 2))
    given = task(features)
    learner = Forest(20, seed=5)
    learner.fit(given)
    rival = RandomForestRegressor(20, random_state=5).fit(features, given.values)
    np.testing.assert_allclose(learner.predict(points)[0], rival.predict(points), rtol=1e-12)


def test_boosted_trees_say_what_their_library_says() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    features, points = grid(100), np.random.default_rng(1).random((200, 4))
    given = task(features)
    rival = HistGradientBoostingRegressor(
        max_iter=40, learning_rate=0.1, max_leaf_nodes=8, min_samples_leaf=2, l2_regularization=1, early_stopping=False
    ).fit(features, given.values)
    learner = HistGradientBoosting(40)
    learner.fit(given)
    np.testing.assert_allclose(learner.predict(points)[0], rival.predict(points), rtol=1e-9)


def test_xgboosts_trees_say_what_xgboost_says() -> None:
    xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed")
    features = grid(100)
    # the thresholds are values that occur, so "below" and "at most" differ there
    points = np.vstack([features, np.random.default_rng(1).random((200, 4))])
    given = task(features)
    learner = XGBoost(40, rows=1.0)
    learner.fit(given)
    options = {"eta": 0.05, "max_depth": 4, "min_child_weight": 2, "base_score": 0.0, "tree_method": "hist"}
    rival = xgboost.train(options, xgboost.DMatrix(features, given.values), 40)
    np.testing.assert_allclose(learner.predict(points)[0], rival.predict(xgboost.DMatrix(points)), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"left": lambda a: np.where(a > 0, 0, a)}, "not behind its parent"),
        ({"right": lambda a: np.where(a > 0, 10**6, a)}, "not behind its parent"),
        ({"feature": lambda a: a + 7}, "tests a column"),
        ({"feature": lambda a: a - 9}, "tests a column"),
        ({"value": lambda a: a[:-1]}, "not all there"),
        ({"value": lambda a: a * np.nan}, "not finite"),
        ({"threshold": lambda a: a.astype(str)}, "threshold"),
        ({"roots": lambda a: a[::-1]}, "follow one another"),
        ({"columns": lambda a: a[:0]}, "number of columns"),
        ({"left": lambda a: a * 0 + LEAF}, "not behind its parent"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(change: dict[str, Any], found: str, tmp_path: Path) -> None:
    facts = learned("random_forest", task(grid(60))).save(tmp_path)
    path = tmp_path / "trees.npz"
    with np.load(path) as file:
        arrays = dict(file)
    for name, made in change.items():
        arrays[name] = made(arrays[name])
    np.savez(path, **arrays)
    with pytest.raises(CheckpointError, match=found):
        Forest.restore(tmp_path, facts)


def test_predicting_many_points_takes_bounded_memory() -> None:
    learner = learned("extra_trees", task(grid(200, 6)))
    points = grid(300_000, 6, seed=1)
    learner.predict(points[:1000])
    tracemalloc.start()
    learner.predict(points)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 2**20


# the plugins

PLUGINS = {
    "sklearn_rf": sklearn_rf,
    "extra_trees": extra_trees,
    "boosting": boosting,
    "support_vectors": support_vectors,
    "lasso": lasso,
    "xgboost_trees": xgboost_trees,
    "catboost_trees": catboost_trees,
}


def framework(name: str, **options: object) -> Any:
    return SimpleNamespace(
        name=name,
        costs=("cycles",),
        log=logging.getLogger("test"),
        config=SimpleNamespace(model=SimpleNamespace(transfer=None)),
        options=lambda kind: kind.model_validate(options),
    )


@pytest.mark.parametrize("name", ["xgboost", "catboost"])
def test_a_library_that_is_not_at_hand_is_named_with_what_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = builtins.__import__

    def without(module: str, *rest: Any, **more: Any) -> Any:
        if module == name:
            raise ImportError(f"No module named {name!r}")
        return importing(module, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PluginError, match=rf"pip install 'deffe\[{name}\]'"):
        PLUGINS[f"{name}_trees"].GetObject(framework(name))
    assert OLD_NAMES[name] == (f"{name}_trees", {})


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugins_options_make_its_learner(name: str) -> None:
    if name.removesuffix("_trees") in LIBRARY:
        pytest.importorskip(name.removesuffix("_trees"))
    made = PLUGINS[name].GetObject(framework(name))
    (way,) = made._ways
    way.make().fit(task(grid(40)))
    assert isinstance(way.make(), regressor_class(way.learner))


@pytest.mark.parametrize(
    ("method", "kind"), [("RandomForestRegressor", Forest), ("SVR", SupportVectors), ("LassoLars", Lasso)]
)
def test_the_older_method_names_choose_the_learner(method: str, kind: type) -> None:
    text = f"-method {method} -rf-n-estimators 12 -rf-max-depth None -rf-random-state 7"
    options = read_arguments(sklearn_rf.ForestOptions, text)
    (way,) = sklearn_rf.GetObject(framework("sklearn_rf", **options))._ways
    assert isinstance(way.make(), kind)


@pytest.mark.parametrize("alpha", [None, 0.01])
def test_a_lasso_is_found_where_the_quick_way_breaks_off(alpha: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")

    def broken(*_: object) -> None:
        raise ValueError("operands could not be broadcast together with shapes (7,) (6,)")

    rng = np.random.default_rng(0)
    features = rng.random((60, 3))
    task = Task(features, 3 * features[:, 0] - features[:, 2], Target(False, 0, 1), rng)
    for name in ("LassoLars", "LassoLarsCV"):
        monkeypatch.setattr(getattr(linear_model, name), "fit", broken)
    learner = Lasso(alpha)
    learner.fit(task)
    assert np.std(learner.predict(features)[0] - task.values) < 0.1
