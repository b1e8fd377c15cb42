"""Looking at a run from outside: it is told what is so, while the run goes on and later, and nothing is changed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from processes import wait_until

if TYPE_CHECKING:
    from conftest import Project

PROGRAM = Path(__file__).parents[2] / "framework" / "run_deffe.py"
STEPS = ("-custom-samples", 4, 8, "-no-train")
WAITING = """at=$DEFFE_CONFIG_DIR/at$evaluate_index go=$DEFFE_CONFIG_DIR/go
[ -e $go$evaluate_index -o -e $go ] || touch $at
until [ -e $go$evaluate_index -o -e $go ]; do sleep 0.02; done
echo $((size * 100 + ways)) > results.out
echo $((size - ways + 20)) >> results.out
[ $((size * ways)) = 4 ] && { echo "no memory" >&2; exit 3; }
exit 0
"""
"""A point waits until it is let go; some points fail."""


@contextlib.contextmanager
def running(project: Project, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A run whose points wait to be let go."""
    process = project.shell(WAITING, evaluate={"workers": 2}).start(*STEPS, *arguments)
    try:
        assert wait_until(lambda: len(list(project.folder.glob("at*"))) == 2), process.communicate(timeout=5)
        yield process
    finally:
        process.kill()
        process.communicate()


def status(project: Project, *arguments: object) -> str:
    return project.run("-status", *arguments).ok().out


# status


def test_status_of_a_run_that_goes_on(project: Project) -> None:
    with running(project) as process:
        assert wait_until(lambda: "point 1 for" in status(project, "explore"))
        said = status(project, "explore")
        assert re.search(rf"explore: running since .* process {process.pid} on ", said)
        assert "explore_0: 0 done, 4 to do of this step; 8 points in all" in said
        assert re.search(
            r"now: explore_0 step 0, for .*, 2 points under way\n    point 0 for .*\n    point 1 for", said
        )
        project.path("go0").touch()
        assert wait_until(lambda: "1 done, 3 to do" in status(project, "explore"))
        said = status(project, "explore")
        assert re.search(r"speed: [\d,]+ points an hour, over", said)
        assert re.search(r"left: 7 points, about", said)
        assert process.poll() is None
        project.path("go").touch()
        process.communicate(timeout=60)
    said = status(project, "explore")
    assert re.search(r"explore: ended .* ago\): the last step asked for, 1, is done", said)
    assert "now:" not in said
    assert "left:" not in said


def test_status_tells_failures_and_their_reasons(project: Project) -> None:
    project.path("go").touch()
    project.shell(WAITING).run("-no-train", "-full-exploration").ok()
    said = status(project, "explore")
    assert re.search(r"explore_0: 10 done, 2 failed, 0 to do", said)
    assert re.search(r"failures, by reason:\n    2 times: exit status 3: no memory", said)


def test_status_of_a_run_that_was_killed_says_so(project: Project) -> None:
    with running(project) as process:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    said = status(project, "explore")
    assert "not running; it was killed after" in said
    assert "the same command goes on" in said
    project.path("go").touch()
    project.run(*STEPS).ok()
    assert "the last step asked for, 1, is done" in status(project, "explore")


def test_status_of_a_run_that_was_interrupted_says_so(project: Project) -> None:
    with running(project) as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
    assert re.search(r"ended .*: interrupted", status(project, "explore"))


def test_a_run_is_named_by_its_folder_its_database_or_its_configuration(project: Project) -> None:
    project.shell().run("-no-train", "-custom-samples", 4).ok()
    names = ("explore", "explore/deffe.sqlite", "config.json", ".", project.path("explore"))
    for name in names:
        assert "4 done, 0 to do" in status(project, name)
    for arguments in ((), ("-config", "config.json"), ("-run-directory", "explore")):
        assert "4 done" in status(project, *arguments)


def test_a_configuration_of_another_folder_names_the_run_there(project: Project) -> None:
    other = type(project)(project.folder / "other")
    other.shell().run("-no-train", "-custom-samples", 3).ok()
    project.shell().run("-no-train", "-custom-samples", 4).ok()
    assert "3 done" in status(project, "other/config.json")
    assert "4 done" in status(project, "config.json")
    shutil.rmtree(other.path("explore"))  # called from here, then
    assert "4 done" in status(project, "other/config.json")


def test_looking_changes_nothing(project: Project) -> None:
    project.shell().run("-no-train", "-custom-samples", 4).ok()
    before = project.contents()
    status(project, "explore")
    project.run("-tail", "explore").ok()
    assert project.contents() == before


def test_status_of_a_run_of_an_older_version(project: Project) -> None:
    project.shell().run("-no-train", "-custom-samples", 4).ok()
    with contextlib.closing(sqlite3.connect(project.path("explore/deffe.sqlite"))) as connection, connection:
        connection.execute("DROP TABLE ended")
        connection.execute("DELETE FROM meta WHERE key = 'activity'")
    assert "4 done, 0 to do" in status(project, "explore")
    assert "nothing is running" in project.run("-tail", "explore").ok().out
    project.run("-no-train", "-custom-samples", 4, 6).ok()
    assert "6 done, 0 to do" in status(project, "explore")


def test_several_explorations_are_told_apart(project: Project) -> None:
    knobs = [{"name": "size", "values": "1, 2", "groups": "a, b"}, {"name": "ways", "values": "1-4", "groups": "b"}]
    explore = [{"name": "one", "groups": ["a"]}, {"name": "two", "groups": ["b"]}]
    project.shell('echo "$size" > results.out; [ "$size" = 2 ] && exit 1; exit 0', knobs=knobs, costs=["cycles"],
                  exploration={"explore": explore})  # fmt: skip
    project.run("-no-train", "-no-inference").ok()
    said = status(project, "explore")
    assert "one: 1 done, 1 failed" in said
    assert "two: 3 done, 3 failed" in said
    assert "failures of two" in said
    assert "  two  point" in project.run("-tail", "explore").ok().out


@pytest.mark.parametrize("look", [("-status",), ("-tail",), ("-export", "csv", "-run-directory")])
def test_what_is_no_run_is_refused(project: Project, look: tuple[str, ...]) -> None:
    project.run(*look, "absent").refused("there is no absent")
    project.path("empty").mkdir()
    project.run(*look, "empty").refused("there is no run in", "deffe.sqlite")
    database = project.write("text/deffe.sqlite", "no database")
    project.run(*look, "text").refused("is damaged, or not a database")
    database.write_bytes(b"")
    project.run(*look, "text").refused("has recorded nothing yet")
    project.shell().run("-no-train", "-custom-samples", 4).ok()
    with contextlib.closing(sqlite3.connect(project.path("explore/deffe.sqlite"))) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    project.run(*look, "explore").refused("has format 99, made by a newer deffe")


def test_one_look_at_a_time(project: Project) -> None:
    project.run("-status", "-tail").refused("-status and -tail")
    project.run("-cancel", "-status").refused("-status and -cancel")


def test_status_needs_no_heavy_library(project: Project) -> None:
    project.shell().run("-no-train", "-custom-samples", 4).ok()
    code = (
        "import sys; from deffe.cli import main; code = main(['-status', 'explore']);"
        "print({'numpy', 'pandas', 'pydantic', 'scipy'} & set(sys.modules) or 'light')"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM.parent)}
    ended = subprocess.run([sys.executable, "-c", code], cwd=project.folder, env=environment, capture_output=True)
    assert ended.stdout.decode().splitlines()[-1] == "light"


# tail


def test_tail_tells_each_point_as_it_ends_until_the_run_does(project: Project) -> None:
    with running(project) as process:
        watcher = project.start("-tail", "explore")
        assert watcher.stdout is not None
        for number in (1, 0):
            project.path(f"go{number}").touch()
            line = watcher.stdout.readline()
            assert re.match(rf"\d\d:\d\d:\d\d  point {number}  ", line), line
        project.path("go").touch()
        process.communicate(timeout=60)
        out, err = watcher.communicate(timeout=20)
    assert watcher.returncode == 0
    assert len(re.findall(r"point \d+  (done|failed)", out)) == 6
    assert "the run has ended" in out.splitlines()[-1]
    assert err == ""


def test_tail_names_knobs_costs_and_reasons(project: Project) -> None:
    project.path("go").touch()
    project.shell(WAITING).run("-no-train", "-full-exploration").ok()
    out = project.run("-tail", "explore").ok().out
    assert len(out.splitlines()) == 11
    assert re.search(r"done  [\d.e-]+ s  size=\d  ways=\d  cycles = \d+  energy = \d+$", out, re.MULTILINE)
    assert (
        re.search(r"failed  [\d.e-]+ s  size=4  ways=1  exit status 3: no memory$", out, re.MULTILINE)
        or "size=2" in out
    )


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [(signal.SIGINT, 0, ""), (signal.SIGTERM, 130, "run_deffe: ended; the run itself is left alone\n")],
)
def test_tail_that_is_ended_leaves_the_run_alone(
    project: Project, number: signal.Signals, code: int, told: str
) -> None:
    with running(project) as process:
        watcher = project.start("-tail")
        project.path("go0").touch()
        assert watcher.stdout is not None
        assert watcher.stdout.readline()
        watcher.send_signal(number)
        _, err = watcher.communicate(timeout=10)
        assert (watcher.returncode, err) == (code, told)
        assert process.poll() is None


# export


def test_an_export_has_every_result_with_the_names_of_the_tables(project: Project) -> None:
    project.path("go").touch()
    project.shell(WAITING).run("-no-train", "-full-exploration").ok()
    assert "12 points" in project.run("-export", "csv").ok().out
    ours, table = project.numbers("deffe_results.csv"), project.numbers("deffe_output.csv")
    assert list(ours) == list(table)
    pd.testing.assert_frame_equal(ours, table, check_dtype=False, atol=1e-6, rtol=0)


def test_an_export_to_parquet_has_the_same(project: Project) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    knobs = [
        {"name": "size", "values": "1, 2"},
        {"name": "kind", "values": ["fast", 2]},
        {"name": "on", "values": [True, False]},
        {"name": "depth", "values": "4, 8", "when": "kind == 'fast'"},
    ]
    project.shell('echo "$size" > results.out', knobs=knobs, costs=["cycles"]).run(
        "-no-train", "-full-exploration"
    ).ok()
    project.run("-export", "parquet", "-output", "out/results.parquet").ok()
    found = pd.read_parquet(project.path("out/results.parquet"))
    assert list(found) == list(project.table())
    assert found["on"].dtype == bool
    assert sorted(found["kind"].unique()) == ["2", "fast"]
    assert found["depth"].isna().sum() == (found["kind"] == "2").sum()
    assert (found["cycles"] == found["size"]).all()


def test_parquet_without_its_library_says_what_to_install(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.shell().run("-no-train", "-custom-samples", 4).ok()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    project.run("-export", "parquet").refused("pyarrow", "deffe[parquet]")


def test_an_export_while_the_run_goes_on_and_again_later(project: Project) -> None:
    with running(project) as process:
        assert "0 points" in project.run("-export", "csv").ok().out
        project.path("go0").touch()
        assert wait_until(lambda: "1 point of" in project.run("-export", "csv").ok().out)
        project.path("go").touch()
        process.communicate(timeout=60)
    assert "8 points" in project.run("-export", "csv").ok().out


def test_an_export_replaces_nothing_else(project: Project) -> None:
    project.shell().run("-no-train", "-custom-samples", 4).ok()
    project.write("notes.csv", "my,notes\n")
    project.run("-export", "csv", "-output", "notes.csv").refused(
        "notes.csv is there", "no table that this command wrote"
    )
    project.run("-export", "csv", "-output", "explore").refused("explore cannot be written")
    project.run("-export", "csv", "-output", "explore/deffe.sqlite").refused("no table that this command wrote")
    assert project.path("notes.csv").read_text() == "my,notes\n"
    assert "4 done" in status(project)


# what the run notes


def test_points_that_failed_and_are_tried_again_are_told_as_they_came_out(project: Project) -> None:
    project.shell(f"{WAITING}\n", knobs=[{"name": "size", "values": "4"}, {"name": "ways", "values": "1, 2"}])
    project.path("go").touch()
    project.run("-no-train", "-no-inference").ok()
    assert "1 done, 1 failed" in status(project)
    project.shell(knobs=[{"name": "size", "values": "4"}, {"name": "ways", "values": "1, 2"}])
    project.run("-no-train", "-no-inference", "-retry-failed").ok()
    assert "2 done, 0 to do" in status(project)
    assert "failures" not in status(project)
    assert len(re.findall(r"point \d", project.run("-tail").ok().out)) == 2


def test_the_note_is_of_json_that_other_programs_can_read(project: Project) -> None:
    project.shell().run("-no-train", "-custom-samples", 4).ok()
    with contextlib.closing(project.database()) as connection:
        note = json.loads(connection.execute("SELECT value FROM meta WHERE key = 'activity'").fetchone()[0])
        ends = connection.execute('SELECT number, "when" FROM ended ORDER BY rowid').fetchall()
    assert note["ended"] == "the last step asked for, 0, is done"
    assert sorted(number for number, _ in ends) == [0, 1, 2, 3]
    assert all(note["started"] <= when <= note["beat"] for _, when in ends)
