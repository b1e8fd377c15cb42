"""Parts of the table tools: types of cells, the language of steps, and distances from a front."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deffe.expressions import Expression
from deffe.metrics import pareto_mask
from deffe.table_tools.cells import as_numbers, typed
from deffe.table_tools.fronts import Objective, deviations
from deffe.table_tools.grammar import assignment, column_names, parted, with_literals
from deffe.table_tools.series import summarized
from deffe.table_tools.table import Origin, fresh


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-2", "+3"], "int64", [1, -2, 3]),
        (["1", "", "NULL"], "Int64", [1, pd.NA, pd.NA]),
        (["1.5", "2", "1e3"], "float64", [1.5, 2.0, 1000.0]),
        (["True", "false"], "bool", [True, False]),
        (["007", "8"], "object", ["007", "8"]),
        (["9" * 20, "1"], "object", ["9" * 20, "1"]),
        (["1_000"], "object", ["1_000"]),
        (["fft", "", "NULL", "4"], "object", ["fft", None, "NULL", "4"]),
        (["", ""], "object", [None, None]),
        ([], "object", []),
    ],
)
def test_the_type_of_a_column(cells: list[str], kind: str, values: list[object]) -> None:
    found = typed(cells)
    assert found.dtype == kind
    assert found.tolist() == values


@given(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1))
def test_no_integer_loses_digits(numbers: list[int]) -> None:
    assert typed([str(number) for number in numbers]).tolist() == numbers


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_numbers_are_read_as_they_were_written(numbers: list[float]) -> None:
    np.testing.assert_array_equal(as_numbers(typed([repr(number) for number in numbers])), numbers)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("x<=::5", [True, True, False]),
        ("y==::fft && x < 2", [True, False, False]),
        ("y==::a'b", [False, True, False]),
        ("y == 'a==::b'", [False, False, False]),
        ("y != ::-1.5e3", [True, True, False]),
        ("(y==::fft||x>=::9)", [True, False, True]),
    ],
)
def test_marked_values_are_values(text: str, holds: list[bool]) -> None:
    columns = {"x": np.array([1.0, 5.0, 9.0]), "y": np.array(["fft", "a'b", -1500.0], dtype=object)}
    assert Expression(with_literals(text), ["x", "y"]).holds(columns).tolist() == holds


def test_names_before_an_equals_sign() -> None:
    assert assignment("c = a == b") == ("c", "a == b")
    assert assignment("`two words` = a") == ("two words", "a")
    assert assignment("a == b") == ("", "a == b")
    assert assignment("a <= b") == ("", "a <= b")


def test_words_part_a_text_but_for_quoted_ones() -> None:
    assert parted("a with min b per c, d", ("with", "per")) == {"": "a", "with": "min b", "per": "c, d"}
    assert parted("x == 'per' + `per` per per_core", ("per",)) == {"": "x == 'per' + `per`", "per": "per_core"}
    assert column_names("a, `b c` d") == ["a", "b c", "d"]
    with pytest.raises(ValueError, match="twice"):
        parted("a per b per c", ("per",))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(*[st.integers(-5, 20)] * 2), min_size=1, max_size=30),
    st.tuples(*[st.sampled_from(["min", "max"])] * 2),
)
def test_only_the_front_deviates_by_nothing(points: list[tuple[int, int]], goals: tuple[str, str]) -> None:
    frame = pd.DataFrame(points, columns=["a", "b"])
    table = fresh(frame, Origin("t", "t", "row"), range(len(frame)))
    found = deviations(table, [Objective("a", goals[0]), Objective("b", goals[1])], "-x")
    np.testing.assert_array_equal(found == 0, pareto_mask(frame.to_numpy(), goals))
    assert (found >= 0).all()


def test_the_deviation_is_that_from_the_nearest_row_of_the_front() -> None:
    frame = pd.DataFrame({"area": [10.0, 20.0, 24.0, 11.0, np.nan], "cycles": [100.0, 50.0, 55.0, 130.0, 1.0]})
    table = fresh(frame, Origin("t", "t", "row"), range(5))
    found = deviations(table, [Objective("area", "min"), Objective("cycles", "min")], "-x")
    np.testing.assert_allclose(found, [0, 0, 20, 30, np.nan])


def test_what_stands_for_several_rows() -> None:
    found = summarized([0, 0, 1, -1], np.array([1.0, 3.0, np.nan, 9.0]), 3, "mean")
    np.testing.assert_array_equal(found.center, [2, np.nan, np.nan])
    np.testing.assert_array_equal((found.low[0], found.high[0], found.most), (1, 3, 2))
