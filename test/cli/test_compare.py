"""Comparing runs: the same run twice is equal, seeds share a curve, and what cannot be compared is refused with why."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from deffe.compare.groups import band_of
from deffe.compare.progress import BestKnown, reached
from deffe.config.configuration import Objective
from deffe.operate.activity import ACTIVITY

if TYPE_CHECKING:
    from conftest import Project

KNOBS = [{"name": "size", "values": "1-13"}, {"name": "ways", "values": "1-9"}]
COSTS = """
import numpy as np

def costs(points):
    size, ways = (np.asarray(points[name], dtype=float) for name in ("size", "ways"))
    return {"cycles": 100 + (size - 7) ** 2 + (ways - 3) ** 2, "energy": size * (1 + ways)}
"""
ONE = {"knobs": KNOBS, "objectives": ["cycles"], "sampling": {"custom_samples": [10, 30]}}
FILES = (
    "deffe_compare.csv",
    "deffe_compare_curves.csv",
    "deffe_compare.png",
    "deffe_compare.pdf",
    "deffe_compare.html",
)


def explored(project: Project, folder: str, *arguments: object, config: dict[str, Any] | None = None) -> Project:
    project.python(COSTS, **{**ONE, **(config or {})})
    project.run("-run-directory", folder, "-no-train", *arguments).ok()
    return project


def rows(project: Project) -> pd.DataFrame:
    return pd.read_csv(project.path("deffe_compare.csv")).set_index("label")


# the command


def test_the_same_run_twice_is_equal(project: Project) -> None:
    explored(explored(project, "a", "-seed", 1), "b", "-seed", 1)
    project.run("-compare", "one=a", "two=b").ok()
    found = rows(project).drop(columns=["wall_s", "evaluate_s"])
    assert found.loc["one"].equals(found.loc["two"])
    assert found.loc["one", "gap_percent"] == 0


def test_a_run_that_is_named_twice_is_refused(project: Project) -> None:
    explored(project, "a")
    project.run("-compare", "a", "./a").refused("./a is the same run as a")
    project.run("-compare", "a", "a").refused("a is named twice", "name each run once")
    project.path("a").rename(project.path("explore"))  # where its configuration has it
    for one, other in (("explore", "config.json"), ("config.json", "explore/deffe.sqlite"), ("x=explore", "x=.")):
        project.run("-compare", one, other).refused(f"{other} is the same run as {one}", "explore")
    project.run("-compare", "deffe_output.csv", "./deffe_output.csv").refused("same run as deffe_output.csv")


def test_a_run_that_has_not_ended_is_told(project: Project) -> None:
    explored(explored(project, "a", "-seed", 1), "b", "-seed", 2)
    assert "so far" not in project.run("-compare", "a", "b").ok().out
    with contextlib.closing(sqlite3.connect(project.path("b/deffe.sqlite"))) as database, database:
        (note,) = database.execute("SELECT value FROM meta WHERE key = ?", (ACTIVITY,)).fetchone()
        killed = json.dumps({**json.loads(note), "ended": ""})
        database.execute("UPDATE meta SET value = ? WHERE key = ?", (killed, ACTIVITY))
    told = "not at the end, and compared by the results so far: "
    assert f"{told}b\n" in project.run("-compare", "a", "b").ok().out
    assert f"{told}mine\n" in project.run("-compare", "a", "mine=b").ok().out


def test_a_label_that_is_also_the_name_of_other_runs_is_a_row_of_its_own(project: Project) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        explored(project, name, "-seed", seed)
    project.run("-compare", "a", "a=b").ok()
    assert set(rows(project).index) == {"a", "a (no label)"}
    curves = pd.read_csv(project.path("deffe_compare_curves.csv"))
    assert set(curves["label"]) == {"a", "a (no label)"}


def test_runs_that_differ_in_the_seed_alone_are_one_row(project: Project) -> None:
    for seed in (1, 2, 3):
        explored(project, f"random-{seed}", "-seed", seed)
    explored(project, "lhs", "-sampling-method", "latin_hypercube")
    ended = project.run("-compare", "random-1", "random-2", "random-3", "lhs").ok()
    found = rows(project)
    assert dict(found["runs"]) == {"random": 3, "latin_hypercube": 1}
    assert re.search(r"random +3 +30 ", ended.out)
    curves = pd.read_csv(project.path("deffe_compare_curves.csv"))
    best = curves[(curves["curve"] == "best cycles") & (curves["label"] == "random")]
    assert list(best["x"]) == list(range(1, 31))
    assert (best["median"].diff().dropna() <= 0).all()
    assert ((best["low"] <= best["median"]) & (best["median"] <= best["high"])).all()


def test_pictures_and_a_page_are_written_and_replaced(project: Project) -> None:
    explored(explored(project, "a"), "b", "-seed", 5)
    for _ in range(2):
        project.run("-compare", "a", "b", "-output", "told").ok()
    assert all(project.path(f"told/{name}").stat().st_size for name in FILES)
    page = project.path("told/deffe_compare.html").read_text(encoding="utf-8")
    assert "Comparison of 2 runs" in page
    assert not re.search(r"<(script|link|img)[^>]{0,80}https?:", page)


def test_a_file_of_the_user_is_not_replaced(project: Project) -> None:
    explored(explored(project, "a"), "b").write("deffe_compare.html", "<p>my own</p>")
    project.run("-compare", "a", "b").refused("deffe_compare.html", "name another file")


def test_several_objectives_are_compared_by_hypervolume(project: Project) -> None:
    config = {"objectives": ["cycles", {"cost": "energy", "goal": "max"}]}
    explored(project, "few", config=config)
    explored(project, "all", "-full-exploration", config=config)
    ended = project.run("-compare", "few=few", "all=all").ok()
    found = rows(project)["volume_ratio"]
    assert found["all"] == pytest.approx(1)
    assert 0 < found["few"] < 1
    assert "hypervolume" in ended.out


def test_the_error_that_is_compared_is_the_last_one(project: Project) -> None:
    """Later steps learn from the same points where all further ones fail; an error of 0 is known."""
    explored(explored(project, "a", "-seed", 1), "b", "-seed", 2)
    with contextlib.closing(sqlite3.connect(project.path("a/deffe.sqlite"))) as database, database:
        database.execute("DELETE FROM steps")
        for step, mapes in enumerate(({"area": 1.0, "cycles": 6.0}, {"area": 0.0, "cycles": 3.0})):
            errors = [{"cost": cost, "trained_on": 6, "mape": mape} for cost, mape in mapes.items()]
            database.execute("INSERT INTO steps VALUES (0, ?, 10, ?)", (step, json.dumps({"errors": errors})))
    project.run("-compare", "one=a", "two=b").ok()
    found = rows(project).loc["one"]
    assert (found["error_area"], found["error_cycles"]) == (0.0, 3.0)


def test_errors_of_models_are_compared(project: Project) -> None:
    config = {"model": {"pyscript": "gaussian_process"}}
    for name, seed in (("a", 1), ("b", 2)):
        project.python(COSTS, **{**ONE, **config}).run("-run-directory", name, "-seed", seed, "-no-inference").ok()
    project.run("-compare", "a", "b").ok()
    curves = pd.read_csv(project.path("deffe_compare_curves.csv"))
    assert list(curves[curves["curve"] == "error cycles"]["x"]) == [10, 30]
    assert rows(project)["error_cycles"].notna().all()


def test_tables_are_compared_with_runs_and_failed_rows_count_as_evaluations(project: Project) -> None:
    explored(project, "a")
    project.write("old.csv", "size,ways,cycles\n1,1,150\n2,1,\n7,3,100\n")
    project.run("-compare", "a", "old.csv").ok()
    found = rows(project)
    assert found.loc["old", "points"] == 3
    assert found.loc["old", "failed"] == 1
    assert found.loc["old", "within_1_percent"] == 3


# what cannot be compared


def test_other_objectives_and_other_spaces_are_refused_with_what_differs(project: Project) -> None:
    explored(project, "a")
    explored(project, "b", config={"objectives": ["energy"]})
    project.run("-compare", "a", "b").refused("the objectives are min energy, not min cycles")
    wider = [{"name": "size", "values": "1-14"}, {"name": "ways", "values": "1-9"}, {"name": "x", "values": "1, 2"}]
    explored(project, "c", config={"knobs": wider, "constraints": ["size + ways < 20"]})
    project.run("-compare", "a", "c").refused("size has other values", "x is added", "constraint size + ways < 20")


def test_what_is_no_run_is_refused(project: Project) -> None:
    explored(project, "a")
    project.run("-compare", "a").refused("at least two")
    project.run("-compare", "a", "nowhere").refused("there is no nowhere")
    project.run("-compare", "a", "x=nowhere.csv").refused("nowhere.csv")
    project.write("other.csv", "size,ways\n1,1\n")
    project.run("-compare", "a", "other.csv").refused("no column for the objective 'cycles'")
    project.write("second.csv", "size,ways\n1,1\n")
    project.run("-compare", "other.csv", "second.csv").refused("does not tell its objectives", "-config FILE")


def test_runs_whose_points_all_failed_are_refused(project: Project) -> None:
    project.shell("exit 1\n", **ONE)
    for name in ("a", "b"):
        project.run("-run-directory", name, "-no-train", "-max-failed", 100).ok()
    project.run("-compare", "a", "b").refused("none of the runs has a point that is done")


def test_costs_that_are_all_equal_are_compared(project: Project) -> None:
    flat = COSTS.replace("100 + (size - 7) ** 2 + (ways - 3) ** 2", "0 * size")
    for name in ("a", "b"):
        project.python(flat, **{**ONE, "objectives": ["cycles", "energy"]})
        project.run("-run-directory", name, "-no-train").ok()
    assert project.run("-compare", "a", "b").ok()


# its parts


def test_the_gap_and_the_evaluations_to_reach_it() -> None:
    costs = np.array([[200.0], [np.nan], [110.0], [150.0], [100.0]])
    known = BestKnown.of([Objective("cycles", "min")], costs)
    np.testing.assert_allclose(known.gap(costs), [100, 100, 10, 10, 0])
    assert [reached(known.gap(costs), within) for within in (10, 5)] == [3, 5]
    assert np.isnan(reached(known.gap(costs[:4]), 1))
    large = BestKnown.of([Objective("ipc", "max")], costs)
    np.testing.assert_allclose(large.gap(costs), 0)


def test_the_volume_grows_to_that_of_the_best_known_front() -> None:
    rng = np.random.default_rng(0)
    costs = rng.random((60, 3))
    costs[::7] = np.nan
    objectives = [Objective("a", "min"), Objective("b", "max"), Objective("c", "min")]
    ratio = BestKnown.of(objectives, costs).volume_ratio(costs)
    assert ratio[-1] == pytest.approx(1)
    assert (np.diff(ratio) >= 0).all()
    shuffled = BestKnown.of(objectives, costs).volume_ratio(costs[rng.permutation(60)])
    assert shuffled[-1] == pytest.approx(1)


def test_a_run_that_has_ended_stays_where_it_was() -> None:
    band = band_of([np.array([3.0, 1.0]), np.array([5.0, 4.0, 3.0, 3.0])], np.arange(1.0, 5.0))
    np.testing.assert_allclose(band.median, [4, 2.5, 2, 2])
    assert (band.low <= band.median).all()
    single = band_of([np.array([3.0, 1.0])], np.arange(1.0, 3.0))
    assert np.isnan(single.low).all()


def test_a_run_of_another_version_is_refused(project: Project) -> None:
    explored(explored(project, "a"), "b")
    with project.database("b") as connection:
        text = connection.execute("SELECT text FROM configurations").fetchone()[0]
    assert json.loads(text)
    import sqlite3

    with sqlite3.connect(project.path("b/deffe.sqlite")) as connection:
        connection.execute("UPDATE configurations SET text = ?", ('{"parameters": 3}',))
    project.run("-compare", "a", "b").refused("another version")
