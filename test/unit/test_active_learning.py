"""Properties of active learning: new valid points that differ, where the costs depend on knobs and little is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deffe.api import Framework
from deffe.explorers import active_learning
from deffe.explorers._history import History
from deffe.explorers._informative import farthest, settling
from deffe.explorers._surrogate import MOST_ROWS, Surrogate
from deffe.surrogates.feasibility import Feasibility
from deffe.testing import make_framework, with_options

CRITERIA = ("distance", "variance")
KNOBS = [
    {"name": "size", "values": "1, 2, 4, 8, 16, 32, 64, 128", "scale": "log2"},
    {"name": "ways", "values": "1, 2, 4, 8", "scale": "log2"},
    {"name": "useless", "values": "1-8"},
    {"name": "policy", "values": ["lru", "random"]},
    {"name": "depth", "values": "1-4", "when": "policy == 'random'"},
]


def framework_of(folder: Path, costs: tuple[str, ...] = ("cycles",), **options: object) -> Framework:
    config = {"knobs": KNOBS, "constraints": ["size >= ways"], "costs": list(costs)}
    made = make_framework(folder, "exploration", config=config)
    return with_options(dataclasses.replace(made, name="active_learning"), **options)


def table_of(framework: Framework, levels: Any, seed: int = 0) -> pd.DataFrame:
    frame = framework.space.frame(levels)
    costs = pd.DataFrame(
        {cost: 100 * 2 ** np.sin(np.log2(frame["size"]) + i) for i, cost in enumerate(framework.costs)}
    )
    return pd.concat([pd.DataFrame({"step": 0, "state": ["done"] * len(frame)}), frame, costs], axis=1)


def advise(framework: Framework, table: pd.DataFrame, count: int = 6, **given: Any) -> Any:
    known = np.sort(History.of(table, framework).ids)
    explorer = active_learning.GetObject(framework)
    explorer.Initialize()
    offered = {"step": 1, "model": None, "known": known} | given
    return explorer.Run(count=count, table=table, **offered)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("costs", [("cycles",), ("cycles", "energy")])
def test_points_are_new_valid_distinct_and_the_same_each_time(
    tmp_path: Path, criterion: str, costs: tuple[str, ...]
) -> None:
    framework = framework_of(tmp_path, costs, criterion=criterion)
    table = table_of(framework, framework.space.sample(20, np.random.default_rng(0)))
    points, again = (advise(framework, table).points for _ in range(2))
    assert framework.space.valid(points.levels).all()
    assert len(np.unique(points.ids)) == len(points) == 6
    assert not np.isin(points.ids, History.of(table, framework).ids).any()
    np.testing.assert_array_equal(points.levels, again.levels)
    assert points.step == 2


@pytest.mark.parametrize("criterion", CRITERIA)
def test_it_asks_about_the_knob_that_matters(tmp_path: Path, criterion: str) -> None:
    """All known points but a few lie at small sizes; the cost depends on the size alone."""
    framework = framework_of(tmp_path, criterion=criterion)
    drawn = framework.space.sample(200, np.random.default_rng(0))
    size = framework.space.frame(drawn)["size"].to_numpy()
    few = np.concatenate([np.flatnonzero(size <= 8)[:25], np.flatnonzero(size == 128)[:3]])
    points = advise(framework, table_of(framework, drawn[few])).points
    assert framework.space.frame(points.levels)["size"].isin([16, 32, 64]).sum() >= 3


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_last_points_are_proposed_and_no_more(tmp_path: Path, criterion: str) -> None:
    framework = framework_of(tmp_path, criterion=criterion)
    space = framework.space.listed(framework.space.sample(30, np.random.default_rng(0)))
    framework = dataclasses.replace(framework, space=space)
    assert len(advise(framework, table_of(framework, space.points(range(26)))).points) == 4
    assert advise(framework, table_of(framework, space.points(range(30)))) is None


def test_with_few_points_or_none_the_sampler_chooses(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    table = table_of(framework, framework.space.sample(3, np.random.default_rng(0)))
    assert advise(framework, table) is None
    assert advise(framework, table.iloc[:0]) is None
    assert advise(framework, table.assign(state="failed", cycles=np.nan)) is None


@pytest.mark.parametrize("criterion", CRITERIA)
def test_costs_that_are_all_equal_are_no_obstacle(tmp_path: Path, criterion: str) -> None:
    framework = framework_of(tmp_path, criterion=criterion)
    table = table_of(framework, framework.space.sample(20, np.random.default_rng(0))).assign(cycles=7.0)
    assert len(advise(framework, table).points) == 6


@pytest.mark.parametrize("criterion", CRITERIA)
def test_regions_where_points_fail_are_asked_about_less(tmp_path: Path, criterion: str) -> None:
    framework = framework_of(tmp_path, criterion=criterion)
    table = table_of(framework, framework.space.sample(60, np.random.default_rng(0)))
    fails = table["policy"] == "random"
    failed = table.assign(state=np.where(fails, "failed", "done"), cycles=table["cycles"].where(~fails))
    share = (framework.space.frame(advise(framework, failed, count=16).points.levels)["policy"] == "random").mean()
    assert share <= 0.25


@pytest.mark.parametrize("criterion", CRITERIA)
def test_points_under_way_are_not_asked_about_again(tmp_path: Path, criterion: str) -> None:
    framework = framework_of(tmp_path, criterion=criterion)
    table = table_of(framework, framework.space.sample(30, np.random.default_rng(0)))
    first = advise(framework, table).points
    running = table_of(framework, first.levels).assign(state="running", cycles=np.nan)
    second = advise(framework, pd.concat([table, running], ignore_index=True)).points
    assert not np.isin(second.ids, first.ids).any()


def test_the_farthest_points_come_first() -> None:
    candidates = np.array([[0.1], [1.0], [0.5], [0.9]])
    known = np.array([[0.0]])
    assert farthest(candidates, known, 3, np.ones(4)).tolist() == [1, 2, 0]
    assert farthest(candidates, known, 1, np.array([1, 0.1, 1, 1])).tolist() == [3]
    assert sorted(farthest(candidates, known[:0], 9, np.ones(4)).tolist()) == [0, 1, 2, 3]


def test_what_settles_most_lies_amid_the_unknown() -> None:
    rng = np.random.default_rng(0)
    known = np.vstack([rng.uniform(0, 0.3, (20, 1)), [[1.0]]])
    surrogate = Surrogate.learn(known, np.exp(np.sin(6 * known[:, 0])), rng)
    candidates = np.linspace(0, 1, 41)[:, None]
    chosen = candidates[settling([surrogate], candidates, 3, np.ones(41))][:, 0]
    assert 0.4 < chosen[0] < 0.95
    assert np.abs(np.subtract.outer(chosen, chosen))[np.triu_indices(3, 1)].min() > 0.02


def test_a_surrogate_is_sure_of_what_it_has_seen_or_is_to_see() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((30, 2))
    surrogate = Surrogate.learn(points, 1 + points.sum(axis=1), rng)
    new = np.array([[2.0, 2.0]])
    assert surrogate.variance(points).max() < surrogate.variance(new)[0]
    then = surrogate.seeing(new)
    assert then.variance(new)[0] < 0.1 * surrogate.variance(new)[0] + surrogate.noise
    np.testing.assert_allclose(then.mean(new), surrogate.mean(new), rtol=1e-3)
    np.testing.assert_allclose(np.diag(surrogate.covariance(new, new)), surrogate.variance(new), atol=1e-9)


def test_the_chance_to_be_done_is_never_none() -> None:
    features = np.linspace(0, 1, 20)[:, None]
    odds = Feasibility(features, features[:, 0] > 0.5, 0).chance(features)
    assert odds.min() > 0
    assert odds[0] > odds[-1]
    assert (Feasibility(features, np.zeros(20, bool), 0).chance(features) == 1).all()
    assert len(set(Feasibility(features, np.ones(20, bool), 0).chance(features))) == 1


def test_a_process_that_sees_very_many_further_points_stays_small() -> None:
    rng = np.random.default_rng(0)
    process = Surrogate.learn(rng.random((10, 2)), rng.random(10), rng)
    assert len(process.seeing(rng.random((MOST_ROWS + 500, 2))).basis) == 10 + MOST_ROWS


def test_the_variance_of_a_large_pool_takes_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(active_learning, "MOST_SETTLED", 20)
    seen: list[int] = []

    def counted(surrogates: list[Surrogate], candidates: Any, count: int, weight: Any) -> Any:
        seen.append(len(candidates))
        return settling(surrogates, candidates, count, weight)

    monkeypatch.setattr(active_learning, "settling", counted)
    framework = framework_of(tmp_path, criterion="variance")
    table = table_of(framework, framework.space.sample(20, np.random.default_rng(0)))
    assert [len(advise(framework, table, count).points) for count in (6, 30)] == [6, 30]
    assert seen == [20, 30]
