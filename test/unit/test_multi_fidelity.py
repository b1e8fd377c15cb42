"""Properties of the search in several fidelities: what it proposes, what an evaluation costs, and what is an answer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deffe.api import Framework
from deffe.errors import ConfigError, PluginError
from deffe.explorers import multi_fidelity
from deffe.explorers._bayesian.acquisition import expected_improvement
from deffe.explorers._history import History
from deffe.testing import make_framework, with_options

KNOBS = [
    {"name": "width", "values": "1-16"},
    {"name": "queue", "values": "1-32"},
    {"name": "policy", "values": ["lru", "random"]},
    {"name": "simulator", "values": ["fast", "detailed"]},
]
FIDELITY = {"knob": "simulator", "target": "detailed", "seconds": {"fast": 1.0, "detailed": 20.0}}


def framework_of(folder: Path, objectives: int = 1, **options: object) -> Framework:
    costs = ["cycles", "area"][:objectives]
    config = {"knobs": KNOBS, "constraints": ["queue >= width"], "costs": costs}
    made = make_framework(folder, "exploration", config=config)
    return with_options(dataclasses.replace(made, name="multi_fidelity"), **{"fidelity": FIDELITY, **options})


def table_of(framework: Framework, levels: Any, bias: float = 0.1) -> pd.DataFrame:
    """Detailed costs are lowest at width 11 and queue 20; the fast ones differ by a factor that hardly varies."""
    frame = framework.space.frame(levels)
    off = 100 + (frame["width"] - 11) ** 2 + 0.3 * (frame["queue"] - 20) ** 2 + 5 * (frame["policy"] == "lru")
    cycles = np.where(frame["simulator"] == "fast", off * (0.5 + bias * frame["width"] / 16), off)
    costs = pd.DataFrame({"cycles": cycles, "area": frame["width"] * 2.0 + frame["queue"]})
    return pd.concat(
        [pd.DataFrame({"step": 0, "state": ["done"] * len(frame)}), frame, costs[list(framework.costs)]], axis=1
    )


def make(framework: Framework) -> Any:
    explorer = multi_fidelity.GetObject(framework)
    explorer.Initialize()
    return explorer


def advise(framework: Framework, table: pd.DataFrame, step: int = 0, count: int = 8) -> Any:
    known = np.sort(History.of(table, framework).ids)
    advice = make(framework).Run(step=step, count=count, known=known, table=table)
    if advice is not None:
        points = advice.points
        assert framework.space.valid(points.levels).all()
        assert len(np.unique(points.ids)) == len(points) <= count
        assert not np.isin(points.ids, known).any()
        assert points.step == step + 1
    return advice


def first(framework: Framework, count: int = 24, seed: int = 0) -> pd.DataFrame:
    return table_of(framework, framework.space.sample(count, np.random.default_rng(seed)))


def simulators(framework: Framework, advice: Any) -> Any:
    return framework.space.frame(advice.points.levels)["simulator"]


@pytest.mark.parametrize("objectives", [1, 2])
def test_points_are_those_of_the_table_the_seed_and_the_step(tmp_path: Path, objectives: int) -> None:
    framework = framework_of(tmp_path, objectives)
    one, other = (advise(framework, first(framework)).points.levels for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_the_best_of_the_target_is_found_with_few_dear_points(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    table = first(framework)
    for step in range(4):
        table = pd.concat([table, table_of(framework, advise(framework, table, step).points.levels)], ignore_index=True)
    dear = table[table["simulator"] == "detailed"]
    assert dear["cycles"].min() <= 102
    assert len(dear) < len(table)


@pytest.mark.parametrize(("share", "expected"), [(0.0, {"detailed"}), (0.99, {"fast", "detailed"})])
def test_cheap_points_take_their_share_of_the_time_at_most(tmp_path: Path, share: float, expected: set[str]) -> None:
    framework = framework_of(tmp_path, cheap=share)
    assert set(simulators(framework, advise(framework, first(framework), count=16))) == expected


def test_what_costs_as_much_is_not_cheap(tmp_path: Path) -> None:
    even = framework_of(tmp_path, fidelity={**FIDELITY, "seconds": {"fast": 5, "detailed": 5}})
    uneven = framework_of(tmp_path)
    table = first(even, 40)
    shares = [(simulators(f, advise(f, table, count=16)) == "fast").mean() for f in (even, uneven)]
    assert shares[0] <= shares[1]


def test_run_times_are_taken_from_the_table(tmp_path: Path) -> None:
    framework = framework_of(tmp_path, fidelity={"knob": "simulator", "target": "detailed"})
    table = first(framework)
    timed = table.assign(evaluate_s=np.where(table["simulator"] == "fast", 2.0, 30.0), extract_s=1.0)
    explorer, levels = make(framework), History.of(table, framework).levels
    seconds = explorer._fidelity.seconds(timed, levels, framework)
    assert sorted(seconds) == [3.0, 31.0]
    assert advise(framework, timed) is not None
    with pytest.raises(PluginError, match="seconds"):
        advise(framework, table)


def test_the_answer_is_of_the_target_alone(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    table = first(framework)
    answer = make(framework).Answer(table=table)
    dear = table[table["simulator"] == "detailed"]
    assert set(simulators(framework, answer)) == {"detailed"}
    best = framework.space.frame(answer.points.levels).iloc[0]
    row = dear.loc[dear["cycles"].idxmin()]
    assert (best["width"], best["queue"]) == (row["width"], row["queue"])
    assert "detailed" in answer.why[0]
    assert make(framework).Answer(table=table[table["simulator"] == "fast"]) is None
    assert make(framework).Answer(table=table.iloc[:0]) is None


def test_with_few_points_the_sampler_chooses(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    table = first(framework)
    assert advise(framework, table.iloc[:3]) is None
    assert advise(framework, table.assign(state="failed", cycles=np.nan)) is None


def test_without_a_point_of_the_target_it_goes_there(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    table = first(framework)
    assert "detailed" in set(simulators(framework, advise(framework, table[table["simulator"] == "fast"])))


def test_costs_that_are_all_equal_are_no_obstacle(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    assert advise(framework, first(framework).assign(cycles=5.0)) is not None


def test_a_table_that_is_known_in_full_gives_no_more(tmp_path: Path) -> None:
    framework = framework_of(tmp_path)
    space = framework.space.listed(framework.space.sample(20, np.random.default_rng(0)))
    framework = dataclasses.replace(framework, space=space)
    assert advise(framework, table_of(framework, space.points(range(20)))) is None
    assert len(advise(framework, table_of(framework, space.points(range(17)))).points) >= 1


@pytest.mark.parametrize(
    ("fidelity", "told"),
    [
        ({"knob": "simulater", "target": "detailed"}, "simulator"),
        ({"knob": "simulator", "target": "slow"}, "detailed"),
        ({"knob": "simulator", "target": "detailed", "seconds": {"slow": 3}}, "slow"),
        ({"knob": "simulator", "target": "detailed", "seconds": {"fast": 0}}, "more than 0"),
    ],
)
def test_options_that_do_not_fit_the_space_are_told(tmp_path: Path, fidelity: dict[str, Any], told: str) -> None:
    with pytest.raises(PluginError, match=told):
        make(framework_of(tmp_path, fidelity=fidelity))


def test_a_fidelity_without_its_target_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="target"):
        make(framework_of(tmp_path, fidelity={"knob": "simulator"}))


def test_improvement_grows_with_doubt_and_with_a_lower_mean() -> None:
    value = expected_improvement(np.array([0.0, -1.0, 0.0, 1.0]), np.array([1.0, 1.0, 2.0, 0.0]), 0.0)
    assert value[1] > value[0]
    assert value[2] > value[0]
    assert value[3] == 0
    assert value[0] == pytest.approx(1 / np.sqrt(2 * np.pi))
