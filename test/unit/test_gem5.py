"""gem5: the binary that is asked for runs with the knobs of the point, and every way to end is told apart."""

from __future__ import annotations

import ast
import gzip
import json
import logging
import os
import runpy
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deffe.api import Framework, Outcome, State, Trial
from deffe.config import load
from deffe.errors import ConfigError
from deffe.evaluators._gem5_binary import find_gem5
from deffe.evaluators.gem5 import SHIPPED
from deffe.executors import Job, JobEnd
from deffe.executors.local import LocalExecutor
from deffe.plugins import Plugin
from deffe.plugins import load as load_plugin
from deffe.testing import make_framework

RECORDS = Path(__file__).parents[2] / ".." / "shared" / "data" / "gem5_runs"
SHAPES = ("l1d_ways", "l1i_ways", "l2_ways", "l1d_size", "l1i_size", "l2_size", "cacheline")
STANDIN = """#!{python}
import json, os, signal, sys, time
open("argv.json", "w").write(json.dumps(sys.argv[1:]))
words = sys.argv[1:]
folder = words[words.index("-d") + 1]
does = json.loads(open({does!r}).read())
stats = os.path.join(folder, "stats.txt")
if does.get("stats") is not None:
    open(stats, "w").write(does["stats"])
print(does.get("log", ""))
sys.stdout.flush()
if does.get("sleep"):
    time.sleep(does["sleep"])
if does.get("signal"):
    os.kill(os.getpid(), does["signal"])
sys.exit(does.get("code", 0))
"""
"""Behaves as gem5 does: writes its statistics into the folder behind -d, prints its log, and ends as told."""
WHOLE = """
---------- Begin Simulation Statistics ----------
simInsts                                           12                       # Number of instructions simulated (Count)

---------- End Simulation Statistics   ----------
"""
ENDED = "info: x\nexit exiting with last active thread context 163962000\ncode 5"
records = pytest.mark.skipif(not RECORDS.is_dir(), reason="the records of gem5 runs are not here")


class Standin:
    """A gem5 of the test in a folder with a space, with the program that it would simulate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.binary = folder / "my gem5" / "gem5.fast"
        self.binary.parent.mkdir()
        self.does(log=ENDED, stats=WHOLE)
        self.binary.write_text(STANDIN.format(python=sys.executable, does=str(folder / "does.json")))
        self.binary.chmod(0o755)
        (folder / "kernels").mkdir()
        (folder / "kernels" / "matmul.riscv").write_bytes(b"\x7fELF")

    def does(self, **what: Any) -> None:
        (self.folder / "does.json").write_text(json.dumps(what))

    def record(self, log: str, stats: str = "", **what: Any) -> None:
        """Do what a record shows."""
        text = gzip.decompress((RECORDS / stats).read_bytes()).decode() if stats else None
        self.does(log=(RECORDS / log).read_text(), **{"stats": text, **what})

    def make(self, knobs: dict[str, Any] | None = None, dry_run: bool = False, **options: Any) -> Plugin:
        section = {key: options.pop(key) for key in ("timeout_s", "retries", "keep") if key in options}
        given = {"gem5": str(self.binary), "program": "kernels/matmul.riscv", **options}
        config = {
            "knobs": [{"name": name, "values": values} for name, values in (knobs or {"l1d_size": 4}).items()],
            "constraints": [],
            "costs": ["sim_insts"],
            "evaluate": {"pyscript": "gem5", "options": given, **section},
            "extract": {"pyscript": "gem5_stats"},
        }
        return load_plugin("evaluator", "gem5", framework(self.folder, config, dry_run))

    def run(self, plugin: Plugin, executor: LocalExecutor) -> list[Outcome]:
        space = plugin.instance._framework.space
        found = plugin.call("Run", batch=space.batch(0, range(space.size)), executor=executor)
        return sorted(found, key=lambda outcome: int(outcome.rows[0]))

    def reason(self, executor: LocalExecutor, state: State = State.FAILED, **options: Any) -> str:
        """Why the only point fails."""
        (outcome,) = self.run(self.make(**options), executor)
        assert outcome.states.tolist() == [state]
        return outcome.reasons[0] if outcome.reasons else ""


def framework(folder: Path, config: dict[str, Any], dry_run: bool) -> Framework:
    return replace(make_framework(folder, "evaluate", config=config), dry_run=dry_run, name="gem5")


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Standin:
    for name in ("GEM5", "gem5_dir"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "a folder"
    folder.mkdir()
    return Standin(folder)


def folder_of(outcome: Outcome) -> Path:
    assert outcome.trial is not None
    assert outcome.trial.folder is not None
    return outcome.trial.folder


def argv(outcome: Outcome) -> list[str]:
    found: list[str] = json.loads((folder_of(outcome) / "argv.json").read_text())
    return found


# What is run


def test_the_shipped_configuration_gets_every_knob_and_the_program(standin: Standin, executor: LocalExecutor) -> None:
    knobs = {"l1d_size": "4, 8", "cacheline": 32, "cpu": "o3", "rows": "24"}
    outcomes = standin.run(standin.make(knobs, program_arguments="{rows} 'a b' {{x}}"), executor)
    for outcome, size in zip(outcomes, ("4", "8"), strict=True):
        words = argv(outcome)
        assert words[:4] == ["-q", "-d", ".", str(SHIPPED)]
        given = dict(zip(words[4:-4:2], words[5:-4:2], strict=True))
        assert set(given) == {f"--{name}" for name in (*SHAPES, "cpu")}
        assert (given["--l1d_size"], given["--cacheline"], given["--cpu"]) == (size, "32", "o3")
        assert words[-4:] == [str(standin.folder / "kernels" / "matmul.riscv"), "24", "a b", "{x}"]
        assert outcome.states.tolist() == [State.DONE]
        assert outcome.costs is None


def test_values_stay_one_word_and_reach_no_shell(standin: Standin, executor: LocalExecutor) -> None:
    evil = "a b;`touch run1` $(touch run2) \"q\" 'q' \\ *"
    plugin = standin.make({"text": [evil]}, program_arguments="{text}")
    (outcome,) = standin.run(plugin, executor)
    assert argv(outcome)[-1] == evil
    assert not list(standin.folder.rglob("run[12]"))


def test_knobs_are_found_by_their_maps_too(standin: Standin, executor: LocalExecutor) -> None:
    config = {
        "knobs": [
            {"name": "data cache", "values": "4", "map": "l1d_size"},
            {"name": "n", "values": "8", "map": "rows"},
        ],
        "constraints": [],
        "evaluate": {
            "options": {"gem5": str(standin.binary), "program": "kernels/matmul.riscv", "program_arguments": "{rows}"}
        },
        "extract": {"pyscript": "gem5_stats"},
    }
    plugin = load_plugin("evaluator", "gem5", framework(standin.folder, config, False))
    (outcome,) = standin.run(plugin, executor)
    words = argv(outcome)
    assert words[words.index("--l1d_size") + 1] == "4"
    assert words[-1] == "8"


def test_a_script_of_ones_own_gets_what_the_program_does_not(standin: Standin, executor: LocalExecutor) -> None:
    (standin.folder / "my system.py").write_text("")
    knobs = {"width": "4", "offset": -2, "fast": ["True"], "slow": ["False"], "rows": "24"}
    plugin = standin.make(knobs, script="my system.py", program_arguments=["{rows}"])
    (outcome,) = standin.run(plugin, executor)
    program = str(standin.folder / "kernels" / "matmul.riscv")
    assert argv(outcome)[3:] == [
        *(str(standin.folder / "my system.py"), "--fast", "--offset=-2", "--width", "4", program, "24")
    ]


def test_the_arguments_of_a_script_may_be_spelled(standin: Standin, executor: LocalExecutor) -> None:
    (standin.folder / "se.py").write_text("")
    plugin = standin.make(
        {"l2": "64", "cache line": "32"},
        script="se.py",
        script_arguments="--caches --l2_size={l2}kB --cacheline_size {cache line} -c",
        gem5_arguments="--debug-flags=Exec",
    )
    (outcome,) = standin.run(plugin, executor)
    words = argv(outcome)
    assert words[0] == "--debug-flags=Exec"
    assert words[5:-1] == ["--caches", "--l2_size=64kB", "--cacheline_size", "32", "-c"]


def test_an_argument_of_an_inactive_knob_is_left_out(standin: Standin, executor: LocalExecutor) -> None:
    config = {
        "knobs": [
            {"name": "mode", "values": ["a", "b"]},
            {"name": "depth", "values": "7", "when": "mode == 'b'"},
        ],
        "constraints": [],
        "evaluate": {
            "options": {
                "gem5": str(standin.binary),
                "program": "kernels/matmul.riscv",
                "program_arguments": "{mode} {depth}",
            }
        },
        "extract": {"pyscript": "gem5_stats"},
    }
    outcomes = standin.run(load_plugin("evaluator", "gem5", framework(standin.folder, config, False)), executor)
    assert [argv(outcome)[-1] for outcome in outcomes] == ["a", "7"]


def test_the_environment_has_no_knobs(standin: Standin, executor: LocalExecutor) -> None:
    (standin.folder / "own.py").write_text("")
    standin.binary.write_text("#!/bin/bash\nenv > environment\necho exit exiting with last active thread context 5\n")
    plugin = standin.make({"PYTHONHOME": "nowhere"}, script="own.py")
    (outcome,) = standin.run(plugin, executor)
    environment = (folder_of(outcome) / "environment").read_text()
    assert "PYTHONHOME=nowhere" not in environment
    assert f"DEFFE_RUN_DIR={folder_of(outcome)}" in environment
    assert json.loads((folder_of(outcome) / "param.json").read_text())["PYTHONHOME"] == "nowhere"


def test_a_dry_run_shows_the_command_and_needs_no_gem5(
    standin: Standin, executor: LocalExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    standin.binary.unlink()
    (outcome,) = standin.run(standin.make(dry_run=True), executor)
    assert outcome.states.tolist() == [State.WAITING]
    assert "--l1d_size 4" in caplog.text
    assert "which is not there" in caplog.text
    assert not (folder_of(outcome) / "argv.json").exists()


# How it ends


@records
@pytest.mark.parametrize(("cpu", "insts"), [("timing", 101706), ("minor", 101707), ("o3", 101706)])
def test_a_simulation_is_done_and_its_statistics_are_packed(
    standin: Standin, executor: LocalExecutor, cpu: str, insts: int
) -> None:
    standin.record(f"matmul24_{cpu}.log", f"matmul24_{cpu}.stats.txt.gz")
    plugin = standin.make()
    (outcome,) = standin.run(plugin, executor)
    assert outcome.states.tolist() == [State.DONE]
    folder = folder_of(outcome)
    assert not list(folder.glob("stats.txt"))
    assert not list(folder.glob("*.part"))
    assert gzip.decompress((folder / "stats.txt.gz").read_bytes()) == gzip.decompress(
        (RECORDS / f"matmul24_{cpu}.stats.txt.gz").read_bytes()
    )
    extractor = load_plugin("extractor", "gem5_stats", framework(standin.folder, {"costs": ["sim_insts"]}, False))
    assert extractor.call("Run", trial=Trial(0, {}, folder)) == {"sim_insts": insts}


@records
def test_an_end_that_is_judged_again_comes_to_the_same(standin: Standin, executor: LocalExecutor) -> None:
    """As when the program is killed after the statistics were packed, and before the point was recorded."""
    standin.record("matmul24_timing.log", "matmul24_timing.stats.txt.gz")
    plugin = standin.make()
    (outcome,) = standin.run(plugin, executor)
    folder = folder_of(outcome)
    end = JobEnd(Job(0, (("gem5",),), folder, folder / "evaluate.log", {}), 0, False, 1.0)
    assert outcome.trial is not None
    assert plugin.instance._judge(outcome.trial, end).reason == ""


@records
@pytest.mark.parametrize(
    ("log", "code", "reason"),
    [
        (
            "bad_size.log",
            1,
            "exit status 1: fatal: fatal condition !isPowerOf2(numSets) occurred: # of sets must be non-zero and a "
            "power of 2",
        ),
        (
            "missing_program.log",
            1,
            "exit status 1: fatal: fatal condition fd < 0 occurred: Failed to open file nothere.riscv.",
        ),
        ("bad_argument.log", 2, "exit status 2: cache_se.py: error: unrecognized arguments: --what"),
    ],
)
def test_the_reason_is_gem5_s_own_line(
    standin: Standin, executor: LocalExecutor, log: str, code: int, reason: str
) -> None:
    standin.record(log, code=code)
    assert standin.reason(executor) == reason


@records
def test_a_killed_simulation_is_not_taken_for_an_error_of_its_own(standin: Standin, executor: LocalExecutor) -> None:
    standin.does(log=(RECORDS / "killed.log").read_text(), stats="", signal=9)
    assert standin.reason(executor) == "killed by SIGKILL, perhaps out of memory"


PANIC = """src/mem/cache/base.cc:9: panic: Invalid state
Memory Usage: 1 KBytes
Program aborted at tick 42
--- BEGIN LIBC BACKTRACE ---
gem5.fast(+0x1)[0x2]
--- END LIBC BACKTRACE ---"""


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ({"stats": "", "signal": 9}, "killed by SIGKILL, perhaps out of memory"),
        ({"stats": "", "code": 137}, "exit status 137 (SIGKILL, perhaps out of memory)"),
        ({"stats": "", "log": ENDED}, "gem5 has left an empty stats.txt: it ended before it wrote statistics"),
        ({"log": ENDED}, "gem5 has left no stats.txt"),
        ({"stats": WHOLE, "log": "info: hello"}, "gem5 ended without an exit cause"),
        ({"stats": WHOLE, "log": "hello"}, "gem5 ended without an exit cause: hello"),
        (
            {"stats": WHOLE, "log": "exit simulate() limit reached 1000", "code": 1},
            "the simulation was stopped at tick 1000: simulate() limit reached",
        ),
        (
            {"stats": WHOLE, "log": "Exiting @ tick 7 because a thread reached the max instruction count."},
            "the simulation was stopped at tick 7: a thread reached the max instruction count",
        ),
        ({"stats": WHOLE, "log": PANIC, "signal": 6}, "killed by SIGABRT: panic: Invalid state"),
        (
            {"log": "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  x", "signal": 6},
            "killed by SIGABRT, out of memory: terminate called after throwing an instance of 'std::bad_alloc'",
        ),
        (
            {"log": "a.cc:1: fatal: Could not mmap 99 bytes for range", "code": 1},
            "exit status 1, out of memory: fatal: Could not mmap 99 bytes for range",
        ),
        (
            {"log": "Traceback (most recent call last):\n  File x\nAttributeError: no port\n", "code": 1},
            "exit status 1: AttributeError: no port",
        ),
        ({"log": "", "code": 3}, "exit status 3"),
    ],
)
def test_every_end_has_a_reason_of_its_own(
    standin: Standin, executor: LocalExecutor, does: dict[str, Any], reason: str
) -> None:
    standin.does(**does)
    assert standin.reason(executor) == reason


def test_a_time_limit(standin: Standin, executor: LocalExecutor) -> None:
    standin.does(stats="", sleep=60)
    assert standin.reason(executor, State.TIMED_OUT, timeout_s=0.3) == "time limit of 0.3 s reached"


@pytest.mark.parametrize(("allowed", "state"), [(4, State.FAILED), (5, State.DONE), (None, State.DONE)])
def test_the_exit_code_of_the_program_counts_where_told(
    standin: Standin, executor: LocalExecutor, allowed: int | None, state: State
) -> None:
    reason = standin.reason(executor, state, max_exit_code=allowed)
    assert ("the program ended with exit code 5, allowed: at most 4" in reason) == (state is State.FAILED)


def test_a_script_of_ones_own_may_end_otherwise(standin: Standin, executor: LocalExecutor) -> None:
    (standin.folder / "own.py").write_text("")
    limit = "Exiting @ tick 7 because a thread reached the max instruction count"
    standin.does(log=limit)
    own = {"script": "own.py", "script_arguments": ""}
    assert "was stopped at tick 7" in standin.reason(executor, **own)
    causes = ["a thread reached the max instruction count"]
    assert standin.reason(executor, State.DONE, exit_causes=causes, **own) == ""
    standin.does(log="quiet")
    assert standin.reason(executor, State.DONE, **own) == ""
    assert "'code 0'" in standin.reason(executor, max_exit_code=0, **own)


def test_statistics_may_stay_unpacked(standin: Standin, executor: LocalExecutor) -> None:
    (outcome,) = standin.run(standin.make(pack_stats=False), executor)
    assert (folder_of(outcome) / "stats.txt").read_text() == WHOLE


def test_statistics_that_cannot_be_packed_stay(
    standin: Standin, executor: LocalExecutor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deffe.evaluators._gem5_ending.shutil.copyfileobj", full)
    (outcome,) = standin.run(standin.make(), executor)
    assert outcome.states.tolist() == [State.DONE]
    assert sorted(path.name for path in folder_of(outcome).glob("stats*")) == ["stats.txt"]
    assert "No space left" in caplog.text


def test_a_failed_point_is_tried_again_in_a_fresh_folder(standin: Standin, executor: LocalExecutor) -> None:
    standin.does(code=1, log="x")
    (outcome,) = standin.run(standin.make(retries=1), executor)
    assert folder_of(outcome).name == "explore_0_retry1"


@pytest.mark.parametrize(
    ("knobs", "reason"),
    [
        ({"l1d_size": 1, "l1d_ways": 32}, "l1d: 1 KiB, 32 ways and lines of 64 bytes give 0 sets"),
        ({"l2_size": 7, "l2_ways": 1}, "l2: 7 KiB, 1 ways and lines of 64 bytes give 112 sets"),
        ({"cacheline": ["wide"]}, "cacheline is 'wide', expected a whole number above 0"),
        ({"l1i_ways": 0}, "l1i_ways is '0', expected a whole number above 0"),
    ],
)
def test_shapes_that_gem5_refuses_fail_without_a_run(
    standin: Standin, executor: LocalExecutor, knobs: dict[str, Any], reason: str
) -> None:
    (outcome,) = standin.run(standin.make(knobs), executor)
    assert outcome.states.tolist() == [State.FAILED]
    assert outcome.reasons[0].startswith(reason)
    assert outcome.trial is None


def test_three_ways_are_fine_where_the_sets_are_a_power_of_two(standin: Standin, executor: LocalExecutor) -> None:
    assert standin.reason(executor, State.DONE, knobs={"l1d_size": 3, "l1d_ways": 3}) == ""


# What is refused before the run


def faults(standin: Standin, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        standin.make(**options)
    return str(caught.value)


def test_all_that_is_missing_is_told_at_once(standin: Standin) -> None:
    text = faults(standin, gem5="nowhere", program="kernels/absent.riscv", knobs={"l3_size": "1, 2"})
    assert "option gem5 is 'nowhere', which is not there" in text
    assert "there is no program 'kernels/absent.riscv'" in text
    assert "'l3_size' reaches neither the simulator nor its program" in text


def test_a_program_that_a_knob_names_is_looked_for_before_the_run(standin: Standin) -> None:
    (standin.folder / "kernels" / "Makefile").write_text("")
    text = faults(standin, program="kernels/{kernel}.riscv", knobs={"kernel": ["matmul", "nw"]})
    assert "there is no program 'kernels/nw.riscv' (make it: make -C" in text
    assert "matmul" not in text


@pytest.mark.parametrize(
    ("given", "said"),
    [("{rosw}", "'{rosw}' stands for no knob; did you mean 'rows'?"), ("{", "{{"), ("'open", "No closing quotation")],
)
def test_arguments_that_cannot_be_read_are_a_fault(standin: Standin, given: str, said: str) -> None:
    assert said in faults(standin, knobs={"rows": "8"}, program_arguments=given)


def test_a_missing_script_is_a_fault(standin: Standin) -> None:
    assert "there is no file 'none.py'" in faults(standin, script="none.py")


def test_a_run_without_an_extractor_is_refused(standin: Standin) -> None:
    options = {"gem5": str(standin.binary), "program": "kernels/matmul.riscv"}
    config = {"knobs": [{"name": "l1d_size", "values": "4"}], "constraints": [], "evaluate": {"options": options}}
    with pytest.raises(ConfigError, match="gem5_stats"):
        load_plugin("evaluator", "gem5", framework(standin.folder, config, False))


# The binary


Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    def made(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        return tmp_path

    return made


def found(environ: dict[str, str], gem5: str = "", gem5_dir: str = "", build: str = "RISCV") -> str:
    return str(find_gem5(gem5, gem5_dir, build, environ, lambda name: Path(name) if Path(name).exists() else None))


def test_the_first_that_is_named_counts(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tree("a/gem5", "b/gem5", "c/build/RISCV/gem5.opt", "d/build/RISCV/gem5.fast", "e/gem5.opt", "e/gem5")
    monkeypatch.setenv("PATH", str(folder / "e"))
    everything = {"GEM5": str(folder / "b/gem5"), "gem5_dir": str(folder / "d")}
    assert found(everything, str(folder / "a/gem5"), str(folder / "c")) == str(folder / "a/gem5")
    assert found(everything, "", str(folder / "c")) == str(folder / "b/gem5")
    assert found({"gem5_dir": everything["gem5_dir"]}, "", str(folder / "c")) == str(folder / "c/build/RISCV/gem5.opt")
    assert found({"gem5_dir": everything["gem5_dir"]}) == str(folder / "d/build/RISCV/gem5.fast")
    assert found({}) == str(folder / "e/gem5.opt")
    assert found({"GEM5": "gem5"}) == str(folder / "e/gem5")


@pytest.mark.parametrize(
    ("there", "build", "path"),
    [
        (("build/RISCV/gem5.debug", "build/RISCV/gem5.opt"), "RISCV", "build/RISCV/gem5.opt"),
        (("build/X86/gem5.fast", "build/RISCV/gem5.debug"), "X86", "build/X86/gem5.fast"),
        (("build/ALL/gem5.opt",), "RISCV", "build/ALL/gem5.opt"),
        (("gem5.opt",), "RISCV", "gem5.opt"),
    ],
)
def test_builds_of_a_folder(tree: Tree, there: tuple[str, ...], build: str, path: str) -> None:
    folder = tree(*there)
    assert found({}, gem5_dir=str(folder), build=build) == str(folder / path)
    if build == "RISCV":
        assert found({"GEM5": str(folder)}) == str(folder / path)


def test_what_is_named_wrongly_is_not_passed_over(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tree("e/gem5.opt", "plain")
    (folder / "plain").chmod(0o644)
    monkeypatch.setenv("PATH", str(folder / "e"))
    for environ, said in [
        ({"GEM5": "absent"}, "environment variable GEM5 is 'absent', which is not there"),
        ({"GEM5": str(folder / "plain")}, "which is not executable"),
        ({"gem5_dir": str(folder)}, "there is no build/RISCV/gem5.fast"),
    ]:
        with pytest.raises(ValueError, match=said):
            found(environ)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ValueError, match="set GEM5 to its executable"):
        found({})


class Anything:
    """An object of gem5: takes every parameter, and has every port and method."""

    def __init__(self, **parameters: Any) -> None:
        self.__dict__.update(parameters)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.__dict__[name] = Anything()
        return self.__dict__[name]

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self


class Machine:
    """Modules m5 and m5.objects of the test; keeps the system that a configuration makes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cause: str = "exiting with last active thread context") -> None:
        m5, objects = types.ModuleType("m5"), types.ModuleType("m5.objects")
        end = types.SimpleNamespace(getCause=lambda: cause, getCode=lambda: 28)
        self.limits: list[int] = []
        vars(m5).update(objects=objects, instantiate=lambda: None, curTick=lambda: 1234)
        vars(m5).update(simulate=lambda *limit: (self.limits.extend(limit), end)[1])
        source = ast.parse(SHIPPED.read_text())
        names = next(n.names for n in source.body if isinstance(n, ast.ImportFrom) and n.module == "m5.objects")
        for name in names:
            setattr(objects, name.name, type(name.name, (Anything,), {}))
        vars(objects).update(AddrRange=lambda size: size, Root=self.take)
        vars(objects)["SEWorkload"].init_compatible = staticmethod(lambda path: path)
        monkeypatch.setitem(sys.modules, "m5", m5)
        monkeypatch.setitem(sys.modules, "m5.objects", objects)

    def take(self, full_system: bool, system: Any) -> None:
        assert not full_system
        self.system = system

    def run(self, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
        monkeypatch.setattr(sys, "argv", [str(SHIPPED), *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SHIPPED), run_name="__m5_main__")
        return int(ended.value.code or 0)


KNOBS = [word for i, name in enumerate(SHAPES) for word in (f"--{name}", str(i + 1))]


def test_the_shipped_configuration_builds_what_the_knobs_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(monkeypatch)
    words = ["--cpu", "minor", "--clock", "2GHz", "--memory", "128", "prog", "24", "--x", "-y"]
    assert machine.run(monkeypatch, *KNOBS, *words) == 0
    system = machine.system
    assert type(system.cpu).__name__ == "RiscvMinorCPU"
    caches = {name: getattr(system.cpu if name != "l2" else system, name) for name in ("dcache", "icache", "l2")}
    found = {name: (cache.size, cache.assoc) for name, cache in caches.items()}
    assert found == {"dcache": ("4kB", 1), "icache": ("5kB", 2), "l2": ("6kB", 3)}
    assert system.cache_line_size == 7
    assert system.clk_domain.clock == "2GHz"
    assert system.mem_ranges == ["128MB"]
    assert system.cpu.workload.cmd == ["prog", "24", "--x", "-y"]
    assert machine.limits == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["exit exiting with last active thread context 1234", "code 28"]


def test_the_shipped_configuration_fails_where_the_program_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, "simulate() limit reached")
    assert machine.run(monkeypatch, *KNOBS, "--max_ticks", "1000", "prog") == 1
    assert machine.limits == [1000]


def test_the_configuration_of_the_example_is_the_shipped_one() -> None:
    config = load(Path(__file__).parents[2] / "example" / "config_gem5.json")
    assert config.evaluate.pyscript == "gem5"
    assert SHIPPED.is_file()
    assert not os.access(SHIPPED.parent / "__init__.py", os.F_OK), "gem5 puts this folder on its path"
