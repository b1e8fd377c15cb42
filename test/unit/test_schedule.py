"""The meaning of the step and sample options."""

from __future__ import annotations

from itertools import islice

import pytest

from deffe.errors import UsageError
from deffe.prepare.schedule import Schedule


def totals(schedule: Schedule, size: int) -> list[int]:
    reached, found = 0, []
    for _, count in schedule.steps(size):
        reached = min(reached + count, size)
        found.append(reached)
    return found


def test_without_fixed_samples_three_blocks_then_two() -> None:
    assert totals(Schedule(init=5), 100) == [15, 25, 35, 45, 55, 65, 75, 85, 95, 100]


def test_fixed_samples_add_that_many_a_step() -> None:
    assert totals(Schedule(init=10, fixed=7), 40) == [10, 17, 24, 31, 38, 40]


def test_one_fixed_sample_a_step_goes_on_to_the_end() -> None:
    assert totals(Schedule(init=5, fixed=1), 40)[-1] == 40


def test_fixed_samples_never_take_the_whole_space_at_once() -> None:
    assert next(Schedule(init=100, fixed=1).steps(288)) == (0, 100)


def test_custom_totals_include_the_last_one() -> None:
    assert totals(Schedule(custom=(20, 40, 64)), 64) == [20, 40, 64]


def test_a_late_start_leaves_out_what_earlier_steps_take() -> None:
    everything = dict(Schedule(init=5).steps(100))
    late = dict(Schedule(init=5, start=3).steps(100))
    assert late == {step: count for step, count in everything.items() if step >= 3}


def test_the_end_is_exclusive() -> None:
    assert [step for step, _ in Schedule(init=5, start=1, end=4).steps(1000)] == [1, 2, 3]


@pytest.mark.parametrize("increment", [2, 3, 7])
def test_an_increment_takes_several_blocks_and_as_many_points_in_all(increment: int) -> None:
    plain = sum(count for _, count in Schedule(init=5, end=12).steps(10**6))
    assert sum(count for _, count in Schedule(init=5, end=12, increment=increment).steps(10**6)) == plain


def test_the_limit_caps_the_run_and_steps_end_there() -> None:
    assert totals(Schedule(init=10, limit=45), 10**9) == [30, 45]


def test_an_endless_space_gives_steps_lazily() -> None:
    assert list(islice(Schedule(init=1, fixed=1).steps(10**30), 3)) == [(0, 1), (1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"init": 0}, "init-batch-samples"),
        ({"fixed": 0}, "fixed-samples"),
        ({"start": -1}, "step-start"),
        ({"start": 3, "end": 3}, "step-end"),
        ({"increment": 0}, "step-increment"),
        ({"limit": 0}, "max-samples"),
        ({"custom": (40, 20)}, "custom-samples"),
        ({"custom": (0, 20)}, "custom-samples"),
    ],
)
def test_senseless_values_are_named(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Schedule(**wrong)  # type: ignore[arg-type]
