"""The real program, killed again and again and run again, ends like one that was never stopped.

The moments are chosen by the growth of the store, so that they hit every stage on slow and quick machines alike.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from processes import alive, wait_until

from deffe.store import Store

if TYPE_CHECKING:
    from conftest import Project

POINTS = 60
STEPS = ("-init-batch-samples", 15, "-fixed-samples", 15, "-step-end", 4)
KNOBS = [{"name": "size", "values": "1-16"}, {"name": "ways", "values": "1-11"}]
SCRIPT = """echo $((size * 100 + ways)) > results.out
echo $((ways * 7 % 5)).$size >> results.out
[ $((size * ways % 11)) = 5 ] && exit 3
sleep 0.02
echo "$size $ways" >> "$DEFFE_CONFIG_DIR/evaluated.log"
"""
"""Some points fail; the others take a moment, so that a kill hits a run in the middle."""
FUNCTION = """
def costs(size, ways):
    with open("evaluated.log", "a") as log:
        log.write(f"{size} {ways}\\n")
    return {"cycles": 1000 + (size - 7) ** 2 * 10 + ways, "energy": 20 + ways - size}
"""
ENDED = ("done", "failed")
TIMES = ["EvaluateTime", "ExtractTime", "RunDir"]
PATIENCE_S = 60


@dataclass(frozen=True)
class Snapshot:
    """What was known right after a kill: the rows with a result, and how often each point had been evaluated."""

    rows: pd.DataFrame
    evaluated: Counter[str]


def scripts(project: Project) -> Project:
    return project.shell(SCRIPT, knobs=KNOBS, evaluate={"workers": 3})


def functions(project: Project) -> Project:
    """A run whose points depend on what was learned before."""
    keys = {"sampling": {"optimize_sample_sequence_module": "cost_1d"}, "model": {"exclude_costs": "energy"}}
    return project.python(FUNCTION, "function", knobs=KNOBS, evaluate={"workers": 2}, **keys)


def ended_points(project: Project) -> int:
    """Points with a result, as another program sees them; -1 before there is a database."""
    try:
        with closing(project.database()) as connection:
            words = ", ".join(f"'{word}'" for word in ENDED)
            return int(connection.execute(f"SELECT count(*) FROM exploration_0 WHERE state IN ({words})").fetchone()[0])
    except sqlite3.Error:  # not there yet, or what a killed writer left has not been rolled back yet
        return -1


def killed_at(project: Project, points: int, number: int, arguments: Sequence[object]) -> subprocess.Popen[str]:
    """Run until this many points have a result, at least one of them new, then send the signal."""
    points = max(points, ended_points(project) + 1)
    process = project.start(*arguments)
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None and ended_points(project) < points:
        assert time.monotonic() < end, "the run makes no progress"
        time.sleep(0.003)
    process.send_signal(number)
    return process


def snapshot(project: Project) -> Snapshot:
    with closing(Store.read(project.path("explore"))) as store:
        table = store.table(0)
    rows = table[table["state"].isin(ENDED)].drop(columns=["evaluate_s", "extract_s", "folder"])
    return Snapshot(rows.set_index("number"), Counter(project.evaluated()))


def thresholds(seed: int, kills: int) -> Iterator[int]:
    """Numbers of results at which to kill: one before there is any, one when there are all, and some between."""
    between = np.random.default_rng(seed).choice(np.arange(1, POINTS), kills - 2, replace=False)
    yield from [0, *sorted(between.tolist()), POINTS]


def compare(project: Project, never_stopped: Project, taken: Sequence[Snapshot]) -> None:
    last = snapshot(project)
    assert len(last.rows) == POINTS
    pd.testing.assert_frame_equal(last.rows, snapshot(never_stopped).rows)
    for name in ("deffe_output.csv", "deffe_evaluation.csv"):
        ours, theirs = (here.table(name).drop(columns=TIMES) for here in (project, never_stopped))
        pd.testing.assert_frame_equal(ours, theirs)
    for before in taken:
        if len(before.rows):
            pd.testing.assert_frame_equal(last.rows.loc[before.rows.index], before.rows)
        for point in zip(before.rows["size"], before.rows["ways"], strict=True):
            key = f"{point[0]} {point[1]}"
            assert last.evaluated[key] == before.evaluated[key], f"the finished point {key} was evaluated again"


@pytest.mark.parametrize(
    ("number", "kills", "seed"), [(signal.SIGKILL, 7, 1), (signal.SIGTERM, 4, 2), (signal.SIGINT, 4, 3)]
)
def test_a_run_of_scripts_that_is_killed(
    project: Project, other: Project, number: signal.Signals, kills: int, seed: int
) -> None:
    arguments = ["-no-train", *STEPS]
    scripts(other).call(*arguments).ok()
    scripts(project)
    taken: list[Snapshot] = []
    for points in thresholds(seed, kills):
        process = killed_at(project, points, number, arguments)
        _, err = process.communicate(timeout=PATIENCE_S)
        taken.append(snapshot(project))
        assert len(taken[-1].rows) >= points  # nothing that was recorded is lost
        assert "Traceback" not in err
        if number is signal.SIGKILL:
            assert process.returncode in (-signal.SIGKILL, 0)
        elif 0 < len(taken[-1].rows) < POINTS:
            assert process.returncode == 130
            assert "the same command goes on" in err
            assert len(project.table()) == len(taken[-1].rows)  # the tables show what is known
    assert sum(0 < len(each.rows) < POINTS for each in taken) >= kills // 3  # however slow the machine
    project.call(*arguments).ok()
    compare(project, other, taken)


def test_a_run_that_learns_and_is_killed(project: Project, other: Project) -> None:
    """The points of each step depend on what the model learned from those before."""
    functions(other).call(*STEPS).ok()
    functions(project)
    taken: list[Snapshot] = []
    for points in (15, 38, POINTS):  # at the end of a step, when it learns and proposes; within one; at the end
        process = killed_at(project, points, signal.SIGKILL, STEPS)
        process.communicate(timeout=PATIENCE_S)
        taken.append(snapshot(project))
    project.call(*STEPS).ok()
    compare(project, other, taken)
    columns = ["size", "ways", "cycles", "cycles_std"]
    ours, theirs = (here.numbers("deffe_prediction.csv")[columns] for here in (project, other))
    pd.testing.assert_frame_equal(ours, theirs)


def test_what_a_killed_run_had_started_is_killed_too(project: Project) -> None:
    """Nothing goes on running behind the user's back, and the resumed run is not disturbed by it."""
    script = 'echo $$ > "$DEFFE_CONFIG_DIR/pid$evaluate_index"; [ $size = 1 ] || exec sleep 100\n'
    script += "echo 1 > results.out; echo 2 >> results.out\n"
    project.shell(script, knobs=KNOBS, evaluate={"workers": 4})
    arguments = ["-no-train", "-init-batch-samples", 8, "-fixed-samples", 1, "-step-end", 1]
    process = project.start(*arguments)
    assert wait_until(lambda: asleep(project) >= 4, PATIENCE_S)
    time.sleep(0.3)  # a process that starts at the very moment of the kill may be missed
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    assert wait_until(lambda: asleep(project) == 0, PATIENCE_S)
    project.shell("echo 1 > results.out; echo 2 >> results.out\n", knobs=KNOBS).run(*arguments).ok()
    table = project.table()
    assert set(table["State"]) == {"done"}
    assert len(table) == 8


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_extraction_is_no_failure(project: Project, number: signal.Signals) -> None:
    project.write("extract.sh", 'touch "$DEFFE_CONFIG_DIR/extracting"; sleep 100; echo 1 > results.out\n')
    project.shell("true\n", knobs=KNOBS, costs=["cycles"], evaluate={"workers": 2})
    arguments = ["-no-train", "-custom-samples", 6]
    process = project.start(*arguments)
    assert wait_until(project.path("extracting").exists, PATIENCE_S)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert ended_points(project) == 0
    project.write("extract.sh", "echo 1 > results.out\n")
    project.run(*arguments).ok()
    assert set(project.table()["State"]) == {"done"}


def asleep(project: Project) -> int:
    """Scripts that still run."""
    pids = [path.read_text().strip() for path in project.folder.glob("pid*")]
    return sum(alive(int(pid)) for pid in pids if pid)
