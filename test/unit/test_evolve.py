"""Properties of the evolutionary search: valid, distinct, new points, and better ones than random draws find."""

from __future__ import annotations

import numpy as np
import pytest

from deffe.api import Costs, DesignSpace, Levels, Parameter
from deffe.explorers._evolve import crowding, search, survivors
from deffe.explorers._variation import Variation
from deffe.expressions import Expression
from deffe.space import Constraint

NONE = np.empty(0, dtype=np.int64)


def numbers(*sizes: int) -> tuple[Parameter, ...]:
    return tuple(Parameter(f"k{i}", tuple(range(size))) for i, size in enumerate(sizes))


def constrained(text: str, *sizes: int) -> DesignSpace:
    parameters = numbers(*sizes)
    return DesignSpace(parameters, (Constraint.parse(text, [p.name for p in parameters]),))


def conditional() -> DesignSpace:
    when = Expression("policy == 'stride'", ["policy"])
    return DesignSpace(
        (
            Parameter("policy", ("none", "next", "stride")),
            Parameter("degree", tuple(range(1, 9)), when=when),
            *numbers(10, 10, 10, 10, 10, 10, 10),
        )
    )


def total(levels: Levels) -> Costs:
    return levels.sum(axis=1, dtype=np.float64)[:, None]


SPACES = {
    "plain": DesignSpace(numbers(*[10] * 12)),
    "constrained": constrained("k0 + k1 + k2 >= 20", *[10] * 12),
    "tight": constrained("k0 * k1 == k2 * k3 + 1", *[10] * 12),
    "conditional": conditional(),
    "small": DesignSpace(numbers(3, 3)),
    "listed": DesignSpace(numbers(*[10] * 6)).listed(
        DesignSpace(numbers(*[10] * 6)).sample(20_000, np.random.default_rng(5))
    ),
}


@pytest.mark.parametrize("name", SPACES)
def test_points_are_valid_distinct_new_and_decided_by_the_generator(name: str) -> None:
    space = SPACES[name]
    start = space.sample(6, np.random.default_rng(1))
    known = np.sort(space.ids(start))
    runs = [search(space, total, start, 8, np.random.default_rng(3), 10, known=known) for _ in range(2)]
    ids = space.ids(runs[0])
    assert space.valid(runs[0]).all()
    assert len(np.unique(ids)) == len(ids) == min(8, space.size - len(known))
    assert not np.isin(ids, known).any()
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize("name", ["plain", "constrained", "tight", "conditional", "listed"])
def test_it_finds_better_points_than_as_many_random_draws(name: str) -> None:
    space = SPACES[name]
    found = search(space, total, space.sample(0, np.random.default_rng(0)), 4, np.random.default_rng(0), 20)
    drawn = space.sample(200 * 21, np.random.default_rng(0))
    assert total(found)[0] <= total(drawn).min()
    assert (np.diff(total(found)[:, 0]) >= 0).all()  # the best first


def test_a_small_space_is_searched_in_full() -> None:
    space = DesignSpace(numbers(10, 10))
    found = search(space, total, space.sample(0, np.random.default_rng(0)), 3, np.random.default_rng(0))
    assert total(found)[:, 0].tolist() == [0, 1, 1]


def test_of_several_scores_the_front_is_found() -> None:
    space = DesignSpace(numbers(*[8] * 10))

    def score(levels: Levels) -> Costs:
        rest = levels[:, 2:].sum(axis=1)
        return np.column_stack([levels[:, 0] + rest, 7 - levels[:, 0] + rest]).astype(float)

    found = search(space, score, space.sample(0, np.random.default_rng(0)), 300, np.random.default_rng(0))
    front = score(found[:8])
    assert len(np.unique(score(found), axis=0)) > 8
    assert (front.sum(axis=1) == 7).all()


def test_points_whose_score_is_not_known_are_never_chosen() -> None:
    space = SPACES["plain"]

    def score(levels: Levels) -> Costs:
        return np.where(levels[:, :1] < 5, np.nan, total(levels))

    assert (search(space, score, space.points([0]), 20, np.random.default_rng(0), 5)[:, 0] >= 5).all()


@pytest.mark.parametrize("name", SPACES)
def test_children_are_valid_and_most_are_new(name: str) -> None:
    space, rng = SPACES[name], np.random.default_rng(2)
    parents = space.draw(400, rng)
    children = Variation(space).children(parents[:200], parents[200:], rng)
    assert space.valid(children).all()
    if space.size > 1000:
        assert np.isin(space.ids(children), space.ids(parents)).mean() < 0.5


def test_knobs_without_a_choice_stay() -> None:
    space = DesignSpace(numbers(1, 5, 1))
    children = Variation(space).children(space.points([0] * 50), space.points([4] * 50), np.random.default_rng(0))
    assert space.valid(children).all()


def test_survivors_come_by_layers_and_then_by_crowding() -> None:
    scores = np.array([[0, 4], [4, 0], [2, 2], [1.9, 2.1], [3, 3], [np.nan, 0], [5, 5]])
    assert set(survivors(scores, 2)) == {0, 1}
    assert set(survivors(scores, 5)) == {0, 1, 2, 3, 4}
    assert list(survivors(scores, 9)[-2:]) == [4, 6]
    assert np.isinf(crowding(scores[:4])[:2]).all()


def test_without_any_score_nothing_is_found() -> None:
    space = SPACES["plain"]
    unknown = search(space, lambda levels: total(levels) * np.nan, space.sample(3, np.random.default_rng(0)), 5,
                     np.random.default_rng(1), 10)  # fmt: skip
    assert unknown.shape == (0, 12)
