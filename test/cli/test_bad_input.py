"""What bad input gets: a message with file, place, what was found and what is allowed; nothing run or overwritten."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from disks import mounted

if TYPE_CHECKING:
    from conftest import Ended, Project

KNOBS: list[dict[str, Any]] = [{"name": "size", "values": "1, 2, 4, 8"}, {"name": "ways", "values": "1-4"}]
COSTS = "def costs(frame):\n    return {'cycles': frame['size'], 'energy': frame['ways']}\n"


def refused(project: Project, *words: str, arguments: tuple[object, ...] = ()) -> Ended:
    """Run, and see that nothing was run and that every file is as it was."""
    before = project.contents()
    ended = project.run(*arguments).refused(*words)
    assert project.evaluated() == []
    assert project.contents() == before
    assert ended.out == ""
    return ended


# the configuration


def test_a_missing_configuration(project: Project) -> None:
    refused(project, "config.json", "no such file")
    project.shell()
    refused(project, "confg.json", "no such file", "did you mean 'config.json'", arguments=("-config", "confg.json"))


def test_a_directory_as_configuration(project: Project) -> None:
    project.path("config.json").mkdir()
    refused(project, "config.json", "directory", "JSON file")


NO_OBJECTS = ("", "{", '{"knobs": [}', "[]", "null", '{"costs": NaN}', '{"a": 1, "a": 2}', "knobs: 1")


@pytest.mark.parametrize("text", NO_OBJECTS)
def test_a_configuration_that_is_no_json_object(project: Project, text: str) -> None:
    project.write("config.json", text)
    refused(project, "config.json")


def test_a_configuration_that_is_no_text(project: Project) -> None:
    project.path("config.json").write_bytes(b'{\n"knobs": "\xff"}')
    refused(project, "config.json", "line 2", "UTF-8")


def test_a_syntax_error_has_its_line_and_column(project: Project) -> None:
    project.write("config.json", '{\n  "costs": ["a" "b"]\n}')
    refused(project, "config.json", "line 2, column 17")


BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"modle": {}}, ("modle", "did you mean 'model'")),
    ({"knobs": [{**KNOBS[0], "valeus": 1}, KNOBS[1]]}, ("knobs[0].valeus", "did you mean 'values'")),
    ({"evaluate": {"timeout": 3}}, ("evaluate.timeout", "did you mean 'timeout_s'")),
    ({"knobs": [{"name": "size", "values": "4-2"}, KNOBS[1]]}, ("knobs[0].values", "4-2")),
    ({"knobs": [{"name": "size", "values": "1-4-0"}, KNOBS[1]]}, ("knobs[0].values", "1-4-0")),
    ({"knobs": [{"name": "size", "values": []}, KNOBS[1]]}, ("knobs[0].values",)),
    ({"knobs": [{"name": "size"}, KNOBS[1]]}, ("knobs[0]", "'values' is missing")),
    ({"knobs": [*KNOBS, KNOBS[0]]}, ("knobs[2]", "'size'", "twice", "rename")),
    ({"costs": ["cycles", "Cycles"]}, ("costs[1]", "'cycles'", "twice")),
    ({"costs": ["cycles", "size"]}, ("costs[1]", "'size'", "knob")),
    ({"costs": []}, ("costs", "cycles")),
    ({"knobs": []}, ("knobs", "at least one")),
    ({"exploration": {"explore": [{"groups": "al"}]}}, ("exploration.explore[0].groups", "'al'", "did you mean 'all'")),
    (
        {"exploration": {"explore": [{"name": "a", "groups": "all"}, {"name": "a", "groups": "all"}]}},
        ("exploration.explore[1]", "'a'", "twice"),
    ),
    ({"constraints": ["size > wyas"]}, ("constraints[0]", "wyas", "ways")),
    ({"constraints": ["size >"]}, ("constraints[0]", "size >")),
    ({"constraints": ["size > 100"]}, ("size > 100",)),
    ({"objectives": {"cycle": "min"}}, ("objectives", "'cycle'", "did you mean 'cycles'")),
    ({"objectives": {"cycles": "low"}}, ("objectives", "low", "min")),
    (
        {"evaluate": {"sample_evaluate_script": "evaluat.sh"}},
        ("evaluate.sample_evaluate_script", "did you mean 'evaluate.sh'"),
    ),
    ({"extract": {"sample_extract_script": "absent.sh"}}, ("extract.sample_extract_script", "absent.sh")),
    ({"evaluate": {"source_scripts": ["a.sh", "b.sh"]}}, ("evaluate.source_scripts[0]", "evaluate.source_scripts[1]")),
    ({"include": "absent.json"}, ("include", "absent.json")),
    ({"evaluate": {"workers": 0}}, ("evaluate.workers", "0")),
    ({"evaluate": {"timeout_s": "soon"}}, ("evaluate.timeout_s", "soon")),
    ({"evaluate": {"keep": "some"}}, ("evaluate.keep", "some", "failed")),
    ({"framework": {"seed": -3}}, ("framework.seed", "-3")),
    (
        {"exploration": {"explore": [{"groups": "all", "pre_evaluated_data": "known.csv"}]}},
        ("exploration.explore[0].pre_evaluated_data", "known.csv"),
    ),
    ({"sampling": {"method": "randm"}}, ("sampling", "randm", "did you mean 'random'")),
    ({"evaluate": {"pyscript": "scrip"}}, ("evaluate", "scrip", "did you mean 'script'")),
    ({"evaluate": {"pyscript": "mine.py"}}, ("evaluate", "mine.py")),
    ({"sampling": {"arguments": "-custom-samples 20 ten"}}, ("sampling.arguments", "ten")),
    ({"sampling": {"arguments": "-costum-samples 20"}}, ("sampling", "-costum-samples")),
    ({"evaluate": {"arguments": "-fast"}}, ("evaluate", "-fast")),
    ({"extract": {"arguments": "5"}}, ("extract", "5")),
    ({"exploration": {"arguments": "'"}}, ("exploration", "No closing quotation")),
    ({"model": {"ml_arguments": "-epchs 5"}}, ("model", "-epchs", "did you mean '-epochs'")),
    (
        {"evaluate": {"pyscript": "function", "options": {"function": "absent.py:costs"}}},
        ("evaluate.options.function", "absent.py"),
    ),
    (
        {"evaluate": {"pyscript": "function", "options": {"functoin": "a.py:b"}}},
        ("evaluate.options.functoin", "did you mean 'function'"),
    ),
    ({"extract": {"cost_output": "/tmp/results.out"}}, ("extract.cost_output", "/tmp/results.out")),
]


@pytest.mark.parametrize(("keys", "words"), BAD, ids=[f"{next(iter(keys))}-{words[-1]}" for keys, words in BAD])
def test_a_fault_of_the_configuration(project: Project, keys: dict[str, Any], words: tuple[str, ...]) -> None:
    project.shell(**keys)
    ended = refused(project, "config.json", *words)
    assert re.search(r"\b1 fault\b|[2-9] faults", ended.err)
    assert project.run("-validate").code == 2


def test_all_faults_are_reported_at_once(project: Project) -> None:
    """Those of the schema, of names, of files, and of plugins of several kinds."""
    keys = {"costs": ["cycles", "cycles"], "modle": 1, "constraints": ["sise > 1"], "include": "absent.json"}
    project.shell(knobs=[{"name": "size", "values": "4-2"}], **keys)
    refused(project, "knobs[0].values", "costs[1]", "modle", "constraints[0]", "absent.json", "5 faults")
    plugins = {"sampling": {"method": "randm"}, "extract": {"pyscript": "reslts"}, "exploration": {"pyscript": "a.py"}}
    project.shell(evaluate={"pyscript": "scrpt"}, **plugins)
    refused(project, "sampling", "randm", "evaluate", "scrpt", "extract", "reslts", "exploration", "a.py", "4 faults")


def test_a_script_of_the_default_name_that_is_not_there(project: Project) -> None:
    project.config()
    refused(project, "config.json", "evaluate.sample_evaluate_script", "evaluate.sh", str(project.folder))


def test_a_script_that_is_a_folder_or_cannot_be_run(project: Project) -> None:
    project.path("folder.sh").mkdir(parents=True)
    project.config(evaluate={"sample_evaluate_script": "folder.sh"})
    refused(project, "evaluate.sample_evaluate_script", "folder.sh", "directory")
    project.write("program", "#!/usr/bin/perl\n")
    project.config(evaluate={"sample_evaluate_script": "program"})
    refused(project, "evaluate.sample_evaluate_script", "not executable", "chmod +x")


def test_a_plugin_without_get_object(project: Project) -> None:
    project.write("mine.py", "class Mine:\n    pass\n")
    project.shell(sampling={"pyscript": "mine.py"})
    refused(project, "config.json", "sampling", "mine.py", "has no GetObject", "def GetObject(framework)")


# tables


def known(project: Project, text: str) -> Project:
    project.write("known.csv", text)
    return project.shell(exploration={"explore": [{"groups": "all", "pre_evaluated_data": "known.csv"}]})


TABLES: list[tuple[str, tuple[str, ...]]] = [
    ("size,ways,cycles,energy\n1,1,5,5\n3,1,5,5\n", ("line 3", "column 'size'", "'3'", "1, 2, 4, 8")),
    ("size,ways,cycles,energy\n1,,5,5\n", ("line 2", "column 'ways'", "no value")),
    ("size,ways,cycels,energy\n1,1,5,5\n", ("no column for the cost 'cycles'", "did you mean 'cycels'")),
    ("size,wayz,cycles,energy\n1,1,5,5\n", ("'ways'", "wayz")),
    ("size,ways,cycles,energy\n1,1,5\n", ("line 2", "3 fields", "4")),
    ("size,ways,cycles,energy\n", ("no rows",)),
    ("", ("is empty",)),
    ("size,size,ways,cycles,energy\n1,1,1,5,5\n", ("'size'",)),
]


@pytest.mark.parametrize(("text", "words"), TABLES, ids=[words[0] for _, words in TABLES])
def test_a_table_that_does_not_fit(project: Project, text: str, words: tuple[str, ...]) -> None:
    refused(known(project, text), "known.csv", *words)


def test_a_table_given_on_the_command_line_that_does_not_fit(project: Project) -> None:
    project.write("given.csv", TABLES[0][0])
    project.shell()
    for option in ("-input", "-pre-evaluated-data"):
        refused(project, "given.csv", "line 3", "column 'size'", "'3'", arguments=(option, "given.csv"))


@pytest.mark.parametrize("option", ["-input", "-pre-evaluated-data"])
def test_a_table_that_is_not_there(project: Project, option: str) -> None:
    project.shell()
    refused(project, "absent.csv", "does not exist", arguments=(option, "absent.csv"))
    refused(project, str(project.folder), "folder", arguments=(option, project.folder))


def test_only_known_results_without_a_table(project: Project) -> None:
    project.shell()
    refused(project, "pre_evaluated_data", "-pre-evaluated-data", arguments=("-only-preloaded-data-exploration",))


def test_points_that_are_not_in_the_space(project: Project) -> None:
    project.write("points.csv", "size,ways\n1,1\n5,1\n")
    project.shell(sampling={"method": "custom", "points": "points.csv"})
    ended = project.run("-no-train").refused("points.csv", "size", "5")
    assert project.evaluated() == []
    assert ended.out == ""


# inference


def test_inference_without_what_it_needs(project: Project) -> None:
    project.python(COSTS)
    project.write("ask.csv", "size,ways\n1,1\n")
    for words, arguments in (
        (("-input",), ["-inference-only"]),
        (("nothing to learn from", "explore"), ["-inference-only", "-input", "ask.csv"]),
        (("absent.csv", "does not exist"), ["-inference-only", "-input", "absent.csv"]),
        (("needs a model", "-no-train"), ["-inference-only", "-input", "ask.csv", "-no-train"]),
    ):
        before = project.contents()
        project.run(*arguments).refused(*words)
        assert project.contents() == before


def test_inference_of_points_that_are_not_in_the_space(project: Project) -> None:
    project.python(COSTS).run("-no-train").ok()
    project.write("ask.csv", "size,ways\n1,1\n3,1\n")
    before = project.contents()
    project.run("-inference-only", "-input", "ask.csv").refused("ask.csv", "line 3", "'size'", "'3'", "1, 2, 4, 8")
    assert project.contents() == before


# the command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("-step-end 0", ("-step-end", "0", "-step-start")),
        ("-step-start 3 -step-end 2", ("-step-end", "2")),
        ("-step-start -1", ("-step-start", "-1", "at least 0")),
        ("-step-increment 0", ("-step-increment", "0", "at least 1")),
        ("-init-batch-samples 0", ("-init-batch-samples", "0", "at least 1")),
        ("-fixed-samples 0", ("-fixed-samples", "0", "at least 1")),
        ("-fixed-samples -4", ("-fixed-samples", "-4")),
        ("-custom-samples 20 10", ("-custom-samples", "[20, 10]", "rise")),
        ("-custom-samples 0 10", ("-custom-samples", "rise")),
        ("-max-samples 0", ("-max-samples", "0", "at least 1")),
        ("-step-end x", ("-step-end", "'x'")),
        ("-seed -1", ("-seed", "-1")),
        ("-seed", ("-seed",)),
        ("-workers 0", ("-workers", "0", "1 or more")),
        ("-target-error 0", ("-target-error", "0", "above 0")),
        ("-target-error nan", ("-target-error", "nan")),
        ("-train-test-split 2", ("-train-test-split", "2")),
        ("-train-test-split 0", ("-train-test-split", "0")),
        ("-max-failed -2", ("-max-failed", "-2")),
        ("-predict-limit -1", ("-predict-limit", "-1")),
        ("-keep some", ("-keep", "some", "failed")),
        ("-stepend 3", ("-stepend", "did you mean '-step-end'", "-h")),
        ("--no-trian", ("--no-trian", "did you mean '-no-train'")),
        ("-sampling-method randm", ("randm", "did you mean 'random'")),
        ("config.json", ("config.json", "-h")),
        ("-config", ("-config",)),
        ("-inference-only", ("-inference-only", "-input")),
    ],
)
def test_options_that_make_no_sense(project: Project, arguments: str, words: tuple[str, ...]) -> None:
    project.shell()
    before = project.contents()
    project.run(*arguments.split()).refused(*words)
    assert project.contents() == before


# the run directory


def test_a_run_directory_that_cannot_be_made(project: Project) -> None:
    project.shell().write("explore", "a file in the way")
    refused(project, str(project.path("explore")), "cannot be made", "choose a run directory")
    below = project.path("explore/below")
    refused(project, str(below), "cannot be made", arguments=("-run-directory", "explore/below"))
    refused(project, "/proc/no/run", "cannot be made", arguments=("-run-directory", "/proc/no/run"))
    project.write("there/no_run", "a file in the way")
    refused(project, "no_run", "cannot be removed", arguments=("-no-run", "-run-directory", "there"))


def test_a_second_writer(project: Project) -> None:
    """It is refused while the first one runs, and the first one goes on undisturbed."""
    gate = 'until [ -e "$DEFFE_CONFIG_DIR/go" ]; do sleep 0.02; done\n'
    project.shell(gate + 'echo 1 > results.out; echo 2 >> results.out; touch "$DEFFE_CONFIG_DIR/ran"\n')
    first = project.start("-no-train")
    try:
        wait_for(project.path("explore/explore_0"), first)
        second = project.run("-no-train").refused("in use by", f"process {first.pid}", "another run directory")
        assert second.out == ""
        assert not project.path("deffe_output.csv").exists()
        assert not project.path("ran").exists()
        project.write("go", "")
        assert first.wait(30) == 0
    finally:
        first.kill()
        first.communicate()
    assert set(project.table()["State"]) == {"done"}
    assert len(project.table()) == 12


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)


@pytest.mark.parametrize("damage", ["text", "cut", "middle", "other", "empty table"])
def test_a_corrupt_database(project: Project, damage: str) -> None:
    project.shell().run("-no-train").ok()
    project.forget_evaluated()
    path = project.path("explore/deffe.sqlite")
    whole = path.read_bytes()
    if damage == "other":
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE mine (a)")
        connection.close()
    elif damage == "empty table":
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("DELETE FROM meta")
        connection.close()
    else:
        middle = whole[:4096] + b"x" * (len(whole) - 4096)
        path.write_bytes({"text": b"my notes\n" * 100, "cut": whole[:5000], "middle": middle}[damage])
    refused(project, str(path), "another run directory")


def test_a_database_of_a_newer_version(project: Project) -> None:
    project.shell().run("-no-train").ok()
    project.forget_evaluated()
    connection = sqlite3.connect(project.path("explore/deffe.sqlite"), isolation_level=None)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    refused(project, "format 99", "newer")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"knobs": [KNOBS[0]]}, ("parameter removed: ways",)),
        ({"knobs": [*KNOBS, {"name": "depth", "values": "1,2"}]}, ("parameter added: depth",)),
        ({"costs": ["cycles", "power"]}, ("cost removed: energy", "cost added: power")),
        ({"constraints": ["size > 1"]}, ("constraint added: size > 1",)),
        ({"knobs": [KNOBS[0], {"name": "ways", "values": "1,2"}]}, ("parameter 'ways': values removed: 3",)),
    ],
)
def test_another_space_in_the_same_run_directory(
    project: Project, keys: dict[str, Any], words: tuple[str, ...]
) -> None:
    project.shell().run("-no-train").ok()
    project.forget_evaluated()
    project.shell(**keys)
    refused(project, "made for another design space", *words, "another run directory")


def test_tables_that_cannot_be_written(project: Project) -> None:
    """The results are safe: once the table has a place, the same command writes it and runs nothing again."""
    project.shell(exploration={"explore": [{"groups": "all", "all_table": "there/all.csv"}]})
    project.write("there", "a file in the way")
    ended = project.run("-no-train")
    ended.refused("there/all.csv", "safe in the run directory", code=1)
    project.path("there").unlink()
    project.run("-no-train").ok()
    assert len(project.table("there/all.csv")) == 12
    assert len(project.evaluated()) == 12


def test_predictions_that_cannot_be_written(project: Project) -> None:
    project.python(COSTS).run("-no-train").ok()
    project.write("ask.csv", "size,ways\n1,1\n")
    project.path("told.csv").mkdir()
    before = project.contents()
    project.run("-inference-only", "-input", "ask.csv", "-output", "told.csv").refused("told.csv", "cannot be written")
    assert project.contents() == before


# disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    with mounted(tmp_path / "disk", "size=1m") as disk:
        yield disk


def test_a_full_disk_stops_the_run_and_loses_nothing(project: Project, small_disk: Path) -> None:
    knobs = [{"name": "size", "values": "0-50"}, {"name": "ways", "values": "0-10"}]
    project.shell(knobs=knobs, framework={"run_directory": str(small_disk / "explore")})
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 700_000)
    ended = project.run("-no-train", "-custom-samples", 400)
    ended.refused(str(small_disk), "same command", code=1)
    assert re.search("full|No space left", ended.err)
    before = project.evaluated()
    assert 0 < len(before) < 400
    filler.unlink()
    project.run("-no-train", "-custom-samples", 400, "-keep", "none").ok()
    table = project.table()
    assert len(table) == 400
    assert set(table["State"]) == {"done"}
    again = len(project.evaluated()) - 400
    assert again <= os.cpu_count() * 2 + 4  # those that ran when the disk was full


def test_a_run_directory_on_a_read_only_disk(project: Project, small_disk: Path) -> None:
    project.shell(framework={"run_directory": str(small_disk / "explore")}).run("-no-train", "-custom-samples", 4).ok()
    project.forget_evaluated()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    tables = project.contents()
    project.run("-no-train").refused(str(small_disk), "cannot be written", "where you may write")
    assert project.evaluated() == []
    assert project.contents() == tables


def test_tables_on_a_full_disk(project: Project, small_disk: Path) -> None:
    """The run directory has room, the tables have none: they are as they were, and the results are safe."""
    here = type(project)(small_disk / "here")
    here.python(COSTS, knobs=[{"name": "size", "values": "0-100"}, {"name": "ways", "values": "0-100"}])
    arguments = ["-no-train", "-run-directory", project.path("explore")]
    here.run(*arguments, "-custom-samples", 10).ok()
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 900_000)
    before = here.contents()
    ended = here.run(*arguments, "-custom-samples", 10, 5000)
    ended.refused(".csv cannot be written", "safe in the run directory", code=1)
    assert here.contents() == before
    filler.unlink()
