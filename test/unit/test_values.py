"""Knob values: the value syntax of configurations."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deffe.values import MOST_VALUES, parse_literal, parse_values, text


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ("2-4", (2, 3)),
        ("1,2-4,5", (1, 2, 3, 5)),
        (" 1 , 2 - 4 ,5 ", (1, 2, 3, 5)),
        ("-5", (-5,)),
        ("-5-3", (-5, -4, -3, -2, -1, 0, 1, 2)),
        ("-10--2-2", (-10, -8, -6, -4)),
        ("10-2--3", (10, 7, 4)),
        ("0-1-0.25", (0.0, 0.25, 0.5, 0.75)),
        ("1e-3-4e-3-1e-3", (0.001, 0.002, 0.003)),
        ("pre[1-9-2]post", ("pre1post", "pre3post", "pre5post", "pre7post")),
        ("x[0-1-0.5]", ("x0.0", "x0.5")),
        ("10-20abc", ("10-20abc",)),
        ("2024-01-02", ("2024-01-02",)),
        ("007", ("007",)),
        ("x[1]", ("x[1]",)),
        ("1_000", ("1_000",)),
        (7, (7,)),
        (0.5, (0.5,)),
        (True, (True,)),
        (["1", 2, "3-5", 2.5, "True", False], (1, 2, 3, 4, 2.5, True, False)),
        (["3,1", 2, 1], (3, 1, 2)),
    ],
)
def test_syntax(raw: object, values: tuple[object, ...]) -> None:
    found = parse_values(raw)
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_long_range_of_the_original() -> None:
    values = parse_values("100-100100-100")
    assert (len(values), values[0], values[-1]) == (1000, 100, 100000)


def test_equal_numbers_are_one_value_and_booleans_are_not_numbers() -> None:
    assert parse_values([1, "1", True, "True", 0, False]) == (1, True, 0, False)
    assert [type(value) for value in parse_values([1, True])] == [int, bool]


@pytest.mark.parametrize("raw", ["3.8,3.9,3.10,3.1", [1, 1.0], "1e3,1000"])
def test_one_number_written_in_two_ways_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="are the same number"):
        parse_values(raw)


def test_numerals_keep_their_spelling_and_are_numbers() -> None:
    values = parse_values("3.10, 1e3, 2.5")
    assert [text(value) for value in values] == ["3.10", "1e3", "2.5"]
    assert values == (3.1, 1000.0, 2.5)


def test_other_delimiter_leaves_commas_alone() -> None:
    assert parse_values("a,b;7;20-22", delimiter=";") == ("a,b", 7, 20, 21)


def test_variables_are_expanded_in_literals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFFE_TEST_VALUE", "here")
    monkeypatch.setenv("DEFFE_TEST_COUNT", "8")
    raw = "$DEFFE_TEST_VALUE/run.sh,$DEFFE_TEST_COUNT,${DEFFE_TEST_VALUE}[1-3]"
    assert parse_values(raw) == ("here/run.sh", 8, "here1", "here2")


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ("4-2", "'4-2' is empty"),
        ("2-2", "'2-2' is empty"),
        ("x[4-2]", "'4-2' is empty"),
        ("2-4--1", "'2-4--1' is empty"),
        ("1-4-0", "step 0"),
        ("1-4-0.0", "step 0"),
        ([], "empty"),
        ("", "empty item"),
        ("1,,2", "empty item in '1,,2'"),
        ("a[1-2]b[1-2]", "at most one"),
        (None, "null"),
        ({"a": 1}, "an object"),
        ([[1, 2]], "a list in a list"),
        ("nan", "'nan' is not a finite number"),
        ("-Infinity", "not a finite number"),
        (float("nan"), "not a finite number"),
        (float("inf"), "not a finite number"),
        ("1e999", "1e999 does not fit"),
        ("1e-999999999999", "does not fit"),
        ("0-1e999999999999", "does not fit"),
        ("9" * 5000, "does not fit"),
        ("0-2000000", "more than 1,000,000"),
        ("0-1-1e-300", "more than 1,000,000"),
    ],
)
def test_bad_values_are_named(raw: object, part: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_values(raw)
    assert part in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_number_of_values_is_limited_over_all_items() -> None:
    assert len(parse_values(f"0-{MOST_VALUES}")) == MOST_VALUES
    with pytest.raises(ValueError, match="more than 1,000,000 values"):
        parse_values(f"0-{MOST_VALUES},x")


@given(
    first=st.decimals(-1000, 1000, places=3),
    step=st.decimals("0.001", 100, places=3),
    count=st.integers(1, 50),
)
def test_floats_are_those_nearest_to_the_decimals(first: Decimal, step: Decimal, count: int) -> None:
    end = first + step * count
    assert parse_values(f"{first}-{end}-{step}") == tuple(float(first + step * i) for i in range(count))


@given(st.integers(-1000, 1000), st.integers(1, 500), st.integers(1, 40))
def test_integer_ranges_are_those_of_python(first: int, length: int, step: int) -> None:
    assert parse_values(f"{first}-{first + length}-{step}") == tuple(range(first, first + length, step))


@given(
    st.one_of(
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.text("abcxyz_./-", min_size=1).filter(lambda written: isinstance(_literal(written), str)),
    )
)
def test_canonical_text_reads_back_as_the_value(value: object) -> None:
    back = parse_literal(text(value))  # type: ignore[arg-type]
    assert back == value
    assert type(back) is type(value)


def _literal(written: str) -> object:
    try:
        return parse_literal(written)
    except ValueError:
        return None


@given(st.text(max_size=30))
def test_any_text_gives_values_or_a_reason(raw: str) -> None:
    try:
        values = parse_values(raw)
    except ValueError:
        return
    assert values
