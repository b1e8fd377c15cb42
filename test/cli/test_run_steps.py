"""Which points a run takes: steps, totals, seeds and sampling methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

if TYPE_CHECKING:
    from conftest import Project

CODE = """
def costs(frame):
    return {"cycles": frame["a"] * 10 + frame["b"]}
"""
SPACE: dict[str, Any] = {
    "knobs": [{"name": name, "values": "0-10"} for name in "ab"],
    "costs": ["cycles"],
}
"""100 points."""
OLD_METHODS = (
    "random factorial onedim smart onedim_with_smart frac_fact_res plackett_burman box_behnken central_composite_ccf "
    "central_composite_cci central_composite_ccc lhs space_filling_lhs random_k_means maximin halton uniform_random"
)


def points(project: Project) -> list[tuple[int, int]]:
    table = project.numbers()
    return list(zip(table["a"], table["b"], strict=True))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("-init-batch-samples 5", [15, *[10] * 8, 5]),
        ("-init-batch-samples 5 -step-end 3", [15, 10, 10]),
        ("-init-batch-samples 5 -step-start 1 -step-end 3", [10, 10]),
        ("-init-batch-samples 5 -step-increment 2 -step-end 4", [25, 20]),
        ("-init-batch-samples 4 -fixed-samples 7 -step-end 4", [4, 7, 7, 7]),
        ("-init-batch-samples 10 -fixed-samples 1 -step-end 5", [10, 1, 1, 1, 1]),
        ("-custom-samples 20 40 64", [20, 20, 24]),
        ("-custom-samples 20 40 100", [20, 20, 60]),
        ("-custom-samples 30 -step-end 1", [30]),
        ("-init-batch-samples 5 -max-samples 18", [15, 3]),
        ("-init-batch-samples 90 -fixed-samples 5", [90, 5, 5]),
        ("-batch-size 4 -step-end 2", [12, 8]),
        ("-full-exploration", [100]),
        ("-full-exploration -max-samples 60", [60]),
        ("-step-end 1", [60]),
        ("-init-batch-samples -1 -fixed-samples -1 -step-end 1", [60]),
    ],
)
def test_each_step_takes_the_points_asked_for(project: Project, arguments: str, expected: list[int]) -> None:
    project.python(CODE, **SPACE).run("-no-train", *arguments.split()).ok()
    assert project.per_step() == expected
    assert len(set(points(project))) == sum(expected)


@pytest.mark.parametrize(
    "sampling",
    [
        {"arguments": "-custom-samples 10 15 -method lhs"},
        {"custom_samples": [10, 15]},
        {"custom_samples": "10, 15"},
        {"init_batch_samples": "10", "fixed_samples": 5, "step_end": "2"},
        {"arguments": "-fixed-samples 5", "init_batch_samples": 10, "step_end": 2},
    ],
)
def test_the_configuration_may_ask_for_steps_too(project: Project, sampling: dict[str, Any]) -> None:
    project.python(CODE, **SPACE, sampling=sampling).run("-no-train").ok()
    assert project.per_step() == [10, 5]


def test_the_command_line_wins_over_the_configuration(project: Project) -> None:
    project.python(CODE, **SPACE, sampling={"arguments": "-custom-samples 10 15"})
    project.run("-no-train", "-custom-samples", 7, 8).ok()
    assert project.per_step() == [7, 1]


def test_steps_after_each_other_are_one_run(project: Project, other: Project) -> None:
    """A run of two steps, and one of one step that is given a second one, take the same points."""
    steps = ["-no-train", "-init-batch-samples", 5, "-fixed-samples", 10]
    project.python(CODE, **SPACE).run(*steps, "-step-end", 3).ok()
    other.python(CODE, **SPACE)
    for end in (1, 2, 3):
        other.run(*steps, "-step-end", end).ok()
    assert points(project) == points(other)
    assert project.per_step() == other.per_step() == [5, 10, 10]


@pytest.mark.parametrize("method", ["random", "lhs", "halton", "maximin"])
def test_a_seed_decides_the_points(project: Project, method: str) -> None:
    found = []
    for folder, seed in (("a", 7), ("b", 7), ("c", 8)):
        here = type(project)(project.folder / folder)
        run = ["-no-train", "-custom-samples", 12, 20, "-seed", seed, "-sampling-method", method]
        here.python(CODE, **SPACE).run(*run).ok()
        found.append((points(here), here.table()["Id"].tolist()))
    assert found[0] == found[1]
    assert set(found[0][0]) != set(found[2][0])


def test_a_seed_decides_the_predictions(project: Project, other: Project) -> None:
    for here in (project, other):
        here.python(CODE, **SPACE, model={"ml_model_type": "sklearn", "ml_arguments": "-rf_n_estimators 5"})
        here.run("-custom-samples", 20, "-seed", 3).ok()
    pd.testing.assert_frame_equal(project.table("deffe_prediction.csv"), other.table("deffe_prediction.csv"))


def test_the_order_of_the_knobs_does_not_matter_to_a_point(project: Project, other: Project) -> None:
    """Identities depend on names and values alone."""
    project.python(CODE, **SPACE).run("-no-train", "-full-exploration").ok()
    knobs = [{"name": "b", "values": "9--1--1"}, {"name": "a", "values": ["5-10", 3, "0-5"]}]
    other.python(CODE, costs=["cycles"], knobs=knobs)
    other.run("-no-train", "-full-exploration").ok()
    ids = [here.table().set_index(["a", "b"])["Id"].sort_index() for here in (project, other)]
    pd.testing.assert_series_equal(*ids)


@pytest.mark.parametrize("method", OLD_METHODS.split())
def test_every_sampling_method_of_older_configurations(project: Project, method: str) -> None:
    knobs = [{"name": name, "values": "0-5", "base": 2} for name in "abc"]
    code = CODE.replace("+ frame", "+ frame['c'] + frame")
    project.python(code, knobs=knobs, costs=["cycles"], scenarios=[{"name": "app", "values": "x"}])
    project.run("-no-train", "-sampling-method", method, "-init-batch-samples", 4, "-step-end", 1).ok()
    table = project.numbers()
    assert 1 <= len(table) <= 12
    assert not table.duplicated(["a", "b", "c"]).any()
    assert table[["a", "b", "c"]].isin(range(5)).all(axis=None)
    assert set(table["State"]) == {"done"}


def test_methods_named_in_the_configuration(project: Project) -> None:
    """By ``method``, by ``pyscript``, by ``arguments``, and by the older ``_sampling.py`` beside one of these."""
    found = []
    for i, sampling in enumerate(
        (
            {"method": "full_factorial"},
            {"pyscript": "full_factorial"},
            {"arguments": "-method factorial"},
            {"pyscript": "_sampling.py", "arguments": "-method full_factorial"},
        )
    ):
        here = type(project)(project.folder / str(i))
        here.python(CODE, **SPACE, sampling=sampling).run("-no-train", "-custom-samples", 9).ok()
        found.append(points(here))
    assert all(each == found[0] for each in found)
    assert len(found[0]) == 9


def test_a_list_of_points(project: Project) -> None:
    project.write("points.csv", "b, a\n3, 4\n1, 1\n0, 9\n")
    project.python(CODE, **SPACE, sampling={"method": "custom", "points": "points.csv"})
    project.run("-no-train", "-init-batch-samples", 1, "-step-end", 5).ok()
    assert points(project) == [(4, 3), (1, 1), (9, 0)]


def test_a_huge_space_is_sampled_at_once(project: Project) -> None:
    knobs = [{"name": f"k{i:02}", "values": "0-10"} for i in range(30)]
    code = "def costs(frame):\n    return {'cycles': frame.sum(axis=1)}\n"
    ended = project.python(code, knobs=knobs, costs=["cycles"]).run("-no-train", "-custom-samples", 10).ok()
    assert len(project.table()) == 10
    assert "of 1.000e+30" in ended.out


def test_a_users_validator_of_points(project: Project) -> None:
    code = (
        "class Validator:\n    def Validate(self, values):\n"
        "        return int(values['a']) + int(values['b']) == 9\n\n\ndef GetObject():\n    return Validator()\n"
    )
    project.write("validator.py", code)
    project.python(CODE, **SPACE, sampling={"validate_module": "validator.py"})
    project.run("-no-train", "-validate-module").ok()
    assert sorted(points(project)) == [(i, 9 - i) for i in range(10)]


def test_added_values_resume_and_removed_values_are_refused(project: Project) -> None:
    knobs = [{"name": "a", "values": "0-3"}, {"name": "b", "values": "0-3"}]
    project.python(CODE, costs=["cycles"], knobs=knobs).run("-no-train", "-custom-samples", 6).ok()
    first = project.table()
    larger = [{"name": "a", "values": "0-5"}, {"name": "b", "values": "0-3"}]
    project.python(CODE, costs=["cycles"], knobs=larger).run("-no-train", "-custom-samples", 6, 15).ok()
    assert len(project.table()) == 15
    pd.testing.assert_frame_equal(project.table().head(6), first)
    before = project.contents()
    smaller = [{"name": "a", "values": "0-2"}, {"name": "b", "values": "0-3"}]
    project.python(CODE, costs=["cycles"], knobs=smaller)
    project.run("-no-train").refused("parameter 'a'", "removed", "4", "another run directory")
    assert {**project.contents(), "config.json": b""} == {**before, "config.json": b""}


def test_added_values_are_explored_by_the_same_command(project: Project) -> None:
    """The first run took all there was; the second one takes what has come."""
    for values in ("0-3", "0-5"):
        knobs = [{"name": "a", "values": values}, {"name": "b", "values": "0-3"}]
        project.python(CODE, costs=["cycles"], knobs=knobs).run("-no-train").ok()
    assert len(project.table()) == 15


def test_a_longer_run_of_the_same_directory_takes_what_is_missing(project: Project) -> None:
    """How long a run is may change from one start to the next, also within a step; what is asked for are totals."""
    project.python(CODE, **SPACE)
    before: list[tuple[int, int]] = []
    for arguments, total in (
        ("-init-batch-samples 5 -step-end 2", 25),
        ("-custom-samples 10 21", 25),
        ("-custom-samples 30 40", 40),
        ("-custom-samples 30 40", 40),
        ("-custom-samples 38 39 45", 45),
        ("-init-batch-samples 10 -fixed-samples 10 -max-samples 50", 50),
        ("-full-exploration", 100),
    ):
        project.run("-no-train", *arguments.split()).ok()
        assert len(set(points(project))) == total, arguments
        assert set(before) <= set(points(project))
        before = points(project)


def test_a_sampler_that_has_no_more_points_is_not_helped_out(project: Project) -> None:
    project.write("points.csv", "b, a\n3, 4\n1, 1\n")
    project.python(CODE, **SPACE, sampling={"method": "custom", "points": "points.csv"})
    for _ in range(2):
        ended = project.run("-no-train", "-custom-samples", 1, 10, 20).ok()
        assert points(project) == [(4, 3), (1, 1)]
        assert "sampler 'custom' has no more points" in ended.out
