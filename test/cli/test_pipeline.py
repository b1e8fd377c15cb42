"""Pipeline mode: slots do not wait for the slowest point, and each result stays with its own point."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

KNOBS = [{"name": "size", "values": "1-31"}, {"name": "ways", "values": "1-5"}]
SCRIPT = """echo "$size $ways" >> "$DEFFE_CONFIG_DIR/evaluated.log"
sleep 0.0$((size * ways % 10))
echo $((size * 100 + ways)) > results.out
echo $((size * size)) >> results.out
"""
STEPS = ("-pipeline", "-init-batch-samples", 12, "-fixed-samples", 6)
FOREST = {"pyscript": "sklearn_rf", "options": {"trees": 10}}


def sweep(project: Project, script: str = SCRIPT, **keys: object) -> Project:
    return project.shell(script, **{"knobs": KNOBS, "model": FOREST, "evaluate": {"workers": 4}, **keys})


def paired(project: Project) -> None:
    """Each result is that of its own knobs, and no point was evaluated twice."""
    rows = project.numbers("deffe_evaluation.csv")
    done = rows[rows["State"] == "done"]
    assert (done["cycles"] == done["size"] * 100 + done["ways"]).all()
    assert (done["energy"] == done["size"] ** 2).all()
    assert Counter(project.evaluated()).most_common(1)[0][1] == 1
    assert len(project.evaluated()) == len(rows)


def test_results_stay_with_their_points(project: Project) -> None:
    sweep(project).run(*STEPS, "-max-samples", 60).ok()
    paired(project)
    assert project.per_step("deffe_evaluation.csv") == [12, *[6] * 8]


def test_a_step_begins_while_points_of_the_last_one_run(project: Project) -> None:
    """One point ends only once 24 others have, which is more than its step has."""
    waits = """cd_=$DEFFE_CONFIG_DIR; touch "$cd_/ended.log"
if mkdir "$cd_/slow" 2> /dev/null; then
    echo "$size $ways" > "$cd_/slow/point"
    for i in $(seq 600); do [ $(wc -l < "$cd_/ended.log") -ge 24 ] && break; sleep 0.1; done
fi
"""
    notes = 'echo "$size $ways" >> "$DEFFE_CONFIG_DIR/ended.log"\n'
    sweep(project, waits + SCRIPT + notes).run(*STEPS, "-max-samples", 60).ok()
    slow = project.path("slow/point").read_text(encoding="utf-8").strip()
    ended = project.path("ended.log").read_text(encoding="utf-8").splitlines()
    assert ended.index(slow) >= 24
    paired(project)


def test_points_are_chosen_by_what_was_learned_meanwhile(project: Project) -> None:
    project.write(
        "chooser.py",
        """from deffe.api import Advice
class Chooser:
    def Initialize(self): pass
    def Run(self, step, count, report, table, known):
        trained = 0 if report is None else report.trained_on
        with open("chooser.log", "a") as log:
            log.write(f"{step} {trained} {len(table)}\\n")
        return Advice()
def GetObject(framework):
    return Chooser()
""",
    )
    sweep(project, exploration={"pyscript": "chooser.py"}).run(*STEPS, "-max-samples", 60).ok()
    rows = [
        [int(n) for n in line.split()] for line in project.path("chooser.log").read_text(encoding="utf-8").splitlines()
    ]
    steps, trained, known = zip(*rows, strict=True)
    assert list(steps) == list(range(len(steps)))
    assert all(a <= b for a, b in pairwise(trained))
    assert 0 < trained[-1] < known[-1] <= 60


def test_a_reached_target_ends_it_and_what_ran_is_kept(project: Project) -> None:
    ended = sweep(project, model={"pyscript": "lasso"}).run(*STEPS, "-target-error", 60).ok()
    assert "has reached the target" in ended.out
    paired(project)
    assert len(project.evaluated()) < 155
    assert not (project.numbers("deffe_evaluation.csv")["State"] != "done").any()


def test_the_whole_space_ends_it(project: Project) -> None:
    ended = (
        sweep(project, knobs=[{"name": "size", "values": "1-11"}, {"name": "ways", "values": "1-4"}]).run(*STEPS).ok()
    )
    assert "every point there is has been evaluated" in ended.out
    paired(project)
    assert len(project.evaluated()) == 30


def test_too_many_failures_end_it(project: Project) -> None:
    ended = sweep(project, "exit 3\n").run(*STEPS)
    ended.refused("points all failed", code=3)


def test_known_results_are_looked_up(project: Project) -> None:
    rows = "\n".join(f"{size},1,{size * 100 + 1},{size * size}" for size in range(1, 31))
    project.write("known.csv", f"size,ways,cycles,energy\n{rows}\n")
    explore = [{"pre_evaluated_data": "known.csv"}]
    sweep(project, exploration={"explore": explore}).run(*STEPS, "-max-samples", 60).ok()
    found = project.numbers("deffe_output.csv")
    found = found[found["State"] == "done"]
    assert (found["cycles"] == found["size"] * 100 + found["ways"]).all()
    assert set(found[found["ways"] == 1]["Source"]) == {"pre_evaluated"}
    assert all(line.split()[1] != "1" for line in project.evaluated())


def test_functions_overlap_as_well(project: Project) -> None:
    project.python(
        "import time\ndef costs(size, ways):\n    time.sleep(0.002 * (size * ways % 10))\n"
        "    return {'cycles': size * 100 + ways, 'energy': size * size}\n",
        "function",
        knobs=KNOBS,
        model=FOREST,
    ).run(*STEPS, "-max-samples", 60).ok()
    rows = project.numbers("deffe_evaluation.csv")
    assert len(rows) == 60
    assert (rows["cycles"] == rows["size"] * 100 + rows["ways"]).all()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_and_repeats_nothing_that_ended(project: Project, number: signal.Signals) -> None:
    sweep(project)
    process = project.start(*STEPS, "-max-samples", 80)
    until = time.monotonic() + 60
    while ended_points(project) < 30 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=60)
    before = ended_points(project)
    assert 30 <= before < 80
    project.forget_evaluated()
    project.call(*STEPS, "-max-samples", 80).ok()
    assert len(set(project.evaluated())) == 80 - before  # a script that was cut off may still have told its point
    rows = project.numbers("deffe_evaluation.csv")
    assert len(rows) == 80
    assert (rows["cycles"] == rows["size"] * 100 + rows["ways"]).all()


def ended_points(project: Project) -> int:
    try:
        with project.database() as database:
            found = database.execute("select count(*) from exploration_0 where state in ('done', 'failed')").fetchone()
    except sqlite3.Error:
        return 0
    return int(found[0])
