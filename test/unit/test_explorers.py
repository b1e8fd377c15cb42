"""Properties of the explorers: when they stop, and which points they ask for."""

from __future__ import annotations

import importlib
import inspect
import logging
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deffe import explorers
from deffe.api import Framework
from deffe.errors import ConfigError
from deffe.records import CostReport, Levels, ModelReport, Prediction
from deffe.space import DesignSpace, Parameter

NONE_KNOWN = np.empty(0, dtype=np.int64)
ALL = ("predict_all", "cost_1d", "cost_2d")


def make_space(*sizes: int) -> DesignSpace:
    return DesignSpace(tuple(Parameter(f"k{i}", tuple(range(size))) for i, size in enumerate(sizes)))


def make(name: str, space: DesignSpace, folder: Path, objectives: str = "time::min", **options: object) -> Any:
    """An explorer with objectives such as ``time::min power::max``."""
    wanted = [SimpleNamespace(**dict(zip(("cost", "goal"), o.split("::"), strict=True))) for o in objectives.split()]
    stand_in: Any = SimpleNamespace(source="x.json", objectives=tuple(wanted))
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


def report(*errors: float) -> ModelReport:
    costs = [CostReport(f"cost{i}", "5-fold cross-validation", 50, error, 0.9, 0.9) for i, error in enumerate(errors)]
    return ModelReport("a_model", 50, tuple(costs))


class Exact:
    """Stands for a model: time is k0 + k1, power is k0 - k1."""

    costs = ("time", "power")

    def Predict(self, levels: Levels) -> Prediction:
        mean = np.column_stack([levels[:, 0] + levels[:, 1], levels[:, 0] - levels[:, 1]]).astype(float)
        return Prediction(mean, np.zeros_like(mean))


def advise(explorer: Any, **given: Any) -> Any:
    offered = {
        "step": 0, "count": 10, "report": report(50.0), "target_error": None, "model": Exact(), "known": NONE_KNOWN,
    } | given  # fmt: skip
    wanted = inspect.signature(explorer.Run).parameters
    return explorer.Run(**{name: value for name, value in offered.items() if name in wanted})


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("errors", "stops"), [((1.0, 4.9), True), ((1.0, 5.0), True), ((5.1, 1.0), False)])
def test_it_stops_when_the_worst_cost_reaches_the_target(
    tmp_path: Path, name: str, errors: tuple[float, ...], stops: bool
) -> None:
    explorer = make(name, make_space(4, 4), tmp_path)
    advice = advise(explorer, report=report(*errors), target_error=5.0)
    assert bool(advice and advice.stop) == stops
    if stops:
        assert "5 %" in advice.stop
        assert "5-fold cross-validation" in advice.stop


@pytest.mark.parametrize("name", ALL)
def test_without_a_target_or_a_report_it_goes_on(tmp_path: Path, name: str) -> None:
    explorer = make(name, make_space(4, 4), tmp_path)
    for given in (
        {"report": report(0.0)},
        {"report": None, "target_error": 5.0},
        {"report": report(), "target_error": 5},
    ):
        advice = advise(explorer, **given)
        assert advice is None or not advice.stop


def test_an_error_that_is_not_known_is_no_success(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    explorer = make("predict_all", make_space(4, 4), tmp_path)
    for _ in range(3):
        assert advise(explorer, report=report(0.1, math.nan), target_error=5.0) is None
    assert caplog.text.count("cost1") == 1


@pytest.mark.parametrize("name", ["cost_1d", "cost_2d"])
def test_before_there_is_a_model_the_sampler_chooses(tmp_path: Path, name: str) -> None:
    assert advise(make(name, make_space(4, 4), tmp_path), model=None, report=None) is None


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
