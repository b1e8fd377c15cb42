"""Configurations: what is accepted, what it means, and which faults are told."""

from __future__ import annotations

import json
import os
import pickle
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deffe.config import Config, json_schema, load
from deffe.config.text import parse, read_text, without_comments
from deffe.errors import ConfigError, DeffeError, Fault, PluginError, counted

ROOT = Path(__file__).parents[2]
MINIMAL = {"knobs": [{"name": "size", "values": "1,2-4"}], "costs": ["cycles"]}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is not that of the configuration."""
    (tmp_path / "here").mkdir()
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def write(tmp_path: Path, content: object, name: str = "config.json") -> Path:
    path = tmp_path / "beside" / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def loaded(tmp_path: Path, **keys: Any) -> Config:
    return load(write(tmp_path, {**MINIMAL, **keys}))


def faults_of(path: Path) -> dict[str, str]:
    """Place to the message and hint of each fault."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.exit_code == 2
    return {fault.place: f"{fault.message} ({fault.hint})" for fault in caught.value.faults}


def faults(tmp_path: Path, **keys: Any) -> dict[str, str]:
    return faults_of(write(tmp_path, {**MINIMAL, **keys}))


def values(config: Config, index: int = 0) -> dict[str, tuple[Any, ...]]:
    return {parameter.name: parameter.values for parameter in config.explorations[index].space.parameters}


# --- every key of the original


ORIGINAL = """
{
  # a configuration as users of the original wrote it
  "python_path" : [".", "$NOWHERE"],
  "knobs" : [
    { "name" : "l2_size", "values" : ["1", "2-4", "8"], "groups" : ["cache"], "map" : "l2", "base" : "2",
      "onedim_combination" : "True" },
    { "name" : "mode", "values" : "o[1-3]" },
  ],
  "scenarios" : [ { "name" : "objects", "values" : "100-400-100", "groups" : ["kmeans"], "map" : "options" } ],
  "costs" : ["Cycles", "Energy"],
  "model" : { "pyscript" : "_ml_model.py", "ml_model_type" : "keras_cnn", "ml_model_script" : "",
     "output_log" : "ml.log", "batch_size" : "256", "arguments" : "", "ml_arguments" : "-epochs 50 -convs 2",
     "exclude_costs" : ["ENERGY"] },
  "exploration" : { "pyscript" : "_exploration.py", "arguments" : "", "output_log" : "exploration.log",
     "explore" : [ { "name" : "first", "groups" : ["kmeans", "cache", "objects::100;200"], "valid_costs" : ["Cycles"],
       "pre_evaluated_data" : "known.csv", "all_table" : "a.csv", "exploration_table" : "b.csv",
       "evaluation_table" : "c.csv", "ml_predict_table" : "d.csv", "evaluation_predict_table" : "e.csv" } ] },
  "sampling" : { "pyscript" : "_sampling.py", "arguments" : "-custom-samples 20 40 -method lhs",
     "output_log" : "s.log", "validate_module" : "valid.py", "optimize_sample_sequence_module" : "cost_2d",
     "cost_objective" : ["energy::max"] },
  "evaluate" : { "pyscript" : "_evaluate.py", "arguments" : "", "batch_size" : 20, "output_flow" : -1, "batch" : "x",
     "output_log" : "ev.log", "source_scripts" : "env.sh", "slurm" : "True", "sample_evaluate_script" : "run.sh",
     "sample_evaluate_arguments" : "--fast '--name=a b'", "sample_evaluate_excludes" : "mode" },
  "extract" : { "pyscript" : "_extract.py", "arguments" : "", "batch_size" : "20", "output_flow" : "-1",
     "output_log" : "ex.log", "sample_extract_script" : "get.sh", "sample_extract_arguments" : "",
     "sample_extract_excludes" : [], "slurm" : { "mem" : "4G", "nodes" : 2 }, "cost_output" : "results.json",
     "hold_evaluated_data" : "true" },
  "framework" : { "output_log" : "f.log", "run_directory" : "runs" },
  "slurm" : { "nodes" : "1", "cpus_per_task" : 4, "exclude" : "", "nodelist" : "n1", "mem" : "2G", "mail_type" : "END",
     "mail_user" : "me", "account" : "acc", "time" : "1:00:00", "constraint" : "c", "partition" : "p",
     "source_scripts" : ["env.sh"], "pyscript" : "deffe_slurm.py", "user_script_configured" : "false" }
}
"""


@pytest.fixture
def original(tmp_path: Path) -> Config:
    for name in ("env.sh", "run.sh", "get.sh", "known.csv"):
        (tmp_path / "beside" / name).touch()
    return load(write(tmp_path, ORIGINAL))


def test_knobs_of_the_original(original: Config) -> None:
    by_name = {parameter.name: parameter for parameter in original.explorations[0].space.parameters}
    assert by_name["l2_size"].values == (1, 2, 3, 8)
    assert (by_name["l2_size"].map, by_name["l2_size"].base, by_name["l2_size"].kind) == ("l2", 2, "knob")
    assert by_name["l2_size"].onedim_combination is True
    assert by_name["mode"].values == ("o1", "o2")
    assert (by_name["objects"].values, by_name["objects"].kind) == ((100, 200), "scenario")


def test_exploration_of_the_original(original: Config, tmp_path: Path) -> None:
    (exploration,) = original.explorations
    assert exploration.name == "first"
    assert exploration.pre_evaluated_data == tmp_path / "beside" / "known.csv"
    assert exploration.valid_costs == ("cycles",)
    assert list(exploration.tables.values()) == [*(f"{letter}.csv" for letter in "abcde"), "deffe_recommended.csv"]
    assert original.costs == ("cycles", "energy")
    assert [(o.cost, o.goal) for o in original.objectives] == [("energy", "max")]


def test_sections_of_the_original(original: Config) -> None:
    model, sampling, evaluate = original.GetModel(), original.GetSampling(), original.GetEvaluate()
    assert (model.pyscript, model.ml_model_type, model.batch_size) == ("_ml_model.py", "keras_cnn", 256)
    assert (model.exclude_costs, model.all_arguments) == (("energy",), "-epochs 50 -convs 2")
    assert (sampling.pyscript, sampling.arguments) == ("_sampling.py", "-custom-samples 20 40 -method lhs")
    assert (sampling.validate_module, sampling.optimize_sample_sequence_module) == ("valid.py", "cost_2d")
    assert (evaluate.batch_size, evaluate.output_flow, evaluate.source_scripts) == (20, None, ("env.sh",))
    assert (evaluate.sample_evaluate_script, evaluate.sample_evaluate_excludes) == ("run.sh", ("mode",))
    assert evaluate.slurm is not None
    assert evaluate.slurm.model_fields_set == set()
    assert original.GetExploration().get("output_log") == "exploration.log"
    assert original.GetFramework().run_directory == "runs"


def test_extract_and_slurm_of_the_original(original: Config) -> None:
    extract, slurm = original.GetExtract(), original.GetSlurm()
    assert (extract.cost_output, extract.sample_extract_script) == ("results.json", "get.sh")
    assert (extract.hold_evaluated_data, extract.batch_size, extract.output_flow) == (True, 20, None)
    assert extract.slurm is not None
    assert (extract.slurm.mem, extract.slurm.nodes) == ("4G", "2")
    assert (slurm.cpus_per_task, slurm.nodelist, slurm.user_script_configured) == ("4", "n1", False)


def test_defaults_of_the_original(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert (config.evaluate.sample_evaluate_script, config.evaluate.output_log) == ("evaluate.sh", "evaluate.log")
    assert (config.extract.sample_extract_script, config.extract.cost_output) == ("extract.sh", "results.out")
    assert (config.framework.run_directory, config.slurm.nodes) == ("explore", "1")
    assert list(config.explorations[0].tables.values()) == [
        f"deffe_{name}.csv"
        for name in ("output", "exploration", "evaluation", "prediction", "eval_predict", "recommended")
    ]
    numbers = ("init_batch_samples", "fixed_samples", "step_start", "step_end", "step_increment", "max_samples")
    assert {getattr(config.sampling, name) for name in numbers} == {None}
    assert (config.sampling.custom_samples, config.evaluate.workers, config.exploration.predict_limit) == (
        (),
        None,
        100_000,
    )


@pytest.mark.parametrize("written", [True, "True", "true", "1"])
def test_lenient_booleans(tmp_path: Path, written: object) -> None:
    knob = {"name": "a", "values": 1, "onedim_combination": written}
    assert loaded(tmp_path, knobs=[knob]).explorations[0].space.parameters[0].onedim_combination


@pytest.mark.parametrize("written", [-1, "-1", "", None])
def test_minus_one_and_nothing_mean_not_given(tmp_path: Path, written: object) -> None:
    keys = ("fixed_samples", "init_batch_samples", "step_end", "max_samples")
    sampling = loaded(tmp_path, sampling=dict.fromkeys(keys, written)).sampling
    assert {getattr(sampling, key) for key in keys} == {None}


@pytest.mark.parametrize("written", [[20, 40], ["20", "40"], "20 40", "20, 40"])
def test_custom_samples_as_list_or_text(tmp_path: Path, written: object) -> None:
    assert loaded(tmp_path, sampling={"custom_samples": written}).sampling.custom_samples == (20, 40)


def test_arguments_as_a_list_keep_their_words(tmp_path: Path) -> None:
    model = loaded(tmp_path, model={"arguments": ["-name", "a b"], "ml_arguments": "-epochs 5"}).model
    assert model.all_arguments == "-name 'a b' -epochs 5"


@pytest.mark.parametrize(("written", "used"), [(True, True), ("false", False), ("", False), ({"mem": "1G"}, True)])
def test_slurm_as_flag_or_object(tmp_path: Path, written: object, used: bool) -> None:
    assert (loaded(tmp_path, evaluate={"slurm": written}).evaluate.slurm is not None) is used


# --- groups


KNOBS = [
    {"name": "free", "values": "1,2"},
    {"name": "a", "values": "1,2,3", "groups": ["g", "h"]},
    {"name": "b", "values": "1,2,3", "groups": "g"},
    {"name": "c", "values": "1,2,3", "groups": "other"},
]


def explored(tmp_path: Path, groups: object, knobs: object = KNOBS) -> dict[str, tuple[Any, ...]]:
    entry = {} if groups is None else {"groups": groups}
    return values(loaded(tmp_path, knobs=knobs, exploration={"explore": [entry]}))


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (None, {"free"}),
        ([], {"free"}),
        ("g", {"free", "a", "b"}),
        (["h", "c"], {"free", "a", "c"}),
        ("h, other", {"free", "a", "c"}),
        ("all", {"free", "a", "b", "c"}),
    ],
)
def test_a_group_takes_its_knobs_and_those_without_groups(tmp_path: Path, groups: object, names: set[str]) -> None:
    assert set(explored(tmp_path, groups)) == names


def test_without_explorations_everything_is_explored(tmp_path: Path) -> None:
    config = loaded(tmp_path, knobs=KNOBS)
    assert [exploration.name for exploration in config.explorations] == ["explore_0"]
    assert set(values(config)) == {"free", "a", "b", "c"}


def test_a_group_replaces_the_values_of_its_knobs(tmp_path: Path) -> None:
    assert explored(tmp_path, ["g::7;9-11"]) == {"free": (1, 2), "a": (7, 9, 10), "b": (7, 9, 10)}


def test_the_knobs_own_name_wins_wherever_it_stands(tmp_path: Path) -> None:
    for groups in (["a::7;8", "g::9"], ["g::9", "a::7;8"]):
        assert explored(tmp_path, groups) == {"free": (1, 2), "a": (7, 8), "b": (9,)}


def test_otherwise_the_first_group_that_replaces_wins(tmp_path: Path) -> None:
    assert explored(tmp_path, ["g::5", "h::6"])["a"] == (5,)
    assert explored(tmp_path, ["h::6", "g::5"])["a"] == (6,)


def test_values_of_a_knob_without_groups_are_replaced_by_its_name(tmp_path: Path) -> None:
    assert explored(tmp_path, ["free::4"]) == {"free": (4,)}


def test_a_base_that_is_replaced_gives_way_to_the_first_value(tmp_path: Path) -> None:
    knobs = [{"name": "a", "values": "1,2", "base": 2}]
    config = loaded(tmp_path, knobs=knobs, exploration={"explore": [{"groups": "a::5;6"}, {"groups": "a::1;2"}]})
    assert [exploration.space.parameters[0].base for exploration in config.explorations] == [None, 2]


SIZES = [
    {"name": "size", "values": "1,2", "groups": "kmeans", "map": "n"},
    {"name": "size", "values": "2,3", "groups": "matmul", "map": "n"},
]


@pytest.mark.parametrize(("groups", "united"), [("kmeans", (1, 2)), ("matmul", (2, 3)), ("all", (1, 2, 3))])
def test_entries_of_one_name_are_united(tmp_path: Path, groups: str, united: tuple[int, ...]) -> None:
    config = loaded(tmp_path, scenarios=SIZES, knobs=[], exploration={"explore": [{"groups": groups}]})
    assert values(config) == {"size": united}
    assert [parameter.values for parameter in config.declared_space.parameters] == [(1, 2, 3)]


def test_entries_of_one_name_need_groups_and_agree(tmp_path: Path) -> None:
    found = faults(tmp_path, knobs=[KNOBS[0], {"name": "free", "values": 1, "groups": "g"}])
    assert "'free' is used twice" in found["knobs[1]"]
    found = faults(tmp_path, knobs=[SIZES[0], {**SIZES[1], "map": "m"}])
    assert list(found) == ["knobs[1].map"]


def test_a_knob_and_a_scenario_of_one_name_are_a_fault(tmp_path: Path) -> None:
    assert "used twice" in faults(tmp_path, scenarios=[{"name": "size", "values": 1}])["scenarios[0]"]


# --- new keys


def test_constraints_apply_where_all_their_knobs_are_explored(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        knobs=KNOBS,
        constraints=["a <= b", "free < 2"],
        exploration={"explore": [{"groups": "g"}, {"groups": "c"}]},
    )
    shown = [[constraint.text for constraint in e.space.constraints] for e in config.explorations]
    assert shown == [["a <= b", "free < 2"], ["free < 2"]]
    assert config.explorations[0].space.size == 6
    assert config.declared_space.size == 54


def test_conditional_knob_unit_and_scale(tmp_path: Path) -> None:
    knobs = [
        {"name": "has_l2", "values": [False, True]},
        {"name": "l2_size", "values": "1,2,4", "when": "has_l2", "unit": "KiB", "scale": "linear"},
    ]
    space = loaded(tmp_path, knobs=knobs).explorations[0].space
    assert space.size == 4
    assert (space.parameters[1].unit, space.parameters[1].scale) == ("KiB", "linear")


@pytest.mark.parametrize(
    "written", [{"A": "min", "b": "max"}, ["a", "b::max"], [{"cost": "a"}, {"cost": "B", "goal": "max"}]]
)
def test_objectives_in_each_form(tmp_path: Path, written: object) -> None:
    config = loaded(tmp_path, costs=["A", "B", "C"], objectives=written)
    assert [(objective.cost, objective.goal) for objective in config.objectives] == [("a", "min"), ("b", "max")]


def test_by_default_every_cost_is_made_small(tmp_path: Path) -> None:
    costs = ["a", {"name": "b", "expression": "a * size"}]
    assert [(o.cost, o.goal) for o in loaded(tmp_path, costs=costs).objectives] == [("a", "min"), ("b", "min")]


def test_derived_costs_see_knobs_and_the_costs_before_them(tmp_path: Path) -> None:
    costs = [
        {"name": "twice", "expression": "2 * Cycles".lower()},
        {"name": "Cycles", "unit": "cycles"},
        {"name": "more", "expression": "twice + size"},
    ]
    config = loaded(tmp_path, costs=costs)
    assert (config.costs, tuple(config.derived_costs)) == (("cycles",), ("twice", "more"))
    assert config.all_costs == ("cycles", "twice", "more")
    assert config.derived_costs["more"].names == {"twice", "size"}
    assert config.units == {"cycles": "cycles"}


def test_a_derived_cost_cannot_use_one_after_it_or_a_knob_not_always_explored(tmp_path: Path) -> None:
    later = [{"name": "x", "expression": "y"}, {"name": "y", "expression": "cycles"}, "cycles"]
    assert "unknown name 'y'" in faults(tmp_path, costs=later)["costs[0].expression"]
    knobs = [*MINIMAL["knobs"], {"name": "b", "values": 1, "groups": "g"}]
    found = faults(
        tmp_path,
        knobs=knobs,
        costs=["cycles", {"name": "x", "expression": "b * cycles"}],
        exploration={"explore": [{"groups": "g"}, {}]},
    )
    assert list(found) == ["costs[1].expression"]


# --- files: includes, folders, variables


def test_include_merges_under_the_including_file(tmp_path: Path) -> None:
    (tmp_path / "beside" / "sub").mkdir()
    write(
        tmp_path,
        {
            "include": "deep.json",
            "knobs": [{"name": "size", "values": 9, "unit": "KiB"}, {"name": "ways", "values": "1,2"}],
            "costs": ["cycles", "energy"],
            "framework": {"seed": 1, "run_directory": "there"},
        },
        "sub/common.json",
    )
    write(tmp_path, {"python_path": ["."], "framework": {"seed": 2, "output_log": "deep.log"}}, "sub/deep.json")
    config = loaded(tmp_path, include=["sub/common.json"], framework={"seed": 7})
    assert values(config) == {"size": (1, 2, 3), "ways": (1, 2)}
    assert config.explorations[0].space.parameters[0].unit == "KiB"
    assert config.costs == ("cycles", "energy")
    assert (config.framework.seed, config.framework.run_directory) == (7, "there")
    assert config.framework.output_log == "deep.log"
    assert [knob["name"] for knob in json.loads(config.text)["knobs"]] == ["size", "ways"]


def test_includes_are_found_beside_the_file_first_then_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "here" / "costs.json").write_text('{"costs": ["here"]}')
    knobs = {"knobs": MINIMAL["knobs"], "include": "costs.json"}
    assert load(write(tmp_path, knobs)).costs == ("here",)
    write(tmp_path, {"costs": ["beside"]}, "costs.json")
    assert load(write(tmp_path, knobs)).costs == ("beside",)


def test_a_file_included_twice_by_different_ways_counts_once(tmp_path: Path) -> None:
    write(tmp_path, {"costs": ["cycles"], "exploration": {"explore": [{"groups": "all"}]}}, "base.json")
    for name in ("one.json", "two.json"):
        write(tmp_path, {"include": "base.json"}, name)
    config = load(write(tmp_path, {"include": ["one.json", "two.json"], "knobs": MINIMAL["knobs"]}))
    assert (config.costs, len(config.explorations)) == (("cycles",), 1)


def test_faults_of_includes_are_told_with_the_file(tmp_path: Path) -> None:
    write(tmp_path, {"include": "config.json"}, "back.json")
    write(tmp_path, {"knobs": [{"name": "x", "values": "4-2"}]}, "values.json")
    write(tmp_path, '{"costs": [}', "broken.json")
    found = faults(tmp_path, include=["back.json", "none.json", "values.json", "broken.json"])
    assert "config.json -> back.json -> config.json" in found["back.json: include"]
    assert "no file 'none.json'" in found["include[1]"]
    assert "empty" in found["values.json: knobs[0].values"]
    assert "broken.json: line 1, column 12" in found


def test_variables_are_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PART", "beside")
    config = loaded(
        tmp_path,
        knobs=[{"name": "size", "values": "$PART,$UNKNOWN_PART"}],
        framework={"run_directory": "${PART}/run", "output_log": "$DEFFE_CONFIG_DIR"},
        evaluate={"options": {"pattern": "$PART"}},
    )
    assert values(config) == {"size": ("beside", "$UNKNOWN_PART")}
    assert (config.framework.run_directory, config.framework.output_log) == ("beside/run", str(tmp_path / "beside"))
    assert config.evaluate.options == {"pattern": "$PART"}
    assert config.variables["DEFFE_EXP_DIR"] == os.getcwd()
    assert load(config.source, {"PART": "given"}).framework.run_directory == "given/run"


def test_find_looks_beside_the_file_then_in_the_current_folder(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    (tmp_path / "here" / "a").touch()
    assert config.find("a") == tmp_path / "here" / "a"
    (tmp_path / "beside" / "a").touch()
    assert config.find("a") == tmp_path / "beside" / "a"
    assert config.find("$DEFFE_EXP_DIR/a") == tmp_path / "here" / "a"
    assert (config.find("b"), config.find(""), config.find("x\0"), config.find("x" * 5000)) == (None,) * 4


def test_python_path_has_both_folders(tmp_path: Path) -> None:
    assert loaded(tmp_path, python_path=".").python_path == (tmp_path / "beside", tmp_path / "here")


# --- text


def test_comments_of_every_style_and_trailing_commas(tmp_path: Path) -> None:
    text = """
    # shell style { "
    ; a line of semicolon
    { // C++ style
      "knobs": [ {"name": "size", "values": "a#b, c//d, e;f, g/*h*/, ',]'" , }, /* over
      two lines */ ],
      "costs": [ ### cost metric names ###
        "cycles", ], // "costs": []
    }
    """
    config = load(write(tmp_path, text))
    assert values(config) == {"size": ("a#b", "c//d", "e;f", "g/*h*/", "'", "]'")}
    assert config.text == text


SCALARS = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_what_is_json_stays_as_it_is(data: object) -> None:
    for indent in (None, 1):
        text = json.dumps(data, indent=indent, ensure_ascii=False)
        assert without_comments(text) == text


def test_comments_are_read_as_commentjson_reads_them() -> None:
    commentjson = pytest.importorskip("commentjson")
    text = '{"a": "#x // \\" y", # one\n "b": [1, 2.5, {"c": null,},], // "z": 1\n "d": -1e3}'
    assert parse(text, "x") == commentjson.loads(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"knobs": [1,\n  2 3]}', "line 2, column 5"),
        ('{ # comment\n /* more\n */ "a" 1}', "line 3, column 9"),
        ('{"a": /* never closed }', "line 1, column 7"),
        ("", "line 1, column 1"),
        ('{"a": "open}', "line 1, column 7"),
    ],
)
def test_syntax_errors_have_line_and_column(tmp_path: Path, text: str, place: str) -> None:
    assert list(faults_of(write(tmp_path, text))) == [place]


@pytest.mark.parametrize("text", ["[]", "3", "null", '{"a": NaN}', '{"a": ' + "9" * 5000 + "}", r'{"a": "\ud800"}'])
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    if "9" in text:
        text = text.replace('"a"', '"costs"')
    assert faults_of(write(tmp_path, text))


@pytest.mark.parametrize("depth", [150, 100_000])
def test_huge_nesting_is_refused(tmp_path: Path, depth: int) -> None:
    found = faults_of(write(tmp_path, '{"knobs": ' + "[" * depth + "]" * depth + "}"))
    assert "nested deeper" in found[""]


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "beside" / "bom.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode())
    assert load(path).costs == ("cycles",)


@pytest.mark.parametrize("raw", ['{"costs":\n ["é"]}'.encode("latin-1"), json.dumps(MINIMAL).encode("utf-16")])
def test_other_encodings_are_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "beside" / "latin.json"
    path.write_bytes(raw)
    (place,) = faults_of(path)
    assert place == ("line 2" if raw.startswith(b"{") else "line 1")


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL, "config_small.json")
    found = faults_of(tmp_path / "beside" / "config_smal.json")
    assert "no such file (did you mean 'config_small.json'?" in found[""]


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert "directory" in faults_of(tmp_path / "beside")[""]
    assert faults_of(tmp_path / "nowhere" / "x.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    path.chmod(0)
    assert "cannot be read" in faults_of(path)[""]


# --- faults


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = """{
      "knobs": [{"name": "size", "values": "4-2"}, {"name": "ways", "valus": 3},
        {"name": "a", "values": 1, "values": 2}, 5],
      "costs": ["cycles", {"nam": "x"}], "objectives": {"cycle": "min", "cycles": "up"},
      "constraints": ["size < way"], "sampling": {"fixed_samples": "five", "step_end": true},
      "exploration": {"explore": [{"groups": "siz"}], "target_error": 0},
      "evaluat": {}, "evaluate": {"timeout_s": "soon", "sample_evaluate_script": "none.sh"}
    }"""
    found = faults_of(write(tmp_path, text))
    assert set(found) == {
        "knobs[0].values",
        "knobs[1].valus",
        "knobs[1]",
        "knobs[2].values",
        "knobs[3]",
        "costs[1]",
        "costs[1].nam",
        "objectives.cycle",
        "objectives.cycles.goal",
        "constraints[0]",
        "sampling.fixed_samples",
        "sampling.step_end",
        "exploration.explore[0].groups",
        "exploration.target_error",
        "evaluat",
        "evaluate.timeout_s",
        "evaluate.sample_evaluate_script",
    }
    for place, near in {"knobs[1].valus": "values", "evaluat": "evaluate", "objectives.cycle": "cycles"}.items():
        assert f"did you mean '{near}'" in found[place]
    assert "did you mean 'ways'" in found["constraints[0]"]
    assert "did you mean 'size'" in found["exploration.explore[0].groups"]
    assert not re.search("unnamed|Value error", str(found))


@pytest.mark.parametrize(
    ("keys", "place", "said"),
    [
        ({"knobs": []}, "knobs", "no knobs"),
        ({"costs": []}, "costs", "no costs"),
        ({"costs": [{"name": "x", "expression": "size"}]}, "costs", "all costs are derived"),
        ({"costs": ["a", "A"]}, "costs[1]", "listed twice"),
        ({"costs": ["cycles", "Size"]}, "costs[1]", "named like the knob 'size'"),
        ({"costs": [""]}, "costs[0].name", "at least one character"),
        ({"knobs": [{"name": "a b;c", "values": 1}]}, "knobs[0].name", "none of , ; :"),
        ({"knobs": [{"name": "size", "values": []}]}, "knobs[0].values", "empty"),
        ({"knobs": [{"name": "size", "values": "1,2", "base": 3}]}, "knobs[0].base", "not one of its values"),
        ({"knobs": [{"name": "size", "values": "1,2", "scale": "log"}]}, "knobs[0].scale", "log2"),
        ({"knobs": [{"name": "size", "values": "0,2", "scale": "log2"}]}, "knobs[0]", "not positive"),
        ({"knobs": {"name": "size"}}, "knobs", "a list is needed"),
        ({"constraints": ["size < waze"]}, "constraints[0]", "unknown name 'waze'"),
        ({"constraints": ["size <"]}, "constraints[0]", "cannot read"),
        ({"constraints": ["size > 5"]}, "knobs", "size > 5"),
        ({"model": {"exclude_costs": "cycle"}}, "model.exclude_costs", "did you mean 'cycles'"),
        ({"objectives": ["cycles", "cycles::max"]}, "objectives[1]", "twice"),
        ({"sampling": {"cost_objective": ["x::min"]}}, "sampling.cost_objective[0]", "unknown cost 'x'"),
        ({"exploration": {"explore": [{"valid_costs": ["x"]}]}}, "exploration.explore[0].valid_costs", "unknown cost"),
        ({"exploration": {"explore": [{"groups": "size::4-2"}]}}, "exploration.explore[0].groups", "empty"),
        ({"exploration": {"explore": [{"name": "a/b"}]}}, "exploration.explore[0].name", "letters, digits"),
        ({"exploration": {"explore": [{"name": "a"}, {"name": "a"}]}}, "exploration.explore[1]", "used twice"),
        (
            {"exploration": {"explore": [{"pre_evaluated_data": "x.csv"}]}},
            "exploration.explore[0].pre_evaluated_data",
            "no file",
        ),
        (
            {"exploration": {"explore": [{"only_preloaded": True}]}},
            "exploration.explore[0].only_preloaded",
            "known results",
        ),
        ({"evaluate": {"source_scripts": ["x.sh"]}}, "evaluate.source_scripts[0]", "no file 'x.sh'"),
        ({"extract": {"sample_extract_script": "/"}}, "extract.sample_extract_script", "directory"),
        ({"evaluate": {"workers": 0}}, "evaluate.workers", "greater than or equal to 1"),
        ({"evaluate": {"keep": "some"}}, "evaluate.keep", "'failed'"),
        ({"framework": {"seed": -1}}, "framework.seed", "greater than or equal to 0"),
        ({"include": 3}, "include", "name of a file"),
        ({"features": ["x = sise * 2"]}, "features[0]", "did you mean 'size'"),
        ({"features": ["y = size * 2", "size * 2"]}, "features[1]", "write it as name = expression"),
        ({"features": ["x = size <"]}, "features[0]", "cannot read"),
        ({"features": [{"name": "x", "expression": "size", "scale": "log"}]}, "features[0].scale", "'log2'"),
        ({"features": [{"name": "x"}]}, "features[0]", "'expression' is missing"),
        ({"features": ["x = 1 + 1"]}, "features[0]", "names no knob"),
        ({"features": ["x = 1 / (size - 2)"]}, "features[0]", "inf at size=2"),
        ({"features": ["x = 'big' if size > 2 else 'small'"]}, "features[0]", "is text"),
        ({"features": [{"name": "x", "expression": "size - 1", "scale": "log2"}]}, "features[0]", "use linear"),
        ({"features": ["Size = size * 2"]}, "features[0]", "named like the knob 'size'"),
        ({"features": ["Cycles = size * 2"]}, "features[0]", "named like the cost 'cycles'"),
        ({"features": ["x = size * 2", "x = size * 3"]}, "features[1]", "named like the feature 'x'"),
        ({"model": {"transfer": {}}}, "model.transfer.from", "nothing to learn from"),
        (
            {"model": {"transfer": {"fro": [{"table": "/"}], "from": [{"checkpoint": "/"}]}}},
            "model.transfer.fro",
            "did you mean 'from'",
        ),
        ({"model": {"transfer": {"from": []}}}, "model.transfer.from", "nothing to learn from"),
        ({"model": {"transfer": {"from": [{"map": {}}]}}}, "model.transfer.from[0]", "either table or checkpoint"),
        ({"model": {"transfer": {"from": [{"table": "t.csv"}]}}}, "model.transfer.from[0].table", "no file 't.csv'"),
        ({"model": {"transfer": {"from": [{"table": "/"}]}}}, "model.transfer.from[0].table", "directory"),
        ({"model": {"transfer": {"from": [{"checkpoint": "c"}]}}}, "model.transfer.from[0].checkpoint", "no file 'c'"),
        (
            {"model": {"transfer": {"from": [{"checkpoint": "/", "map": {"l1": "sise"}}]}}},
            "model.transfer.from[0].map.l1",
            "did you mean 'size'",
        ),
        (
            {"model": {"transfer": {"from": [{"checkpoint": "/", "costs": {"cycle": "x"}}]}}},
            "model.transfer.from[0].costs",
            "did you mean 'cycles'",
        ),
        (
            {"model": {"transfer": {"from": [{"checkpoint": "/"}], "method": "all"}}},
            "model.transfer.method",
            "'residual'",
        ),
    ],
)
def test_each_fault_has_its_place(tmp_path: Path, keys: dict[str, Any], place: str, said: str) -> None:
    found = faults(tmp_path, **keys)
    assert list(found) == [place]
    assert said in found[place]


def test_a_cycle_of_conditions_is_a_fault(tmp_path: Path) -> None:
    knobs = [{"name": "a", "values": "0,1", "when": "b"}, {"name": "b", "values": "0,1", "when": "a"}]
    assert re.search("circle|cycle|each other", str(faults(tmp_path, knobs=knobs)))
    assert "unknown name 'a'" in str(faults(tmp_path, knobs=[{"name": "a", "values": "0,1", "when": "a"}]))


def test_a_condition_on_a_knob_that_is_not_explored_is_a_fault(tmp_path: Path) -> None:
    knobs = [{"name": "a", "values": "0,1", "groups": "g"}, {"name": "b", "values": "0,1", "when": "a"}]
    assert list(faults(tmp_path, knobs=knobs, exploration={"explore": [{}]})) == ["knobs[1].when"]


def test_an_exploration_without_knobs_is_a_fault(tmp_path: Path) -> None:
    knobs = [{"name": "a", "values": "0,1", "groups": "g"}]
    found = faults(tmp_path, knobs=knobs, exploration={"explore": [{}]})
    assert "no knob belongs" in found["exploration.explore[0].groups"]


RICH = {
    "include": [],
    "python_path": ".",
    "knobs": [
        {"name": "a", "values": "1,2-4", "groups": "g", "base": 2},
        {"name": "b", "values": [1, 2], "when": "a > 1"},
    ],
    "scenarios": [{"name": "s", "values": "x[1-3]", "map": "m", "scale": "category"}],
    "constraints": ["a < 4 or b < 2"],
    "costs": ["cycles", {"name": "twice", "expression": "cycles * 2"}],
    "objectives": {"cycles": "min"},
    "exploration": {"explore": [{"name": "e", "groups": ["g", "a::1;2"], "valid_costs": "cycles"}], "target_error": 3},
    "sampling": {"method": "lhs", "custom_samples": [2, 4], "cost_objective": ["cycles::min"]},
    "evaluate": {"workers": 2, "options": {"x": 1}, "slurm": {"mem": "1G"}},
    "model": {"exclude_costs": ["twice"]},
}


def paths(node: object) -> list[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [(), *((key, *rest) for key, child in items for rest in paths(child))]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    path=st.sampled_from([path for path in paths(RICH) if path]),
    replacement=st.recursive(
        SCALARS | st.floats(), lambda c: st.lists(c) | st.dictionaries(st.text(), c), max_leaves=5
    ),
)
def test_any_replacement_is_accepted_or_told_as_a_fault(
    tmp_path: Path, path: tuple[Any, ...], replacement: Any
) -> None:
    content = json.loads(json.dumps(RICH))
    node = content
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = replacement
    with suppress(ConfigError):
        assert load(write(tmp_path, content)).explorations[0].space.size > 0


def test_scripts_of_default_name_need_not_be_there(tmp_path: Path) -> None:
    assert loaded(tmp_path).find("evaluate.sh") is None


# --- features and transfer


def test_features_in_each_form(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        knobs=[{"name": "size", "values": "1,2,4"}, {"name": "ways", "values": "1,2"}],
        features=["sets = size / ways", {"name": "same", "expression": "ways == size", "scale": "linear"}],
    )
    space = config.explorations[0].space
    assert space.feature_names == ("size", "ways", "sets", "same")
    assert [(f.name, f.expression.text, f.scale) for f in space.derived] == [
        ("sets", "size / ways", None), ("same", "ways == size", "linear")]  # fmt: skip
    assert loaded(tmp_path, features="twice = size * 2").explorations[0].space.derived_columns == (1,)


def test_features_apply_where_all_their_knobs_are_explored(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        knobs=[{"name": "size", "values": "1,2,4"}, {"name": "ways", "values": "1,2", "groups": "w"}],
        features=["area = size * ways", "square = size * size"],
        exploration={"explore": [{"groups": "size"}, {"groups": "w"}, {"groups": "w, size::2"}]},
    )
    declared = [tuple(feature.name for feature in entry.space.derived) for entry in config.explorations]
    assert declared == [("square",), ("area", "square"), ("area", "square")]
    last = config.explorations[2].space
    assert last.feature_names == ("ways", "area")
    assert last.feature_map.notes == ("the feature 'square' is left out: it is 4 at every point",)


def test_a_feature_without_a_value_at_points_that_a_constraint_forbids(tmp_path: Path) -> None:
    features = ["x = 1 / (size - 2)"]
    assert loaded(tmp_path, features=features, constraints=["size != 2"]).explorations[0].space.derived_columns == (1,)


def test_faults_of_features_and_transfer_hide_no_others(tmp_path: Path) -> None:
    found = faults(tmp_path, features=[{"name": "x"}], constraints=["siz > 1"], model={"transfer": {"from": [{}]}})
    assert set(found) == {"features[0]", "constraints[0]", "model.transfer.from[0]"}


def test_features_are_no_part_of_the_identity(tmp_path: Path) -> None:
    plain, more = loaded(tmp_path), loaded(tmp_path, features=["twice = size * 2"])
    assert more.digest == plain.digest
    assert more.explorations[0].space.describe() == plain.explorations[0].space.describe()


def test_transfer_names_its_sources(tmp_path: Path) -> None:
    (tmp_path / "beside" / "known.csv").write_text("l1,cycles\n1,2\n")
    sources = [
        {"table": "known.csv", "map": {"l1": "size"}, "costs": {"CYCLES": "Time"}},
        {"checkpoint": ".", "cost": "time"},
    ]
    config = loaded(tmp_path, model={"transfer": {"from": sources}})
    transfer = config.model.transfer
    assert transfer is not None
    assert transfer.method == "auto"
    table, checkpoint = transfer.sources
    assert (table.table, dict(table.map), dict(table.costs)) == ("known.csv", {"l1": "size"}, {"cycles": "Time"})
    assert (checkpoint.checkpoint, checkpoint.cost) == (".", "time")
    assert config.find(table.table) == tmp_path / "beside" / "known.csv"
    assert loaded(tmp_path).model.transfer is None


# --- digest and schema


def test_the_digest_ignores_length_workers_and_comments(tmp_path: Path) -> None:
    digest = loaded(tmp_path).digest
    changed = {
        "sampling": {"custom_samples": [20], "step_end": 4, "max_samples": 9},
        "evaluate": {"workers": 3, "slurm": True, "retries": 2, "timeout_s": 5},
        "slurm": {"mem": "2G"},
        "exploration": {"target_error": 3},
    }
    assert loaded(tmp_path, **changed).digest == digest
    assert load(write(tmp_path, json.dumps(MINIMAL, indent=4) + "# comment")).digest == digest


@pytest.mark.parametrize(
    "keys",
    [
        {"knobs": [{"name": "size", "values": "1,2-5"}]},
        {"costs": ["energy"]},
        {"constraints": ["size < 3"]},
        {"framework": {"seed": 1}},
        {"sampling": {"method": "lhs"}},
        {"model": {"options": {"trees": 3}}},
    ],
)
def test_the_digest_tells_different_runs_apart(tmp_path: Path, keys: dict[str, Any]) -> None:
    assert loaded(tmp_path, **keys).digest != loaded(tmp_path).digest


def test_the_schema_refuses_unknown_keys_everywhere() -> None:
    schema = json_schema()
    objects = [schema, *schema["$defs"].values()]
    bodies = [body for item in objects for body in (item, *item.get("anyOf", [])) if "properties" in body]
    assert len(bodies) >= 12
    closed = [body for body in bodies if body["additionalProperties"] is False]
    others = [body["title"] for body in bodies if body not in closed]
    assert others == ["SlurmSection"]  # whose further keys are options of sbatch
    assert {"knobs", "costs", "constraints", "objectives", "slurm"} <= set(schema["properties"])


@pytest.mark.parametrize("file", sorted(ROOT.glob("example/config*.json")), ids=lambda file: file.name)
def test_examples_fit_the_schema(file: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    assert [error.message for error in validator.iter_errors(parse(read_text(file), str(file)))] == []


def test_the_schema_accepts_the_lenient_and_refuses_the_wrong() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid(parse(ORIGINAL, "x"))
    for wrong in (
        {"knob": []},
        {"knobs": [{"name": "a"}]},
        {"evaluate": {"workers": "many"}},
        {"objectives": {"a": "up"}},
        {"features": [{"name": "x"}]},
        {"model": {"transfer": {"from": [{"table": "a.csv", "checkpoint": "b"}]}}},
    ):
        assert not validator.is_valid({**MINIMAL, **wrong})


# --- documentation

DOCUMENT = ROOT / "docs" / "configuration.md"


@pytest.mark.parametrize("block", re.findall(r"^```json\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL))
def test_documented_examples_are_complete(tmp_path: Path, block: str) -> None:
    assert load(write(tmp_path, block)).explorations


def test_every_key_is_documented() -> None:
    documented = set(re.findall(r"`(\w+)`", DOCUMENT.read_text()))
    schema = json_schema()
    bodies = [body for item in (schema, *schema["$defs"].values()) for body in (item, *item.get("anyOf", []))]
    assert {key for body in bodies for key in body.get("properties", {})} <= documented


def test_variables_that_are_not_set_are_noted(tmp_path: Path) -> None:
    knobs = [{"name": "size", "map": "SIZE", "values": ["$HERE_OR_NOT", "$SET", "5$"]}]
    path = tmp_path / "config.json"
    data = {
        **MINIMAL,
        "knobs": knobs,
        "framework": {"run_directory": "${SCRATCH_OR_NOT}/run"},
        "evaluate": {"sample_evaluate_arguments": "$size $SIZE $evaluate_index $SET", "options": {"x": "$OTHER"}},
    }
    path.write_text(json.dumps(data))
    notes = load(path, {"SET": "1"}).notes
    assert len(notes) == 2
    assert "HERE_OR_NOT is not set" in notes[0]
    assert notes[0].startswith("knobs[0].values")
    assert "SCRATCH_OR_NOT is not set" in notes[1]
    assert notes[1].startswith("framework.run_directory")
    assert load(path, {"SET": "1", "HERE_OR_NOT": "a", "SCRATCH_OR_NOT": "b"}).notes == ()


def test_a_file_named_by_a_variable_that_is_not_set_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**MINIMAL, "sampling": {"points": "$NOWHERE_AT_ALL/points.csv"}}))
    with pytest.raises(ConfigError, match="NOWHERE_AT_ALL is not set"):
        load(path, {})
    path.write_text(json.dumps({**MINIMAL, "include": "$NOWHERE_AT_ALL/common.json"}))
    with pytest.raises(ConfigError, match="NOWHERE_AT_ALL is not set"):
        load(path, {})


@pytest.mark.parametrize(("count", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1234, "1,234 rows")])
def test_counts_have_their_words(count: int, words: str) -> None:
    assert counted(count, "row") == words
    assert counted(count, "row is", "rows are").removesuffix(" are").removesuffix(" is") == words


@pytest.mark.parametrize(
    "error", [ConfigError("a.json", [Fault("knobs", "none", "name one")]), PluginError("not found", "install it")]
)
def test_an_error_of_another_process_arrives_whole(error: DeffeError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
