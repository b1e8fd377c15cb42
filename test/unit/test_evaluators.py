"""evaluators: every point of a batch comes back once, with its own costs or with the reason why it has none."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deffe.api import Batch, DeffeError, Framework, Outcome, State
from deffe.config import load
from deffe.errors import ConfigError, PluginError
from deffe.executors.local import LocalExecutor
from deffe.plugins import Plugin
from deffe.plugins import load as load_plugin

Make = Callable[..., Plugin]
KNOBS = [{"name": "size", "values": [1, 2, 4], "map": "cache_size"}, {"name": "ways", "values": [1, 2]}]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes and initializes an evaluator from its section of a configuration."""

    def made(
        kind: str,
        *,
        knobs: list[dict[str, Any]] | None = None,
        costs: tuple[str, ...] = ("cycles",),
        files: dict[str, str] | None = None,
        dry_run: bool = False,
        explore: dict[str, Any] | None = None,
        **section: Any,
    ) -> Plugin:
        for name, content in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        data = {
            "knobs": knobs or KNOBS,
            "costs": list(costs),
            "evaluate": {"pyscript": kind, **section},
            "exploration": {"explore": [explore or {}]},
        }
        (tmp_path / "config.json").write_text(json.dumps(data))
        config = load(tmp_path / "config.json")
        framework = Framework(
            space=config.explorations[0].space,
            costs=config.costs,
            folder=tmp_path / "run",
            log=logging.getLogger("test"),
            config=config,
            exploration=config.explorations[0],
            section=config.evaluate,
            place="evaluate",
            name=kind,
            dry_run=dry_run,
        )
        framework.folder.mkdir(exist_ok=True)
        return load_plugin("evaluator", kind, framework)

    return made


def whole(plugin: Plugin) -> Batch:
    space = plugin.instance._framework.space
    return space.batch(0, range(space.size))  # type: ignore[no-any-return]


def run(plugin: Plugin, executor: LocalExecutor | None, batch: Batch | None = None) -> list[Outcome]:
    """All outcomes, in the order of their first rows."""
    found = plugin.call("Run", batch=whole(plugin) if batch is None else batch, executor=executor)
    return sorted(found, key=lambda outcome: int(outcome.rows[0]))


def folder_of(outcome: Outcome) -> Path:
    assert outcome.trial is not None
    assert outcome.trial.folder is not None
    return outcome.trial.folder


# Scripts


def test_a_shell_script_runs_once_a_point_in_a_folder_of_its_own(
    make: Make, executor: LocalExecutor, tmp_path: Path
) -> None:
    script = 'echo "$size ${cache_size} $ways" > out; env > environment; echo $evaluate_index $DEFFE_CONFIG_DIR\n'
    outcomes = run(make("script", files={"evaluate.sh": script}), executor)
    assert [outcome.rows.tolist() for outcome in outcomes] == [[i] for i in range(6)]
    for number, outcome in enumerate(outcomes):
        assert (outcome.states.tolist(), outcome.costs, outcome.reasons) == ([State.DONE], None, ())
        assert outcome.trial is not None
        folder, values = folder_of(outcome), outcome.trial.values
        size, ways = values["size"], values["ways"]
        assert folder == tmp_path / "run" / f"explore_{number}"
        assert (folder / "out").read_text() == f"{size} {size} {ways}\n"
        assert json.loads((folder / "param.json").read_text()) == {
            "size": str(size), "cache_size": str(size), "ways": str(ways), "dir": str(folder), "index": number,
        }  # fmt: skip
        environment = dict(
            line.split("=", 1) for line in (folder / "environment").read_text().splitlines() if "=" in line
        )
        assert (environment["cache_size"], environment["ways"]) == (str(size), str(ways))
        assert (environment["DEFFE_RUN_DIR"], environment["DEFFE_CONFIG_DIR"]) == (str(folder), str(tmp_path))
        assert (environment["DEFFE_EXP_DIR"], environment["evaluate_index"]) == (os.getcwd(), str(number))
        assert "DEFFE_DIR" in environment
        assert (folder / "evaluate.log").read_text().startswith(f"{number} {tmp_path}\n")


@pytest.mark.parametrize("ending", ["sh", "py"])
def test_no_value_is_ever_run(make: Make, executor: LocalExecutor, tmp_path: Path, ending: str) -> None:
    evil = "a b;`touch run1` $(touch run2) \"q\" 'q' \\ * --x"
    scripts = {
        "sh": 'printf "%s\\n" $text > bare; printf "%s\\n" "${text}" > quoted; cat > said <<E\n$text\nE\n',
        "py": "import sys\nfor name in ('bare', 'quoted', 'said'):\n"
        "    open(name, 'w').write(sys.argv[sys.argv.index('--text') + 1] + '\\n')\n",
    }
    knobs = [{"name": "text", "values": evil}]
    plugin = make("script", knobs=knobs, files={f"e.{ending}": scripts[ending]}, sample_evaluate_script=f"e.{ending}")
    (outcome,) = run(plugin, executor)
    assert outcome.states.tolist() == [State.DONE]
    assert {(folder_of(outcome) / name).read_text() for name in ("bare", "quoted", "said")} == {evil + "\n"}
    assert not list(tmp_path.rglob("run[12]"))


def test_a_python_script_gets_its_arguments_as_options(make: Make, executor: LocalExecutor) -> None:
    script = "import json, os, sys\njson.dump([sys.argv[1:], os.environ['SOURCED']], open('out', 'w'))\n"
    knobs = [
        {"name": "fast", "values": ["True"]}, {"name": "slow", "values": [False]}, {"name": "in", "values": [3]},
        {"name": "input", "values": ["a b"], "map": "file"},
    ]  # fmt: skip
    plugin = make(
        "script", knobs=knobs, files={"e.py": script, "set up.sh": "export SOURCED=yes\n"}, source_scripts="set up.sh",
        sample_evaluate_script="e.py", sample_evaluate_arguments="-v 'fixed one' --at $evaluate_index",
        sample_evaluate_excludes="in",
    )  # fmt: skip
    (outcome,) = run(plugin, executor)
    words, sourced = json.loads((folder_of(outcome) / "out").read_text())
    assert words[:4] == ["-v", "fixed one", "--at", "0"]
    assert sorted(words[4:]) == sorted(["--fast", "--file", "a b", "--input", "a b", "--evaluate_index", "0"])
    assert sourced == "yes"
    assert (folder_of(outcome) / "evaluate_e.sh").exists()


def test_a_shell_script_takes_sources_arguments_and_excludes(make: Make, executor: LocalExecutor) -> None:
    script = 'helper "$1" "$2" $size $ways "${BASH_SOURCE[0]}" > out\n'
    plugin = make(
        "script", files={"evaluate.sh": script, "s.sh": "helper() { echo \"$@\"; }\n"}, source_scripts=["s.sh"],
        sample_evaluate_arguments="--n ${size}", sample_evaluate_excludes=["ways"],
    )  # fmt: skip
    said = [(folder_of(outcome) / "out").read_text() for outcome in run(plugin, executor)]
    # excludes are about what a program is given as --name value; a script has all names
    assert said == [f"--n {size} {size} {ways} ./evaluate.sh\n" for ways in (1, 2) for size in (1, 2, 4)]


def test_another_executable_gets_its_arguments_as_options(make: Make, executor: LocalExecutor, tmp_path: Path) -> None:
    (tmp_path / "e.x").write_text(f"#!{sys.executable}\nimport sys\nopen('out', 'w').write(' '.join(sys.argv[1:]))\n")
    (tmp_path / "e.x").chmod(0o755)
    outcome = run(make("script", sample_evaluate_script="e.x"), executor)[0]
    assert (folder_of(outcome) / "out").read_text() == "--cache_size 1 --ways 1 --size 1 --evaluate_index 0"


def test_a_script_that_a_value_names_runs_first(make: Make, executor: LocalExecutor) -> None:
    knobs = [*KNOBS, {"name": "kernel", "values": ["mm.sh", "fft.sh"], "map": "command_file"}]
    files = {"evaluate.sh": "echo evaluated $kernel >> out\n", "mm.sh": "echo mm $size > out\n", "fft.sh": "exit 4\n"}
    plugin = make("script", knobs=knobs, files=files)
    for outcome in run(plugin, executor):
        assert outcome.trial is not None
        kernel, size = outcome.trial.values["kernel"], outcome.trial.values["size"]
        if kernel == "mm.sh":
            assert (folder_of(outcome) / "out").read_text() == f"mm {size}\nevaluated mm.sh\n"
        else:
            assert (outcome.states.tolist(), outcome.reasons) == ([State.FAILED], ("exit status 4",))
            assert not (folder_of(outcome) / "out").exists()


def test_a_parameter_without_meaning_is_empty_and_not_in_the_environment(
    make: Make, executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("l2_size", "from outside")
    knobs = [{"name": "l2", "values": [0, 1]}, {"name": "l2_size", "values": [8], "when": "l2 == 1"}]
    script = 'echo "<$l2_size> $(printenv l2_size)" > out\n'
    said = [
        (folder_of(o) / "out").read_text()
        for o in run(make("script", knobs=knobs, files={"evaluate.sh": script}), executor)
    ]
    assert sorted(said) == ["<8> 8\n", "<> \n"]


def test_failures_tell_how_and_what_was_said_last(make: Make, executor: LocalExecutor) -> None:
    script = "echo starting\necho bad size $size >&2\n[ $size = 1 ] && exit 3\n[ $size = 2 ] && kill -SEGV $$\nexit 0\n"
    outcomes = run(make("script", files={"evaluate.sh": script}), executor)
    assert [outcome.reasons for outcome in outcomes[:2]] == [
        ("exit status 3: bad size 1",), ("killed by SIGSEGV: bad size 2",),
    ]  # fmt: skip
    assert [outcome.states.tolist() for outcome in outcomes[:3]] == [[State.FAILED], [State.FAILED], [State.DONE]]
    assert outcomes[0].costs is not None
    assert np.isnan(outcomes[0].costs).all()


def test_a_time_limit(make: Make, executor: LocalExecutor) -> None:
    script = "echo waiting; [ $size$ways = 11 ] && sleep 60; exit 0\n"
    outcomes = run(make("script", files={"evaluate.sh": script}, timeout_s=0.5), executor)
    assert outcomes[0].states.tolist() == [State.TIMED_OUT]
    assert outcomes[0].reasons == ("time limit of 0.5 s reached: waiting",)
    assert all(outcome.states.tolist() == [State.DONE] for outcome in outcomes[1:])


@pytest.mark.parametrize(("keep", "kept"), [("all", True), ("none", False)])
def test_retries_run_in_fresh_folders(
    make: Make, executor: LocalExecutor, tmp_path: Path, keep: str, kept: bool
) -> None:
    fresh, count = "[ -e here ] && exit 9; touch here", f"n={tmp_path}/tried$evaluate_index; echo >> $n"
    script = f"{fresh}; {count}; [ $(wc -l < $n) -gt $size ]\n"
    outcomes = run(make("script", files={"evaluate.sh": script}, retries=2, keep=keep), executor)
    assert [o.states.item() for o in outcomes] == [State.DONE, State.DONE, State.FAILED] * 2
    assert [folder_of(o).name for o in outcomes[:3]] == ["explore_0_retry1", "explore_1_retry2", "explore_2_retry2"]
    assert (tmp_path / "run" / "explore_0").exists() == kept
    assert [len((tmp_path / f"tried{i}").read_text()) for i in range(3)] == [2, 3, 3]


def test_what_a_killed_run_left_is_never_used(make: Make, executor: LocalExecutor, tmp_path: Path) -> None:
    plugin = make("script", files={"evaluate.sh": "[ ! -e results.out ]\n"})
    for name in ("explore_1", "explore_1_again1"):
        (tmp_path / "run" / name).mkdir()
        (tmp_path / "run" / name / "results.out").write_text("99")
    outcomes = run(plugin, executor)
    assert all(outcome.states.tolist() == [State.DONE] for outcome in outcomes)
    assert [folder_of(o).name for o in outcomes[:3]] == ["explore_0", "explore_1_again2", "explore_2"]


def test_a_dry_run_writes_everything_and_runs_nothing(
    make: Make, executor: LocalExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    outcomes = run(make("script", files={"evaluate.sh": f"touch {tmp_path}/ran\n"}, dry_run=True), executor)
    assert all(outcome.states.tolist() == [State.WAITING] for outcome in outcomes)
    assert all((folder_of(outcome) / "evaluate.sh").exists() for outcome in outcomes)
    assert "bash evaluate.sh" in caplog.text
    assert not (tmp_path / "ran").exists()


def test_a_run_folder_that_cannot_be_written_stops_the_run(make: Make, executor: LocalExecutor, tmp_path: Path) -> None:
    plugin = make("script", files={"evaluate.sh": "true\n"})
    (tmp_path / "run").rmdir()
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(DeffeError, match=r"cannot write .*run"):
        run(plugin, executor)


def test_a_full_disk_stops_the_run(make: Make, executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = make("script", files={"evaluate.sh": "true\n"})
    write_text = Path.write_text

    def full(path: Path, *args: Any, **kwargs: Any) -> int:
        if path.parent.name == "explore_3":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DeffeError, match=r"cannot write .*explore_3/param.json: No space left") as caught:
        run(plugin, executor)
    assert "same command again" in caught.value.hint


def test_a_knob_may_have_the_name_of_a_variable_of_the_shell(make: Make, executor: LocalExecutor) -> None:
    knobs = [{"name": "PATH", "values": ["short", "long way"]}, {"name": "a-b", "values": [1]}]
    plugin = make("script", knobs=knobs, files={"evaluate.sh": 'cat <(echo "$PATH" ${a-b}) > out\n'})
    said = [(folder_of(outcome) / "out").read_text() for outcome in run(plugin, executor)]
    assert said == ["short 1\n", "long way 1\n"]


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ({"sample_evaluate_script": "evaluate.sh"}, "evaluate.sample_evaluate_script"),
        ({"sample_evaluate_script": "folder"}, "evaluate.sample_evaluate_script"),
        ({"sample_evaluate_script": "e.pl"}, "evaluate.sample_evaluate_script"),
        (
            {"sample_evaluate_script": "good.sh", "sample_evaluate_arguments": "'open"},
            "evaluate.sample_evaluate_script",
        ),
        (
            {"sample_evaluate_script": "good.sh", "knobs": [{"name": "k", "values": "no.sh", "map": "command_file"}]},
            "values of k",
        ),
    ],
)
def test_a_script_that_cannot_be_run_is_a_fault(
    make: Make, tmp_path: Path, section: dict[str, Any], place: str
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError) as caught:
        make("script", files={"good.sh": "", "e.pl": "#!/usr/bin/perl\n"}, **section)
    assert place in str(caught.value)


def faults(make: Make, **section: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        make("script", **section)
    return str(caught.value)


@pytest.mark.parametrize("file", ["evaluate.sh", "s.sh", "k.sh"])
def test_windows_line_ends_are_a_fault_that_names_the_file(make: Make, tmp_path: Path, file: str) -> None:
    files = {"evaluate.sh": "true\n", "s.sh": "true\n", "k.sh": "true\n"} | {file: "true\r\ntrue\r\n"}
    said = faults(
        make, files=files, source_scripts="s.sh", knobs=[{"name": "k", "values": ["k.sh"], "map": "command_file"}]
    )
    assert f"has Windows line ends (CRLF); convert with: sed -i 's/\\r$//' {tmp_path / file}" in said
    assert said.count("CRLF") == 1


def test_a_python_script_may_have_windows_line_ends(make: Make) -> None:
    make("script", files={"e.py": "pass\r\n"}, sample_evaluate_script="e.py")


def test_a_folder_is_named_once(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"looked for in {tmp_path} and in {Path.cwd()}" in faults(make)
    monkeypatch.chdir(tmp_path)
    assert f"looked for in {tmp_path})" in faults(make)


def test_values_that_end_a_here_document_stop_the_run(make: Make, executor: LocalExecutor) -> None:
    knobs = [{"name": "a", "values": ["EN"]}, {"name": "b", "values": ["D"]}]
    plugin = make("script", knobs=knobs, files={"evaluate.sh": "cat <<'END'\n$a$b\nEND\n"})
    with pytest.raises(DeffeError, match=r"evaluate\.sh: .*ends the here-document"):
        run(plugin, executor)


def test_excludes_leave_substitution_and_environment_alone(make: Make, executor: LocalExecutor) -> None:
    knobs = [*KNOBS, {"name": "kernel", "values": ["k.sh"], "map": "command_file"}]
    files = {"e.py": "import os, sys\nopen('out', 'a').write(os.environ['ways'] + str(sys.argv))\n"}
    files["k.sh"] = "echo $ways '${cache_size}' > out\n"
    plugin = make(
        "script", knobs=knobs, files=files, sample_evaluate_script="e.py",
        sample_evaluate_excludes=["ways", "cache_size"],
    )  # fmt: skip
    said = (folder_of(run(plugin, executor)[5]) / "out").read_text()
    assert said.startswith("2 4\n2[")
    assert "'--size', '4'" in said
    assert "--ways" not in said
    assert "--cache_size" not in said


def test_the_fingerprint_follows_the_content_of_every_script(make: Make, tmp_path: Path) -> None:
    knobs = [{"name": "k", "values": ["k.sh"], "map": "command_file"}]
    files = {"evaluate.sh": "true\n", "s.sh": "true\n", "k.sh": "false\n"}
    first = make("script", knobs=knobs, files=files, source_scripts="s.sh").instance.fingerprint
    assert set(first) == {str(tmp_path / name) for name in files}
    for name in files:
        now = make("script", knobs=knobs, files=files | {name: ":\n"}, source_scripts="s.sh").instance.fingerprint
        assert {file for file in now if now[file] != first[file]} == {str(tmp_path / name)}


# Functions

MODEL = """
import os, sys, time
def keywords(size, ways, *, factor=10): return {"Cycles": size * ways * factor, "other": 0}
def everything(**values): return [values["size"] * values["ways"] * 10.0]
def point(point): return point["size"] * point["ways"] * 10
def two(size, ways): return size, ways
def missing(size): return {"energy": 1}
def nan(size): return float("nan")
def text(size): return "12"
def fails(size): raise ValueError(f"size {size} is wrong")
def dies(size): os._exit(7)
def sleeps(size): time.sleep(60 if size == 1 else 0); return size
def unknown(size, wais): return 1
def late(l2_size): return 1
def optional(l2_size=0): return l2_size
not_a_function = 3
"""


@pytest.mark.parametrize("name", ["keywords", "everything", "point"])
@pytest.mark.parametrize("place", ["model.py", "model_module"])
def test_a_function_is_called_with_the_values_of_each_point(
    make: Make, executor: LocalExecutor, name: str, place: str
) -> None:
    files = {"model.py": MODEL, "model_module.py": MODEL}
    outcomes = run(make("function", files=files, options={"function": f"{place}:{name}"}), executor)
    found = [outcome.costs.item() for outcome in outcomes if outcome.costs is not None]
    assert found == [size * ways * 10 for ways in (1, 2) for size in (1, 2, 4)]
    assert all(outcome.states.tolist() == [State.DONE] and outcome.reasons == () for outcome in outcomes)


def test_a_sequence_is_in_the_order_of_the_costs(make: Make, executor: LocalExecutor) -> None:
    plugin = make("function", files={"model.py": MODEL}, costs=("b", "a"), options={"function": "model.py:two"})
    found = [outcome.costs.tolist() for outcome in run(plugin, executor) if outcome.costs is not None]
    assert found == [[[size, ways]] for ways in (1, 2) for size in (1, 2, 4)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "cost 'cycles' is not in the result; it has: energy"),
        ("nan", "cost 'cycles' is nan, not a finite number"),
        ("text", "cost 'cycles' is '12', not a finite number"),
        ("two", "the result has 2 values for the 1 costs cycles"),
        ("fails", "ValueError: size 1 is wrong (model.py:"),
        ("dies", "the worker process died: exit status 7"),
    ],
)
def test_a_function_that_gives_no_costs_fails_its_point(
    make: Make, executor: LocalExecutor, name: str, reason: str
) -> None:
    outcomes = run(make("function", files={"model.py": MODEL}, options={"function": f"model.py:{name}"}), executor)
    assert len(outcomes) == 6
    assert outcomes[0].reasons[0].startswith(reason)
    for outcome in outcomes:
        assert outcome.states.tolist() == [State.FAILED]
        assert outcome.costs is not None
        assert np.isnan(outcome.costs).all()


def test_a_function_has_a_time_limit(make: Make, executor: LocalExecutor) -> None:
    plugin = make("function", files={"model.py": MODEL}, options={"function": "model.py:sleeps"}, timeout_s=0.5)
    states = [outcome.states.item() for outcome in run(plugin, executor)]
    assert states == [State.TIMED_OUT, State.DONE, State.DONE] * 2


def test_a_function_is_tried_again(make: Make, executor: LocalExecutor, tmp_path: Path) -> None:
    code = f"""
def f(size, ways):
    open({str(tmp_path)!r} + f"/{{size}}{{ways}}", "a").write("x")
    if len(open({str(tmp_path)!r} + f"/{{size}}{{ways}}").read()) < size: raise OSError("busy")
    return size
"""
    plugin = make("function", files={"m.py": code}, options={"function": "m.py:f"}, retries=2)
    states = [outcome.states.item() for outcome in run(plugin, executor)]
    assert states == [State.DONE, State.DONE, State.FAILED] * 2


UNCALLABLE = [
    ("model", "does not name a function"),
    ("none.py:f", "there is no file 'none.py'"),
    ("no_such_module_here:f", "no_such_module_here"),
    ("model.py:keyword", "did you mean 'keywords'"),
    ("model.py:not_a_function", "not a function but int"),
    ("broken.py:f", "SyntaxError"),
    ("exits.py:f", "SystemExit"),
]
UNKNOWN_KNOBS = [("model.py:unknown", "'wais' is no knob; did you mean 'ways'"), ("model.py:late", "conditional knob")]


@pytest.mark.parametrize(
    ("kind", "function", "message"),
    [
        *(("function", *case) for case in UNCALLABLE + UNKNOWN_KNOBS),
        *(("vectorised", *case) for case in UNCALLABLE),
    ],
)
def test_a_function_that_cannot_be_called_is_a_fault(make: Make, kind: str, function: str, message: str) -> None:
    knobs = [*KNOBS, {"name": "l2_size", "values": [8, 16], "when": "size > 1"}]
    files = {"model.py": MODEL, "broken.py": "def f(:", "exits.py": "import sys; sys.exit(1)"}
    with pytest.raises(ConfigError) as caught:
        make(kind, knobs=knobs, files=files, options={"function": function})
    assert "evaluate.options.function" in str(caught.value)
    assert message in str(caught.value)


def test_a_conditional_knob_is_left_out_where_it_has_no_meaning(make: Make, executor: LocalExecutor) -> None:
    knobs = [*KNOBS, {"name": "l2_size", "values": [8, 16], "when": "size > 1"}]
    plugin = make("function", knobs=knobs, files={"model.py": MODEL}, options={"function": "model.py:optional"})
    found = {outcome.costs.item() for outcome in run(plugin, executor) if outcome.costs is not None}
    assert found == {0, 8, 16}


# Vectorised functions

FRAMES = """
import numpy as np, pandas as pd
def frame(frame): return pd.DataFrame({"AREA": frame["ways"], "cycles": frame["size"] * 10}).sort_values("cycles")
def other(frame): return pd.DataFrame({"area": frame["ways"], "cycles": frame["size"]}).set_index(frame.index + 1)
def columns(frame): return {"cycles": (frame["size"] * 10).tolist(), "area": frame["ways"]}
def array(frame): return np.column_stack([frame["size"] * 10, frame["ways"]])
def one(frame): return frame["size"] * 10
def nan(frame):
    return np.column_stack([np.where(frame["size"] == 2, np.inf, 1), np.where(frame["ways"] == 2, np.nan, 1)])
def short(frame): return np.ones((len(frame) - 1, 2))
def missing(frame): return {"cycles": frame["size"], "aera": frame["ways"]}
def words(frame): return {"cycles": ["a"] * len(frame), "area": frame["ways"]}
def scalar(frame): return {"cycles": 1.0, "area": frame["ways"]}
def nothing(frame): return None
def fails(frame): return frame["absent"]
"""


@pytest.mark.parametrize("name", ["frame", "columns", "array"])
@pytest.mark.parametrize("rows", [1, 4, 6, 1000])
def test_a_vectorised_function_evaluates_in_slices(make: Make, name: str, rows: int) -> None:
    options = {"function": f"frames.py:{name}", "rows": rows}
    plugin = make("vectorised", files={"frames.py": FRAMES}, costs=("cycles", "area"), options=options)
    outcomes = run(plugin, None)
    assert [len(outcome.rows) for outcome in outcomes] == [rows] * (6 // rows) + ([6 % rows] if 6 % rows else [])
    np.testing.assert_array_equal(np.concatenate([o.rows for o in outcomes]), np.arange(6))
    costs = np.concatenate([o.costs for o in outcomes if o.costs is not None])
    np.testing.assert_array_equal(costs, [[size * 10, ways] for ways in (1, 2) for size in (1, 2, 4)])
    assert all((outcome.states == State.DONE).all() and outcome.reasons == () for outcome in outcomes)


def test_one_cost_may_be_one_column(make: Make) -> None:
    (outcome,) = run(make("vectorised", files={"frames.py": FRAMES}, options={"function": "frames.py:one"}), None)
    np.testing.assert_array_equal(outcome.costs, [[10], [20], [40]] * 2)


def test_points_whose_costs_are_not_finite_fail_alone(make: Make) -> None:
    plugin = make(
        "vectorised", files={"frames.py": FRAMES}, costs=("cycles", "area"), options={"function": "frames.py:nan"}
    )
    (outcome,) = run(plugin, None)
    assert outcome.states.tolist() == [State.DONE, State.FAILED, State.DONE, *[State.FAILED] * 3]
    cycles, area = "cost 'cycles' is not finite", "cost 'area' is not finite"
    assert outcome.reasons == ("", cycles, "", area, cycles, area)
    np.testing.assert_array_equal(outcome.costs, [[1, 1], [np.nan] * 2, [1, 1], *[[np.nan] * 2] * 3])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("short", r"shape \(5, 2\) for 6 points and 2 costs"),
        ("one", r"shape \(6,\) for 6 points and 2 costs"),
        ("missing", "no column 'area' .did you mean 'aera'"),
        ("words", "could not convert string"),
        ("scalar", r"shape \(\) of cost 'cycles' for 6 points"),
        ("nothing", "for 6 points"),
        ("other", "index is not that of the frame"),
        ("fails", "KeyError: 'absent'"),
    ],
)
def test_a_vectorised_function_that_gives_something_else_stops_the_run(make: Make, name: str, message: str) -> None:
    plugin = make(
        "vectorised", files={"frames.py": FRAMES}, costs=("cycles", "area"), options={"function": f"frames.py:{name}"}
    )
    with pytest.raises(PluginError, match=message):
        run(plugin, None)


# Tables


@pytest.mark.parametrize("named", ["option", "exploration"])
def test_points_are_looked_up_by_their_values(make: Make, named: str) -> None:
    table = "ways,note,size,Cycles\n2,x,1,12\n1,x,1,11\n1,x,4,14\n2,x,4,nan\n"
    if named == "option":
        plugin = make("table", files={"known.csv": table}, options={"table": "known.csv"})
    else:
        plugin = make("table", files={"known.csv": table}, explore={"pre_evaluated_data": "known.csv"})
    (outcome,) = run(plugin, None)
    assert outcome.costs is not None
    np.testing.assert_array_equal(outcome.costs[:, 0], [11, np.nan, 14, 12, np.nan, np.nan])
    done, failed = State.DONE, State.FAILED
    assert outcome.states.tolist() == [done, failed, done, done, failed, failed]
    assert [bool(reason) for reason in outcome.reasons] == [state != done for state in outcome.states]
    assert "not in the table" in outcome.reasons[1]
    assert "known.csv" in outcome.reasons[1]


@pytest.mark.parametrize("options", [{}, {"table": "absent.csv"}])
def test_a_table_must_be_there(make: Make, options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"evaluate\.options\.table"):
        make("table", options=options)


@pytest.mark.parametrize("kind", ["function", "vectorised"])
def test_a_dry_run_calls_nothing(make: Make, executor: LocalExecutor, kind: str) -> None:
    plugin = make(
        kind, files={"m.py": "def f(frame=None): raise SystemExit\n"}, options={"function": "m.py:f"}, dry_run=True
    )
    states = np.concatenate([outcome.states for outcome in run(plugin, executor)])
    assert states.tolist() == [State.WAITING] * 6
