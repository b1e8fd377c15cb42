"""Numbers, sizes and durations as people read them."""

from __future__ import annotations

import math

import pytest

from deffe.words import duration, grouped, number


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-3, "0.0 s"), (0.4, "0.4 s"), (90, "1 min 30 s"), (9000, "2 h 30 min"), (864_000, "10 days 00 h")],
)
def test_a_duration_is_told_in_fitting_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1_028_139, "1,028,139"),
        (1_028_139.4, "1,028,140"),
        (12_345.678, "12,345.7"),
        (0.123456789, "0.123457"),
        (-2.5, "-2.5"),
        (1e20, "1e+20"),
        (math.nan, "-"),
    ],
)
def test_a_number_has_six_digits_where_it_is_not_whole(value: float, told: str) -> None:
    assert number(value) == told


def test_a_size_beyond_all_floats_is_told() -> None:
    assert grouped(4032) == "4,032"
    assert grouped(10**400) == "10^400"
