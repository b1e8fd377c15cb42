"""Properties of predicting a whole space: bounded memory, the best of all, and the same wherever it is done."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deffe.answer import sweep as module
from deffe.answer.best import BestPoints
from deffe.answer.sweep import Sweep, Sweeper
from deffe.executors.local import LocalExecutor
from deffe.executors.watched import Watched
from deffe.records import Costs, Levels
from deffe.space import Constraint, DesignSpace, Parameter

LOG = logging.getLogger("test")


class Counted:
    """Stands for a learner: two costs of the levels, and how many points it was asked for at a time."""

    costs = ("time", "power")

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.model: Any = None

    def means(self, levels: Levels, wanted: list[str]) -> Costs:
        assert wanted == ["time", "power"]
        self.asked.append(len(levels))
        return costs_of(levels)


def costs_of(levels: Levels) -> Costs:
    one = (levels * [7, 3, 5]).sum(axis=1) % 97
    return np.column_stack([one, (levels[:, 0] - 20.0) ** 2 + levels[:, 1]]).astype(float)


def make_space(*rules: str) -> DesignSpace:
    knobs = tuple(Parameter(f"k{i}", tuple(range(40))) for i in range(3))
    return DesignSpace(knobs, tuple(Constraint.parse(rule, [k.name for k in knobs]) for rule in rules))


def swept(space: DesignSpace, learner: Any, known: np.ndarray, executor: Any = None) -> Any:
    empty = BestPoints([0, 1], ["min", "max"], most=6)
    return Sweeper(executor, LOG).best(Sweep(learner, space, known, empty))


@pytest.mark.parametrize("rules", [(), ("k0 >= k1",)], ids=["all", "constrained"])
def test_the_best_of_a_space_are_found_in_blocks(rules: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 1000)
    space, learner = make_space(*rules), Counted()
    everything = np.concatenate(list(space.chunks(10_000)))
    known = np.sort(space.ids(everything[::3]))
    rest = everything[~np.isin(space.ids(everything), known)]
    found = swept(space, learner, known)
    assert found.count == len(rest)
    assert sum(learner.asked) == len(rest)
    assert max(learner.asked) <= 1000
    costs = costs_of(rest)
    np.testing.assert_array_equal(found.best.costs[found.best.top(0), 0], np.sort(costs[:, 0])[:6])
    np.testing.assert_array_equal(found.best.costs[found.best.top(1), 1], np.sort(costs[:, 1])[::-1][:6])
    assert not np.isin(space.ids(found.best.levels), known).any()


def test_blocks_of_many_features_have_fewer_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CELLS", 300)
    learner = Counted()
    swept(make_space(), learner, np.empty(0, dtype=np.int64))
    assert max(learner.asked) == 100  # three features a point


def test_blocks_that_cannot_be_predicted_elsewhere_are_predicted_here(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "BLOCK", 2000)
    monkeypatch.setattr(module, "portable", lambda learner, log: Elsewhere())
    here = swept(make_space(), Counted(), np.empty(0, dtype=np.int64))
    executor = LocalExecutor(2)
    try:
        there = swept(make_space(), Counted(), np.empty(0, dtype=np.int64), executor)
    finally:
        executor.close()
    assert there.count == here.count == 64_000
    np.testing.assert_array_equal(there.best.levels, here.best.levels)
    np.testing.assert_array_equal(there.best.front(), here.best.front())
    assert "predicted in this process" in caplog.text


class Elsewhere:
    """A learner that fails, or that workers cannot import."""

    costs = ("time", "power")

    def means(self, levels: Levels, wanted: list[str]) -> Costs:
        raise NotImplementedError


def test_an_empty_collection_is_not_shared() -> None:
    empty = BestPoints([0], ["min"])
    used = replace(empty)
    used.add(np.zeros((1, 1), dtype=np.int32), np.zeros((1, 1)))
    assert empty.levels is None
    assert not len(empty.front())


def test_an_executor_that_takes_no_more_loses_no_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 1000)
    monkeypatch.setattr(module, "portable", lambda learner, log: learner)
    space, none = make_space(), np.empty(0, dtype=np.int64)
    local = LocalExecutor(2)
    watched: Any = Watched(local)
    watched.take_no_more()
    try:
        found = swept(space, Counted(), none, watched)
    finally:
        local.close()
    assert found.count == space.size
