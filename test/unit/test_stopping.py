"""Rules that end a run, as functions of what is known; and what points that were not evaluated may bring."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deffe.answer.summary import forecast_lines
from deffe.config import Objective
from deffe.config.schema import StopSection
from deffe.learn.errors_seen import Errors, ErrorScale
from deffe.outlook import random_search
from deffe.outlook.by_model import Outlook
from deffe.outlook.forecast import Forecast
from deffe.outlook.merit import improvement, reference, volumes
from deffe.outlook.random_search import best_of_random, volume_of_random
from deffe.outlook.spent import Spent
from deffe.outlook.stopping import Stopper, no_improvement, over_budget, reached
from deffe.records import CostReport, ModelReport, Prediction, State, Unseen
from deffe.store import ExplorationHistory
from deffe.testing import make_framework

Vector = NDArray[np.float64]


def report(mape: float, points: int = 50, cost: str = "cycles", r2: float = 0.9, rank: float = 0.9) -> CostReport:
    return CostReport(cost, "test", points, mape, r2, rank, 90.0)


# budgets


@pytest.mark.parametrize("name", ["hours", "start_hours", "core_hours"])
def test_a_budget_is_used_up_when_as_much_was_spent(name: str) -> None:
    limits = StopSection(**{name: 2})
    assert not over_budget(limits, Spent(**{name: 1.999}), "the run")
    assert f"the run has taken 2 {'core hours' if name == 'core_hours' else 'hours'}" in over_budget(
        limits, Spent(**{name: 2.0}), "the run"
    )
    assert not over_budget(StopSection(), Spent(1e9, 1e9, 1e9), "the run")


# target error


def test_the_worst_cost_must_reach_the_target() -> None:
    both = ModelReport("model", 50, (report(2.0), report(5.0, cost="energy")))
    assert not reached(both, 4.0)
    assert "5 % for energy" in reached(both, 5.0)
    assert not reached(None, 5.0)
    assert not reached(both, None)


def test_a_target_that_cannot_be_judged_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rules = SimpleNamespace(target_error=5.0)
    stopper: Any = SimpleNamespace(rules=rules, _told=False, _log=logging.getLogger("deffe"))
    for step in range(3):
        assert not Stopper.judge(stopper, None, ModelReport("model", 50, (report(float("nan")),)), None, step)
    assert caplog.text.count("cycles has no percentage error") == 1


@pytest.mark.parametrize("one", [report(1.0, points=19), report(float("nan"))], ids=["few points", "no percentage"])
def test_an_error_that_says_little_ends_nothing(one: CostReport) -> None:
    assert not reached(ModelReport("model", 50, (report(1.0, cost="energy"), one)), 5.0)


# improvement


def test_the_best_improves_in_percent_of_what_it_was() -> None:
    before, after = np.array([[10.0], [20.0]]), np.array([[10.0], [20.0], [9.0]])
    assert improvement(before, after) == pytest.approx(10)
    assert improvement(-after, -np.append(after, [[25.0]], axis=0)) == pytest.approx(25)
    assert improvement(before, before) == 0
    assert improvement(after[:0], after) == np.inf
    assert improvement(np.zeros((1, 1)), np.array([[0.0], [-1.0]])) == np.inf


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_a_front_improves_when_a_point_is_added_to_it_and_not_otherwise(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    costs = rng.random((30, objectives)) + 1
    assert improvement(costs, np.append(costs, costs[:5] + 0.5, axis=0)) == 0
    assert improvement(costs, np.append(costs, [costs.min(axis=0) - 0.2], axis=0)) > 5


def test_the_scale_of_an_objective_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    costs = rng.random((40, 2))
    scaled = costs * [1e-6, 1e9] + [5, -1e3]
    assert improvement(scaled[:20], scaled) == pytest.approx(improvement(costs[:20], costs), rel=1e-6)


def test_a_very_bad_point_does_not_hide_an_improvement() -> None:
    costs = np.random.default_rng(2).random((40, 2))
    with_bad = np.append([[1e9, 1e9]], costs, axis=0)
    assert improvement(with_bad[:21], with_bad) == pytest.approx(improvement(costs[:20], costs), rel=0.2)


def test_a_front_of_one_point_has_a_volume() -> None:
    costs = np.array([[1.0, 1.0], [2.0, 3.0], [4.0, 2.0]])
    assert volumes([costs], reference(costs))[0] > 0
    assert improvement(np.ones((3, 2)), np.ones((5, 2))) == 0


def test_an_objective_that_does_not_vary_hides_no_improvement() -> None:
    costs = np.column_stack([[12.0, 10.0, 5.0], [3.0, 3.0, 3.0]])
    assert improvement(costs[:2], costs) > 10
    assert improvement(costs[:2] * [1, 0], costs * [1, 0]) > 10


def test_estimated_volumes_are_near_the_exact_ones() -> None:
    rng = np.random.default_rng(3)
    costs = np.append(rng.random((60, 3)), np.zeros((60, 1)), axis=1)  # the fourth objective adds nothing
    limit = reference(costs[:, :3])
    exact = np.array(volumes([costs[:20, :3], costs[:, :3]], limit))
    four = np.array(volumes([costs[:20], costs], np.append(limit, 1.0)))
    assert four[1] / four[0] == pytest.approx(exact[1] / exact[0], rel=0.05)


def steps_of(*bests: float) -> tuple[NDArray[np.int64], NDArray[np.bool_], Vector]:
    """Two points a step, one of which is far off."""
    steps = np.repeat(np.arange(len(bests)), 2)
    costs = np.array([value for best in bests for value in (best, 1e3)])[:, None]
    return steps, np.zeros(len(steps), dtype=bool), costs


@pytest.mark.parametrize(
    ("bests", "patience", "least", "ends"),
    [
        ((10, 9, 9, 9), 2, 1.0, True),
        ((10, 9, 9, 9), 3, 1.0, False),
        ((10, 9.9, 9.8, 9.7), 3, 2.5, False),
        ((10, 9.9, 9.8, 9.7), 3, 3.5, True),
        ((10, 10), 2, 1.0, False),
        ((10, 12, 11), 2, 1.0, True),
    ],
)
def test_the_last_steps_are_judged_together(bests: tuple[float, ...], patience: int, least: float, ends: bool) -> None:
    assert bool(no_improvement(*steps_of(*bests), patience, least)) == ends


def test_steps_that_have_not_ended_do_not_count() -> None:
    steps, open_, costs = steps_of(10, 9, 9, 9)
    open_[5] = True
    assert not no_improvement(steps, open_, costs, 2, 1.0)
    assert no_improvement(steps, open_, costs, 1, 1.0)


def test_points_that_failed_are_no_improvement() -> None:
    steps, open_, costs = steps_of(10, 1, 1)
    costs[2:] = np.nan
    assert no_improvement(steps, open_, costs, 2, 1.0)
    costs[:2] = np.nan
    assert not no_improvement(steps, open_, costs, 2, 1.0)  # nothing is known to compare with


# random search


def test_further_random_points_improve_the_best_as_often_as_they_should() -> None:
    """Of 50 points and 50 further ones, the best is among the further ones in half of the cases."""
    rng = np.random.default_rng(4)
    known = rng.exponential(1.0, 50)
    found = best_of_random(known, 50, 50, rng, 4000)
    assert np.mean(found < known.min()) == pytest.approx(0.5, abs=0.03)
    assert np.all(found <= known.min())


def test_the_expected_best_of_further_random_points_is_right_on_average() -> None:
    rng = np.random.default_rng(5)
    expected, real = [], []
    for _ in range(300):
        values = -rng.gumbel(0, 1, 400)
        expected.append(best_of_random(values[:100], 100, 300, rng, 50).mean())
        real.append(values.min())
    assert np.mean(expected) == pytest.approx(np.mean(real), abs=0.25)


def test_a_front_grows_by_further_random_points_as_it_does() -> None:
    rng = np.random.default_rng(6)
    expected, real = [], []
    for _ in range(100):
        costs = rng.random((200, 2))
        expected.append(volume_of_random(costs[:100], 100, 100, rng, 50).mean())
        real.append(improvement(costs[:100], costs))
    assert np.mean(expected) == pytest.approx(np.mean(real), rel=0.6)


def test_a_large_front_promises_as_much_when_few_of_its_points_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.sort(np.random.default_rng(4).random(120))
    costs = np.column_stack([x, 1 - x])
    whole = volume_of_random(costs, 120, 120, np.random.default_rng(5), 200).mean()
    monkeypatch.setattr(random_search, "MOST_LEFT_OUT", 40)
    assert volume_of_random(costs, 120, 120, np.random.default_rng(5), 200).mean() == pytest.approx(whole, rel=0.5)


def test_of_equal_points_nothing_is_expected() -> None:
    rng = np.random.default_rng(7)
    assert np.all(best_of_random(np.ones(30), 30, 100, rng, 100) == 1)
    assert best_of_random(np.ones(1), 30, 100, rng, 100).shape == (100,)
    assert np.all(volume_of_random(np.ones((30, 2)), 30, 100, rng, 100) == 0)


# errors and scales


@pytest.mark.parametrize("goal", ["min", "max"])
@pytest.mark.parametrize("positive", [True, False])
def test_smaller_is_better_on_every_scale(goal: str, positive: bool) -> None:
    values = np.array([1.0, 2.0, 5.0]) - (0 if positive else 2)
    scale = ErrorScale.of(goal, values)
    order = scale.of_values(values)
    assert np.all(np.diff(order) > 0) == (goal == "min")
    np.testing.assert_allclose(scale.values(order), values, atol=1e-12)
    best = 5.0 if goal == "max" else 1.0
    assert scale.better(best, 1.0) < scale.of_values(np.array([best]))[0]


def test_errors_are_those_that_were_seen() -> None:
    z = np.random.default_rng(8).normal(1.0, 0.5, 400)
    errors = Errors.of(z)
    assert errors.below(np.array([1.0]))[0] == pytest.approx(0.5, abs=0.05)
    assert errors.below(np.array([-np.inf, np.inf])).tolist() == [0, 1]
    draws = errors.draw((5000,), np.random.default_rng(9))
    assert draws.mean() == pytest.approx(1.0, abs=0.1)
    assert draws.std() == pytest.approx(0.5, abs=0.1)
    assert np.mean(errors.quantiles(5)) == pytest.approx(1.0, abs=0.1)


# the outlook


def outlook(
    tmp_path: Any, scatter: float, best: float, rest: float, goals: tuple[str, ...] = ("min",), **report_of: float
) -> Outlook:
    """Half of a space is evaluated, at 10 to 15 but the first; all others are predicted at ``rest``, give or take."""
    names = ("cycles", "energy")[: len(goals)]
    tmp_path.mkdir(exist_ok=True)
    space = make_framework(tmp_path, "exploration").space
    levels = np.concatenate(list(space.chunks(100)))
    count = len(levels) // 2
    rng = np.random.default_rng(0)
    costs = rng.uniform(10, 15, (count, len(goals)))
    costs[0] = best
    ids = space.ids(levels)
    states = np.full(count, State.DONE, dtype=np.int8)
    history = ExplorationHistory(levels[:count], ids[:count], costs, states, np.zeros(count, dtype=np.int64))
    mean = costs[:, 0] - rng.normal(0, scatter, count)
    unseen = Unseen(np.arange(count), mean, mean - 1.645 * scatter, mean + 1.645 * scatter)
    told = tuple(report(3.0, cost=name, **report_of) for name in names)
    learner: Any = SimpleNamespace(
        costs=names,
        learned=names,
        trained=ids[:count],
        report=ModelReport("model", count, told, (), dict.fromkeys(names, unseen)),
    )
    objectives = [Objective(name, goal) for name, goal in zip(names, goals, strict=True)]  # type: ignore[arg-type]
    made = Outlook(space, names, objectives, history, learner, True, rng)
    predicted = np.full((len(levels) - count, len(goals)), rest)
    made.add(levels[count:], Prediction(predicted, np.full_like(predicted, scatter)))
    return made


@pytest.fixture
def large_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules on the least number of points are for spaces larger than that of these tests."""
    monkeypatch.setattr("deffe.outlook.by_model.LEAST_POINTS", 5)


@pytest.mark.usefixtures("large_space")
def test_a_model_that_errs_little_is_sure_of_a_best_below_its_predictions(tmp_path: Any) -> None:
    sure, unsure = (outlook(tmp_path / str(s), s, 9.0, 9.5).forecast(True) for s in (0.05, 2.0))
    assert sure.confidence[0].share > 0.99
    assert unsure.confidence[0].share < 0.7
    assert sure.now == pytest.approx(9.0)
    assert sure.expected == pytest.approx(9.0)
    assert unsure.expected < 8.9
    assert unsure.low <= unsure.expected <= unsure.high <= 9.0 + 1e-9
    assert sure.gain < 0.01 < unsure.gain


@pytest.mark.usefixtures("large_space")
def test_a_point_predicted_to_be_better_is_expected(tmp_path: Any) -> None:
    found = outlook(tmp_path, 0.1, 9.0, 8.7).forecast(True)
    assert found.confidence[0].share < 0.2
    assert found.expected < 8.9
    assert found.gain > 1


@pytest.mark.usefixtures("large_space")
def test_a_large_cost_may_be_the_good_one(tmp_path: Any) -> None:
    found = outlook(tmp_path / "a", 0.1, 20.0, 12.0, ("max",)).forecast(True)
    assert found.now == pytest.approx(20.0)
    assert found.confidence[0].share > 0.99
    found = outlook(tmp_path / "b", 0.1, 12.0, 15.5, ("max",)).forecast(True)
    assert found.confidence[0].share < 0.1
    assert found.expected > found.now


@pytest.mark.usefixtures("large_space")
@pytest.mark.parametrize("guided", [True, False])
def test_of_two_objectives_the_volume_is_told(tmp_path: Any, guided: bool) -> None:
    found = outlook(tmp_path, 2.0, 9.0, 9.5, ("min", "min")).forecast(guided)
    assert (found.what, found.now) == ("hypervolume", 100)
    assert 100 <= found.low <= found.expected <= found.high
    assert [one.objective for one in found.confidence] == ["cycles", "energy"]


@pytest.mark.parametrize(("r2", "rank"), [(-0.5, 0.9), (0.5, 0.1), (float("nan"), 0.9)])
def test_a_model_of_some_use_is_asked(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, r2: float, rank: float) -> None:
    monkeypatch.setattr("deffe.outlook.by_model.LEAST_POINTS", 5)
    assert outlook(tmp_path, 1.0, 9.0, 12.0, r2=r2, rank=rank).forecast(True).evaluations


@pytest.mark.parametrize(
    ("r2", "rank", "least", "why"),
    [
        (-0.5, 0.1, 5, "the model is useless for cycles"),
        (float("nan"), float("nan"), 5, "the model is useless for cycles"),
        (0.9, 0.9, 20, "at least 20 are needed"),
    ],
)
def test_it_says_nothing_when_there_is_nothing_to_say(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, r2: float, rank: float, least: int, why: str
) -> None:
    monkeypatch.setattr("deffe.outlook.by_model.LEAST_POINTS", least)
    found = outlook(tmp_path, 1.0, 9.0, 12.0, r2=r2, rank=rank)
    assert why in found.forecast(True).silent
    assert not found.forecast(True).evaluations
    assert found.gain() is None
    assert found.confidence() == ()


@pytest.mark.usefixtures("large_space")
def test_the_same_predictions_give_the_same_forecast(tmp_path: Any) -> None:
    one, other = (outlook(tmp_path / name, 2.0, 9.0, 9.5).forecast(True) for name in "ab")
    assert one == other


def test_what_is_not_known_is_no_number() -> None:
    assert Forecast(silent="why").to_note()["expected"] is None
    assert forecast_lines(Forecast(silent="why")) == ["no forecast: why"]
