"""Properties of the evolution: valid new points, the same ones after a restart, and better ones each generation."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deffe.api import Costs, Framework, PluginError
from deffe.explorers import evolutionary
from deffe.explorers._history import History
from deffe.space.proposals import member
from deffe.testing import make_framework, with_options

HAS_PYMOO = importlib.util.find_spec("pymoo") is not None
needs_pymoo = pytest.mark.skipif(not HAS_PYMOO, reason="pymoo is not installed")

KNOBS = [
    {"name": "size", "values": "1, 2, 4, 8, 16, 32, 64, 128", "scale": "log2"},
    {"name": "ways", "values": "1, 2, 4, 8, 16", "scale": "log2"},
    {"name": "policy", "values": ["lru", "random", "fifo"]},
    {"name": "fetch", "values": ["none", "next", "stride"]},
    {"name": "degree", "values": "1-16", "when": "fetch == 'stride'"},
    {"name": "width", "values": "1-16"},
    {"name": "queue", "values": "1-64"},
]
CONFIG = {"knobs": KNOBS, "constraints": ["size >= ways", "queue >= 2 * width"]}
Measure = Callable[[pd.DataFrame], Costs]


def framework_of(folder: Path, costs: Sequence[str], seed: int = 0, **options: object) -> Framework:
    config = {**CONFIG, "costs": list(costs), "objectives": [f"{cost}::min" for cost in costs]}
    made = make_framework(folder, "exploration", config=config, seed=seed)
    return with_options(dataclasses.replace(made, name="evolutionary"), **options)


def cycles(frame: pd.DataFrame) -> Any:
    rest = (frame["queue"] - 40).abs() + 5 * (frame["policy"] != "fifo") + frame["degree"].fillna(0)
    return 100 + 3 * np.abs(np.log2(frame["size"]) - 4) + 4 * (frame["width"] - 9).abs() + rest


def rows(framework: Framework, levels: Any, step: int, measure: Measure) -> pd.DataFrame:
    frame = framework.space.frame(levels)
    costs = measure(frame)
    state = np.where(np.isnan(costs).any(axis=1), "failed", "done")
    found = pd.DataFrame(costs, columns=list(framework.config.costs))
    return pd.concat([pd.DataFrame({"step": step, "state": state}), frame, found], axis=1)


def evolve(framework: Framework, measure: Measure, steps: int, count: int = 20) -> pd.DataFrame:
    """The cost table after some generations, each by an explorer made anew."""
    first = framework.space.sample(count, np.random.default_rng(9))
    table = rows(framework, first, 0, measure)
    for step in range(steps):
        advice = propose(framework, table, step, count)
        table = pd.concat([table, rows(framework, advice.points.levels, step + 1, measure)], ignore_index=True)
    return table


def propose(framework: Framework, table: pd.DataFrame, step: int, count: int = 20) -> Any:
    known = np.sort(History.of(table, framework).ids)
    explorer = evolutionary.GetObject(framework)
    explorer.Initialize()
    advice = explorer.Run(step=step, count=count, known=known, table=table)
    if advice is not None:
        points = advice.points
        assert len(points) == count
        assert framework.space.valid(points.levels).all()
        assert len(np.unique(points.ids)) == count
        assert not member(points.ids, known).any()
        assert points.step == step + 1
    return advice


def one(frame: pd.DataFrame) -> Costs:
    return np.column_stack([cycles(frame)])


def several(count: int) -> Measure:
    def measure(frame: pd.DataFrame) -> Costs:
        costs = [cycles(frame), np.log2(frame["size"]) + frame["ways"], frame["queue"], frame["width"] ** 1.5]
        return np.column_stack(costs[:count])

    return measure


@needs_pymoo
def test_generations_become_better_than_random_points(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, ["cycles"])
    table = evolve(framework, one, 9)
    drawn = framework.space.frame(framework.space.sample(200, np.random.default_rng(1)))
    assert table["cycles"].min() < cycles(drawn).min()
    assert table[table["step"] == 9]["cycles"].median() < table[table["step"] == 1]["cycles"].median()


@needs_pymoo
@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_points_are_those_of_the_table_the_seed_and_the_step(tmp_path: Path, objectives: int) -> None:
    costs = [f"cost{i}" for i in range(objectives)]
    framework = framework_of(tmp_path, costs)
    table = evolve(framework, several(objectives), 2)
    here, again = (propose(framework, table, 2).points.levels for _ in range(2))
    np.testing.assert_array_equal(here, again)
    other = propose(framework_of(tmp_path, costs, seed=1), table, 2).points.levels
    assert not np.array_equal(here, other)


@needs_pymoo
@pytest.mark.parametrize("objectives", [1, 2])
def test_ties_between_failed_points_are_drawn_with_the_seed(tmp_path: Path, objectives: int) -> None:
    framework = framework_of(tmp_path, [f"cost{i}" for i in range(objectives)])

    def measure(frame: pd.DataFrame) -> Costs:
        return np.where((frame["size"] > 2).to_numpy()[:, None], np.nan, several(objectives)(frame))

    table = evolve(framework, measure, 0, count=40)
    here, again = (propose(framework, table, 0).points.levels for _ in range(2))
    np.testing.assert_array_equal(here, again)


@needs_pymoo
def test_of_two_objectives_the_front_grows(tmp_path: Path) -> None:
    from deffe.metrics import pareto_mask

    table = evolve(framework_of(tmp_path, ["cycles", "area"]), several(2), 8)
    front = table[pareto_mask(table[["cycles", "area"]].to_numpy(), ["min", "min"])]
    assert (front["step"] >= 3).mean() > 0.5


@needs_pymoo
def test_a_cost_to_be_maximised_is(tmp_path: Path) -> None:
    framework = make_framework(
        tmp_path, "exploration", config={**CONFIG, "costs": ["speed"], "objectives": ["speed::max"]}
    )
    table = evolve(framework, lambda frame: -one(frame), 6)
    assert table[table["step"] == 6]["speed"].median() > table[table["step"] == 0]["speed"].median()


@needs_pymoo
def test_where_points_fail_the_others_breed(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, ["cycles"], population=10)

    def measure(frame: pd.DataFrame) -> Costs:
        return np.where((frame["size"] > 8).to_numpy()[:, None], np.nan, one(frame))

    table = evolve(framework, measure, 6)
    failed = table.groupby("step")["state"].agg(lambda states: (states == "failed").mean())
    assert failed[6] < failed[0]


@needs_pymoo
def test_before_any_point_is_done_the_sampler_chooses(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, ["cycles"])
    failed = rows(framework, framework.space.sample(5, np.random.default_rng(0)), 0, lambda f: one(f) * np.nan)
    assert propose(framework, failed.iloc[:0], 0) is None
    assert propose(framework, failed, 0) is None


@needs_pymoo
def test_the_last_points_of_a_space_are_found_and_no_more(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, ["cycles"])
    space = framework.space.listed(framework.space.sample(30, np.random.default_rng(0)))
    framework = dataclasses.replace(framework, space=space)
    table = rows(framework, space.points(range(25)), 0, one)
    explorer, known = evolutionary.GetObject(framework), np.sort(space.ids(space.points(range(25))))
    assert len(explorer.Run(step=0, count=20, known=known, table=table).points) == 5
    everything = rows(framework, space.points(range(30)), 0, one)
    assert explorer.Run(step=1, count=20, known=np.sort(space.ids(space.points(range(30)))), table=everything) is None


@needs_pymoo
@pytest.mark.parametrize("costs", [["a"], ["a", "b"], ["a", "b", "c", "d"]])
def test_equal_costs_are_no_obstacle(tmp_path: Path, costs: list[str]) -> None:
    evolve(framework_of(tmp_path, costs), lambda frame: np.ones((len(frame), len(costs))), 2)


def test_without_pymoo_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deffe.explorers import _pymoo

    monkeypatch.setattr(_pymoo, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match="search"):
        evolutionary.GetObject(framework_of(tmp_path, ["cycles"]))
