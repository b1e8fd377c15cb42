"""The command line: forms of options, what only looks, how many results are kept, how failures end a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import deffe
from deffe.config.schema import File
from deffe.flags import all_flags

if TYPE_CHECKING:
    from conftest import Project

PROGRAM = Path(__file__).parents[2] / "framework" / "run_deffe.py"
COSTS = "def costs(frame):\n    return {'cycles': frame['size'] * 100 + frame['ways'], 'energy': 20 - frame['ways']}\n"
SOME_FAIL = """[ $size = 2 ] && { echo no luck; exit 3; }
[ $ways = 3 ] && { echo half > results.out; exit 0; }
echo $size > results.out; echo $ways >> results.out
"""
VALIDATOR = """
class Validator:
    def Validate(self, values):
        return values["ways"] != "2"


def GetObject():
    return Validator()
"""
SWITCHES = (
    "-no-slurm -pipeline -disable-threading -validate-module -validate-samples -bounds-no-check "
    "-emulate-preload-feed -load-train-test -hold-evaluated-data"
)
VALUED = (
    "-step-start 0 -step-end 1 -step-increment 1 -max-samples 1000000 -init-batch-samples 2 -fixed-samples -1 "
    "-batch-size 4 -evaluate-batch-size 2 -extract-batch-size 2 -mlmodel-batch-size 64 -evaluate-out-flow 1 "
    "-train-test-split 0.7 -validation-split 0.23 -epochs 10 -loss custom_mean_abs_log_loss "
    "-model-stats-output stats.csv -sampling-method random"
)
"""Options of the original, all but those that name what is explored."""


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_one_and_two_dashes_are_the_same(project: Project, dashes: str) -> None:
    words = ["no-train", "custom-samples 3 5", "seed 4", "sampling-method lhs", "run-directory here", "workers 1"]
    project.python(COSTS).run(*(word for text in words for word in (dashes + text).split())).ok()
    assert project.per_step() == [3, 2]
    assert project.path("here/deffe.sqlite").exists()


def test_the_two_names_of_one_option(project: Project) -> None:
    project.write("validator.py", VALIDATOR)
    project.python(COSTS, sampling={"validate_module": "validator.py"})
    for form in ("-validate-module", "--validate-samples", "-validate-samples"):
        assert "8 points" in project.run("-no-train", "-validate", form).ok().out
    assert "sampling.validate_module is not set" in project.python(COSTS).run("-validate-module").ok().err


@pytest.mark.parametrize("name", ["-conf", "--no-tra", "-seed1", "-samples", "--custom", "-sampling"])
def test_abbreviations_are_refused(project: Project, name: str) -> None:
    project.python(COSTS).run(name, "config.json").refused("unknown argument", name)
    assert not project.path("explore").exists()


@pytest.mark.parametrize("model", ["keras_cnn", "torch_cnn", "sklearn", "gaussian_process"])
def test_every_option_of_the_original_is_understood(project: Project, model: str) -> None:
    """Those of neural networks by the models that stand in for them as well."""
    project.write("validator.py", VALIDATOR)
    project.python(COSTS, model={"ml_model_type": model}, sampling={"validate_module": "validator.py"})
    project.run("-config", "config.json", *SWITCHES.split(), *VALUED.split()).ok()
    assert project.per_step("deffe_evaluation.csv") == [6]


@pytest.mark.parametrize("option", ["-icp", "-model-extract-dir"])
def test_checkpoints_that_are_not_there_are_refused(project: Project, option: str) -> None:
    """Better than to go on as if they had been used."""
    project.python(COSTS).run(option, "checkpoints").refused(option, "checkpoints")
    assert not project.path("explore").exists()


def test_help_lists_every_option(project: Project) -> None:
    ended = project.call("-h").ok()
    for flag in all_flags():
        assert f"-{flag.name}" in ended.out
    assert "steps and samples:" in ended.out
    assert project.run("--help").ok().out == project.run("-help").ok().out


def test_version(project: Project) -> None:
    assert project.run("-version").ok().out.strip() == f"deffe {deffe.__version__}"


def test_the_schema_is_a_json_schema_of_every_key(project: Project) -> None:
    schema = json.loads(project.run("-schema").ok().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert set(schema["properties"]) == set(File.model_fields)
    assert schema["additionalProperties"] is False
    references = {word for word in json.dumps(schema).split('"') if word.startswith("#/$defs/")}
    assert {word.removeprefix("#/$defs/") for word in references} == set(schema["$defs"])
    assert list(project.folder.iterdir()) == []


def test_validate_checks_and_runs_nothing(project: Project) -> None:
    before = project.shell().contents()
    ended = project.run("-validate").ok()
    assert "valid" in ended.out
    assert "explore_0 12 points" in ended.out
    assert project.contents() == before


def test_validate_reports_all_faults_at_once(project: Project) -> None:
    knobs = [{"name": "size", "values": "4-2"}, {"name": "size", "valeus": 3}]
    before = project.config(knobs=knobs, costs=["cycles"], modle={}).contents()
    ended = project.run("-validate").refused("config.json", "knobs[0].values", "4-2", "knobs[1].valeus", "modle")
    assert "did you mean 'values'" in ended.err
    assert "did you mean 'model'" in ended.err
    assert project.contents() == before


def test_debug_shows_the_traceback_of_an_error(project: Project) -> None:
    ended = project.run("-config", "absent.json", "-debug")
    assert "Traceback" in ended.err
    assert "absent.json" in ended.err.splitlines()[-2]
    assert ended.code == 2


def test_no_run_writes_what_would_be_run_and_runs_nothing(project: Project) -> None:
    project.shell()
    before = project.contents()
    ended = project.run("-no-run", "-init-batch-samples", 2).ok()
    assert project.evaluated() == []
    assert set(before) == {name for name in project.contents() if not name.startswith("explore/no_run/")}
    folders = sorted(project.path("explore/no_run").glob("explore_*"))
    assert len(folders) == 6
    assert {path.name for path in folders[0].iterdir()} >= {"evaluate.sh", "param.json"}
    assert not (folders[0] / "results.out").exists()
    assert "what would be run is in" in ended.out
    assert "evaluate.sh" in ended.err


def test_a_rehearsal_changes_nothing_of_a_real_run(project: Project, other: Project) -> None:
    steps = ["-no-train", "-init-batch-samples", 2, "-step-end", 2]
    for here in (project, other):
        here.shell()
    project.run("-no-run", *steps).ok()
    project.run(*steps).ok()
    other.run(*steps).ok()
    columns = ["size", "ways", "cycles", "energy", "Id", "Step", "State"]
    rehearsed = [name for name in project.contents() if not name.startswith("explore/no_run/")]
    assert sorted(rehearsed) == sorted(other.contents())
    assert project.table()[columns].sort_values("Id").to_csv() == other.table()[columns].sort_values("Id").to_csv()
    before = {name: text for name, text in project.contents().items() if not name.startswith("explore/no_run/")}
    project.run("-no-run", *steps).ok()
    project.run("-no-run", *steps).ok()
    assert {name: text for name, text in project.contents().items() if not name.startswith("explore/no_run/")} == before


@pytest.mark.parametrize("kind", ["function", "vectorised"])
def test_no_run_calls_no_function_either(project: Project, kind: str) -> None:
    code = "def costs(*frame, **point):\n    open('called', 'w')\n    return {'cycles': 1, 'energy': 1}\n"
    project.python(code, kind).run("-no-run").ok()
    assert not project.path("called").exists()
    assert not project.path("deffe_output.csv").exists()


@pytest.mark.parametrize(("keep", "kept"), [("all", 12), ("failed", 6), ("none", 0)])
@pytest.mark.parametrize("by_flag", [True, False])
def test_keep_bounds_the_run_directories(project: Project, keep: str, kept: int, by_flag: bool) -> None:
    project.shell(SOME_FAIL, evaluate={} if by_flag else {"keep": keep})
    project.run("-no-train", *(["-keep", keep] if by_flag else [])).ok()
    assert len(list(project.path("explore").glob("explore_*"))) == kept
    table = project.table()
    assert len(table) == 12
    folders = [row for row in table["RunDir"] if row]
    assert all((project.folder / row).is_dir() for row in folders)
    assert len(folders) == kept


def test_failed_points_have_a_state_and_a_reason_and_no_number(project: Project) -> None:
    ended = project.shell(SOME_FAIL).run("-no-train").ok()
    table = project.numbers()
    assert dict(table["State"].value_counts()) == {"failed": 6, "done": 6}
    failed = table[table["State"] == "failed"]
    assert failed[["cycles", "energy"]].isna().all(axis=None)
    assert (project.table()[["cycles", "energy"]] != "0").all(axis=None)
    crashed = failed[failed["size"] == 2]
    assert len(crashed) == 3
    assert crashed["Reason"].str.contains("3").all()
    assert crashed["Reason"].str.contains("no luck").all()
    assert failed[failed["size"] != 2]["Reason"].str.contains("results.out").all()
    assert "6 points evaluated, 6 failed" in ended.out
    assert "failed 3 times: " in ended.out


def test_all_reasons_of_failures_are_counted(project: Project) -> None:
    script = 'echo "reason $size"; exit 1\n'
    ended = project.shell(script, knobs=[{"name": "size", "values": "1-7"}], costs=["cycles"]).run("-no-train").ok()
    assert ended.out.count("failed once: exit status 1: reason ") == 3
    assert "failed 3 times for 3 more reasons" in ended.out


def test_what_has_no_effect_on_functions_is_told(project: Project) -> None:
    code = "def costs(size, ways):\n    return {'cycles': size, 'energy': ways}\n"
    project.python(code, "function", evaluate={"memory_mib": 100, "retry_delay_s": 5})
    said = project.run("-validate").ok().err
    assert "evaluate.memory_mib has no effect on Python functions" in said
    assert "evaluate.retry_delay_s has no effect on Python functions" in said


def test_a_misspelt_key_of_slurm_is_told(project: Project) -> None:
    project.shell(slurm={"patition": "long"})
    assert "slurm.patition: no such key is known" in project.run("-validate").ok().err


def test_models_learn_from_done_points_alone(project: Project) -> None:
    code = "def costs(frame):\n    cycles = 1000.0 + frame['a']\n    cycles[frame['a'] % 3 == 0] = float('nan')\n"
    knobs = [{"name": "a", "values": "0-60"}]
    project.python(code + "    return {'cycles': cycles}\n", knobs=knobs, costs=["cycles"])
    ended = project.run("-custom-samples", 45).ok()
    predicted = project.numbers("deffe_prediction.csv")
    assert len(predicted) == 15
    assert (abs(predicted["cycles"] - 1000 - predicted["a"]) < 20).all()
    assert "failed" in ended.out


def test_points_that_take_too_long_are_killed(project: Project) -> None:
    script = '[ $size = 8 ] && { sleep 60 & echo $! > "$DEFFE_CONFIG_DIR/sleeper$ways"; wait; }\necho 1 > results.out; '
    script += "echo 2 >> results.out\n"
    project.shell(script, evaluate={"timeout_s": 0.4}).run("-no-train", "-workers", 3).ok()
    table = project.numbers()
    late = table[table["size"] == 8]
    assert set(late["State"]) == {"timed_out"}
    assert late[["cycles", "energy"]].isna().all(axis=None)
    assert late["Reason"].str.contains("time limit of 0.4 s").all()
    assert set(table[table["size"] != 8]["State"]) == {"done"}
    for ways in (1, 2, 3):
        assert not running(int(project.path(f"sleeper{ways}").read_text()))


def running(pid: int) -> bool:
    """Whether a process is there and is not only waiting to be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_retries_give_a_point_another_chance(project: Project) -> None:
    script = 'echo x >> "$DEFFE_CONFIG_DIR/tries_$size$ways"\n'
    script += '[ $(wc -l < "$DEFFE_CONFIG_DIR/tries_$size$ways") -ge 2 ] || exit 1\n'
    script += "echo $size > results.out; echo 1 >> results.out\n"
    project.shell(script, evaluate={"retries": 2}).run("-no-train").ok()
    table = project.numbers()
    assert set(table["State"]) == {"done"}
    assert (table["cycles"] == table["size"]).all()
    assert {path.read_text() for path in project.folder.glob("tries_*")} == {"x\nx\n"}


def test_more_failures_than_allowed_stop_the_run(project: Project) -> None:
    project.shell(SOME_FAIL)
    ended = project.run("-no-train", "-max-failed", 2, "-workers", 1)
    ended.refused("points failed, more than the 2 allowed", code=3)
    assert "no luck" in ended.err or "results.out" in ended.err
    table = project.table()  # what is known is in the tables
    assert (table["State"] == "failed").sum() >= 3
    assert len(table) < 12


def test_a_limit_of_the_configuration(project: Project) -> None:
    strict = project.shell(SOME_FAIL, evaluate={"max_failed": 0})
    strict.run("-no-train").refused("failed, more than the 0 allowed", code=3)
    project.shell(SOME_FAIL, evaluate={"max_failed": 6}).run("-no-train").ok()


def test_a_script_that_always_fails_stops_the_run(project: Project) -> None:
    knobs = [{"name": "size", "values": "0-100"}, {"name": "ways", "values": "0-9"}]
    project.shell("echo broken >&2; exit 7\n", knobs=knobs)
    project.run("-no-train", "-workers", 2).refused("first 2", "all failed", "broken", code=3)
    assert len(list(project.path("explore").glob("explore_*"))) < 40


def test_after_a_stop_the_run_goes_on_with_what_was_left(project: Project) -> None:
    project.shell("exit 1\n").run("-no-train", "-max-failed", 3, "-workers", 1).refused(code=3)
    failed = len(project.table())
    project.shell().run("-no-train").ok()
    table = project.table()
    assert len(table) == 12
    assert (table["State"] == "failed").sum() == failed
    assert len(project.evaluated()) == 12 - failed


def test_the_interrupted_program_says_how_to_go_on(project: Project) -> None:
    """The text alone; that nothing is lost is tested by killing real runs."""
    code = "import os, signal\n\ndef costs(frame):\n    os.kill(os.getpid(), signal.SIGTERM)\n    return frame\n"
    project.python(code)
    ended = project.run("-no-train")
    assert ended.code == 130
    assert "the same command goes on" in ended.err


def numbers_of(ended: Any) -> list[str]:
    return [line for line in ended.out.splitlines() if "points evaluated" in line]


def test_workers_decide_how_much_runs_at_once_and_nothing_else(project: Project) -> None:
    found = []
    for workers in (1, 4):
        here = type(project)(project.folder / str(workers))
        script = 'mkdir "$DEFFE_CONFIG_DIR/lock" || touch "$DEFFE_CONFIG_DIR/together"; sleep 0.02\n'
        script += 'echo $size > results.out; echo $ways >> results.out; rmdir "$DEFFE_CONFIG_DIR/lock"; true\n'
        ended = here.shell(script).run("-no-train", "-workers", workers).ok()
        assert here.path("together").exists() == (workers > 1)
        found.append((numbers_of(ended), here.table()[["size", "ways", "cycles", "Id"]].to_csv()))
    assert found[0] == found[1]


@pytest.mark.parametrize("how", ["2>&-", ">&-", "<&-", ">/dev/null 2>&1 <&-"])
def test_closed_streams_disturb_nothing(project: Project, how: str) -> None:
    project.python(COSTS)
    command = ["bash", "-c", f'exec "$@" {how}', "bash", sys.executable, str(PROGRAM), "-no-train"]
    assert subprocess.run(command, cwd=project.folder, capture_output=True).returncode == 0
    assert len(project.table()) == 12


def test_what_the_terminal_cannot_show_is_spelled_out(project: Project) -> None:
    knobs = [{"name": "size", "values": "1,2"}, {"name": "ways", "values": "1"}, {"name": "µ", "values": ["→", "x"]}]
    project.python(COSTS, knobs=knobs)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, str(PROGRAM), "-no-train"]
    ended = subprocess.run(command, cwd=project.folder, capture_output=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert rb"\xb5" in ended.stdout
    assert set(project.table()["µ"]) == {"→", "x"}
