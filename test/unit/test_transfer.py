"""Transfer: what another run knows helps where it is related, does no harm where it is not, and is saved along."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from deffe.checkpoint import About, CheckpointModel, read, write
from deffe.errors import DeffeError
from deffe.expressions import Expression
from deffe.metrics import mape
from deffe.models import auto, gaussian_process
from deffe.models._learning.source_table import MOST_ROWS, table_features
from deffe.models._learning.way import DEVIATION, straight_line
from deffe.records import Prediction
from deffe.sources import Source
from deffe.space import DesignSpace, Parameter
from deffe.space.derived import DerivedFeature

Array = NDArray[np.float64]

QUICK: dict[str, object] = {"learners": ["gaussian_process"], "hyper_rows": 30, "transform": "log", "folds": 3}
SPACE = DesignSpace(
    (
        Parameter("policy", ("lru", "fifo", "random")),
        Parameter("size", (1, 2, 4, 8, 16, 32, 64), scale="log2"),
        Parameter("unit", (64,)),
        Parameter("ways", tuple(range(1, 9))),
    ),
    derived=(DerivedFeature("sets", Expression("size * unit / ways", ["size", "unit", "ways"]), "log2"),),
)


def cost_of(frame: Mapping[str, Any], change: float = 0.0, other: bool = False) -> Array:
    """A cost with a cliff, the same up to a factor for a small change; or of another kind."""
    size, ways = (np.asarray(frame[name], dtype=np.float64) for name in ("size", "ways"))
    policy = np.array([{"lru": 0.0, "fifo": 0.3, "random": 0.7}[name] for name in frame["policy"]])
    if other:
        return np.asarray(np.exp(np.sin(5 * ways) + np.cos(40 * policy) - 0.3 * np.log2(size)))
    cliff = 1.5 * np.tanh(3 * (np.log2(size) + np.log2(ways) - 4))
    return np.asarray(1000 * np.exp(-cliff + policy * np.sin(ways) + change * np.log2(size)))


def points(n: int, seed: int) -> tuple[NDArray[np.int32], Array, pd.DataFrame]:
    levels = SPACE.sample(n, np.random.default_rng(seed))
    return levels, SPACE.features(levels), SPACE.frame(levels)


def table(n: int = 80, **kind: Any) -> Source:
    frame = points(n, 99)[2]
    return Source(
        "table.csv",
        {"cycles": "time"},
        {name: name for name in SPACE.names},
        frame=frame.assign(time=cost_of(frame, **kind)),
    )


def model(*sources: Source, method: str = "auto", module: Any = auto, space: Any = SPACE, **options: object) -> Any:
    framework = SimpleNamespace(
        name="auto",
        costs=("cycles",),
        seed=0,
        space=space,
        sources=sources,
        log=logging.getLogger("test"),
        config=SimpleNamespace(model=SimpleNamespace(transfer=SimpleNamespace(method=method))),
        options=lambda kind: kind.model_validate({**(QUICK if module is auto else {}), **options}),
        rng=lambda step=0: np.random.default_rng([0, step]),
    )
    return module.GetObject(framework)


def error(learner: Any, seed: int, n: int = 20) -> float:
    """Percentage error on points that were not learned from."""
    _, features, frame = points(n + 60, seed)
    cost = cost_of(frame)
    learner.Run(features[:n], cost[:n, None])
    return mape(cost[n:], learner.Predict(features[n:]).mean[:, 0])


# tables


def test_a_related_source_makes_few_points_go_far() -> None:
    scratch, related = (
        np.mean([error(model(*sources), seed) for seed in range(2)]) for sources in ((), (table(change=0.1),))
    )
    assert related < 0.5 * scratch


def test_an_unrelated_source_does_no_harm() -> None:
    scratch, misled = (
        np.mean([error(model(*sources), seed) for seed in range(3)]) for sources in ((), (table(other=True),))
    )
    assert misled < 1.1 * scratch


@pytest.mark.parametrize("method", ["feature", "residual"])
def test_the_method_that_is_asked_for_is_used(method: str) -> None:
    _, features, frame = points(30, 0)
    learner = model(table(change=0.1), method=method)
    report = learner.Run(features, cost_of(frame)[:, None])
    used = {"feature": "source as feature", "residual": "residual of source"}
    (label,) = [member.label for member in learner._learned["cycles"].fitted.members]
    assert used[method] in label
    assert any(note.startswith("cycles: source table.csv: 80 rows") for note in report.notes)


def test_none_of_it_is_used_where_none_is_wanted() -> None:
    _, features, frame = points(30, 0)
    reports, means = [], []
    for learner in (model(table(), method="none"), model()):
        reports.append(learner.Run(features, cost_of(frame)[:, None]))
        means.append(learner.Predict(features).mean)
    np.testing.assert_equal(*map(dataclasses.asdict, reports))
    np.testing.assert_array_equal(*means)


def test_a_source_of_another_cost_is_left_alone() -> None:
    _, features, frame = points(20, 0)
    other = dataclasses.replace(table(), costs={"energy": "time"})
    reports = [learner.Run(features, cost_of(frame)[:, None]) for learner in (model(other), model())]
    np.testing.assert_equal(*map(dataclasses.asdict, reports))


@pytest.mark.parametrize("slope", [1.0, 0.3, 0.0, -1.0])
def test_a_line_through_a_prior_is_found_deviation_for_deviation(slope: float) -> None:
    rng = np.random.default_rng(0)
    place = rng.normal(size=200)
    line = straight_line(0.5 + DEVIATION * place[:, None], 2 + slope * place)
    assert line[1] * DEVIATION == pytest.approx(slope, abs=0.02)
    assert line[0] + line[1] * 0.5 == pytest.approx(2, abs=0.02)


def test_one_point_hardly_moves_the_line_from_slope_one() -> None:
    line = straight_line(np.array([[0.5], [0.5 + 0.1 * DEVIATION]]), np.array([0.0, -0.1]))
    assert line[1] * DEVIATION > 0.9


def test_rows_that_fit_nothing_here_are_left_out_and_knobs_not_known_there_are_said() -> None:
    frame = pd.DataFrame(
        {
            "size": ["8", 4, 0, np.nan, 2, 1],
            "how": ["lru", "plru", "fifo", "lru", "lru", "random"],
            "time": [1.0, 2.0, 3.0, 4.0, np.nan, 6.0],
        }
    )
    source = Source("t.csv", {"cycles": "time"}, {"size": "size", "policy": "how"}, frame=frame)
    features, cost, note = table_features(source, "time", SPACE, 0)
    assert cost.tolist() == [1, 6]
    assert np.all(np.isfinite(features))
    names = SPACE.feature_map.names
    np.testing.assert_allclose(features[:, names.index("size")], [0.5, 0])
    assert features[:, names.index("policy=random")].tolist() == [0, 1]
    assert "2 of 6 rows" in note
    assert "does not know ways" in note
    assert "unit" not in note


def test_a_knob_of_other_values_is_stretched_over_ours() -> None:
    frame = pd.DataFrame({"capacity": [256.0, 1024.0, 16384.0], "time": [1.0, 2.0, 3.0]})
    source = Source("t.csv", {"cycles": "time"}, {"size": "capacity"}, frame=frame)
    features, _, _ = table_features(source, "time", SPACE, 0)
    np.testing.assert_allclose(features[:, SPACE.feature_map.names.index("size")], [0, 1 / 3, 1], atol=1e-12)


def test_very_many_rows_are_thinned() -> None:
    frame = pd.concat([points(168, 0)[2]] * (MOST_ROWS // 150), ignore_index=True).assign(time=2.0)
    _, cost, note = table_features(Source("t", {}, {"size": "size"}, frame=frame), "time", SPACE, 0)
    assert len(cost) == MOST_ROWS
    assert f"{MOST_ROWS:,} of {len(frame):,} rows" in note


@pytest.mark.parametrize(
    ("columns", "mapping", "found"),
    [
        ({"rows": [1, 2]}, {}, "shares no knob"),
        ({"unit": ["a", "b"]}, {"unit": "unit"}, "no number"),
        ({"size": ["big", "small"]}, {"size": "size"}, "no number"),
        ({"how": ["plru", "none"]}, {"policy": "how"}, "none of its rows"),
        ({"size": [0, -1]}, {"size": "size"}, "none of its rows"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_name(
    columns: dict[str, Any], mapping: dict[str, str], found: str
) -> None:
    frame = pd.DataFrame({**columns, "time": [1.0, 2.0]})
    _, features, ours = points(20, 0)
    with pytest.raises(DeffeError, match=f"source 't.csv'.*{found}"):
        model(Source("t.csv", {"cycles": "time"}, mapping, frame=frame)).Run(features, cost_of(ours)[:, None])


# checkpoints


class Told:
    """A checkpoint that knows the cost up to a factor."""

    def __init__(self, path: Path, worth: float = 1.0) -> None:
        self.path, self.model, self.cost, self.facts, self._worth = path, "told", "time", {}, worth
        self.inputs, self.fallback = ("policy", "size", "unit", "ways", "banks"), {"banks": 4}

    def Predict(self, columns: Mapping[str, Any]) -> Prediction:
        assert sorted(columns) == sorted(self.inputs)
        assert set(columns["unit"]) == {64}
        mean = self._worth * cost_of(columns, change=0.1)[:, None]
        return Prediction(mean, 0.1 * mean)


def checkpoint(learned: Any) -> Source:
    names = {name: name for name in SPACE.names}
    return Source("checkpoint", {"cycles": "time"}, names, learned=learned)


def test_a_checkpoint_is_as_good_as_its_table(tmp_path: Path) -> None:
    scratch, related = (
        np.mean([error(model(*sources), seed) for seed in range(2)]) for sources in ((), (checkpoint(Told(tmp_path)),))
    )
    assert related < 0.5 * scratch


def test_a_checkpoint_that_predicts_no_number_is_named(tmp_path: Path) -> None:
    _, features, frame = points(20, 0)
    with pytest.raises(DeffeError, match=r"source 'checkpoint'.*not all finite"):
        model(checkpoint(Told(tmp_path, np.nan))).Run(features, cost_of(frame)[:, None])


def test_features_tell_the_values_that_they_were_made_of() -> None:
    when = Expression("size > 2", ["size"])
    numbers = (3, 0.1, -7, 1e9)
    space = DesignSpace(
        (*SPACE.parameters, Parameter("depth", numbers, when=when), Parameter("mode", ("a", True, 3), when=when)),
        derived=SPACE.derived,
    )
    levels = space.sample(300, np.random.default_rng(0))
    found, frame = space.feature_map.values(space.features(levels)), space.frame(levels)
    assert set(found) == {"policy", "size", "ways", "depth", "mode"}
    for name in ("size", "ways"):
        np.testing.assert_array_equal(found[name], frame[name])
    np.testing.assert_allclose(found["depth"], frame["depth"], atol=1e-3, rtol=1e-9)
    for name in ("policy", "mode"):
        assert found[name].tolist() == [None if value is None or value != value else value for value in frame[name]]
    np.testing.assert_allclose(
        space.feature_map.features({**found, "unit": np.full(300, 64)}), space.features(levels), atol=1e-9
    )


# kept along


def kept_as_checkpoint(learner: Any, folder: Path) -> CheckpointModel:
    about = About(model="auto", cost="time", features=SPACE.feature_map, space=SPACE.describe())
    path = write(folder, about, np.arange(3), lambda into: learner.Save("cycles", into))
    return CheckpointModel(read(path), lambda name: None)


def test_what_was_learned_with_a_table_predicts_the_same_when_restored(tmp_path: Path) -> None:
    _, features, frame = points(40, 0)
    for method in ("feature", "residual"):
        learner = model(table(change=0.1), method=method)
        learner.Run(features, cost_of(frame)[:, None])
        restored = kept_as_checkpoint(learner, tmp_path / method)
        rest = points(100, 1)
        found, expected = restored.Predict(rest[2]), learner.Predict(rest[1])
        for part in ("mean", "std", "lower", "upper"):
            np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


def test_what_was_learned_with_a_checkpoint_carries_it_along(tmp_path: Path) -> None:
    _, features, frame = points(40, 0)
    first = model()
    first.Run(features, cost_of(frame, change=0.1)[:, None])
    known = kept_as_checkpoint(first, tmp_path / "first")
    second = model(checkpoint(known), method="residual")
    second.Run(features[:20], cost_of(frame)[:20, None])
    restored = kept_as_checkpoint(second, tmp_path / "second")
    for path in sorted((tmp_path / "first").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    rest = points(100, 1)
    found, expected = restored.Predict(rest[2]), second.Predict(rest[1])
    for part in ("mean", "std", "lower", "upper"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


@pytest.mark.parametrize("damage", ["scale", "mapping", "file"])
def test_a_damaged_source_within_a_checkpoint_is_refused(damage: str, tmp_path: Path) -> None:
    _, features, frame = points(30, 0)
    first = model()
    first.Run(features, cost_of(frame, change=0.1)[:, None])
    second = model(checkpoint(kept_as_checkpoint(first, tmp_path / "first")))
    second.Run(features, cost_of(frame)[:, None])
    kept = tmp_path / "kept"
    kept.mkdir()
    facts = json.loads(json.dumps(second.Save("cycles", kept)))
    if damage == "file":
        next((kept / "source0").rglob("*.npz")).write_bytes(b"")
    else:
        del facts["priors"][0][damage]
    with pytest.raises(DeffeError, match=r"kept"):
        auto.Restore(kept, facts, False)


def test_a_resumed_run_learns_what_one_that_never_stopped_learns() -> None:
    _, features, frame = points(40, 0)
    costs = cost_of(frame)[:, None]
    through, resumed = model(table(change=0.1)), model(table(change=0.1))
    through.Run(features[:20], costs[:20], 0)
    reports = [learner.Run(features, costs, 1).costs for learner in (through, resumed)]
    assert reports[0] == reports[1]
    np.testing.assert_array_equal(through.Predict(features).mean, resumed.Predict(features).mean)


def test_other_models_transfer_as_well() -> None:
    made: Callable[..., Any] = lambda *sources: model(*sources, module=gaussian_process, restarts=0, hyper_rows=50)  # noqa: E731
    assert error(made(table(change=0.1)), 0) < 0.7 * error(made(), 0)
