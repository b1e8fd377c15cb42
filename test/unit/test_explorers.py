"""Properties of the explorers: which points they ask for."""

from __future__ import annotations

import importlib
import inspect
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deffe import explorers
from deffe.api import Framework
from deffe.errors import ConfigError
from deffe.records import Levels, Prediction
from deffe.space import DesignSpace, Parameter

NONE_KNOWN = np.empty(0, dtype=np.int64)


def make_space(*sizes: int) -> DesignSpace:
    return DesignSpace(tuple(Parameter(f"k{i}", tuple(range(size))) for i, size in enumerate(sizes)))


def make(name: str, space: DesignSpace, folder: Path, objectives: str = "time::min", **options: object) -> Any:
    """An explorer with objectives such as ``time::min power::max``."""
    wanted = [SimpleNamespace(**dict(zip(("cost", "goal"), o.split("::"), strict=True))) for o in objectives.split()]
    stand_in: Any = SimpleNamespace(source="x.json", objectives=tuple(wanted), all_costs=("time", "power"))
    section: Any = SimpleNamespace(options=options)
    framework = Framework(
        space=space,
        costs=("time", "power"),
        folder=folder,
        log=logging.getLogger("test"),
        config=stand_in,
        exploration=stand_in,
        section=section,
        place="exploration",
        name=name,
    )
    made = importlib.import_module(f"deffe.explorers.{name}").GetObject(framework)
    made.Initialize()
    return made


class Exact:
    """Stands for a model: time is k0 + k1, power is k0 - k1."""

    costs = ("time", "power")

    def Predict(self, levels: Levels) -> Prediction:
        mean = np.column_stack([levels[:, 0] + levels[:, 1], levels[:, 0] - levels[:, 1]]).astype(float)
        return Prediction(mean, np.zeros_like(mean))


def advise(explorer: Any, **given: Any) -> Any:
    offered = {"step": 0, "count": 10, "model": Exact(), "known": NONE_KNOWN} | given
    wanted = inspect.signature(explorer.Run).parameters
    return explorer.Run(**{name: value for name, value in offered.items() if name in wanted})


@pytest.mark.parametrize("name", ["cost_1d", "cost_2d"])
def test_before_there_is_a_model_the_sampler_chooses(tmp_path: Path, name: str) -> None:
    assert advise(make(name, make_space(4, 4), tmp_path), model=None) is None


@pytest.mark.parametrize(("goal", "best"), [("min", [0, 1, 1, 2, 2, 2]), ("max", [38, 37, 37, 36, 36, 36])])
def test_the_best_predicted_points_come_first(tmp_path: Path, goal: str, best: list[int]) -> None:
    space = make_space(20, 20, 1)
    points = advise(make("cost_1d", space, tmp_path, f"time::{goal} power::min"), step=3, count=6).points
    assert list(points.levels.sum(axis=1)) == best
    assert points.step == 4


def test_the_goal_and_column_of_the_objective_count(tmp_path: Path) -> None:
    points = advise(make("cost_1d", make_space(20, 20), tmp_path, "power::max"), count=1).points
    np.testing.assert_array_equal(points.levels, [[19, 0]])


@pytest.mark.parametrize(
    ("objectives", "layers"),
    [
        ("time::min power::min", [{(0, i) for i in range(5)}, {(1, i) for i in range(5)}]),
        ("time::min power::max", [{(i, 0) for i in range(5)}, {(i, 1) for i in range(5)}]),
        ("time::max power::max", [{(4, i) for i in range(5)}, {(3, i) for i in range(5)}]),
    ],
)
def test_pareto_layers_are_peeled(tmp_path: Path, objectives: str, layers: list[Any]) -> None:
    explorer = make("cost_2d", make_space(5, 5), tmp_path, objectives)
    points = [tuple(point) for point in advise(explorer, count=10).points.levels.tolist()]
    assert [set(points[:5]), set(points[5:])] == layers


def test_one_objective_alone_is_ranked_as_by_cost_1d(tmp_path: Path) -> None:
    class Time(Exact):
        costs = ("time",)

    for objectives, model in (("time::max", Exact()), ("time::max power::min", Time())):
        explorers = [make(name, make_space(6, 6), tmp_path, objectives) for name in ("cost_1d", "cost_2d")]
        one, two = (advise(explorer, model=model, count=6).points.levels.sum(axis=1) for explorer in explorers)
        assert one.tolist() == two.tolist() == [10, 9, 9, 8, 8, 8]


def test_a_front_larger_than_the_step_is_thinned_from_end_to_end(tmp_path: Path) -> None:
    explorer = make("cost_2d", make_space(3, 50), tmp_path, "time::min power::min")
    points = advise(explorer, count=8).points.levels
    assert set(points[:, 0]) == {0}
    assert {0, 49} <= set(points[:, 1])
    assert np.diff(np.sort(points[:, 1])).max() <= 8


@pytest.mark.parametrize("name", ["cost_1d", "cost_2d"])
def test_points_are_new_valid_and_repeatable(tmp_path: Path, name: str) -> None:
    space = make_space(12, 12)
    known = NONE_KNOWN
    for step in range(15):
        first, again = (advise(make(name, space, tmp_path), step=step, known=known).points for _ in range(2))
        np.testing.assert_array_equal(first.ids, again.ids)
        assert space.valid(first.levels).all()
        assert not np.isin(first.ids, known).any()
        known = np.sort(np.concatenate([known, first.ids]))
    assert len(np.unique(known)) == len(known) == 144
    assert advise(make(name, space, tmp_path), step=15, known=known) is None


@pytest.mark.parametrize("name", ["cost_1d", "cost_2d"])
def test_a_space_of_any_size_is_looked_into(tmp_path: Path, name: str) -> None:
    space = make_space(*[10] * 30)
    points = advise(make(name, space, tmp_path, "time::min power::max", pool=5000), count=20).points
    assert len(points) == 20
    assert Exact().Predict(points.levels).mean[0, 0] <= 1  # a uniform pool of 5000 holds about 50 such points


def test_objectives_that_are_not_learned_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert advise(make("cost_1d", make_space(4, 4), tmp_path, "area::min")) is None
    assert "no objective is learned" in caplog.text


def test_a_wrong_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pool"):
        make("cost_1d", make_space(4, 4), tmp_path, pool=0)


def test_the_older_name_leads_to_a_plugin() -> None:
    assert explorers.OLD_NAMES["_exploration"] == "predict_all"


# --- what cost_1d and cost_2d look at


def test_the_first_objective_counts_unless_another_is_named(tmp_path: Path) -> None:
    both = "time::min power::max"
    first = advise(make("cost_1d", make_space(20, 20), tmp_path, both), count=1).points.levels
    named = advise(make("cost_1d", make_space(20, 20), tmp_path, both, objective="power"), count=1).points.levels
    assert (first.tolist(), named.tolist()) == ([[0, 0]], [[19, 0]])


def test_a_weighted_sum_of_objectives_can_count(tmp_path: Path) -> None:
    # time + 3 power is 4 k0 - 2 k1; where power is to be maximised it is taken off: -2 k0 + 4 k1
    for goal, best in (("min", [0, 19]), ("max", [19, 0])):
        objectives, weights = f"time::min power::{goal}", {"time": 1, "power": 3}
        explorer = make("cost_1d", make_space(20, 20), tmp_path, objectives, weights=weights)
        assert advise(explorer, count=1).points.levels.tolist() == [best]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"objective": "heat"}, "'heat' is no objective"),
        ({"weights": {"time": 1, "heat": 2}}, "'heat' is no objective"),
        ({"weights": {"time": 0}}, "the weight of 'time' is 0"),
        ({"objective": "time", "weights": {"time": 1}}, "both given"),
    ],
)
def test_objectives_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make("cost_1d", make_space(4, 4), tmp_path, "time::min power::max", **options)


def test_three_objectives_and_max_are_peeled(tmp_path: Path) -> None:
    class Three(Exact):
        costs = ("time", "power", "area")

        def Predict(self, levels: Levels) -> Prediction:
            mean = levels[:, :3].astype(float)
            return Prediction(mean, np.zeros_like(mean))

    explorer = make("cost_2d", make_space(6, 6, 6), tmp_path, "time::min power::max area::min")
    assert advise(explorer, model=Three(), count=1).points.levels.tolist() == [[0, 5, 0]]
    first = advise(explorer, model=Three(), count=4).points.levels
    assert sorted(first.tolist()) == [[0, 4, 0], [0, 5, 0], [0, 5, 1], [1, 5, 0]]


class Narrow(Exact):
    """Its best point is one in 10^12: only going from neighbour to neighbour finds it."""

    def Predict(self, levels: Levels) -> Prediction:
        mean = np.column_stack([np.abs(levels - 7).sum(axis=1), np.abs(levels - 3).sum(axis=1)]).astype(float)
        self.most = max(getattr(self, "most", 0), len(levels))
        return Prediction(mean, np.zeros_like(mean))


@pytest.mark.parametrize("name", ["cost_1d", "cost_2d"])
def test_the_best_of_a_large_space_is_searched_for_and_not_only_drawn(tmp_path: Path, name: str) -> None:
    space, model = make_space(*[10] * 12), Narrow()
    explorer = make(name, space, tmp_path, "time::min", pool=5000)
    points = advise(explorer, model=model, count=5).points
    assert points.levels[0].tolist() == [7] * 12
    assert model.most < 6000
    known = np.sort(points.ids)
    further = advise(explorer, model=model, count=50, known=known).points
    assert not np.isin(further.ids, known).any()
    assert len(np.unique(further.ids)) == 50


def test_the_neighbours_of_the_best_evaluated_points_are_looked_at(tmp_path: Path) -> None:
    space = make_space(*[1000] * 4)

    class Needle(Exact):
        def Predict(self, levels: Levels) -> Prediction:
            time = np.where((levels[:, 1:] == [500, 600, 700]).all(axis=1), levels[:, 0], 5000).astype(float)
            return Prediction(np.column_stack([time, time]), np.zeros((len(levels), 2)))

    levels = np.array([[40, 500, 600, 700], [9, 9, 9, 9]], dtype=np.int32)
    table = space.frame(levels).assign(
        id=0, number=[0, 1], step=0, state="done", reason="", source="", evaluate_s=0.0, extract_s=0.0, folder="",
        time=[40.0, 5000.0], power=1.0,
    )  # fmt: skip
    explorer = make("cost_1d", space, tmp_path, pool=100)
    found = advise(explorer, model=Needle(), count=1, known=np.sort(space.ids(levels)), table=table).points
    assert found.levels[0, 1:].tolist() == [500, 600, 700]
    assert found.levels[0, 0] < 40
