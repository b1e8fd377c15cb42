"""Whole runs on a real Slurm cluster of one node: killed, cancelled, and with the controller gone for a while."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Lab, Project

pytestmark = pytest.mark.usefixtures("cluster")
SLURM = {"time": "10", "poll_s": [0.2, 1], "settle_s": 1, "trials_per_task": 2}
ONE_STEP = ("-no-train", "-custom-samples", 12)
NOTES = 'echo "$size $ways" >> "$DEFFE_CONFIG_DIR/evaluated.log"\n'
COSTS = "echo $((size * 100 + ways)) > results.out; echo 1 >> results.out\n"


def on_slurm(project: Project, script: str, slurm: dict[str, Any] = SLURM, **evaluate: Any) -> Project:
    return project.shell(script, slurm=slurm, evaluate={"slurm": True, **evaluate})


def queue(project: Project) -> list[tuple[str, str, str]]:
    """Name, job and state of the run's tasks that are in the queue."""
    run = project.path("explore/slurm/run.json")
    if not run.exists():
        return []
    name = "deffe-" + re.findall(r'"id": "(\w+)"', run.read_text())[0]
    words = ["squeue", "--noheader", "--array", "--format=%j %i %T"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return [(each[0], each[1], each[2]) for line in lines if (each := line.split())[0].startswith(f"{name}-")]


def end_all(project: Project) -> None:
    jobs = {job.split("_")[0] for _, job, _ in queue(project)}
    if jobs:
        subprocess.run(["scancel", *jobs], check=True)


def states(project: Project) -> Counter[str]:
    return Counter(project.table()["State"])


def once_each(project: Project, points: int = 12) -> None:
    """Every point was evaluated, and none of them twice."""
    noted = Counter(project.evaluated())
    assert len(noted) == points
    assert set(noted.values()) == {1}


def test_a_run_in_a_folder_with_spaces_and_quotes(tmp_path: Path, project: Project, lab: Lab) -> None:
    there = type(project)(tmp_path / """it's "100%" a $HOME `id`""")
    knobs = [{"name": "size", "values": [1, 2]}, {"name": "word", "values": ["a b", "$(touch hit)", "it's", '"; id']}]
    script = 'echo "$size" > results.out; printf "%s" "$(printenv word)" > word; printenv SECRET > secret || true\n'
    there.shell(script, knobs=knobs, costs=["cycles"], evaluate={"slurm": True}, slurm=SLURM, extract={"slurm": True})
    there.write("extract.sh", "[ -e word ] && cat results.out >> seen\n")
    there.call("-no-train", "-custom-samples", 8).ok()
    assert states(there) == {"done": 8}
    table = there.table()
    assert {(Path(row["RunDir"]) / "word").read_text() for _, row in table.iterrows()} == set(knobs[1]["values"])  # type: ignore[arg-type]
    assert not list(there.folder.rglob("hit"))
    assert (there.path("explore").stat().st_mode & 0o777) == 0o700


def test_failures_are_told_as_on_this_machine(project: Project) -> None:
    script = f"""{NOTES}{COSTS}
    case $size-$ways in
        1-1) echo broken >&2; exit 3;;
        1-2) sleep 100 & sleep 100;;
        1-3) rm results.out;;
        2-1) echo 12 > results.out;;
        2-2) kill -9 $$;;
    esac"""
    on_slurm(project, script, timeout_s=3).call(*ONE_STEP).ok()
    table = project.numbers().set_index(["size", "ways"])
    assert table.loc[(1, 1), "Reason"] == "exit status 3: broken"
    assert table.loc[(1, 2), "State"] == "timed_out"
    assert table.loc[(1, 2), "Reason"] == "time limit of 3 s reached"
    assert "results.out" in table.loc[(1, 3), "Reason"]
    assert "results.out" in table.loc[(2, 1), "Reason"]
    assert "killed by SIGKILL" in table.loc[(2, 2), "Reason"] or "SIGKILL" in table.loc[(2, 2), "Reason"]
    assert Counter(table["State"]) == {"done": 7, "failed": 4, "timed_out": 1}
    once_each(project)


def test_a_run_that_is_killed_and_started_again_evaluates_each_point_once(project: Project, lab: Lab) -> None:
    on_slurm(project, NOTES + "sleep 1\n" + COSTS)
    for noted in (1, 5):
        process = project.start(*ONE_STEP)
        lab.wait_until(lambda n=noted: len(project.evaluated()) >= n)
        process.kill()
        process.communicate(timeout=60)
    project.call(*ONE_STEP).ok()
    assert states(project) == {"done": 12}
    once_each(project)
    assert queue(project) == []


def test_a_run_that_was_closed_finds_what_has_ended_meanwhile(project: Project, lab: Lab) -> None:
    on_slurm(project, NOTES + "sleep 0.3\n" + COSTS)
    process = project.start(*ONE_STEP)
    lab.wait_until(lambda: len(queue(project)) == 6 or project.evaluated())
    process.kill()
    process.communicate(timeout=60)
    lab.wait_until(lambda: not queue(project))
    before = len(project.evaluated())
    project.call(*ONE_STEP).ok()
    assert states(project) == {"done": 12}
    assert before > 0
    once_each(project)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_its_jobs_and_says_so(project: Project, lab: Lab, number: signal.Signals) -> None:
    on_slurm(project, NOTES + "sleep 100\n" + COSTS)
    err = interrupted(project, lab, number)
    assert "left queued or running; the same command goes on with them, -cancel ends them" in err
    assert len(queue(project)) == 6
    end_all(project)


def test_the_jobs_of_a_run_can_be_cancelled_and_the_run_gone_on_with(project: Project, lab: Lab) -> None:
    on_slurm(project, NOTES + "sleep 1\n" + COSTS)
    interrupted(project, lab, signal.SIGTERM)
    ended = project.call("-cancel").ok()
    assert re.search(r"\d+ Slurm jobs? of the run in .* ended", ended.out)
    lab.wait_until(lambda: not queue(project))
    project.call("-cancel", "-run-directory", "nonesuch").refused("there is no run directory", "nonesuch")
    project.call(*ONE_STEP).ok()  # what was cancelled begins anew
    assert states(project) == {"done": 12}


def test_the_jobs_of_a_run_that_goes_on_can_be_cancelled(project: Project, lab: Lab) -> None:
    on_slurm(project, NOTES + "sleep 2\n" + COSTS, {**SLURM, "max_jobs": 2})
    process = project.start(*ONE_STEP)
    lab.wait_until(lambda: any(state == "RUNNING" for _, _, state in queue(project)))
    project.call("-cancel").ok()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the Slurm jobs of this run were ended by -cancel" in err
    lab.wait_until(lambda: not queue(project))
    assert len(project.evaluated()) < 12
    project.call(*ONE_STEP).ok()  # and a word on it is not left lying about
    assert states(project) == {"done": 12}


def interrupted(project: Project, lab: Lab, number: signal.Signals) -> str:
    """Run until jobs run, then send the signal; what was said."""
    process = project.start(*ONE_STEP)
    lab.wait_until(lambda: any(state == "RUNNING" for _, _, state in queue(project)))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    return err


def test_what_is_cancelled_by_hand_has_failed_and_can_be_retried(project: Project, lab: Lab) -> None:
    on_slurm(project, f'{NOTES}[ -e "$DEFFE_CONFIG_DIR/quick" ] || sleep 100\n{COSTS}')
    process = project.start(*ONE_STEP)
    lab.wait_until(lambda: len(queue(project)) == 6 and project.evaluated())
    end_all(project)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    table = project.table()
    assert states(project) == {"failed": 12}
    assert all(reason.startswith("cancelled") for reason in table["Reason"])
    project.write("quick", "")
    project.call(*ONE_STEP, "-retry-failed").ok()
    assert states(project) == {"done": 12}


def test_a_run_that_fails_for_good_ends_its_jobs(project: Project, lab: Lab) -> None:
    on_slurm(project, f'{NOTES}mkdir "$DEFFE_CONFIG_DIR/first" || sleep 100\nexit 1\n')
    ended = project.call(*ONE_STEP, "-max-failed", 0)
    assert ended.code == 3
    assert "Slurm jobs were ended" in ended.err or "Slurm job was ended" in ended.err
    lab.wait_until(lambda: not queue(project))


def test_the_controller_is_stopped_and_started_during_a_run(project: Project, lab: Lab) -> None:
    pids = [Path("/run/deffe-slurm/slurmctld.pid"), Path("/run/slurmctld.pid")]
    pid = next((path for path in pids if path.exists()), None)
    if pid is None or os.geteuid():
        pytest.skip("the controller is not that of start_cluster.sh, or is not ours to stop")
    conf = pid.with_name("slurm.conf")
    on_slurm(project, NOTES + "sleep 1\n" + COSTS)
    process = project.start(*ONE_STEP)
    try:
        lab.wait_until(lambda: len(project.evaluated()) >= 2)
        os.kill(int(pid.read_text()), signal.SIGTERM)
        lab.wait_until(lambda: not pid.exists())
        time.sleep(3)
        assert process.poll() is None
    finally:
        subprocess.run(["slurmctld"], env={**os.environ, "SLURM_CONF": str(conf)}, check=True)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert states(project) == {"done": 12}
    once_each(project)


def test_without_slurm_when_asked(project: Project) -> None:
    on_slurm(project, NOTES + '[ -z "$SLURM_JOB_ID" ] || exit 9\n' + COSTS)
    project.call(*ONE_STEP, "-no-slurm").ok()
    project.call(*ONE_STEP, "-executor", "local", "-run-directory", "second").ok()
    assert states(project) == {"done": 12}
    assert not project.path("explore/slurm").exists()


def test_the_executor_is_chosen_on_the_command_line(project: Project) -> None:
    project.shell(NOTES + '[ -n "$SLURM_JOB_ID" ] || exit 9\n' + COSTS, slurm=SLURM)
    project.call(*ONE_STEP, "-executor", "slurm").ok()
    assert states(project) == {"done": 12}


def test_functions_are_called_on_the_cluster(project: Project) -> None:
    function = """
import os
def costs(size, ways):
    assert os.environ["SLURM_JOB_ID"]
    if size == 8:
        raise ValueError("too large")
    return {"cycles": size * 10 + ways, "energy": 1}
"""
    project.python(function, "function", slurm=SLURM, evaluate={"slurm": True})
    project.call(*ONE_STEP).ok()
    table = project.numbers()
    done = table[table["State"] == "done"]
    assert (done["cycles"] == done["size"] * 10 + done["ways"]).all()
    assert len(done) == 9
    assert set(table[table["size"] == 8]["Reason"]) == {"ValueError: too large (costs.py:6)"}


def test_calls_that_are_cut_short_are_found_again(project: Project, lab: Lab) -> None:
    function = """
import time
def costs(size, ways):
    with open("evaluated.log", "a") as log:
        log.write(f"{size} {ways}\\n")
    time.sleep(1)
    return {"cycles": size * 10 + ways, "energy": 1}
"""
    project.python(function, "function", slurm=SLURM, evaluate={"slurm": True})
    process = project.start(*ONE_STEP)
    lab.wait_until(lambda: len(project.evaluated()) >= 3)
    process.kill()
    process.communicate(timeout=60)
    project.call(*ONE_STEP).ok()
    assert states(project) == {"done": 12}
    noted = Counter(project.evaluated())
    # the last ones that had been handed over may not have been recorded yet, and a call leaves nothing else behind
    assert len(noted) == 12
    assert sum(noted.values()) <= 14


@pytest.mark.parametrize("start", ["now+3", "now"])
def test_a_requeued_task_goes_on_where_it_stopped(lab: Lab, start: str) -> None:
    """Slurm starts it again: trials that have ended are not run again, and nothing of the other is left.

    At once, Slurm may refuse to start it and report it as failed. It is submitted again then.
    """
    notes = lab.run / "notes"
    second = f"[ ! -e half ] || exit 9; touch half; [ ! -e ../go ] || wait=0; echo b >> {notes}; sleep ${{wait:-100}}"
    scripts = [f"echo a >> {notes}", second]
    with lab.executor(replace(lab.QUICK, trials_per_task=2, flags={"requeue": True, "time": "10"})) as made:
        thread, done = lab.background(made, *(lab.job(number, script) for number, script in enumerate(scripts)))
        lab.wait_until(lambda: done and "b" in notes.read_text())  # the end of the first one is held back for a moment
        job = (next((lab.run / "slurm" / "jobs").iterdir()) / "job").read_text().strip()
        (lab.run / "go").touch()
        subprocess.run(["scontrol", "requeue", job], check=True)
        words = ["squeue", "--noheader", f"--jobs={job}", "--format=%r"]
        lab.wait_until(lambda: "BeginTime" in subprocess.run(words, capture_output=True, text=True, check=False).stdout)
        # Slurm lets a requeued job wait for two minutes, that it can be started for certain
        subprocess.run(["scontrol", "update", f"JobId={job}", f"StartTime={start}"], check=True)
        thread.join(180)
        assert not thread.is_alive()
    assert {end.job.number: (end.exit_code, end.reason) for end in done} == {0: (0, ""), 1: (0, "")}
    assert notes.read_text().split() == ["a", "b", "b"]


def test_names_are_not_used_twice(lab: Lab) -> None:
    """Slurm remembers ended jobs by their name for a while."""
    for _ in range(2):
        with lab.executor() as made:
            number = len(list(lab.run.glob("explore_*")))
            assert [end.exit_code for end in made.run([lab.job(number, "true")])] == [0]
    words = ["squeue", "--noheader", "--states=all", "--format=%j"]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    run = re.findall(r'"id": "(\w+)"', (lab.run / "slurm" / "run.json").read_text())[0]
    ours = [name for name in found if run in name]
    assert len(set(ours)) == len(ours) == 2
