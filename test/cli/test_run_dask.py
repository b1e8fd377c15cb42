"""A run on a Dask cluster: the results of a local one, whatever is killed meanwhile."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from processes import wait_until

if TYPE_CHECKING:
    from conftest import Project

pytest.importorskip("distributed", reason="Dask is not installed")

TIMES = ["EvaluateTime", "ExtractTime", "RunDir"]
KNOBS = [{"name": "size", "values": "1-11"}, {"name": "ways", "values": "1-5"}]
FUNCTION = """
import os, time

def costs(size, ways):
    with open("evaluated.log", "a") as log:
        log.write(f"{size} {ways}\\n")
    time.sleep(0.05)
    if size == 3:
        raise ValueError("three")
    return {"cycles": 1000 + (size - 7) ** 2 * 10 + ways, "energy": 20 + ways - size}
"""
PREDICTED = {
    "knobs": [{"name": "size", "values": "1-201"}, {"name": "ways", "values": "1-401"}],
    "costs": ["cycles"],
    "evaluate": {"pyscript": "vectorised", "options": {"function": "costs.py:costs"}},
    "sampling": {"custom_samples": [20]},
}


def results(project: Project) -> pd.DataFrame:
    table = project.table().drop(columns=TIMES)
    return table.sort_values("Id").reset_index(drop=True)


def test_scripts_and_functions_give_what_they_give_here(project: Project, other: Project) -> None:
    for make in (shell_project, function_project):
        for place, executor in ((project, "dask"), (other, "local")):
            make(place).run("-no-train", "-custom-samples", 12, "-executor", executor, "-workers", 2,
                            "-run-directory", make.__name__).ok()  # fmt: skip
        pd.testing.assert_frame_equal(results(project), results(other))
    assert "Dask" not in project.run("-status", function_project.__name__).ok().err


def shell_project(project: Project) -> Project:
    return project.shell('echo $((size * ways)) > results.out; [ "$size" != 3 ]', knobs=KNOBS, costs=["cycles"])


def function_project(project: Project) -> Project:
    return project.python(FUNCTION, "function", knobs=KNOBS)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_goes_on(project: Project, other: Project, number: signal.Signals) -> None:
    arguments = ("-no-train", "-full-exploration", "-workers", 2)
    process = function_project(project).start(*arguments, "-executor", "dask")
    assert wait_until(lambda: len(project.evaluated()) > 8)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    time.sleep(0.5)
    before = len(project.evaluated())
    time.sleep(0.3)
    assert len(project.evaluated()) == before, "something goes on after the end of the run"
    said = project.run("-status").ok().out
    kept = sum(int(count) for count in re.findall(r"(\d+) (?:done|failed)", said))
    assert before - kept <= 6
    project.run(*arguments, "-executor", "dask").ok()
    assert len(project.evaluated()) <= 40 + 6
    function_project(other).run(*arguments).ok()
    pd.testing.assert_frame_equal(results(project), results(other))


def test_predictions_are_those_of_this_machine(project: Project, other: Project) -> None:
    code = "def costs(points):\n    return {'cycles': 1000 / points['size'] + points['ways'] ** 0.5}\n"
    for place, executor in ((project, "dask"), (other, "local")):
        place.write("costs.py", code)
        place.config(PREDICTED).run("-executor", executor, "-workers", 2).ok()
    ours, theirs = project.numbers("deffe_prediction.csv"), other.numbers("deffe_prediction.csv")
    assert len(ours) == 80_000 - 20
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"address": "tcp://a:1", "scheduler_file": "b"}, "address and scheduler_file contradict"),
        ({"jobs": 3}, "jobs is for a cluster that is made"),
        ({"cluster": "a.B", "jobs": 3, "workers": 4}, "workers and jobs contradict"),
        ({"adress": "tcp://a:1"}, "adress"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(project: Project, section: dict[str, object], said: str) -> None:
    project.shell(dask=section).run("-executor", "dask").refused(said)


def test_a_cluster_that_is_not_there_fails_the_run_and_loses_nothing(project: Project) -> None:
    shell_project(project).run("-no-train", "-custom-samples", 4).ok()
    shell_project(project)
    config = project.path("config.json")
    config.write_text(config.read_text()[:-1] + ', "dask": {"address": "tcp://127.0.0.1:9", "connect_s": 0.5}}')
    ended = project.run("-no-train", "-custom-samples", 4, 8, "-executor", "dask")
    ended.refused("no Dask scheduler answers at tcp://127.0.0.1:9", code=1)
    assert len(results(project)) == 4
