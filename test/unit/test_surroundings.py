"""How likely a point fails, by the points that have ended."""

from __future__ import annotations

import numpy as np

from deffe.outlook.neighbours import Surroundings
from deffe.records import Levels
from deffe.space import DesignSpace, Parameter

SPACE = DesignSpace(
    [
        Parameter("l1d_size", tuple(2**i for i in range(8))),
        Parameter("l2_size", tuple(2**i for i in range(10))),
        Parameter("ways", (1, 2, 4, 8)),
    ]
)


def drawn(count: int) -> Levels:
    rng = np.random.default_rng(0)
    return np.column_stack([rng.integers(0, len(p), count) for p in SPACE.parameters]).astype(np.int32)


def test_one_value_at_which_all_points_failed_is_known_to_fail_far_from_them() -> None:
    points = drawn(100)
    around = Surroundings(SPACE, points, points[:, 1] != 9)
    asked = np.array([[first, 9, ways] for first in range(8) for ways in range(4)], dtype=np.int32)
    other = asked - np.array([0, 2, 0], dtype=np.int32)
    assert around.chance(SPACE.features(asked)).max() < 0.5
    assert around.chance(SPACE.features(other)).min() > 0.8


def test_nothing_is_sure() -> None:
    points = drawn(40)
    chance = Surroundings(SPACE, points, points[:, 0] < 4).chance(SPACE.features(points))
    assert chance.min() > 0
    assert chance.max() < 1


def test_the_failed_ones_of_the_nearest_are_counted() -> None:
    points = drawn(4)
    around = Surroundings(SPACE, points, np.array([True, False, False, True]))
    near = around.near(SPACE.features(points[1:2]))
    assert around.count == near.shape[1] == 4
    assert near[0, 0] == 1
    assert around.failed(near).tolist() == [2]
