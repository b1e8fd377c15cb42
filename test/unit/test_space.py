"""The design space: counting, sampling, identities, tables and features, against brute force."""

import io
import itertools
import json
import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from deffe.errors import PluginError, SpaceError, TableError
from deffe.expressions import Expression
from deffe.records import Levels, Value
from deffe.space import Constraint, DesignSpace, Parameter, assembly
from deffe.space.parameters import Scale

Point = dict[str, Value]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def knobs(**values: Sequence[Value]) -> list[Parameter]:
    return [Parameter(name, tuple(listed)) for name, listed in values.items()]


def space(parameters: Sequence[Parameter], *constraints: str) -> DesignSpace:
    names = [parameter.name for parameter in parameters]
    return DesignSpace(tuple(parameters), tuple(Constraint.parse(text, names) for text in constraints))


def when(parameter: Parameter, condition: str, names: Sequence[str]) -> Parameter:
    return Parameter(parameter.name, parameter.values, when=Expression(condition, names))


def brute(of: DesignSpace, admits: Callable[[Point], bool]) -> set[tuple[int, ...]]:
    """All levels that ``admits`` accepts, by trying each combination."""
    every = itertools.product(*(range(len(parameter)) for parameter in of.parameters))
    named = ((levels, zip(of.parameters, levels, strict=True)) for levels in every)
    return {levels for levels, pairs in named if admits({p.name: p.values[level] for p, level in pairs})}


def rows(levels: Levels) -> list[tuple[int, ...]]:
    return [tuple(row) for row in levels.tolist()]


def caches() -> DesignSpace:
    parameters = knobs(line=(16, 32, 64), size=(1, 2, 4, 8), ways=(1, 2, 4), free=("x", "y"))
    return space(parameters, "size * 32 >= ways * line", "line != 32 or ways < 4")


def caches_admit(point: Any) -> bool:
    return bool(point["size"] * 32 >= point["ways"] * point["line"] and (point["line"] != 32 or point["ways"] < 4))


def conditional() -> DesignSpace:
    """Two kinds of predictor; the depth of one decides on a third level."""
    names = ["kind", "bits", "depth", "hash", "rest"]
    return space(
        [
            Parameter("kind", ("static", "bimodal", "tage")),
            when(Parameter("bits", (1, 2, 4)), "kind == 'bimodal'", names),
            when(Parameter("depth", (0, 1, 2, 3)), "kind == 'tage'", names),
            when(Parameter("hash", ("xor", "fold")), "depth >= 2", names),
            Parameter("rest", (10, 20)),
        ],
        "bits * rest <= 40",
    )


def conditional_admits(point: Any) -> bool:
    bits, depth = point["kind"] == "bimodal", point["kind"] == "tage"
    hashed = depth and point["depth"] >= 2
    canonical = (bits or point["bits"] == 1) and (depth or point["depth"] == 0) and (hashed or point["hash"] == "xor")
    return canonical and (not bits or point["bits"] * point["rest"] <= 40)


SPACES: dict[str, tuple[Callable[[], DesignSpace], Callable[[Any], bool]]] = {
    "free": (lambda: space(knobs(a=(1, 2, 3), b=("x", "y"), c=(0.5, 1.5))), lambda point: True),
    "caches": (caches, caches_admit),
    "conditional": (conditional, conditional_admits),
}
LIMITS = {"tables": (4_000_000, 2**24), "stars": (75, 2**24), "filters": (0, 0)}
"""Limits on cells and on combinations tested that lead to each form of the components."""


@pytest.fixture(params=[(name, form) for name in SPACES for form in LIMITS], ids="-".join)
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
         ) -> tuple[DesignSpace, set[tuple[int, ...]]]:  # fmt: skip
    name, form = request.param
    cells, tested = LIMITS[form]
    monkeypatch.setattr(assembly, "MOST_CELLS", cells)
    monkeypatch.setattr(assembly, "MOST_TESTED", tested)
    make, admits = SPACES[name]
    made = make()
    return made, brute(made, admits)


def test_the_limits_lead_to_each_form(monkeypatch: pytest.MonkeyPatch) -> None:
    for form, (cells, tested) in LIMITS.items():
        monkeypatch.setattr(assembly, "MOST_CELLS", cells)
        monkeypatch.setattr(assembly, "MOST_TESTED", tested)
        parts, filtered = conditional()._parts
        kinds = {type(part).__name__ for part in parts} | {type(group).__name__ for group in filtered}
        assert kinds == {"tables": {"Part"}, "stars": {"Star"}, "filters": {"Filtered"}}[form]


def test_size_counts_the_valid_points(case: tuple[DesignSpace, set[tuple[int, ...]]]) -> None:
    made, valid = case
    assert made.product_size == math.prod(len(parameter) for parameter in made.parameters)
    if made.size_is_exact:
        assert made.size == len(valid)
    else:
        assert abs(made.size - len(valid)) <= max(2, 0.05 * len(valid))


def test_chunks_give_each_valid_point_once(case: tuple[DesignSpace, set[tuple[int, ...]]]) -> None:
    made, valid = case
    for size in (1, 7, 10_000):
        chunks = list(made.chunks(size))
        assert all(len(chunk) == size for chunk in chunks[:-1])
        points = rows(np.concatenate(chunks))
        assert len(points) == len(valid)
        assert set(points) == valid


def test_valid_is_brute_force(case: tuple[DesignSpace, set[tuple[int, ...]]]) -> None:
    made, valid = case
    every = np.array(list(itertools.product(*(range(-1, len(p) + 1) for p in made.parameters))))
    assert {row for row, ok in zip(rows(every), made.valid(every), strict=True) if ok} == valid


def test_points_and_index_are_inverse(case: tuple[DesignSpace, set[tuple[int, ...]]]) -> None:
    made, valid = case
    if not made.size_is_exact:
        for call in (lambda: made.points([0]), lambda: made.index(made.draw(1, rng()))):
            with pytest.raises(SpaceError, match="could not be counted"):
                call()
        return
    points = made.points(range(made.size))
    assert set(rows(points)) == valid
    assert made.index(points) == list(range(made.size))
    np.testing.assert_array_equal(np.concatenate(list(made.chunks(5))), points)
    shuffled = rng().permutation(made.size)
    assert made.index(made.points(shuffled)) == shuffled.tolist()


def test_samples_are_distinct_and_valid(case: tuple[DesignSpace, set[tuple[int, ...]]]) -> None:
    made, valid = case
    for k in (0, 1, 5, len(valid) - 1, len(valid), 10 * len(valid)):
        points = rows(made.sample(k, rng(k)))
        assert len(points) == len(set(points)) == min(k, len(valid))
        assert set(points) <= valid


def test_the_same_seed_gives_the_same_sample(case: tuple[DesignSpace, set[tuple[int, ...]]]) -> None:
    made, _ = case
    np.testing.assert_array_equal(made.sample(6, rng(3)), made.sample(6, rng(3)))
    assert rows(made.sample(6, rng(3))) != rows(made.sample(6, rng(4)))


def uniform(counts: dict[tuple[int, ...], int], valid: set[tuple[int, ...]]) -> bool:
    assert set(counts) <= valid
    return bool(stats.chisquare([counts.get(point, 0) for point in sorted(valid)]).pvalue > 0.001)


def count(points: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
    return {point: len(list(group)) for point, group in itertools.groupby(sorted(points))}


def test_draws_are_uniform(case: tuple[DesignSpace, set[tuple[int, ...]]]) -> None:
    made, valid = case
    assert uniform(count(rows(made.draw(200 * len(valid), rng(1)))), valid)


@pytest.mark.parametrize("k", [2, 30])
def test_samples_are_uniform_in_every_place(case: tuple[DesignSpace, set[tuple[int, ...]]], k: int) -> None:
    made, valid = case
    stream = rng(2)
    samples = [rows(made.sample(k, stream)) for _ in range(10 * len(valid))]
    for place in (0, min(k, len(valid)) - 1):
        assert uniform(count([sample[place] for sample in samples]), valid)


@st.composite
def small_spaces(draw: st.DrawFn) -> tuple[list[Parameter], list[str]]:
    names = ["a", "b", "c", "d", "e"][: draw(st.integers(1, 5))]
    parameters = [Parameter(name, tuple(range(1, 1 + draw(st.integers(1, 4))))) for name in names]
    texts = st.builds(
        "{} {} {} {} {}".format, st.sampled_from(names), st.sampled_from("+-*"), st.sampled_from(names),
        st.sampled_from(["<=", ">=", "!=", "=="]), st.one_of(st.sampled_from(names), st.integers(0, 6)),
    )  # fmt: skip
    for place in draw(st.sets(st.integers(1, 4), max_size=2)):
        if place < len(names):  # conditions look to earlier names only, so there is no circle
            condition = f"{names[draw(st.integers(0, place - 1))]} > {draw(st.integers(0, 3))}"
            parameters[place] = when(parameters[place], condition, names)
    return parameters, draw(st.lists(texts, max_size=3))


def admits(parameters: Sequence[Parameter], constraints: Sequence[str], point: Any) -> bool:
    """The meaning of conditions and constraints, point by point."""
    active: dict[str, bool] = {}
    for parameter in parameters:
        names = parameter.when.names if parameter.when else ()
        holds = parameter.when is None or eval(parameter.when.text, {}, point)
        active[parameter.name] = all(active[name] for name in names) and bool(holds)
        if not active[parameter.name] and point[parameter.name] != parameter.values[0]:
            return False
    off = {name for name, on in active.items() if not on}
    return all(set(text.split()) & off or eval(text, {}, point) for text in constraints)


@settings(max_examples=100, deadline=None)
@given(small_spaces(), st.sampled_from([(4_000_000, 2**24), (40, 2**24), (0, 0)]))
def test_any_space_holds_exactly_what_its_conditions_admit(
    made: tuple[list[Parameter], list[str]], limits: tuple[int, int]
) -> None:
    parameters, texts = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "MOST_CELLS", limits[0])
        patch.setattr(assembly, "MOST_TESTED", limits[1])
        patch.setattr(assembly, "MOST_DRAWN", 2**16)
        valid = brute(space(parameters), lambda point: True)
        valid = {
            levels for levels in valid
            if admits(parameters, texts, {p.name: p.values[v] for p, v in zip(parameters, levels, strict=True)})
        }  # fmt: skip
        if not valid:
            with pytest.raises(SpaceError, match="no point"):
                space(parameters, *texts)
            return
        built = space(parameters, *texts)
        points = rows(np.concatenate(list(built.chunks(3))))
        assert len(points) == len(valid)
        assert set(points) == valid
        assert set(rows(built.sample(2 * len(valid), rng()))) == valid
        if built.size_is_exact:
            assert built.size == len(valid)
            assert built.index(built.points(range(built.size))) == list(range(built.size))


# Large spaces


def test_ten_to_the_thirty() -> None:
    large = space([Parameter(f"k{i:02}", tuple(range(10))) for i in range(30)])
    assert (large.size, large.size_is_exact) == (10**30, True)
    places = [0, 1, 9, 10, 10**29, 10**30 - 1, 123456789012345678901234567890]
    digits = [[int(digit) for digit in reversed(f"{place:030}")] for place in places]
    assert large.points(places).tolist() == digits
    assert large.index(np.array(digits)) == places
    points = large.sample(1000, rng())
    assert len(set(rows(points))) == 1000
    assert large.points(large.index(points)).tolist() == points.tolist()
    assert next(large.chunks(20)).tolist() == large.points(range(20)).tolist()
    for outside in (-1, 10**30):
        with pytest.raises(SpaceError, match=str(outside)):
            large.points([outside])


def test_the_original_s_index_is_kept_without_constraints() -> None:
    three = space(knobs(c=range(5), a=range(2), b=range(3)))
    assert three.names == ("a", "b", "c")
    assert three.index(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 2, 4]])) == [1, 2, 6, 29]


def test_work_grows_with_the_sample_and_not_with_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    twelve = [Parameter(f"k{i:02}", tuple(range(1, 11))) for i in range(12)]
    evaluated = 0
    holds = Expression.holds

    def counted(self: Expression, columns: Any) -> Any:
        nonlocal evaluated
        result = holds(self, columns)
        evaluated += len(result)
        return result

    monkeypatch.setattr(Expression, "holds", counted)
    large = space(twelve, "k00 * k01 >= k02", "k03 + k04 + k05 <= 3 * k06")
    points = large.sample(10_000, rng())
    assert len(set(rows(points))) == 10_000
    assert evaluated <= 10**3 + 10**4
    assert large.valid(points).all()
    pairs = itertools.product(range(1, 11), repeat=3)
    fours = itertools.product(range(1, 11), repeat=4)
    assert large.size == sum(a * b >= c for a, b, c in pairs) * sum(a + b + c <= 3 * d for a, b, c, d in fours) * 10**5


def test_a_wide_constraint_is_sampled_by_rejection() -> None:
    twelve = [Parameter(f"k{i:02}", tuple(range(1, 11))) for i in range(12)]
    text = " + ".join(parameter.name for parameter in twelve)
    wide = space(twelve, f"{text} <= 50", "k00 >= k01")
    assert not wide.size_is_exact
    points = wide.sample(2000, rng())
    assert len(set(rows(points))) == 2000
    assert (points.sum(axis=1) + 12 <= 50).all()
    assert (points[:, 0] >= points[:, 1]).all()
    ways = {0: 1}  # how many combinations of the last ten have each sum
    for _ in range(10):
        ways = {s: sum(ways.get(s - v, 0) for v in range(1, 11)) for s in range(max(ways) + 11)}
    pairs = [a + b for a in range(1, 11) for b in range(1, a + 1)]
    exact = sum(n for s, n in ways.items() for pair in pairs if s + pair <= 50)
    assert wide.size == pytest.approx(exact, rel=0.05)


def test_many_knobs_under_one_choice_are_counted_exactly() -> None:
    names = ["kind", *(f"{kind}{i}" for kind in "ab" for i in range(12))]
    branches = [when(Parameter(name, tuple(range(10))), f"kind == '{name[0]}'", names) for name in names[1:]]
    tree = space([Parameter("kind", ("a", "b", "none")), *branches], "a0 <= a1")
    assert (tree.size, tree.size_is_exact) == (55 * 10**10 + 10**12 + 1, True)
    points = tree.draw(20_000, rng())
    assert tree.valid(points).all()
    share = (points[:, tree.names.index("kind")] == 0).mean()
    assert share == pytest.approx(55 / 155, abs=0.02)
    assert tree.points(tree.index(points[:100])).tolist() == points[:100].tolist()


def test_stars_beyond_64_bits() -> None:
    names = ["kind", *(f"k{i:02}" for i in range(30))]
    branches = [when(Parameter(name, tuple(range(10))), "kind == 'on'", names) for name in names[1:]]
    tree = space([Parameter("kind", ("on", "off")), *branches, *knobs(rest=range(7))])
    assert tree.size == 7 * (10**30 + 1)
    places = [0, 6, 10**29, 7 * 10**30 - 1, 7 * 10**30 + 6]
    assert tree.index(tree.points(places)) == places
    points = tree.sample(50, rng())
    assert len(set(rows(points))) == 50
    assert tree.valid(points).all()


# Empty spaces and other errors


def test_an_empty_space_names_the_constraint_and_the_shares() -> None:
    with pytest.raises(SpaceError) as caught:
        space(knobs(a=range(1, 5), b=range(1, 5)), "a >= 1", "a + b > 8")
    assert "'a + b > 8' leaves none" in caught.value.message
    assert "'a + b > 8' 0.000%" in caught.value.hint
    assert "'a >= 1' 100.000%" in caught.value.hint


def test_constraints_that_contradict_each_other() -> None:
    with pytest.raises(SpaceError, match="leaves none") as caught:
        space(knobs(a=range(4), b=range(4)), "a > b", "b > a")
    assert "'a > b' 37.500%" in caught.value.hint
    assert "'b > a' 37.500%" in caught.value.hint


def test_an_almost_empty_wide_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "MOST_DRAWN", 2**17)
    ten = [Parameter(f"k{i}", tuple(range(100))) for i in range(10)]
    with pytest.raises(SpaceError, match="almost none") as caught:
        space(ten, " + ".join(parameter.name for parameter in ten) + " == 0", "k0 >= 0")
    assert "+ k9 == 0' leaves none" in caught.value.message


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: DesignSpace(()), ["no parameters"]),
        (lambda: space(knobs(a=())), ["'a' has no values"]),
        (lambda: space([*knobs(a=(1, 2)), *knobs(a=(3,))]), ["two parameters are named 'a'"]),
        (lambda: space(knobs(a=(1, 2, 1.0))), ["'a' has a value twice"]),
        (lambda: Parameter("", (1,)), ["name ''"]),
        (lambda: Parameter("a", (1, math.nan)), ["'a' has the value nan", "finite"]),
        (lambda: Parameter("a", (10**400,)), ["'a' has the value 1000"]),
        (lambda: Parameter("a", ("x", "")), ["'a' has the value ''"]),
        (lambda: Parameter("a", (None,)), ["'a' has the value None"]),  # type: ignore[arg-type]
        (lambda: Parameter("a", (1, 2), base=3), ["'a' has the base 3", "1, 2"]),
        (lambda: Parameter("a", ("x", 2), scale="linear"), ["'a' has the scale linear", "no numbers"]),
        (lambda: Parameter("a", (0, 2), scale="log2"), ["'a' has the scale log2", "not positive"]),
        (lambda: Parameter("a", (0, 2), scale="ln"), ["scale 'ln'", "linear, log2, category"]),  # type: ignore[arg-type]
        (lambda: DesignSpace(tuple(knobs(a=(1,))), (Constraint.parse("b > 1", ["b"]),)), ["'b > 1'", "no parameter"]),
        (lambda: space(knobs(app=("x", "y")), "app * 2 > 1"), ["'app * 2 > 1'", "its values are text", "x, y"]),
        (
            lambda: space([when(Parameter("a", (1, 2)), "b > 1", ["b"]), when(Parameter("b", (1, 2)), "a > 1", ["a"])]),
            ["circle", "'a' -> 'b' -> 'a'"],
        ),
        (lambda: space([when(Parameter("a", (1, 2)), "a > 1", ["a"])]), ["circle"]),
        (lambda: caches().points([85]), ["85", "0 to"]),
        (lambda: caches().points(np.array([0.5])), ["integers"]),
        (lambda: caches().points(cast(Any, [0, 0.5])), ["integers"]),
        (lambda: caches().index(np.array([[0, 2, 0, 2]])), ["point 0 is not in the design space", "line: 2"]),
        (lambda: caches().ids(np.zeros((3, 2), dtype=int)), ["(3, 2)", "(n, 4)"]),
        (lambda: caches().index(cast(Any, np.zeros((3, 4)))), ["float64", "integers"]),
        (lambda: caches().listed(np.zeros((2, 4), dtype=int)), ["2 points has only 1 distinct"]),
        (lambda: caches().listed(np.full((1, 4), 7)), ["point 0", "outside"]),
        (lambda: caches().listed(np.empty((0, 4), dtype=int)), ["empty"]),
    ],
)
def test_errors_name_what_was_found(make: Callable[[], object], parts: list[str]) -> None:
    with pytest.raises(SpaceError) as caught:
        make()
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_a_constraint_without_names_is_refused() -> None:
    with pytest.raises(ValueError, match="names no parameter"):
        Constraint.parse("1 < 2", ["a"])


# Predicates in Python


def test_predicates_see_texts_of_active_parameters() -> None:
    seen: list[dict[str, str]] = []

    def predicate(point: dict[str, str]) -> bool:
        seen.append(point)
        return point.get("bits") != "2"

    base = conditional()
    rule = Constraint.of_predicate(predicate, "validate.py", base.names)
    checked = DesignSpace(base.parameters, (*base.constraints, rule))
    wanted = {row for row in rows(next(base.chunks(1000))) if base.trial_values(row).get("bits") != 2}
    assert set(rows(next(checked.chunks(1000)))) == wanted
    assert {type(value) for point in seen for value in point.values()} == {str}
    assert all(("bits" in point) == (point["kind"] == "bimodal") for point in seen)


def test_a_failing_predicate_names_itself_and_the_point() -> None:
    def predicate(point: dict[str, str]) -> bool:
        raise KeyError("sizes")

    with pytest.raises(PluginError, match=r"validate\.py failed with KeyError.*\n.*a=1"):
        DesignSpace(tuple(knobs(a=(1, 2))), (Constraint.of_predicate(predicate, "validate.py", ["a"]),))


# Identities


def test_ids_are_golden() -> None:
    one = space([Parameter("size", (1, 2.5, "big", True)), Parameter("ways", (4, 8))])
    levels = np.array([[0, 0], [1, 0], [2, 1], [3, 1]])
    assert one.ids(levels).tolist() == GOLDEN
    assert one.ids(levels).dtype == np.int64


GOLDEN = [2134094972895334276, -7451363887184060192, 6444188242677803939, -2727969070656294904]


def by_values(of: DesignSpace) -> dict[frozenset[tuple[str, Value]], int]:
    points = np.concatenate(list(of.chunks(1000)))
    return {
        frozenset(of.trial_values(point).items()): id_
        for point, id_ in zip(points, of.ids(points).tolist(), strict=True)
    }


def test_ids_do_not_depend_on_orders_added_values_or_how_a_number_is_written() -> None:
    small = by_values(space(knobs(a=(1, 2), b=("x", "y"), c=(0.5, 4))))
    large = by_values(space(knobs(c=(4.0, 8, 0.5), b=("z", "y", "x"), a=(3, 2, 1, 0)), "a + c < 100"))
    assert len(set(large.values())) == len(large)
    assert all(large[point] == id_ for point, id_ in small.items())


def test_ids_leave_out_inactive_parameters() -> None:
    tree = by_values(conditional())
    flat = by_values(space(knobs(kind=("static",), rest=(10, 20))))
    assert all(tree[point] == id_ for point, id_ in flat.items())
    assert len(set(tree.values())) == len(tree)


def test_ids_of_long_parameters_are_those_of_short_ones() -> None:
    long = space(knobs(a=range(5000), b=range(2)))
    levels = np.array([[4999, 0], [7, 1], [7, 1]])
    np.testing.assert_array_equal(long.ids(levels), long.ids(long.points(range(long.size)))[long.index(levels)])


# Tables

MIXED: dict[str, Sequence[Value]] = {
    "integers": (3, 1, 2),
    "floats": (0.1, 1e300, -2.5),
    "both": (1, 0.5, 2),
    "texts": ("b", "a", "True ish", "1e"),
    "flags": (True, False),
    "all": (1, True, "x", 0.5, False, 0),
    "huge": (2**53 + 1, 2**53, 2**70),
    "single": (7,),
}


@pytest.mark.parametrize("through_text", [False, True])
@pytest.mark.parametrize("name", ["mixed", *SPACES])
def test_tables_read_back_as_the_same_points(name: str, through_text: bool) -> None:
    made = space(knobs(**MIXED)) if name == "mixed" else SPACES[name][0]()
    levels = made.sample(3000, rng())
    frame = made.frame(levels)
    if through_text:
        frame = frame.astype(object).where(frame.notna(), "").astype(str)
    np.testing.assert_array_equal(made.encode(frame), levels)
    assert list(frame.columns) == list(made.names)


@pytest.mark.parametrize("name", ["mixed", *SPACES])
def test_csv_files_read_back_as_the_same_points(name: str) -> None:
    made = space(knobs(**MIXED)) if name == "mixed" else SPACES[name][0]()
    levels = made.sample(3000, rng())
    written = io.StringIO(made.frame(levels).to_csv(index=False))
    np.testing.assert_array_equal(made.encode(pd.read_csv(written)), levels)


def test_values_of_numpy_are_plain_values() -> None:
    made = Parameter("a", tuple(np.arange(3)))
    assert made == Parameter("a", (0, 1, 2))
    assert {type(value) for value in made.values} == {int}


def test_columns_have_the_types_of_the_values() -> None:
    frame = space(knobs(**MIXED)).frame(np.zeros((2, len(MIXED)), dtype=int))
    kinds = {name: column.dtype.kind for name, column in frame.items()}
    assert kinds == {"integers": "i", "floats": "f", "both": "f", "texts": "O", "flags": "b", "all": "O", "huge": "O",
                     "single": "i"}  # fmt: skip


def test_inactive_cells_are_empty_and_ignored() -> None:
    made = conditional()
    frame = made.frame(made.points(range(made.size)))
    inactive = ~made.active(made.points(range(made.size)))
    np.testing.assert_array_equal(frame.isna().to_numpy(), inactive)
    assert frame["depth"].dtype == np.float64
    filled = frame.where(~inactive, "nonsense")
    np.testing.assert_array_equal(made.encode(filled), made.points(range(made.size)))


def test_numbers_compare_as_numbers_and_names_without_case() -> None:
    made = DesignSpace(
        (Parameter("Size", (1, 2), map="cache_size"), Parameter("app", ("x", "y")), Parameter("n", (5,)))
    )
    levels = [[1, 0, 0], [0, 1, 0]]
    columns: list[dict[str, list[Any]]] = [
        {"Size": [2, 1], "app": ["x", "y"]},
        {"size": ["2", " 1.0 "], "APP": ["x", "y"], "n": [5.0, 5.0]},
        {"cache_size": [2.0, 1.0], "app": pd.Categorical(["x", "y"])},  # type: ignore[dict-item]
        {"CACHE_SIZE": pd.array([2, 1], dtype="Int64"), "app": ["x", "y"]},  # type: ignore[dict-item]
        {"Size": [2, 1], "cache_size": [1, 1], "app": ["x", "y"]},
    ]
    for given_columns in columns:
        assert made.encode(pd.DataFrame(given_columns))[:, [0, 1, 2]].tolist() == levels


def test_a_shared_map_is_no_column_name() -> None:
    made = DesignSpace((Parameter("a", (1, 2), map="size"), Parameter("b", (1, 2), map="size")))
    with pytest.raises(TableError, match="no column for 'a', 'b'"):
        made.encode(pd.DataFrame({"size": [1]}))


def test_faults_of_a_table_are_listed() -> None:
    made = space(knobs(a=(1, 2), b=("x", "y")))
    frame = pd.DataFrame({"a": [1, 3, 2, None], "b": ["x", "y", "zz", "x"]})
    with pytest.raises(TableError) as caught:
        made.encode(frame, where="costs.csv")
    text = str(caught.value)
    assert "costs.csv has 3 rows outside" in text
    assert "row 2, column 'a': 3.0; allowed: 1, 2" in text
    assert "row 3, column 'b': 'zz'; allowed: x, y" in text
    assert "row 4, column 'a': no value" in text
    assert made.encode(frame, unknown="mark").tolist() == [[0, 0], [-1, 1], [1, -1], [-1, 0]]


def test_many_faults_are_shortened() -> None:
    with pytest.raises(TableError, match=r"and 990 more"):
        space(knobs(a=(1, 2))).encode(pd.DataFrame({"a": range(10, 1010)}))


def test_absent_and_doubled_columns() -> None:
    made = space(knobs(a=(1, 2), b=(1, 2), one=(5,)))
    with pytest.raises(TableError, match=r"t\.csv has no column for 'b'\n.*its columns: a, c"):
        made.encode(pd.DataFrame({"a": [1], "c": [1]}), where="t.csv")
    with pytest.raises(TableError, match="several columns for 'b'"):
        made.encode(pd.DataFrame([[1, 1, 1]], columns=["a", "B", "B"]))
    with pytest.raises(TableError, match="'one': 6; allowed: 5"):
        made.encode(pd.DataFrame({"a": [1], "b": [1], "one": [6]}))


def test_an_empty_table() -> None:
    made = conditional()
    assert made.encode(made.frame(made.sample(0, rng()))).shape == (0, 5)
    assert made.ids(made.sample(0, rng())).shape == (0,)
    assert made.features(made.sample(0, rng())).shape == (0, len(made.feature_names))


# Features


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ((1, 2, 4), "log2"),
        ((1, 2), "linear"),
        ((1, 2, 3), "linear"),
        ((0, 1, 2), "linear"),
        ((0.25, 0.5, 8), "log2"),
        ((1, 2, "x"), "category"),
        ((True, False), "category"),
    ],
)
def test_scale_is_chosen_from_the_values(values: tuple[Value, ...], scale: Scale) -> None:
    assert Parameter("a", values).scale == scale


def test_features_by_hand() -> None:
    made = space([*knobs(a=(10, 20, 40), b=(1, 2, 4, 8), c=("x", "y"), one=(3,)),
                  when(Parameter("d", (5, 6)), "c == 'y'", ["c"])])  # fmt: skip
    assert made.feature_names == ("a", "b", "c=x", "c=y", "d", "d active")
    features = made.features(np.array([[0, 0, 0, 0, 0], [1, 2, 1, 0, 0], [2, 3, 1, 1, 0]]))
    expected = np.array([[0, 0, 1, 0, 0, 0], [1 / 3, 2 / 3, 0, 1, 0, 1], [1, 1, 0, 1, 1, 1]])
    np.testing.assert_allclose(features, expected)


def test_features_lie_in_the_unit_cube_and_tell_points_apart(case: tuple[DesignSpace, set[tuple[int, ...]]]) -> None:
    made, valid = case
    features = made.features(made.sample(len(valid), rng()))
    assert features.shape[1] == len(made.feature_names)
    assert ((features >= 0) & (features <= 1)).all()
    assert len(np.unique(features, axis=0)) == len(valid)


def test_features_of_extreme_numbers_are_finite() -> None:
    extreme = space(knobs(a=(-1.7e308, 0.0, 1.7e308), b=(2**53, 2**53 + 1)))
    np.testing.assert_allclose(extreme.features(np.array([[0, 0], [1, 1], [2, 0]]))[:, 0], [0, 0.5, 1])
    assert np.isfinite(extreme.features(extreme.points(range(6)))).all()


# Lists of points, batches and the rest


def test_listed_points_are_a_space_in_the_given_order() -> None:
    whole = conditional()
    chosen = whole.sample(7, rng())
    few = whole.listed(chosen)
    assert (few.size, few.size_is_exact) == (7, True)
    np.testing.assert_array_equal(few.points(range(7)), chosen)
    np.testing.assert_array_equal(np.concatenate(list(few.chunks(3))), chosen)
    assert few.index(chosen[::-1]) == [6, 5, 4, 3, 2, 1, 0]
    assert set(rows(few.sample(100, rng()))) == set(rows(chosen))
    assert set(rows(whole.points(np.flatnonzero(few.valid(whole.points(range(whole.size))))))) == set(rows(chosen))
    np.testing.assert_array_equal(few.ids(chosen), whole.ids(chosen))
    assert few.feature_names == whole.feature_names
    assert few.describe() != whole.listed(chosen[:6]).describe() != whole.describe()


def test_listed_points_of_a_product_beyond_64_bits() -> None:
    large = space([Parameter(f"k{i:02}", tuple(range(10))) for i in range(40)])
    chosen = large.sample(500, rng())
    few = large.listed(chosen)
    assert few.index(chosen) == list(range(500))
    assert few.valid(chosen).all()
    assert not few.valid(large.sample(500, rng(1))).any()


def test_batches() -> None:
    made = caches()
    batch = made.batch(2, range(3, 6))
    np.testing.assert_array_equal(batch.levels, made.points([3, 4, 5]))
    np.testing.assert_array_equal(batch.ids, made.ids(batch.levels))
    assert (batch.step, batch.numbers.tolist()) == (2, [0, 1, 2])


def test_trial_values_keep_types_and_leave_out_inactive() -> None:
    made = conditional()
    levels = made.encode(pd.DataFrame({"kind": ["tage"], "depth": [3], "hash": ["fold"], "rest": [20]}))
    assert made.trial_values(levels[0]) == {"depth": 3, "hash": "fold", "kind": "tage", "rest": 20}
    assert type(made.trial_values(levels[0])["depth"]) is int


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_nearest_is_in_range_and_canonical(unit: list[float]) -> None:
    made = conditional()
    levels = made.nearest(np.array([unit]))
    np.testing.assert_array_equal(levels, made.canonical(levels))
    plain = space(knobs(a=range(5), b=range(3), c=range(1), d=range(2), e=range(7)))
    assert plain.nearest(np.array([unit])).tolist() == [
        [min(int(u * n), n - 1) for u, n in zip(unit, (5, 3, 1, 2, 7), strict=True)]
    ]
    assert plain.valid(plain.nearest(np.array([unit]))).all()


def test_levels_of_wide_integers_do_not_wrap() -> None:
    assert not caches().valid(np.array([[0, 2**32, 0, 0]])).any()


def test_description_is_json_and_tells_spaces_apart() -> None:
    descriptions = [json.dumps(made().describe()) for made, _ in SPACES.values()]
    assert len(set(descriptions)) == len(SPACES)
    assert json.loads(descriptions[1])["constraints"] == ["size * 32 >= ways * line", "line != 32 or ways < 4"]


def test_min_max_unites_parameters_of_one_map() -> None:
    made = DesignSpace(
        (Parameter("a", (1, 2), map="size"), Parameter("b", (2, 8), map="size"), Parameter("c", ("x", "y")))
    )
    assert made.min_max() == {"size": {"count": 3, "min": 1, "max": 8}, "c": {"count": 2, "min": 0, "max": 1}}


def test_base_level() -> None:
    assert Parameter("a", (1, 2, 4), base=2.0).base_level == 1
    assert Parameter("a", (1, 2, 4)).base_level == 0


@pytest.mark.parametrize("name", SPACES)
def test_survives_pickling(name: str) -> None:
    made = SPACES[name][0]()
    made.features(made.sample(2, rng()))
    copy = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(copy.sample(5, rng()), made.sample(5, rng()))
