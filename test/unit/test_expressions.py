"""Expressions: what they mean, and what they refuse."""

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deffe.expressions import Expression

NAMES = ["a", "b", "app", "mixed", "l1d-size", "min"]
NAN = math.nan
COLUMNS = {
    "a": np.array([1, 2, 3]),
    "b": np.array([0.0, 2.0, NAN]),
    "app": np.array(["x", "y", None], dtype=object),
    "mixed": np.array([1, "off", 3.5], dtype=object),
    "l1d-size": np.array([4, 8, 16]),
    "min": np.array([True, False, True]),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + 2 * b", [1, 6, NAN]),
        ("a / b", [math.inf, 1, NAN]),
        ("a // 2", [0, 1, 1]),
        ("-a % 3", [2, 1, 0]),
        ("-a ** 2", [-1, -4, -9]),
        ("2 ** a ** 2", [2, 16, 512]),
        ("a * 1e300 * 1e300", [math.inf] * 3),
        ("abs(-a) + floor(1.5) + ceil(1.5) + round(2.6)", [7, 8, 9]),
        ("sqrt(a * a) + log2(8) + log10(100) + log(exp(1))", [7, 8, 9]),
        ("min(a, b, 2)", [0, 2, NAN]),
        ("max(a, 2)", [2, 2, 3]),
        ("a if b else 7", [7, 2, 7]),
        ("(a > 1) + (a > 2)", [0, 1, 2]),
        ("`l1d-size` / 4", [1, 2, 4]),
        ("mixed * 2", [2, NAN, 7]),
        ("min + min(a)", [2, 2, 4]),
        ("gcd(a * 6, 4)", [2, 4, 2]),
        ("gcd(48, 36, -8)", [4, 4, 4]),
        ("gcd(a, 0)", [1, 2, 3]),
        ("gcd(a / 2, 4)", [NAN, 1, NAN]),
        ("gcd(b, 1e300)", [NAN, NAN, NAN]),
        ("5", [5, 5, 5]),
    ],
)
def test_numbers(text: str, expected: list[float]) -> None:
    result = Expression(text, NAMES).evaluate(COLUMNS)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a >= 2", [0, 1, 1]),
        ("1 < a <= 2", [0, 1, 0]),
        ("a == 1 or a == 3", [1, 0, 1]),
        ("a == 1 || a == 3 && b == 0", [1, 0, 0]),
        ("not a == 1", [0, 1, 1]),
        ("!(a == 1)", [0, 1, 1]),
        ("!b == 1", [1, 0, 1]),
        ("a != 2", [1, 0, 1]),
        ("b < 1", [1, 0, 0]),
        ("b >= 1", [0, 1, 0]),
        ("b == b", [1, 1, 0]),
        ("b != 7", [1, 1, 0]),
        ("a in (1, 3)", [1, 0, 1]),
        ("a not in [1, 3]", [0, 1, 0]),
        ("b not in (0, 1)", [0, 1, 0]),
        ("a in (b, 1)", [1, 1, 0]),
        ("app == 'x'", [1, 0, 0]),
        ("app != 'x'", [0, 1, 0]),
        ('app in ("x", "y")', [1, 1, 0]),
        ("app in ('x')", [1, 0, 0]),
        ("'a && b' == app", [0, 0, 0]),
        ("app == 1", [0, 0, 0]),
        ("mixed == 'off' or mixed > 3", [0, 1, 1]),
        ("mixed == 1", [1, 0, 0]),
        ("min == True and a < 3", [1, 0, 0]),
        ("is_power_of_2(a)", [1, 1, 0]),
        ("is_power_of_2(a / 4)", [0, 0, 0]),
    ],
)
def test_conditions(text: str, expected: list[int]) -> None:
    expression = Expression(text, NAMES)
    assert expression.evaluate(COLUMNS).dtype == np.bool_
    assert expression.holds(COLUMNS).tolist() == [bool(value) for value in expected]


def test_numbers_as_conditions_are_false_at_zero_and_nan() -> None:
    assert Expression("b", NAMES).holds(COLUMNS).tolist() == [False, True, False]
    assert Expression("2", NAMES).holds(COLUMNS).tolist() == [True] * 3


def test_text_can_be_chosen() -> None:
    result = Expression("app if a < 3 else 'none'", NAMES).evaluate(COLUMNS)
    assert result.tolist() == ["x", "y", "none"]


def test_no_warning_and_no_integer_overflow(recwarn: pytest.WarningsRecorder) -> None:
    large = {"a": np.array([2**62, 0]), "b": np.array([0, 0])}
    assert Expression("a * a", NAMES).evaluate(large)[0] == 2.0**124
    Expression("log(a) / b + 9 ** 9 ** 9", NAMES).evaluate(large)
    assert not recwarn.list


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_the_length_is_that_of_the_columns(rows: int) -> None:
    columns = {"a": np.ones(rows), "app": np.full(rows, "x", dtype=object)}
    for text in ("a + 1", "a > 0 and app == 'x'", "a if app == 'x' else 0", "app in ('x', 'y')"):
        assert Expression(text, NAMES).evaluate(columns).shape == (rows,)


def test_names_used_and_names_that_must_be_numbers() -> None:
    expression = Expression("a * 2 > b and app == 'x' or mixed == 1", NAMES)
    assert expression.names == {"a", "b", "app", "mixed"}
    assert expression.numeric_names == {"a", "b"}
    assert Expression("app", NAMES).numeric_names == {"app"}


def test_survives_pickling() -> None:
    expression = Expression("a > 1", NAMES)
    copy = pickle.loads(pickle.dumps(expression))
    assert copy == expression
    assert copy.holds(COLUMNS).tolist() == expression.holds(COLUMNS).tolist()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ap > 1", ["unknown name 'ap'", "did you mean 'app'?"]),
        ("app == x", ["unknown name 'x'", "text stands in quotes"]),
        ("`l1d_size` > 1", ["unknown name 'l1d_size'", "did you mean 'l1d-size'?"]),
        ("a = 1", ["write =="]),
        ("a <", ["cannot read it"]),
        ("", ["allowed"]),
        ("(a", ["cannot read it"]),
        ("a & b", ["'a & b' is not allowed", "write and"]),
        ("a | b", ["write or"]),
        ("a ^ b", ["**"]),
        ("~a", ["'~' is not allowed"]),
        ("a is b", ["'a is b' is not allowed", "write =="]),
        ("a[0]", ["'a[0]' is not allowed"]),
        ("a.real", ["'a.real' is not allowed"]),
        ("lambda: 1", ["'lambda: 1' is not allowed"]),
        ("[x for x in a]", ["is not allowed"]),
        ("f'{a}'", ["is not allowed"]),
        ("1j", ["'1j' is no value"]),
        ("None", ["'None' is no value"]),
        ("b'x' == app", ["is no value"]),
        ("a + 1e999", ["'1e999' is no value"]),
        ("a + " + "9" * 400, ["is no value"]),
        ("app + 'x'", ["the text 'x' stands where a number must"]),
        ("app < 'x'", ["the text 'x' stands where a number must"]),
        ("a and 'x'", ["the text 'x' stands where a number must"]),
        ("a in b", ["'b' cannot follow 'in'"]),
        ("a in ()", ["cannot follow 'in'"]),
        ("Sqrt(a)", ["unknown function 'Sqrt'", "did you mean 'sqrt'?"]),
        ("eval('1')", ["unknown function 'eval'"]),
        ("__import__('os').system('true')", ["unknown function"]),
        ("().__class__", ["is not allowed"]),
        ("sqrt(a, b)", ["sqrt takes exactly one"]),
        ("min()", ["min takes one or more"]),
        ("max(*a)", ["max takes one or more"]),
        ("sqrt(x=a)", ["sqrt takes exactly one"]),
        ("a" * 20_000, ["20,000 characters", "10,000 are allowed"]),
        ("-" * 200 + "a", ["nested deeper than 150"]),
        ("(" * 4000 + "a" + ")" * 4000, ["allowed"]),
        ("a" + "+a" * 4500, ["nested"]),
        ("a\0b", ["cannot"]),
    ],
)
def test_refused_with_the_text_the_part_and_the_remedy(text: str, parts: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Expression(text, NAMES)
    message = str(caught.value)
    assert text[:150] in message or repr(text)[1:150] in message or "characters" in message
    assert all(part in message for part in parts), message
    assert len(message) < 800


_NUMBERS = st.recursive(
    st.sampled_from(["a", "b", "1", "2.5", "0"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map("({0[0]} {0[1]} {0[2]})".format),
    max_leaves=4,
)
_CONDITIONS = st.recursive(
    st.tuples(_NUMBERS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _NUMBERS).map(
        "{0[0]} {0[1]} {0[2]}".format
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map("({0[0]} {0[1]} {0[2]})".format),
        inner.map("not ({})".format),
        st.tuples(inner, _NUMBERS, _NUMBERS).map("({0[1]} if {0[0]} else {0[2]}) > 0".format),
    ),
    max_leaves=6,
)


@given(_CONDITIONS, st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=5))
def test_agrees_with_python_point_by_point(text: str, points: list[tuple[int, int]]) -> None:
    columns = {"a": np.array([a for a, _ in points]), "b": np.array([b for _, b in points])}
    truth = Expression(text, NAMES).holds(columns)
    python: Callable[..., Any] = eval(f"lambda a, b: {text}")
    assert truth.tolist() == [bool(python(a, b)) for a, b in points]


@given(st.text(alphabet="ab<=>!&|() +*-'\"`,.1[]:#\n", max_size=25))
def test_any_text_is_an_expression_or_a_value_error(text: str) -> None:
    try:
        expression = Expression(text, NAMES)
    except ValueError:
        return
    assert len(expression.evaluate(COLUMNS)) == 3
