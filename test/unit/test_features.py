"""Features: the map from values agrees with the design space, survives JSON, and says what it cannot see."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deffe.errors import FeatureError, SpaceError
from deffe.expressions import Expression
from deffe.records import Value
from deffe.space import Constraint, DerivedFeature, DesignSpace, FeatureMap, Parameter, derived
from deffe.values import parse_values


def knob(name: str, values: Sequence[Value], when: str = "", names: str = "", **more: Any) -> Parameter:
    return Parameter(name, tuple(values), when=Expression(when, names.split()) if when else None, **more)


def space(*parameters: Parameter, features: Sequence[str] = (), constraints: Sequence[str] = ()) -> DesignSpace:
    names = [parameter.name for parameter in parameters]
    return DesignSpace(
        parameters,
        tuple(Constraint.parse(text, names) for text in constraints),
        derived=tuple(DerivedFeature.parse(text, names) for text in features),
    )


def caches(*features: str) -> DesignSpace:
    return space(
        knob("size", (4, 8, 16, 32)),
        knob("ways", (1, 2, 4, 8)),
        knob("line", (32, 64)),
        knob("kind", ("none", "next", "stride")),
        knob("degree", (1, 2, 3), "kind != 'none'", "kind"),
        knob("table", ("small", "large"), "kind == 'stride'", "kind"),
        knob("fixed", ("x",)),
        features=features,
    )


def mixed() -> DesignSpace:
    return space(
        knob("a", parse_values("3.10, 2, off, True")),
        knob("b", (True, False)),
        knob("c", (1, 2, 3.5), scale="category"),
        knob("d", (0.001, 1.5, 1e9), scale="log2"),
        knob("e", (-1.7e308, 0.0, 1.7e308)),
        knob("one", (5,), "b", "b"),
        features=["on = a != 'off'", "sum = d + c + b", "late = one * d"],
    )


def plain() -> DesignSpace:
    return space(knob("one", (1,)))


CACHES = ("sets = size * 1024 / (ways * line)", "ahead = degree * line", "big = table == 'large' and fixed == 'x'",
          "bits = log2(size) + exp(-ways) + gcd(size, ways)")  # fmt: skip
SPACES: dict[str, Callable[[], DesignSpace]] = {
    "caches": caches,
    "caches with features": lambda: caches(*CACHES),
    "values of all types": mixed,
    "nothing to learn from": plain,
}


def some(made: DesignSpace) -> Any:
    return made.sample(200, np.random.default_rng(0))


@pytest.fixture(params=SPACES)
def made(request: pytest.FixtureRequest) -> DesignSpace:
    return SPACES[request.param]()


def test_values_and_levels_have_the_same_features(made: DesignSpace) -> None:
    levels = some(made)
    from_values = FeatureMap.of(made).features(made.frame(levels))
    np.testing.assert_array_equal(from_values, made.features(levels), strict=True)
    assert from_values.shape == (len(levels), len(made.feature_names))
    assert bool(((from_values >= 0) & (from_values <= 1)).all())


def test_values_as_objects_or_text_have_the_same_features(made: DesignSpace) -> None:
    levels = some(made)
    frame = made.frame(levels)
    objects = {name: frame[name].astype(object).to_numpy() for name in frame}
    np.testing.assert_array_equal(made.feature_map.features(objects), made.features(levels))
    texts = frame.astype(object).where(frame.notna(), None).map(lambda cell: cell if cell is None else str(cell))
    np.testing.assert_array_equal(made.feature_map.features(texts), made.features(levels))


def test_a_map_survives_json(made: DesignSpace) -> None:
    kept = made.feature_map
    again = FeatureMap.from_json(json.loads(json.dumps(kept.to_json())))
    assert again == kept
    assert (again.names, again.inputs, again.derived_columns) == (kept.names, kept.inputs, kept.derived_columns)
    assert again.difference(kept) == []
    frame = made.frame(some(made))
    np.testing.assert_array_equal(again.features(frame), kept.features(frame))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=5, unique=True),
    st.lists(st.floats(1e-300, 1e300), min_size=2, max_size=5, unique=True),
    st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=5, unique=True),
)
def test_any_values_survive_json_exactly(linear: list[float], log: list[float], texts: list[str]) -> None:
    made = space(knob("a", linear, scale="linear"), knob("b", log, scale="log2"), knob("c", texts, scale="category"))
    again = FeatureMap.from_json(json.loads(json.dumps(made.feature_map.to_json())))
    assert again == made.feature_map
    levels = some(made)
    values = {p.name: p.objects[levels[:, i]] for i, p in enumerate(made.parameters)}
    numbers = [again.knobs[0].columns(again.knobs[0].read(values["a"])), again.knobs[1].columns(
        again.knobs[1].read(values["b"]))]  # fmt: skip
    np.testing.assert_array_equal(np.column_stack([c for part in numbers for c in part]), made.features(levels)[:, :2])


def test_derived_features_come_last_and_can_be_left_out() -> None:
    made, bare = caches(*CACHES), caches()
    levels = some(made)
    assert made.feature_names == (*bare.feature_names, "sets", "ahead", "big", "bits")
    assert [made.feature_names[i] for i in made.derived_columns] == ["sets", "ahead", "big", "bits"]
    np.testing.assert_array_equal(made.features(levels, derived=False), bare.features(levels))
    np.testing.assert_array_equal(made.features(levels)[:, : len(bare.feature_names)], bare.features(levels))


def test_derived_features_by_hand() -> None:
    made = caches(*CACHES)
    frame = made.frame(some(made))
    found = pd.DataFrame(made.features(made.encode(frame)), columns=list(made.feature_names))
    sets = np.log2(frame["size"] * 1024 / (frame["ways"] * frame["line"]))
    np.testing.assert_allclose(found["sets"], (sets - 3) / (10 - 3), atol=1e-12)
    ahead = np.where(frame["kind"] == "none", 0, (frame["degree"] * frame["line"] - 32) / (192 - 32))
    np.testing.assert_allclose(found["ahead"], ahead, atol=1e-12)
    np.testing.assert_array_equal(found["big"], (frame["table"] == "large").astype(float))


def test_the_scale_of_a_derived_feature_follows_its_values() -> None:
    features = ["wide = 8 * a", "narrow = a + 4", "zero = a - 1", "negative = -a"]
    made = space(knob("a", (1, 2, 4, 8)), features=features)
    assert [column.scale for column in made.feature_map.derived] == ["log2", "linear", "linear", "linear"]
    forced = DerivedFeature("wide", Expression("a", ["a"]), "linear")
    assert dataclasses.replace(made, derived=(forced,)).feature_map.derived[0].scale == "linear"


def test_ranges_are_those_of_the_points_that_constraints_leave() -> None:
    made = space(knob("a", (0, 1, 2)), knob("b", (1, 2)), features=["q = b / a"], constraints=["a > 0"])
    assert (made.feature_map.derived[0].low, made.feature_map.derived[0].high) == (0.5, 2)
    validated = (*made.constraints, Constraint.of_predicate(lambda point: point["a"] == "1", "validate.py", "ab"))
    copies = pickle.loads(pickle.dumps(made)), dataclasses.replace(made, constraints=validated)
    for few in (made.listed(made.sample(2, np.random.default_rng(0))), *copies):
        assert few.feature_map == made.feature_map


def test_beyond_a_million_combinations_the_range_is_that_of_a_fixed_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "MOST_ENUMERATED", 100)
    monkeypatch.setattr(derived, "_BLOCK", 50)
    parts = [knob(name, range(30)) for name in "abc"]
    made, again = (space(*parts, features=["sum = a + b + c"]) for _ in range(2))
    column = made.feature_map.derived[0]
    assert 0 < column.low < column.high < 87
    assert again.feature_map == made.feature_map
    features = made.features(np.array([[0, 0, 0], [29, 29, 29]]))[:, -1]
    assert features.tolist() == [0, 1]


def test_constant_features_are_left_out_with_a_note() -> None:
    features = ["k = a / a", "n = b + a", "r = 0.1 * a / a"]
    made = space(knob("a", (1, 2)), knob("b", (3, 4), "a > 1", "a"), features=features, constraints=["a < 2"])
    assert made.feature_names == ("a", "b", "b active")
    assert [note.partition(": ")[2] for note in made.feature_map.notes] == [
        "it is 1 at every point", "a knob it names is never active", "it is 0.1 at every point"]  # fmt: skip


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ("x = a / (a - 2)", ["'x' is inf at a=2", "constraint"]),
        ("x = log(-a)", ["'x' is nan at a=1"]),
        ("x = c * 2", ["uses 'c' as a number", "text"]),
        ("x = 3", ["names no knob"]),
        ("a = b * 2", ["two features are named 'a'"]),
        ("x = d * 2", ["names 'd', which is no knob"]),
    ],
)
def test_what_no_feature_can_be(feature: str, said: list[str]) -> None:
    parameters = (knob("a", (1, 2)), knob("b", (1, 2)), knob("c", ("u", "v")))
    with pytest.raises(SpaceError) as caught:
        _ = DesignSpace(parameters, derived=(DerivedFeature.parse(feature, [*"abcd"]),)).feature_names
    assert all(part in str(caught.value) for part in said)


@pytest.mark.parametrize("text", ["", "x", "x =", "= a", "a == 2", "a <= 2", "a >= 2", "a != 2"])
def test_what_no_declaration_is(text: str) -> None:
    with pytest.raises(ValueError, match="name = expression"):
        DerivedFeature.parse(text, ["a"])


def test_a_declaration_may_compare() -> None:
    feature = DerivedFeature.parse(" small one =a == 2 or a>=7", ["a"])
    assert (feature.name, feature.expression.text) == ("small one", "a == 2 or a>=7")


# What a map does with points of another space


def test_numbers_outside_extrapolate_and_derived_features_end() -> None:
    kept = space(knob("a", (10, 20)), knob("b", (1, 2, 4)), features=["s = a + 1"]).feature_map
    features = kept.features({"a": [10, 30, 0], "b": [1, 16, 0.5], "more": ["x", "y", "z"]})
    np.testing.assert_allclose(features, [[0, 0, 0], [2, 2, 1], [-1, -0.5, 0]])


def test_original_inputs_are_linear_columns_in_a_given_order() -> None:
    kept = FeatureMap.linear({"z": (0, 10), "a": (1, 5)})
    np.testing.assert_allclose(kept.features({"a": [1, 3], "z": [10, 0]}), [[1, 0], [0, 0.5]])
    assert FeatureMap.from_json(json.loads(json.dumps(kept.to_json()))) == kept


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"kind": ["none", "victim"]}, ["'victim'", "'kind'", "known: none, next, stride"]),
        ({"kind": ["none", None]}, ["'kind' has no value in row 2"]),
        ({"size": [4.0, np.nan]}, ["'size' has no value in row 2"]),
        ({"size": [4, 0]}, ["'size' has the value 0", "log2"]),
        ({"size": [4, np.inf]}, ["'size' has the value inf"]),
        ({"size": ["4", "big"]}, ["'size'", "'big'"]),
        ({"fixed": ["x", "nan"]}, ["'fixed'", "nan"]),
        ({"degree": [None, [1]]}, ["'degree'"]),
    ],
)
def test_values_that_cannot_be_seen_are_named(columns: dict[str, Any], said: list[str]) -> None:
    made = caches(*CACHES)
    given = {name: column.to_numpy() for name, column in made.frame(some(made)[:2]).items()}
    with pytest.raises(FeatureError) as caught:
        made.feature_map.features({**given, **{k: np.array(v, dtype=object) for k, v in columns.items()}})
    assert all(part in str(caught.value) for part in said), str(caught.value)


def test_an_absent_knob_is_named() -> None:
    with pytest.raises(FeatureError, match=r"'ways'\n.*did you mean 'way'"):
        caches().feature_map.features({"size": [4], "line": [32], "kind": ["none"], "degree": [1], "table": ["small"],
                                       "way": [1]})  # fmt: skip


def test_differences_name_the_knob_and_both_sides() -> None:
    first = caches("sets = size / ways").feature_map
    second = dataclasses.replace(first, knobs=first.knobs[1:], derived=())
    assert first.difference(second) == [
        f"{first.knobs[0].label}: {first.knobs[0]} -> absent",
        "sets: size / ways, 0.5 to 32.0, log2 -> absent",
    ]
    assert FeatureMap.linear({"a": (0, 1), "b": (0, 1)}).difference(FeatureMap.linear({"b": (0, 1), "a": (0, 1)}))
    assert FeatureMap.linear({"a": (0, 1)}).difference(FeatureMap.linear({"a": (0, 2)})) == [
        "a: 0.0 to 1.0, linear -> 0.0 to 2.0, linear"
    ]


@pytest.mark.parametrize("path", [("knobs",), ("derived",), ("knobs", 0, "kind"), ("knobs", 0, "values"),
                                  ("derived", 0, "expression"), ("derived", 0, "low")])  # fmt: skip
@pytest.mark.parametrize("instead", [None, "zzz", [1], {"a": 1}, float("nan")])
def test_a_damaged_description_is_refused(path: tuple[Any, ...], instead: Any) -> None:
    data: Any = space(knob("a", ("x", "y")), knob("b", (1, 2)), features=["s = b * 2"]).feature_map.to_json()
    node = data
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = instead
    with pytest.raises(FeatureError, match="no feature map"):
        FeatureMap.from_json(data)
