"""What drives the costs of a run, and what a design would cost: told by its model, with the run left as it is."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

if TYPE_CHECKING:
    from conftest import Project

KNOBS = [
    {"name": "size", "values": "1, 2, 4, 8, 16, 32, 64"},
    {"name": "ways", "values": "1-6"},
    {"name": "colour", "values": "red, green, blue"},
]
COSTS = """
import numpy as np

def costs(points):
    size, ways = (np.asarray(points[name], dtype=float) for name in ("size", "ways"))
    return {"cycles": 1000 - 100 * np.log2(size) - 40 * ways, "energy": size * (1 + ways)}
"""
MODEL = {"pyscript": "gaussian_process"}


def explored(project: Project, *arguments: object, **keys: Any) -> Project:
    keys = {"knobs": KNOBS, "sampling": {"custom_samples": [20, 40]}, "model": MODEL, **keys}
    project.python(COSTS, **keys).run(*arguments).ok()
    return project


def effects_table(project: Project, folder: str = ".") -> pd.DataFrame:
    return pd.read_csv(project.path(folder) / "deffe_effects.csv").set_index(["cost", "knob"])


# effects


def test_effects_name_what_drives_a_cost_and_what_does_not(project: Project) -> None:
    ended = explored(project).run("-effects", "explore").ok()
    assert "all 105 points" in ended.out
    found = effects_table(project)
    assert found.loc[("cycles", "size"), "verdict"] == "drives it"
    assert found.loc[("cycles", "colour"), "verdict"] == "does not matter"
    assert found.loc[("energy", "size"), "strongest_partner"] == "ways"
    assert found.loc[("cycles", "size"), "total"] == pytest.approx(0.88, abs=0.05)  # of the formula: 0.885
    assert re.search(r"colour +0\.\d % +0\.\d % .*does not matter", ended.out)


def test_importance_is_of_points_that_the_model_had_not_seen(project: Project) -> None:
    ended = explored(project).run("-effects", "explore").ok()
    assert "loss of R2 on 20 measured points not learned from" in ended.out  # step 1, by the model of step 0
    found = effects_table(project)["importance"]
    assert found["cycles", "size"] > found["cycles", "ways"] > found["cycles", "colour"]


def test_without_unseen_points_importance_is_left_out(project: Project) -> None:
    ended = explored(project, sampling={"custom_samples": [40]}).run("-effects", "explore").ok()
    assert effects_table(project)["importance"].isna().all()
    why = "the model has learned from all of the 40 measured points"
    told = re.search(rf"importance is not known: {why}; give (-\S+) (\S+)", ended.out)
    assert told
    again = project.run("-effects", "explore", *told.groups()).ok()
    assert "importance: loss of R2" in again.out
    assert effects_table(project)["importance"].notna().all()


def test_of_few_points_importance_is_not_known(project: Project) -> None:
    ended = explored(project, sampling={"custom_samples": [20]}).run("-effects", "explore").ok()
    assert "learned from all of the 20 measured points, too few to hold some back" in ended.out


def test_a_cost_that_unseen_points_share_has_no_importance_and_it_is_told(project: Project) -> None:
    known = explored(project, "-full-exploration").table()
    table = explored(project, "-run-directory", "other", sampling={"custom_samples": [40]}).table()
    known.loc[~known["Id"].isin(table.loc[table["State"] == "done", "Id"]), "energy"] = "7"
    known.to_csv(project.path("known.csv"), index=False)
    ended = project.run("-effects", "other", "-pre-evaluated-data", "known.csv").ok()
    assert "importance: loss of R2 on 65 measured points" in ended.out
    assert "importance is not known: energy is the same at all of these points" in ended.out
    assert "not known: cycles" not in ended.out


def test_response_curves_are_written_with_intervals(project: Project) -> None:
    explored(project).run("-effects", "explore", "-output", "told").ok()
    curves = pd.read_csv(project.path("told/deffe_response.csv"))
    size = curves[(curves["cost"] == "cycles") & (curves["knob"] == "size")]
    assert list(size["value"]) == ["1", "2", "4", "8", "16", "32", "64"]
    assert (size["mean"].diff().dropna() < 0).all()
    assert (size["lower"] <= size["mean"]).all()
    assert (size["mean"] <= size["upper"]).all()
    pairs = pd.read_csv(project.path("told/deffe_response_pairs.csv"))
    assert {"knob", "other_knob", "mean"} <= set(pairs.columns)


def test_a_run_is_named_by_its_folder_or_its_configuration(project: Project) -> None:
    explored(project)
    for arguments in (("explore",), ("config.json",), (), ("explore", "-config", "config.json")):
        assert "what drives each cost" in project.run("-effects", *arguments).ok().out
    assert project.run("-effects", "-run-directory", "explore").ok()


def test_without_its_configuration_a_run_asks_for_it(project: Project) -> None:
    explored(project)
    project.path("config.json").rename(project.path("moved.json"))
    project.run("-effects", "explore").refused("configuration", "-config FILE")
    project.run("-effects", "explore", "-config", "moved.json").ok()


def test_looking_changes_nothing_in_the_run(project: Project) -> None:
    explored(project)
    before = {name: data for name, data in project.contents().items() if name.startswith("explore")}
    project.run("-effects", "explore", "-output", "told").ok()
    project.run("-predict", "size=4", "-run-directory", "explore").ok()
    assert {name: data for name, data in project.contents().items() if name.startswith("explore")} == before


def test_without_checkpoints_the_model_learns_anew(project: Project) -> None:
    explored(project, "-no-checkpoints")
    assert "learned anew from 40 points" in project.run("-effects", "explore").ok().out


def test_a_table_of_known_results_will_do(project: Project) -> None:
    explored(project)
    project.path("deffe_output.csv").rename(project.path("known.csv"))
    ended = project.run("-effects", "config.json", "-pre-evaluated-data", "known.csv", "-run-directory", "none").ok()
    assert "learned anew" in ended.out


def test_costs_that_do_not_vary_are_told(project: Project) -> None:
    text = COSTS.replace("size * (1 + ways)", "0.0 * size + 7")
    project.python(text, knobs=KNOBS, sampling={"custom_samples": [30]}, model=MODEL).run().ok()
    assert "energy: 7 everywhere" in project.run("-effects").ok().out


# bad input


def test_too_few_points_for_a_model_are_refused(project: Project) -> None:
    project.python(COSTS, knobs=KNOBS, sampling={"custom_samples": [1]}, model=MODEL)
    for asked in (["-effects"], ["-predict", "size=1"]):
        project.run(*asked).refused("nothing to learn from: ", "explore has no results", "run the exploration first")
    project.run("-no-train").ok()
    project.run("-effects", "explore").refused("too few results for a model: 1 point")
    project.run("-predict", "size=1").refused("too few results for a model: 1 point")


def test_what_is_no_run_is_refused(project: Project) -> None:
    project.python(COSTS, knobs=KNOBS)
    project.run("-effects", "nowhere").refused("there is no nowhere")
    project.path("empty").mkdir()
    project.run("-effects", "empty").refused("no run in empty")


def test_a_run_of_a_newer_version_is_refused(project: Project) -> None:
    explored(project)
    with contextlib.closing(sqlite3.connect(project.path("explore/deffe.sqlite"))) as connection:
        connection.execute("PRAGMA user_version = 99")
    project.run("-effects", "explore").refused("newer")
    project.run("-predict", "size=1", "-run-directory", "explore").refused("newer")


def test_a_run_of_other_knobs_is_refused(project: Project) -> None:
    explored(project)
    project.python(COSTS, knobs=[*KNOBS, {"name": "depth", "values": "1, 2"}])
    project.run("-effects", "explore", "-config", "config.json").refused("other knobs or costs", "depth")


def test_a_file_of_the_user_is_not_overwritten(project: Project) -> None:
    explored(project).write("deffe_effects.csv", "my,own\n1,2\n")
    project.run("-effects", "explore").refused("deffe_effects.csv", "name another file")
    assert project.path("deffe_effects.csv").read_text() == "my,own\n1,2\n"


# the summary


def test_the_summary_names_what_drives_each_cost(project: Project) -> None:
    ended = project.python(COSTS, knobs=KNOBS, sampling={"custom_samples": [40]}, model=MODEL).run().ok()
    assert re.search(r"what drives each cost.*:\n +cycles +size \d+ %.*; no effect of colour\n", ended.out)
    with project.database() as connection:
        assert connection.execute("SELECT 1 FROM meta WHERE key = 'effects_0'").fetchone()


def test_the_summary_names_the_evaluated_point_nearest_to_the_best_predicted(project: Project) -> None:
    ended = project.python(COSTS, knobs=KNOBS, sampling={"custom_samples": [20]}, model=MODEL).run().ok()
    assert re.search(r"nearest evaluated: cycles = [\d.,]+ with \w+=", ended.out)


# what if


def test_a_point_is_predicted_beside_what_was_measured(project: Project) -> None:
    explored(project, "-full-exploration")
    ended = project.run("-predict", "size=16", "ways=2", "colour=red").ok()
    row = re.search(r"cycles +([\d.,]+) +90 % interval .* measured 520", ended.out)
    assert row
    assert float(row[1].replace(",", "")) == pytest.approx(520, rel=0.01)
    assert "this very point" in ended.out


def test_knobs_that_are_not_named_are_as_in_the_best_measured_point(project: Project) -> None:
    explored(project, "-full-exploration")
    ended = project.run("-predict", "size=1").ok()
    assert "as in the best measured point (min cycles)" in ended.out
    assert re.search(r"  size=1  \(colour=\w+ ways=5\)", ended.out)


def test_a_best_point_that_breaks_a_constraint_is_not_taken(project: Project) -> None:
    explored(project, "-full-exploration", constraints=["size + ways <= 65"])
    assert re.search(r"  ways=3  \(.*size=32\)", project.run("-predict", "ways=3").ok().out)
    ended = project.run("-predict", "ways=5", "size=64").ok()
    assert "breaks the constraint size + ways <= 65" in ended.out


def test_several_points_and_a_table_of_them(project: Project) -> None:
    explored(project)
    ended = project.run("-predict", "size=1,ways=2", "-predict", "ways=3", "-output", "asked.csv").ok()
    assert "size=1 ways=2" in ended.out
    table = pd.read_csv(project.path("asked.csv"))
    assert list(table["ways"]) == [2, 3]
    assert {"predicted-cycles", "lower-cycles", "upper-cycles"} <= set(table.columns)


def test_a_number_outside_the_values_is_predicted_and_told(project: Project) -> None:
    explored(project)
    ended = project.run("-predict", "size=24", "-predict", "size=4096").ok()
    assert "size=24 is between its values" in ended.out
    assert "size=4096 is extrapolated" in ended.out
    anew = project.run("-predict", "size=24", "-predict", "size=4096", "-train-test-split", "0.99").ok()
    assert "learned anew" in anew.out


def test_a_failed_point_is_told_with_its_reason(project: Project) -> None:
    script = "[ $size = 4 ] && { echo no memory >&2; exit 3; }\necho $((size * ways)) > results.out\n"
    knobs = [{"name": "size", "values": "1, 2, 4, 8"}, {"name": "ways", "values": "1-5"}]
    project.shell(script, knobs=knobs, costs=["cycles"], model=MODEL).run("-full-exploration").ok()
    assert "evaluated: failed: exit status 3: no memory" in project.run("-predict", "size=4", "ways=1").ok().out


def test_how_likely_a_point_fails_is_told_where_points_have_failed(project: Project) -> None:
    script = "[ $size -ge 100 ] && exit 3\necho $((size * ways)) > results.out\n"
    knobs = [{"name": "size", "values": "0-200-10"}, {"name": "ways", "values": "1-9"}]
    project.shell(script, knobs=knobs, costs=["cycles"], model=MODEL, sampling={"custom_samples": [80]}).run().ok()
    table = pd.read_csv(project.path("deffe_output.csv"))
    done = table[table["State"] == "done"].iloc[0]
    asked = [["size=187", "ways=5"], ["size=13", "ways=5"], [f"size={done['size']}", f"ways={done['ways']}"]]
    flags = [word for words in asked for word in ("-predict", *words)]
    told = project.run(*flags, "-output", "asked.csv").ok().out.split("\n  size=")[1:]
    form = r"chance to fail: (\d+) %; of the 5 nearest evaluated points (\w+) failed"
    chances = [re.search(form, one) for one in told]
    assert chances[0]
    assert chances[1]
    assert int(chances[0][1]) > 80
    assert chances[0][2] == "5"
    assert int(chances[1][1]) < 20
    assert chances[1][2] == "none"
    assert all("nearest evaluated points, but for those that failed:" in one for one in told)
    assert chances[2] is None  # it was evaluated
    fails = pd.read_csv(project.path("asked.csv"))["chance-to-fail"]
    assert list(fails.round()[:2]) == pytest.approx([int(chances[0][1]), int(chances[1][1])], abs=1)
    assert pd.isna(fails[2])


def test_where_no_point_has_failed_nothing_is_said_of_it(project: Project) -> None:
    ended = explored(project).run("-predict", "size=4", "-output", "asked.csv").ok()
    assert "fail" not in ended.out
    assert "chance-to-fail" not in pd.read_csv(project.path("asked.csv")).columns


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sizes=4"], ["no knob 'sizes'", "did you mean 'size'"]),
        (["colour=pink"], ["colour cannot be 'pink'", "allowed: red, green, blue"]),
        (["size=0"], ["size cannot be '0'", "any other number above 0"]),
        (["size=big"], ["size cannot be 'big'"]),
        (["size=nan"], ["size cannot be 'nan'"]),
        (["size"], ["'size' names no knob and value"]),
        (["size=1", "size=2"], ["two values", "-predict again"]),
        ([","], ["no knob is named"]),
    ],
)
def test_what_cannot_be_predicted_is_refused(project: Project, words: list[str], told: list[str]) -> None:
    project.python(COSTS, knobs=KNOBS, model=MODEL)
    project.run("-predict", *words).refused(*told)
