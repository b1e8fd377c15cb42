"""Whole runs with a simulator: what a user sees of done, failed and resumed points."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

GEM5 = f"""#!{sys.executable}
import gzip, os, signal, sys
words = sys.argv[1:]
knobs = dict(zip(words[4:18:2], words[5:18:2]))
rows = int(words[-1])
open(words[2] + "/stats.txt", "w").close()
if rows == 3:
    os.kill(os.getpid(), signal.SIGKILL)
if rows == 4:
    print("src/a.cc:1: fatal: no such thing")
    sys.exit(1)
if rows == 5:
    print("exit simulate() limit reached 77")
    sys.exit(0)
with open(words[2] + "/stats.txt", "w") as stats:
    stats.write("\\n---------- Begin Simulation Statistics ----------\\n")
    stats.write(f"simInsts {{rows * 100}} # x\\nsystem.cpu.numCycles {{rows * int(knobs['--l2_size'])}} # x\\n")
    stats.write("\\n---------- End Simulation Statistics   ----------\\n")
print("exit exiting with last active thread context 77\\ncode 28")
"""
CONFIG: dict[str, Any] = {
    "knobs": [{"name": "l2_size", "values": "32, 64"}, {"name": "rows", "values": "1-7"}],
    "costs": ["cpu_cycles", "ipc", {"name": "cpi", "expression": "1 / ipc"}],
    "evaluate": {
        "pyscript": "gem5",
        "options": {"gem5": "bin/gem5.fast", "program": "my program", "program_arguments": "{rows}"},
    },
    "extract": {"pyscript": "gem5_stats", "options": {"stats": {"ipc": "simInsts / system.cpu.numCycles"}}},
}


@pytest.fixture
def gem5(project: Any) -> Any:
    """A project with a gem5 of its own, which fails for some sizes."""
    project.write("bin/gem5.fast", GEM5).chmod(0o755)
    project.write("my program", "")
    return project.config(CONFIG)


def test_costs_and_reasons_of_gem5_are_in_the_table(gem5: Any) -> None:
    ended = gem5.run("-config", "config.json", "-full-exploration", "-no-train", "-no-inference")
    assert ended.code == 0, ended.err
    table = gem5.numbers("deffe_evaluation.csv").set_index(["l2_size", "rows"]).sort_index()
    assert len(table) == 12
    for (size, rows), row in table.iterrows():
        if rows in (3, 4, 5):
            assert row["State"] == "failed"
        else:
            assert row["cpu_cycles"] == rows * size
            assert row["ipc"] == pytest.approx(100 / size)
            assert row["cpi"] == pytest.approx(size / 100)
    reasons = table["Reason"].groupby("rows").first()
    assert reasons[3] == "killed by SIGKILL, perhaps out of memory"
    assert reasons[4] == "exit status 1: fatal: no such thing"
    assert reasons[5] == "the simulation was stopped at tick 77: simulate() limit reached"
    packed = sorted(path.parent.name for path in gem5.path("explore").glob("*/stats.txt.gz"))
    assert len(packed) == 6
    assert all(path.stat().st_size == 0 for path in gem5.path("explore").glob("*/stats.txt"))


def test_failed_simulations_may_be_tried_again(gem5: Any) -> None:
    arguments = ("-config", "config.json", "-full-exploration", "-no-train", "-no-inference")
    assert gem5.run(*arguments).code == 0
    gem5.write("bin/gem5.fast", GEM5.replace("rows == 4", "False"))
    assert gem5.run(*arguments, "-retry-failed").code == 0
    table = gem5.numbers("deffe_evaluation.csv")
    assert set(table["State"][table["rows"] == 4]) == {"done"}
    assert set(table["State"][table["rows"] == 3]) == {"failed"}


def test_a_dry_run_shows_the_commands_of_gem5(gem5: Any) -> None:
    ended = gem5.run("-config", "config.json", "-no-run", "-custom-samples", "2").ok()
    assert "-q -d . " in ended.err
    assert "--cacheline 64" in ended.err
    assert "my program'" in ended.err
    assert not list(gem5.folder.rglob("stats.txt*"))


def test_all_faults_are_told_before_anything_runs(gem5: Any) -> None:
    options = {"gem5": "bin/none", "program": "none", "program_arguments": "{rosw}"}
    gem5.config(CONFIG, evaluate={"pyscript": "gem5", "options": options})
    gem5.run("-config", "config.json").refused("evaluate.options.program_arguments", "did you mean 'rows'?")
    options["program_arguments"] = "{rows}"
    gem5.config(CONFIG, evaluate={"pyscript": "gem5", "options": options}, extract={"pyscript": "gem5_stats"})
    gem5.run("-config", "config.json").refused("'bin/none'", "no program 'none'", "cost 'ipc' has no statistic")
    assert not gem5.path("explore").exists()


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_cachegrind_measures_and_the_run_goes_on_where_it_stopped(project: Any) -> None:
    config: dict[str, Any] = {
        "knobs": [{"name": "l1d_size", "values": "1, 4, 16"}, {"name": "l1d_ways", "values": "1, 64"}],
        "costs": ["instructions", "l1d_misses", "estimated_cycles"],
        "evaluate": {"pyscript": "cachegrind", "options": {"program": "/bin/ls", "program_arguments": ["/", "a b"]}},
    }
    config["evaluate"]["options"]["max_exit_code"] = 2  # there is no "a b"
    project.config(config)
    arguments = ("-config", "config.json", "-no-train", "-no-inference")
    project.run(*arguments, "-custom-samples", "3").ok()
    project.run(*arguments, "-full-exploration").ok()
    table = project.numbers("deffe_evaluation.csv").set_index(["l1d_size", "l1d_ways"])
    assert len(table) == 6
    done = table[table["State"] == "done"]
    assert "64 ways and lines of 64 bytes give 0 sets" in table["Reason"][1, 64]
    assert len(done) == 5
    assert done["l1d_misses"][16, 1] < done["l1d_misses"][4, 1] < done["l1d_misses"][1, 1]
    assert json.loads((Path(table["RunDir"][4, 1]) / "param.json").read_text())["l1d_size"] == "4"
