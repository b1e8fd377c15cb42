"""Whole explorations: what each way of evaluating points leaves behind."""

from __future__ import annotations

import json
import os
from itertools import product
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from conftest import Project

BOOKKEEPING = ["EvaluateTime", "ExtractTime", "RunDir", "Id", "Step", "State", "Reason", "Source"]
COSTS = "def costs(frame):\n    return {'cycles': frame['size'] * 100 + frame['ways'], 'energy': 20 - frame['ways']}\n"
POINTS = set(product((1, 2, 4, 8), (1, 2, 3)))


def points(table: pd.DataFrame) -> set[tuple[int, int]]:
    return set(zip(table["size"], table["ways"], strict=True))


def write_table(project: Project, rows: set[tuple[int, int]], name: str = "known.csv") -> None:
    lines = [f"{size}, {ways}, {size * 100 + ways}, {size - ways + 20}" for size, ways in sorted(rows)]
    project.write(name, "\n".join(["size, ways, cycles, energy", *lines, ""]))


def test_a_shell_script_explores_a_small_space(project: Project) -> None:
    scenarios = [{"name": "app", "values": ["kmeans"]}]
    ended = project.shell(scenarios=scenarios, objectives={"cycles": "min", "energy": "max"}).call("-no-train").ok()
    table = project.numbers()
    assert list(table.columns) == ["app", "size", "ways", "cycles", "energy", *BOOKKEEPING]
    assert points(table) == POINTS
    assert len(table) == len(POINTS)
    assert (table["cycles"] == table["size"] * 100 + table["ways"]).all()
    assert (table["energy"] == table["size"] - table["ways"] + 20).all()
    assert set(table["app"]) == {"kmeans"}
    assert set(table["State"]) == {"done"}
    assert set(table["Source"]) == {"evaluated"}
    assert table["Reason"].isna().all()
    assert (table["EvaluateTime"] > 0).all()
    assert (table["ExtractTime"] >= 0).all()
    assert table["Id"].is_unique
    assert sorted(project.evaluated()) == sorted(f"{size} {ways}" for size, ways in POINTS)
    pd.testing.assert_frame_equal(table, project.numbers("deffe_evaluation.csv"))
    minmax = json.loads(project.path("explore_0-minmax.json").read_text())
    assert minmax["size"] == {"count": 4, "min": 1, "max": 8}
    assert minmax["ways"] == {"count": 3, "min": 1, "max": 3}
    for said in ("12 points evaluated, 0 failed, 0 predicted, of 12", "min cycles = 101  at size=1 ways=1"):
        assert said in ended.out
    for said in ("max energy = 27  at size=8 ways=1", "Pareto front, 4 evaluated points", "deffe_output.csv"):
        assert said in ended.out


def test_every_point_has_a_run_directory_of_its_own(project: Project) -> None:
    project.shell().run("-no-train").ok()
    table = project.table()
    assert table["RunDir"].is_unique
    for row in table.itertuples():
        folder = project.folder / row.RunDir
        told = json.loads((folder / "param.json").read_text())
        assert (told["size"], told["ways"]) == (row.size, row.ways)
        assert (folder / "results.out").read_text().split() == [row.cycles, row.energy]
        assert (folder / "evaluate.sh").exists()
        assert "real" in (folder / "evaluate.log").read_text()
    assert sorted(os.path.basename(folder) for folder in table["RunDir"]) == sorted(
        f"explore_{number}" for number in range(len(POINTS))
    )


def test_names_and_maps_reach_a_script_in_every_way(project: Project) -> None:
    script = """
    [ "$size" = "${size}" ] && [ "$size" = "$(printenv size)" ] && [ "$L1_WAYS" = "$ways" ] || exit 1
    [ "$DEFFE_CONFIG_DIR" = "$DEFFE_EXP_DIR" ] && [ -d "$DEFFE_DIR" ] && [ -n "$evaluate_index" ] || exit 2
    echo $size > results.out; cat results.out >> results.out2; echo $ways >> results.out
    """
    knobs = [{"name": "size", "values": "1-3"}, {"name": "ways", "map": "L1_WAYS", "values": "1-3"}]
    project.shell(script, knobs=knobs).run("-no-train").ok()
    table = project.numbers()
    assert (table["cycles"] == table["size"]).all()
    assert (table["energy"] == table["ways"]).all()


def test_an_extract_script_and_other_forms_of_results(project: Project) -> None:
    project.write("extract.sh", "echo '{\"CYCLES\": '$size', \"energy\": 1.5}' > stats.json\n")
    project.shell("echo run\n", extract={"cost_output": "stats.json"}).run("-no-train").ok()
    table = project.numbers()
    assert (table["cycles"] == table["size"]).all()
    assert (table["energy"] == 1.5).all()


def test_a_python_script_gets_options(project: Project) -> None:
    code = (
        "import argparse\np = argparse.ArgumentParser()\n"
        "for name in ('size', 'ways', 'evaluate_index', 'bias'):\n    p.add_argument('--' + name, type=int)\n"
        "a = p.parse_args()\n"
        "open('results.out', 'w').write(f'{a.size + a.bias}\\n{a.ways}\\n')\n"
    )
    project.write("evaluate.py", code)
    evaluate = {"sample_evaluate_script": "evaluate.py", "sample_evaluate_arguments": "--bias 1000"}
    knobs = [{"name": "size", "values": "1-3"}, {"name": "ways", "values": "1-3"}]
    project.config(knobs=knobs, evaluate=evaluate).run("-no-train").ok()
    table = project.numbers()
    assert (table["cycles"] == table["size"] + 1000).all()
    assert len(table) == 4


def test_a_python_function_a_point(project: Project) -> None:
    code = "def costs(size, ways):\n    return {'energy': ways / 8, 'cycles': size * 10}\n"
    project.python(code, "function").run("-no-train").ok()
    table = project.numbers()
    assert points(table) == POINTS
    assert (table["cycles"] == table["size"] * 10).all()
    assert (table["energy"] == table["ways"] / 8).all()


def test_a_vectorised_function(project: Project) -> None:
    project.python(COSTS).run("-no-train").ok()
    table = project.numbers()
    assert points(table) == POINTS
    assert (table["cycles"] == table["size"] * 100 + table["ways"]).all()


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["-input", "known.csv"], {}),
        (["-pre-evaluated-data", "known.csv", "-only-preloaded-data-exploration"], {}),
        (["-only-preloaded-data-exploration"], {"pre_evaluated_data": "known.csv"}),
        ([], {"pre_evaluated_data": "known.csv", "only_preloaded": True}),
    ],
)
def test_a_table_alone_is_explored_without_any_script(
    project: Project, arguments: list[str], keys: dict[str, object]
) -> None:
    rows = set(sorted(POINTS)[::2])
    write_table(project, rows)
    project.config(exploration={"explore": [{"groups": "all", **keys}]})
    ended = project.run("-no-train", *arguments).ok()
    table = project.numbers()
    assert points(table) == rows
    assert set(table["Source"]) == {"pre_evaluated"}
    assert (table["cycles"] == table["size"] * 100 + table["ways"]).all()
    assert project.numbers("deffe_evaluation.csv").empty
    assert "6 points evaluated (6 looked up in the table of known results)" in ended.out
    assert "of 6" in ended.out


def test_a_table_by_the_evaluator_of_tables(project: Project) -> None:
    rows = set(sorted(POINTS)[:9])
    write_table(project, rows)
    project.config(evaluate={"pyscript": "table", "options": {"table": "known.csv"}}).run("-no-train").ok()
    table = project.numbers()
    assert points(table[table["State"] == "done"]) == rows
    lacking = table[table["State"] == "failed"]
    assert points(lacking) == POINTS - rows
    assert lacking[["cycles", "energy"]].isna().all(axis=None)
    assert lacking["Reason"].str.contains("known.csv").all()


def test_known_results_are_looked_up_and_the_others_are_run(project: Project) -> None:
    rows = set(sorted(POINTS)[:5])
    write_table(project, rows)
    project.shell(exploration={"explore": [{"groups": "all", "pre_evaluated_data": "known.csv"}]})
    project.run("-no-train").ok()
    assert sorted(project.evaluated()) == sorted(f"{size} {ways}" for size, ways in POINTS - rows)
    table = project.numbers()
    assert points(table) == POINTS
    assert points(table[table["Source"] == "pre_evaluated"]) == rows
    assert points(project.numbers("deffe_evaluation.csv")) == POINTS - rows
    assert (table["cycles"] == table["size"] * 100 + table["ways"]).all()


def test_our_own_tables_can_be_known_results(project: Project, other: Project) -> None:
    project.shell().run("-no-train").ok()
    other.config().run("-no-train", "-input", project.path("deffe_output.csv")).ok()
    columns = ["size", "ways", "cycles", "energy", "Id"]
    pd.testing.assert_frame_equal(
        project.numbers()[columns].sort_values("Id", ignore_index=True),
        other.numbers()[columns].sort_values("Id", ignore_index=True),
    )


def test_a_variable_that_is_not_set_is_told(project: Project) -> None:
    project.python(COSTS, framework={"run_directory": "$NOT_SET_AT_ALL"})
    ended = project.run("-validate").ok()
    assert "config.json: framework.run_directory: the variable NOT_SET_AT_ALL is not set" in ended.err


def test_several_explorations_never_share_a_table(project: Project) -> None:
    knobs = [
        {"name": "size", "values": "1, 2, 4, 8", "groups": ["small", "large"]},
        {"name": "ways", "values": "1-4", "groups": "small"},
        {"name": "ways", "values": "16, 32", "groups": "large"},
    ]
    explore = [{"groups": "small"}, {"groups": ["large", "size::2;4"]}, {"name": "named", "groups": ["small::1"]}]
    ended = project.shell(knobs=knobs, exploration={"explore": explore}).run("-no-train").ok()
    assert points(project.numbers("deffe_output.csv")) == POINTS
    assert points(project.numbers("deffe_output_explore_1.csv")) == set(product((2, 4), (16, 32)))
    assert points(project.numbers("deffe_evaluation_named.csv")) == {(1, 1)}
    assert all(project.path(f"{name}-minmax.json").exists() for name in ("explore_0", "explore_1", "named"))
    summaries = [line.split(":")[0] for line in ended.out.splitlines() if " failed, 0 predicted" in line]
    assert summaries == ["explore_0", "explore_1", "named"]
    tables = [project.table(f"deffe_output{name}.csv") for name in ("", "_explore_1", "_named")]
    folders = pd.concat(tables)["RunDir"]
    assert folders.is_unique
    assert len(folders) == 17


def test_costs_are_derived_from_costs_and_knobs(project: Project) -> None:
    costs = ["cycles", "energy", {"name": "edp", "expression": "cycles * energy / size"}]
    project.shell(costs=costs, objectives=[{"cost": "edp", "goal": "min"}])
    ended = project.run("-no-train").ok()
    table = project.numbers()
    assert (table["edp"] == table["cycles"] * table["energy"] / table["size"]).all()
    assert "min edp =" in ended.out


def test_a_derived_cost_that_is_no_number_fails_the_point(project: Project) -> None:
    costs = ["cycles", "energy", {"name": "inverse", "expression": "1 / (cycles - 101)"}]
    project.shell(costs=costs).run("-no-train").ok()
    table = project.numbers()
    failed = table[table["State"] == "failed"]
    assert points(failed) == {(1, 1)}
    assert failed[["cycles", "energy", "inverse"]].isna().all(axis=None)
    assert "1 / (cycles - 101)" in failed["Reason"].iloc[0]


def test_constraints_hold_for_all_points_evaluated_and_predicted(project: Project) -> None:
    constraints = ["size >= ways", "size * ways != 8"]
    project.python(COSTS, constraints=constraints).run("-init-batch-samples", 2, "-step-end", 1).ok()
    table = project.numbers()
    valid = {(size, ways) for size, ways in POINTS if size >= ways and size * ways != 8}
    assert points(table) == valid
    assert set(table["State"]) == {"done", "predicted"}


def test_conditional_knobs_are_absent_where_they_have_no_meaning(project: Project) -> None:
    knobs = [
        {"name": "policy", "values": ["lru", "skewed"]},
        {"name": "skew", "values": "3-6", "when": "policy == 'skewed'"},
    ]
    script = "echo ${skew:-0} > results.out; echo ${policy} >> seen; env | grep -c ^skew= >> results.out; true\n"
    project.shell(script, knobs=knobs).run("-no-train").ok()
    table = project.numbers()
    assert len(table) == 4
    plain = table[table["policy"] == "lru"]
    assert len(plain) == 1
    assert plain["skew"].isna().all()
    assert plain["cycles"].tolist() == [0]
    assert plain["energy"].tolist() == [0]
    skewed = table[table["policy"] == "skewed"]
    assert sorted(skewed["skew"]) == [3, 4, 5]
    assert (skewed["cycles"] == skewed["skew"]).all()


def test_a_folder_with_spaces_and_quotes(project: Project) -> None:
    odd = type(project)(project.folder / 'a folder\'s "name" $HOME; 100%')
    odd.write("extract.sh", 'cat values > "results.out"\n')
    odd.shell(SPACED).call("-no-train").ok()
    assert len(odd.table()) == 12
    assert set(odd.table()["State"]) == {"done"}


SPACED = 'cd "$DEFFE_CONFIG_DIR" && cd - > log && printf "%s\\n" $size $ways > values\n'


def test_the_configuration_may_stand_in_another_folder(project: Project, other: Project) -> None:
    """Scripts are found beside the configuration; what is written goes to the current folder."""
    project.shell()
    before = project.contents()
    other.run("-config", project.path("config.json"), "-no-train").ok()
    assert points(other.numbers()) == POINTS
    project.forget_evaluated()
    assert project.contents() == before


def test_running_again_resumes_and_runs_nothing(project: Project) -> None:
    project.shell().run("-no-train", "-fixed-samples", 3, "-init-batch-samples", 3, "-step-end", 2).ok()
    before, first = project.contents(), project.numbers()
    assert len(project.evaluated()) == 6
    project.run("-no-train", "-fixed-samples", 3, "-init-batch-samples", 3, "-step-end", 2).ok()
    tables = [name for name in before if name.endswith((".csv", ".json"))]
    assert {name: project.contents()[name] for name in tables} == {name: before[name] for name in tables}
    assert set(project.contents()) == set(before)
    assert len(project.evaluated()) == 6
    project.run("-no-train", "-fixed-samples", 3, "-init-batch-samples", 3).ok()  # and goes on where it is asked to
    pd.testing.assert_frame_equal(project.numbers().head(6), first)
    assert sorted(project.evaluated()) == sorted(f"{size} {ways}" for size, ways in POINTS)


def test_tables_of_others_are_not_overwritten(project: Project) -> None:
    project.write("deffe_output.csv", "mine")
    project.shell().run("-no-train").ok()
    assert project.path("deffe_output.1.csv").read_text() == "mine"
    assert len(project.table()) == 12
