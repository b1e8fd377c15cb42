"""Properties of Bayesian optimization: what it proposes, what it learns from failures, and that it finds the best."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from deffe.api import Framework, PluginError
from deffe.explorers import bayesian
from deffe.explorers._bayesian import region
from deffe.explorers._bayesian.acquisition import (
    expected_improvement,
    log_expected_improvement,
    log_hypervolume_improvement,
    log_scalarised_improvement,
)
from deffe.explorers._bayesian.candidates import pool, varied
from deffe.explorers._bayesian.ensemble import ProcessPool, ensemble, some_rows
from deffe.explorers._bayesian.features import SearchFeatures
from deffe.explorers._bayesian.forest import Forest
from deffe.explorers._bayesian.objectives import exact_costs
from deffe.explorers._bayesian.portfolio import Portfolio
from deffe.explorers._bayesian.proposal import batch
from deffe.explorers._history import History
from deffe.metrics import hypervolume
from deffe.testing import make_framework, with_options

KNOBS: list[dict[str, Any]] = [
    {"name": "tile", "values": "8-128-8"},
    {"name": "unroll", "values": "1, 2, 4, 8", "scale": "log2"},
    {"name": "policy", "values": ["lru", "random", "fifo"]},
    {"name": "depth", "values": "1-6", "when": "policy == 'fifo'"},
]
MANY: list[dict[str, Any]] = [{"name": f"k{i}", "values": "1-32"} for i in range(8)]


def framework_of(folder: Path, costs: tuple[str, ...] = ("time",), knobs: Any = KNOBS, **options: object) -> Framework:
    rules = ["tile >= 2 * unroll"] if knobs is KNOBS else []
    config = {"knobs": knobs, "constraints": rules, "costs": list(costs)}
    if "gain" in costs:
        config["objectives"] = {cost: "max" if cost == "gain" else "min" for cost in costs}
    made = make_framework(folder, "exploration", config=config)
    return with_options(dataclasses.replace(made, name="bayesian"), **options)


def table_of(framework: Framework, levels: Any, step: int = 0, limit: float = np.inf) -> pd.DataFrame:
    """The time is least at tile 96, unroll 4 and lru; points of more elements than the limit fail."""
    frame = framework.space.frame(levels)
    if "tile" in frame:
        off = (frame["tile"] / 96 - 1) ** 2 + 0.2 * (np.log2(frame["unroll"]) - 2) ** 2
        time = 10 + 20 * off
        if "policy" in frame:
            time += 3 * (frame["policy"] != "lru") + frame["depth"].fillna(0)
        failed = frame["tile"] * frame["unroll"] > limit
    else:
        time = 1 + ((frame.to_numpy(dtype=float) - 20) ** 2).sum(axis=1) / 100
        failed = pd.Series(np.zeros(len(frame), dtype=bool))
    costs = pd.DataFrame({"time": time, "area": 1000 / time + frame.iloc[:, 0], "gain": -time, "third": time**0.5})
    costs = costs[list(framework.costs)].mask(failed)
    state = np.where(failed, "failed", "done")
    return pd.concat([pd.DataFrame({"step": step, "state": state}), frame, costs], axis=1)


def advise(framework: Framework, table: pd.DataFrame, count: int = 4, step: int = 0) -> Any:
    explorer = bayesian.GetObject(framework)
    explorer.Initialize()
    known = np.sort(History.of(table, framework).ids)
    advice = explorer.Run(step=step, count=count, known=known, table=table)
    if advice is not None:
        points = advice.points
        assert framework.space.valid(points.levels).all()
        assert len(np.unique(points.ids)) == len(points)
        assert not np.isin(points.ids, known).any()
        assert points.step == step + 1
    return advice


def first(framework: Framework, count: int = 12, seed: int = 0, limit: float = np.inf) -> pd.DataFrame:
    return table_of(framework, framework.space.sample(count, np.random.default_rng(seed)), limit=limit)


def search(framework: Framework, table: pd.DataFrame, steps: int, limit: float = np.inf) -> pd.DataFrame:
    for step in range(steps):
        levels = advise(framework, table, 2, step).points.levels
        table = pd.concat([table, table_of(framework, levels, step + 1, limit)], ignore_index=True)
    return table


# proposals


@pytest.mark.parametrize("costs", [("time",), ("gain",), ("time", "area"), ("time", "area", "third")])
@pytest.mark.parametrize("knobs", [KNOBS, MANY], ids=["all", "sample"])
def test_as_many_points_as_asked_for_and_the_same_each_time(
    tmp_path: Path, costs: tuple[str, ...], knobs: list[dict[str, Any]]
) -> None:
    framework = framework_of(tmp_path, costs, knobs, pool=400, generations=3)
    table = first(framework)
    one, other = (advise(framework, table, 5).points for _ in range(2))
    assert len(one) == 5
    np.testing.assert_array_equal(one.levels, other.levels)


def test_of_a_space_all_points_come_at_last(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, knobs=KNOBS[:2])
    space = framework.space
    table = table_of(framework, space.points(range(space.size))[:-3])
    assert len(advise(framework, table, 8).points) == 3
    assert advise(framework, table_of(framework, space.points(range(space.size)))) is None


@pytest.mark.parametrize("seed", range(3))
def test_the_best_is_found_with_few_evaluations(tmp_path: Path, seed: int) -> None:
    framework = framework_of(tmp_path)
    assert framework.space.size > 400
    table = search(framework, first(framework, 10, seed), 10)
    assert table["time"].min() == pytest.approx(10)


def test_an_objective_to_be_maximised_is(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, ("gain",))
    assert search(framework, first(framework, 10), 10)["gain"].max() == pytest.approx(-10)


@pytest.mark.parametrize("seed", range(3))
def test_the_best_that_works_is_found_beside_better_ones_that_fail(tmp_path: Path, seed: int) -> None:
    framework = framework_of(tmp_path)
    everything = table_of(framework, framework.space.points(range(framework.space.size)), limit=200)
    assert (everything["state"] == "failed").mean() > 0.3
    table = search(framework, first(framework, 14, seed, limit=200), 12, limit=200)
    assert table["time"].min() == everything["time"].min()


def test_of_two_that_promise_as_much_the_one_that_works_is_chosen(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, ("time",), MANY[:3], local=0.0)
    levels = framework.space.sample(80, np.random.default_rng(0))
    table = table_of(framework, levels)
    failed = table["k0"] > 16
    table.loc[failed, ["state", "time"]] = ["failed", np.nan]
    table.loc[~failed, "time"] = 100 + (table["k1"] - 16.0)[~failed] ** 2  # the first knob makes no difference
    chosen = framework.space.frame(advise(framework, table, 6).points.levels)
    assert (chosen["k0"] <= 17).all()


def test_while_all_fail_it_goes_elsewhere(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    failed = first(framework, 6, limit=0.0)
    features = framework.space.features(History.of(failed, framework).levels)
    chosen = framework.space.features(advise(framework, failed, 4).points.levels)
    at_random = framework.space.features(framework.space.sample(200, np.random.default_rng(1)))

    def distance(points: Any) -> Any:
        return np.sqrt(((points[:, None] - features) ** 2).sum(axis=2)).min(axis=1)

    assert distance(chosen).min() > np.median(distance(at_random))


@pytest.mark.parametrize("count", [0, 1])
def test_with_next_to_nothing_known_the_sampler_chooses(tmp_path: Path, count: int) -> None:
    framework = framework_of(tmp_path)
    assert advise(framework, first(framework, 2)[:count]) is None


def test_costs_that_are_the_same_everywhere_tell_nothing(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    assert advise(framework, first(framework).assign(time=3.0)) is None


def test_one_objective_that_never_varies_leaves_the_other(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, ("time", "area"))
    assert len(advise(framework, first(framework).assign(area=7.0)).points) == 4


def test_points_under_way_are_not_asked_for_again_nor_beside(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, local=0.0)
    table = first(framework)
    chosen = advise(framework, table, 1).points.levels
    waiting = table_of(framework, chosen).assign(state="running", time=np.nan)
    later = advise(framework, pd.concat([table, waiting], ignore_index=True), 1).points.levels
    assert (later != chosen).any()


def test_noise_does_not_hold_it_at_one_lucky_point(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    table = first(framework, 60)
    table["time"] *= np.random.default_rng(3).normal(1, 0.1, len(table))
    far = table["tile"].sub(96).abs().idxmax()
    table.loc[far, "time"] = 0.8 * table["time"].min()
    chosen = framework.space.frame(advise(framework, table, 6).points.levels)
    assert (abs(chosen["tile"] - 96) < abs(table.loc[far, "tile"] - 96)).sum() >= 4


@pytest.mark.parametrize("goal", ["min", "max"])
def test_what_the_knobs_alone_tell_is_not_learned(tmp_path: Path, goal: str) -> None:
    costs = ["time", {"name": "size", "expression": "tile * unroll"}, {"name": "work", "expression": "time * tile"}]
    objectives = {"time": "min", "size": goal, "work": "min"}
    config = {"knobs": KNOBS[:2], "constraints": ["tile >= 2 * unroll"], "costs": costs, "objectives": objectives}
    framework = make_framework(tmp_path, "exploration", config=config)
    levels = framework.space.sample(20, np.random.default_rng(0))
    time, size, work = exact_costs(framework)
    frame = framework.space.frame(levels)
    assert time is work is None
    assert size is not None
    np.testing.assert_allclose(size(levels), frame["tile"] * frame["unroll"] * (1 if goal == "min" else -1))


# BoTorch


@pytest.mark.parametrize("costs", [("time",), ("time", "area")])
def test_botorch_proposes_by_the_same_rules(tmp_path: Path, costs: tuple[str, ...]) -> None:
    pytest.importorskip("botorch")
    framework = framework_of(tmp_path, costs, engine="botorch")
    table = first(framework, 16, limit=300)
    table.loc[0, "state"] = "running"
    one, other = (advise(framework, table, 3).points for _ in range(2))
    assert len(one) == 3
    np.testing.assert_array_equal(one.levels, other.levels)


def test_botorch_finds_the_best_too(tmp_path: Path) -> None:
    pytest.importorskip("botorch")
    framework = framework_of(tmp_path, engine="botorch")
    assert search(framework, first(framework, 10), 10)["time"].min() == pytest.approx(10, rel=0.1)


def test_an_engine_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bayesian, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match="BoTorch") as told:
        bayesian.GetObject(framework_of(tmp_path, engine="botorch"))
    assert "deffe[botorch]" in str(told.value.hint)


# acquisitions


def test_the_logarithm_of_the_improvement_is_that_of_the_improvement() -> None:
    mean, variance = np.linspace(-3, 3, 25), np.geomspace(0.01, 4, 25)
    plain = expected_improvement(mean, variance, 0.3)
    np.testing.assert_allclose(np.exp(log_expected_improvement(mean, variance, 0.3)), plain, rtol=1e-6, atol=1e-12)
    far = log_expected_improvement(np.array([50.0, 100.0]), np.ones(2), 0.0)
    assert np.isfinite(far).all()
    assert far[0] > far[1]


def draws_of(mean: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(mean, np.sqrt(variance), (4000, len(mean)))


def test_the_improvement_is_the_mean_over_draws() -> None:
    mean, variance = np.array([0.5]), np.array([0.8])
    assert expected_improvement(mean, variance, 0.2)[0] == pytest.approx(
        np.maximum(0.2 - draws_of(mean, variance), 0).mean(), rel=0.1
    )


def test_the_improvement_of_the_hypervolume_is_the_mean_over_draws() -> None:
    front, limit = np.array([[0.0, 1.0], [0.5, 0.4], [1.0, 0.0], [0.9, 0.9]]), np.array([1.2, 1.2])
    mean, variance = np.array([0.4, 0.3]), np.array([0.09, 0.04])
    before = hypervolume(front[:3], limit, ["min", "min"])
    gains = [
        hypervolume(np.vstack([front[:3], point]), limit, ["min", "min"]) - before for point in draws_of(mean, variance)
    ]
    found = np.exp(log_hypervolume_improvement(mean[None], variance[None], front, limit)[0])
    assert found == pytest.approx(np.mean(gains), rel=0.1)


def test_of_three_objectives_the_better_point_is_worth_more() -> None:
    known, rng = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]), np.random.default_rng(0)
    mean = np.array([[0.3, 0.3, 0.3], [0.9, 0.9, 0.9]])
    better, worse = log_scalarised_improvement(mean, np.full((2, 3), 0.01), known, rng)
    assert better > worse


# surrogates and candidates


def test_a_chosen_candidate_leaves_nothing_to_learn_there() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((30, 2))
    values = np.sin(5 * points[:, 0]) + points[:, 1]
    process = ensemble(points, (values - values.mean()) / values.std(), 2, rng)[1]
    candidates = np.vstack([rng.random((10, 2)), [[3.0, 3.0]]])
    held = ProcessPool(process, candidates)
    before, mean = held.variance.copy(), held.mean.copy()
    np.testing.assert_allclose(held.mean, process.mean(candidates), atol=1e-6)
    np.testing.assert_allclose(before, process.variance(candidates), atol=1e-6)
    held.choose(10)
    assert held.variance[10] < 0.1 * before[10]
    assert (held.variance <= before + 1e-12).all()
    np.testing.assert_array_equal(held.mean, mean)


def test_a_forest_sees_a_threshold_and_is_unsure_beside_it() -> None:
    rng = np.random.default_rng(0)
    features = np.column_stack([np.linspace(0, 1, 60), rng.random(60)])
    values = np.where(features[:, 0] < 0.5, 1.0, -1.0)
    forest = Forest(features, values, rng)
    np.testing.assert_array_equal(forest.fitted, values)
    candidates = np.array([[0.2, 0.5], [0.8, 0.5], [0.9, 0.5], [0.5, 0.5]])
    held = forest.pool(candidates)
    assert held.mean[:3] == pytest.approx([1, -1, -1], abs=0.2)
    assert held.variance[3] > 2 * held.variance[:3].max()


def test_a_candidate_chosen_in_a_forest_tells_of_those_it_sees_alike() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((60, 2))
    candidates = np.array([[0.3, 0.3], [0.3001, 0.3001], [0.9, 0.9]])
    held = Forest(features, features.sum(axis=1), rng).pool(candidates)
    mean, before = held.mean.copy(), held.variance.copy()
    held.choose(0)
    np.testing.assert_array_equal(held.mean, mean)
    assert held.variance[0] < 1e-9
    assert held.variance[1] < 0.5 * before[1]
    assert held.variance[2] > 0.5 * before[2]


class Liking:
    """Likes one candidate, and keeps what is chosen."""

    def __init__(self, row: int) -> None:
        self.row, self.chosen = row, list[int]()

    def gain(self) -> NDArray[np.float64]:
        return np.eye(6)[self.row]

    def choose(self, row: int) -> None:
        self.chosen.append(row)


def test_of_a_portfolio_each_choice_is_made_by_the_part_whose_turn_it_is() -> None:
    parts = Liking(2), Liking(5)
    rows = batch(Portfolio(parts, [1, 0]), 2, np.ones(6, dtype=np.bool_), 0.0, np.random.default_rng(0))
    assert rows.tolist() == [5, 2]
    assert [part.chosen for part in parts] == [[5], [5]]


@pytest.mark.parametrize("forest", [0.0, 1.0])
def test_processes_and_forests_each_find_good_points_alone(tmp_path: Path, forest: float) -> None:
    framework = framework_of(tmp_path, forest=forest)
    table = search(framework, first(framework, 10), 10)
    assert table["time"].min() < first(framework, 3 * len(table), seed=1)["time"].min()


def test_of_many_points_the_front_is_kept() -> None:
    targets = np.random.default_rng(0).normal(size=(500, 2))
    targets[:3] = [[-9, 0], [0, -9], [-5, -5]]
    rows = some_rows(targets, 40, np.random.default_rng(1))
    assert len(rows) == len(set(rows)) == 40
    assert {0, 1, 2} <= set(rows)


def test_sizes_show_their_logarithm_and_how_often_two_divides_them(tmp_path: Path) -> None:
    space = framework_of(tmp_path).space
    features = SearchFeatures(space)
    levels = space.sample(50, np.random.default_rng(0))
    found, tile = features(levels), space.frame(levels)["tile"].to_numpy()
    assert found.shape[1] == space.features(levels).shape[1] + 4  # two of the tile and of the depth
    twos = np.array([(int(t) & -int(t)).bit_length() for t in tile])
    assert any(np.allclose(np.corrcoef(column, twos)[0, 1], 1) for column in found.T if np.ptp(column))
    assert ((found >= 0) & (found <= 1)).all()


def test_a_large_space_is_looked_at_near_the_best_and_anywhere(tmp_path: Path) -> None:
    space = framework_of(tmp_path, knobs=MANY).space
    rng = np.random.default_rng(0)
    best = space.sample(3, rng)
    found = pool(space, best, 3, np.sort(space.ids(best)), 400, rng)
    changed = (found[:, None] != best).sum(axis=2).min(axis=1)
    assert len(found) == len(np.unique(space.ids(found))) == 400
    assert set(changed) >= {1, 2, 3}
    assert (changed > 3).mean() > 0.4
    around = varied(space, best[0], 4, 200, rng)
    assert (around != best[0]).sum(axis=1).max() <= 4


# trust region


def steps_of(*values: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return np.array(values)[:, None], np.arange(len(values))


def test_the_region_grows_with_success_and_shrinks_without() -> None:
    assert region.radius(*steps_of(9), 2, 20) == 2
    assert region.radius(*steps_of(9, 8, 7), 2, 20) == 4
    assert region.radius(*steps_of(9, 8, 7, 6, 5, 4, 3, 2, 1, 0), 2, 6) == 6
    assert region.radius(*steps_of(*[9.0] * (1 + region.SHRINK)), 2, 20) == 1
    assert region.radius(*steps_of(*[9.0] * (1 + 2 * region.SHRINK)), 2, 20) == 2


def test_a_step_improves_if_it_adds_to_the_front() -> None:
    costs = np.array([[1.0, 3.0], [3.0, 1.0], [2.0, 2.0], [4.0, 4.0], [2.0, 2.0], [np.nan, np.nan]])
    assert region.improvements(costs, np.array([0, 0, 1, 2, 3, 4])) == [True, False, False]
