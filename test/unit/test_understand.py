"""What drives a cost: known shares are found, free knobs, tied knobs and knobs without effect alike."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deffe.expressions import Expression
from deffe.records import Levels, Prediction
from deffe.space import Constraint, DesignSpace, Parameter
from deffe.understand import CostEffects, Effects, KnobEffect, Unseen, understand

Cost = Callable[[dict[str, NDArray[Any]]], NDArray[np.float64]]
ANGLES = tuple(np.linspace(-np.pi, np.pi, 65)[:-1].tolist())


def predictor(space: DesignSpace, *costs: Cost, std: float = 0.0) -> Callable[[Levels], Prediction]:
    """A model that knows the costs."""

    def predict(levels: Levels) -> Prediction:
        values = {p.name: p.typed[levels[:, i]] for i, p in enumerate(space.parameters)}
        mean = np.column_stack([cost(values).astype(np.float64) for cost in costs])
        return Prediction(mean, np.full_like(mean, std))

    return predict


def knobs(effects: Effects, cost: int = 0) -> dict[str, KnobEffect]:
    return {knob.knob: knob for knob in effects.costs[cost].knobs}


def free(*counts: int) -> DesignSpace:
    return DesignSpace(
        tuple(Parameter(name, tuple(range(count))) for name, count in zip("abcdef", counts, strict=False))
    )


def ishigami(x: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.sin(x["a"]) + 7 * np.sin(x["b"]) ** 2 + 0.1 * x["c"] ** 4 * np.sin(x["a"])
    return found


def brute_force(space: DesignSpace, costs: NDArray[np.float64], name: str) -> tuple[float, float]:
    """Main and total effect by their definition, over all points."""
    levels = space.points(range(space.size))
    column = space.names.index(name)
    alone: dict[int, list[float]] = {}
    held: dict[tuple[int, ...], list[float]] = {}
    for point, cost in zip(levels.tolist(), costs.tolist(), strict=True):
        alone.setdefault(point[column], []).append(cost)
        held.setdefault((*point[:column], *point[column + 1 :]), []).append(cost)
    inside = [sum(len(g) * np.var(g) for g in groups.values()) / len(costs) for groups in (alone, held)]
    return 1 - inside[0] / np.var(costs), inside[1] / np.var(costs)


# shares


def test_the_shares_of_ishigamis_function_are_found() -> None:
    space = DesignSpace(tuple(Parameter(name, ANGLES, scale="linear") for name in "abc"))
    effects = understand(space, predictor(space, ishigami), ["y"], np.random.default_rng(0))
    found = knobs(effects)
    known = {"a": (0.3139, 0.5576), "b": (0.4424, 0.4424), "c": (0.0, 0.2437)}  # of the continuous function
    for name, (main, total) in known.items():
        assert found[name].main == pytest.approx(main, abs=0.05)
        assert found[name].total == pytest.approx(total, abs=0.05)
        assert abs(found[name].total - total) < 3 * found[name].total_error + 0.01
    strongest = effects.costs[0].interactions[0]
    assert (strongest.one, strongest.other) == ("a", "c")
    assert strongest.share == pytest.approx(0.2437, abs=0.05)
    assert not effects.exact


@pytest.mark.parametrize("constraint", ["", "a + b <= 5", "a != b"])
def test_a_small_space_gives_exact_shares(constraint: str) -> None:
    rules = (Constraint.parse(constraint, "abc"),) if constraint else ()
    space = DesignSpace(free(5, 4, 3).parameters, rules)
    model = predictor(space, lambda x: x["a"] * x["c"] + np.exp(x["b"] / 2.0))
    effects = understand(space, model, ["y"], np.random.default_rng(0))
    costs = model(space.points(range(space.size))).mean[:, 0]
    assert effects.exact
    assert effects.constrained == bool(constraint)
    for name, knob in knobs(effects).items():
        assert (knob.main, knob.total) == pytest.approx(brute_force(space, costs, name))
        assert knob.total_error == 0


def test_the_only_knob_that_varies_takes_all_of_the_variance() -> None:
    space = free(5, 1)
    effects = understand(space, predictor(space, lambda x: 2.0 * x["a"]), ["y"], np.random.default_rng(0))
    assert (knobs(effects)["a"].main, knobs(effects)["a"].total) == pytest.approx((1.0, 1.0))


def test_drawn_points_give_the_shares_of_all_points_of_a_constrained_space() -> None:
    space = DesignSpace(
        free(15, 15, 15).parameters, (Constraint.parse("a + b <= 14", "abc"), Constraint.parse("b != c", "abc"))
    )
    model = predictor(space, lambda x: x["a"] * x["c"] + 3.0 * x["b"])
    costs = model(space.points(range(space.size))).mean[:, 0]
    effects = understand(space, model, ["y"], np.random.default_rng(1), points=900)
    assert not effects.exact
    for name, knob in knobs(effects).items():
        main, total = brute_force(space, costs, name)
        assert abs(knob.main - main) < 3 * knob.main_error + 0.02
        assert abs(knob.total - total) < 3 * knob.total_error + 0.02


def test_the_main_effects_of_a_sum_add_up_and_do_not_interact() -> None:
    space = free(6, 6, 6, 6)
    model = predictor(space, lambda x: 1.0 * x["a"] + 2.0 * x["b"] ** 2 + np.sqrt(x["c"]))
    effects = understand(space, model, ["y"], np.random.default_rng(0))
    found = knobs(effects)
    assert sum(knob.main for knob in found.values()) == pytest.approx(1)
    for knob in found.values():
        assert knob.main == pytest.approx(knob.total, abs=1e-9)
        assert not knob.partner
    assert not [pair for pair in effects.costs[0].interactions if pair.share > 1e-6]


def test_a_condition_switches_a_knob_off() -> None:
    when = Expression("mode == 1", ["mode"])
    space = DesignSpace(
        (Parameter("mode", (0, 1)), Parameter("depth", (1, 2, 3), when=when), Parameter("x", tuple(range(40))))
    )
    model = predictor(space, lambda x: np.where(x["mode"] == 1, 10.0 * x["depth"], 0.0) + 0.01 * x["x"])
    effects = understand(space, model, ["y"], np.random.default_rng(0))
    found = knobs(effects)
    assert found["mode"].main > found["x"].main
    assert found["depth"].total > 0.1
    assert found["x"].verdict == "does not matter"
    curve = next(curve for curve in effects.costs[0].curves if curve.knob == "depth")
    assert curve.mean == pytest.approx((10.195, 20.195, 30.195))  # of points where it is active alone


# verdicts


def test_a_knob_without_effect_is_found_and_so_are_those_that_matter() -> None:
    space = free(8, 8, 8, 8)
    model = predictor(space, lambda x: 10.0 * x["a"] + 3.5 * x["b"] + 0.0 * x["c"] + 0.5 * x["d"])
    effects = understand(space, model, ["y"], np.random.default_rng(0), unexplained={"y": 0.02})
    found = effects.costs[0]
    assert [knob.knob for knob in found.drivers] == ["a"]
    assert {knob.knob for knob in found.idle} == {"c", "d"}
    assert knobs(effects)["b"].verdict == "matters"
    assert knobs(effects)["c"].total == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("unexplained", "verdict"), [(0.01, "matters little"), (0.2, "not visible"), (0.6, "not known")]
)
def test_a_small_effect_is_told_only_where_the_model_is_good_enough(unexplained: float, verdict: str) -> None:
    space = free(8, 8)
    model = predictor(space, lambda x: 10.0 * x["a"] + 1.8 * x["b"])  # 3.1 % of the variance
    effects = understand(space, model, ["y"], np.random.default_rng(0), unexplained={"y": unexplained})
    assert knobs(effects)["b"].verdict == verdict


def test_a_cost_that_is_the_same_everywhere_has_no_drivers() -> None:
    space = free(4, 4)
    model = predictor(space, lambda x: np.full(len(x["a"]), 7.0))
    for points in (4096, 10):
        found = understand(space, model, ["y"], np.random.default_rng(0), points=points).costs[0]
        assert (found.mean, found.std) == (7.0, 0.0)
        assert not found.drivers
        assert all(knob.total == 0 and knob.main == 0 for knob in found.knobs)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_unit_of_a_cost_does_not_matter(scale: float) -> None:
    space = free(5, 5)
    model = predictor(space, lambda x: x["a"] * (x["b"] + 1.0), lambda x: x["a"] * (x["b"] + 1.0) * scale)
    effects = understand(space, model, ["y", "z"], np.random.default_rng(0))
    one, other = knobs(effects, 0), knobs(effects, 1)
    for name in one:
        assert one[name].total == pytest.approx(other[name].total)


# importance


def test_importance_is_measured_on_points_that_were_not_learned_from() -> None:
    space, rng = free(8, 8, 8), np.random.default_rng(0)
    model = predictor(space, lambda x: 10.0 * x["a"] + 5.0 * x["b"] + 0.0 * x["c"])
    levels = space.sample(200, rng)
    measured = model(levels).mean + rng.normal(0, 1, (200, 1))
    effects = understand(space, model, ["y"], rng, unseen=Unseen(levels, measured))
    found = knobs(effects)
    assert effects.unseen == 200
    # drawing a knob anew doubles the variance that it explains
    assert found["a"].importance == pytest.approx(2 * found["a"].total, rel=0.2)
    assert found["b"].importance == pytest.approx(2 * found["b"].total, rel=0.2)
    assert abs(found["c"].importance) <= max(found["c"].importance_error, 1e-12)
    assert found["a"].importance > found["b"].importance > found["c"].importance


def test_without_unseen_points_there_is_no_importance() -> None:
    space = free(4, 4)
    effects = understand(space, predictor(space, lambda x: 1.0 * x["a"]), ["y"], np.random.default_rng(0))
    assert all(math.isnan(knob.importance) for knob in effects.costs[0].knobs)
    assert effects.unseen == 0


# curves


def test_curves_are_means_over_the_points_that_have_the_value() -> None:
    space = DesignSpace(free(4, 3).parameters, (Constraint.parse("a + b <= 3", "ab"),))
    model = predictor(space, lambda x: 10.0 * x["a"] + x["b"], std=2.0)
    effects = understand(space, model, ["y"], np.random.default_rng(0))
    curve = next(curve for curve in effects.costs[0].curves if curve.knob == "a")
    assert curve.points == (3, 3, 2, 1)
    assert curve.mean == pytest.approx((1.0, 11.0, 20.5, 30.0))
    assert np.subtract(curve.upper, curve.lower) == pytest.approx(2 * 1.6449 * 2.0, rel=1e-3)
    assert all(low <= mean <= high for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True))


def test_rare_values_have_points_in_their_curves_too() -> None:
    space = DesignSpace((Parameter("a", (0, 1)), *(Parameter(name, tuple(range(10))) for name in "bcd")),
                        (Constraint.parse("a == 0 or b + c <= 1", "abc"),))  # fmt: skip
    model = predictor(space, lambda x: 1.0 * x["a"] + x["d"])
    effects = understand(space, model, ["y"], np.random.default_rng(0), points=256)
    curve = next(curve for curve in effects.costs[0].curves if curve.knob == "a")
    assert min(curve.points) >= 40


def test_many_values_are_shown_together_and_categories_never_are() -> None:
    space = DesignSpace((Parameter("n", tuple(range(1, 1001))), Parameter("c", tuple(f"v{i}" for i in range(30)))))
    model = predictor(space, lambda x: 1.0 * x["n"])
    found = understand(space, model, ["y"], np.random.default_rng(0)).costs[0]
    curves = {curve.knob: curve for curve in found.curves}
    assert len(curves["n"].values) == 24
    assert curves["n"].values[0] == "1..42"
    assert list(curves["n"].mean) == sorted(curves["n"].mean)
    assert len(curves["c"].values) == 30
    assert curves["c"].numbers == ()


def test_a_surface_is_the_mean_over_two_knobs() -> None:
    space = free(3, 4, 5)
    model = predictor(space, lambda x: 1.0 * x["a"] * x["b"] + 0.1 * x["c"])
    found = understand(space, model, ["y"], np.random.default_rng(0)).costs[0]
    surface = found.surfaces[0]
    assert (surface.one, surface.other) == ("a", "b")
    for a, b in itertools.product(range(3), range(4)):
        assert surface.mean[a][b] == pytest.approx(a * b + 0.2)
        assert surface.points[a][b] == 5


# the whole


def test_the_same_seed_finds_the_same_and_it_survives_json() -> None:
    space = DesignSpace(free(30, 30, 30).parameters, (Constraint.parse("a + b < 50", "abc"),))
    model = predictor(space, lambda x: x["a"] * x["b"] + 1.0 * x["c"])
    one, other = (understand(space, model, ["y"], np.random.default_rng(3), points=300) for _ in range(2))
    assert repr(one) == repr(other)
    assert repr(Effects.from_json(json.loads(json.dumps(one.to_json(), allow_nan=False)))) == repr(one)


def test_large_spaces_are_asked_about_in_pieces() -> None:
    space = DesignSpace(tuple(Parameter(f"k{i}", tuple(range(16))) for i in range(12)))
    most = 0
    cost = predictor(space, lambda x: 5.0 * x["k0"] + x["k1"] * x["k2"])

    def predict(levels: Levels) -> Prediction:
        nonlocal most
        most = max(most, len(levels))
        return cost(levels)

    found: CostEffects = understand(space, predict, ["y"], np.random.default_rng(0)).costs[0]
    assert most <= 20_000
    assert {knob.knob for knob in found.knobs[:2]} == {"k1", "k2"}
    assert len(found.idle) == 9


def test_knobs_are_judged_at_a_given_scenario() -> None:
    space = DesignSpace((*free(8, 8).parameters, Parameter("input", (1, 10, 100), kind="scenario")))
    model = predictor(space, lambda x: 100.0 * x["input"] + 10 * x["a"] + 0.1 * x["b"])
    found = understand(space, model, ["y"], np.random.default_rng(0)).costs[0]
    by_name = {knob.knob: knob for knob in found.knobs}
    assert by_name["input"].total > 0.99
    assert by_name["a"].total < 0.01 < by_name["a"].at_scenario
    assert by_name["a"].at_scenario == pytest.approx(1, abs=1e-3)
    assert math.isnan(by_name["input"].at_scenario)
    assert [knob.knob for knob in found.drivers] == ["a"]
    assert [knob.knob for knob in found.idle] == ["b"]


def test_of_a_space_that_is_taken_as_a_whole_all_parts_count() -> None:
    """The cost varies only where the last knob is large: in the second half of the space's own order."""
    space = free(16, 16, 16)
    predict = predictor(space, lambda x: (x["c"] >= 8) * x["a"] * x["b"])
    levels = space.points(range(space.size))
    unseen = Unseen(levels, predict(levels).mean)
    found = understand(space, predict, ["cost"], np.random.default_rng(0), unseen=unseen)
    assert found.exact
    pairs = {(pair.one, pair.other): pair.share for pair in found.costs[0].interactions}
    assert pairs["a", "b"] > 0.05
    assert knobs(found)["a"].importance == pytest.approx(2 * knobs(found)["a"].total, rel=0.2)
