"""Slurm, the parts that need no cluster: states, packing, batch script, verdicts, what is told and what is trusted."""

from __future__ import annotations

import base64
import json
import math
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deffe.config.schema import SlurmSection
from deffe.errors import DeffeError
from deffe.executors import Job
from deffe.executors.slurm import holding, marks
from deffe.executors.slurm import task as program
from deffe.executors.slurm.client import Client, FullError, _indices
from deffe.executors.slurm.ledger import Ledger
from deffe.executors.slurm.packing import LONG_TASK_S, SHORT_TASK_S, arrays, pack_size, packs, time_limit_s
from deffe.executors.slurm.paths import read_task, read_tasks, write_tasks
from deffe.executors.slurm.script import Request, batch_script, directives, fault_of
from deffe.executors.slurm.signed import Signer
from deffe.executors.slurm.stage import Stage
from deffe.executors.slurm.states import MEANINGS, Meaning, meaning_of
from deffe.executors.slurm.submission import Task
from deffe.executors.slurm.trials import End, Trial, job_of, key_of, record_of
from deffe.executors.slurm.verdicts import verdicts

GOLDEN = Path(__file__).with_name("slurm_script.golden")
SECTION = {
    "time": "1-12:00:00",
    "qos": "high",
    "nodes": 2,
    "cpus_per_task": 4,
    "exclude": "n[1-3]",
    "nodelist": "n4,n5",
    "mem": "4G",
    "mail_type": "END,FAIL",
    "mail_user": "me@example.org",
    "account": "chips",
    "constraint": "avx512&fast",
    "partition": "long",
    "gres": "gpu:1",
    "exclusive": True,
    "comment": 'it\'s a "sweep"; rm -rf $HOME `id` #1',
    "reservation": "",
}


# states


def test_only_completed_may_be_success() -> None:
    assert [state for state, meaning in MEANINGS.items() if meaning is Meaning.DONE] == ["COMPLETED"]


@pytest.mark.parametrize(
    ("written", "meaning"),
    [("CANCELLED by 1000", Meaning.CANCELLED), ("OUT_OF_MEMORY", Meaning.OUT_OF_MEMORY), ("pending", Meaning.WAITING),
     ("PREEMPTED", Meaning.RETRY), ("NODE_FAIL", Meaning.RETRY), ("BOOT_FAIL", Meaning.RETRY),
     ("REQUEUED", Meaning.WAITING), ("TIMEOUT", Meaning.TIMED_OUT), ("NEVER_HEARD_OF", Meaning.UNKNOWN),
     ("", Meaning.UNKNOWN)],
)  # fmt: skip
def test_states_as_slurm_prints_them(written: str, meaning: Meaning) -> None:
    assert meaning_of(written) is meaning


@pytest.mark.parametrize(
    ("written", "indices"),
    [("12_3", [3]), ("12_[0-2,7%2]", [0, 1, 2, 7]), ("12", [0]), ("12_[5]", [5]), ("12.batch", [0])],
)
def test_tasks_as_sacct_prints_them(written: str, indices: list[int]) -> None:
    assert _indices(written) == indices


# packing


@given(
    waiting=st.integers(1, 100_000),
    trial_s=st.floats(0, 1e6),
    slots=st.integers(0, 5000),
    limit_s=st.one_of(st.just(math.inf), st.floats(60, 1e6)),
)
def test_a_task_is_neither_empty_nor_too_long(waiting: int, trial_s: float, slots: int, limit_s: float) -> None:
    size = pack_size(waiting, trial_s, slots, limit_s)
    assert 1 <= size <= waiting
    assert size == 1 or size * trial_s <= min(LONG_TASK_S, limit_s)


def test_short_trials_are_packed_and_long_ones_are_not() -> None:
    assert pack_size(1000, 0.1, 2) * 0.1 >= SHORT_TASK_S
    assert pack_size(1000, 0.1, 2) <= 1000 / 2 / 2  # all slots have several tasks
    assert pack_size(1000, 60, 1000) == pack_size(1000, 3600, 0) == 1


@given(st.lists(st.integers(), max_size=50), st.integers(1, 10))
def test_nothing_is_lost_in_cutting(items: list[int], size: int) -> None:
    for cut in (packs, arrays):
        parts = cut(items, size)
        assert [item for part in parts for item in part] == items
        assert all(0 < len(part) <= size for part in parts)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 5400), ("1:30", 90), ("2:00:00", 7200), ("1-0", 86400), ("1-2:30", 95400), ("1-2:30:15", 95415),
     ("0", math.inf), ("UNLIMITED", math.inf), ("", math.inf), ("soon", math.inf)],
)  # fmt: skip
def test_time_limits_in_the_forms_of_sbatch(text: str, seconds: float) -> None:
    assert time_limit_s(text) == seconds


def trial(key: str = "t", **keys: object) -> Trial:
    return replace(Trial(key, "evaluate", {"key": key, "folder": f"/run/{key}", "point": 1}), **keys)  # type: ignore[arg-type]


def test_the_first_trials_are_sent_ahead_and_the_rest_by_what_they_took() -> None:
    stage = Stage(Request({}))
    for number in range(1000):
        stage.arrive(trial(str(number)), 0.0)
    first = stage.take(room=1000, running=0, slots=0, now=1.0)
    assert all(len(task) == 1 for task in first)
    assert len(first) < 20
    assert stage.take(room=1000, running=len(first), slots=0, now=2.0) == []
    stage.times.append(0.1)
    rest = stage.take(room=1000, running=0, slots=2, now=3.0)
    assert sum(map(len, first)) + sum(map(len, rest)) == 1000
    assert 4 <= len(rest) <= 20


def test_when_the_first_trials_take_long_the_rest_follows_singly() -> None:
    stage = Stage(Request({}))
    for number in range(100):
        stage.arrive(trial(str(number)), 0.0)
    first = stage.take(room=1000, running=0, slots=0, now=0.0)
    rest = stage.take(room=1000, running=len(first), slots=0, now=1000.0)
    assert {len(task) for task in rest} == {1}
    assert len(first) + len(rest) == 100


def test_a_trial_is_not_submitted_again_before_its_time_and_gets_a_task_of_its_own() -> None:
    stage = Stage(Request({}, trials_per_task=10))
    for name in "ab":
        stage.arrive(trial(name), 0.0)
    stage.arrive(trial("alone", alone=True), 0.0)
    stage.arrive(trial("later", wait_until=50.0), 0.0)
    keys = [[each.key for each in task] for task in stage.take(room=10, running=0, slots=0, now=1.0)]
    assert keys == [["alone"], ["a", "b"]]
    assert [[each.key for each in task] for task in stage.take(10, 0, 0, 51.0)] == [["later"]]


def test_a_stage_tells_when_something_is_due() -> None:
    stage = Stage(Request({}))
    assert stage.ready(0) == math.inf
    stage.arrive(trial("later", wait_until=50.0), 0.0)
    assert stage.ready(0) == 50.0
    for number in range(100):
        stage.arrive(trial(str(number)), 2.0)
    assert stage.ready(0) < 3.0
    sent = len(stage.take(room=1000, running=0, slots=0, now=3.0))
    held = stage.ready(sent)
    assert 3.0 < held < 50.0
    assert stage.take(1000, sent, 0, held - 0.1) == []
    assert stage.take(1000, sent, 0, held) != []


# the batch script


def request() -> Request:
    section = SlurmSection.model_validate(SECTION)
    return Request(section.sbatch, sources=(Path("/opt/it's here/env.sh"),))


def test_the_script_is_the_golden_one() -> None:
    text = batch_script(
        request(),
        name="deffe-0123abcd-4",
        tasks=12,
        folder=Path("/data/100% it's/explore/slurm/jobs/4"),
        command=["/usr/bin/python3", "/opt/deffe/task.py", "/data/100% it's/explore/slurm/jobs/4"],
    )
    assert text == GOLDEN.read_text(), f"look at the difference; if it is meant, write it to {GOLDEN}"
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_options_are_in_the_order_of_the_original_and_then_of_the_file() -> None:
    names = [line.split("--")[1].split("=")[0] for line in directives(SlurmSection.model_validate(SECTION).sbatch)]
    assert names == [
        *("nodes", "cpus-per-task", "exclude", "nodelist", "constraint", "partition", "mem", "mail-type", "mail-user"),
        *("account", "time", "qos", "gres", "exclusive", "comment"),
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("job_name", "x"),
        ("array", "1-2"),
        ("output", "x"),
        ("wrap", "x"),
        ("qos", "a\nrm -rf /"),
        ("a b", "x"),
        ("", "x"),
    ],
)
def test_what_cannot_be_an_option(key: str, value: str) -> None:
    assert fault_of(key, value)
    with pytest.raises(ValueError, match=r"sbatch|itself|line break"):
        SlurmSection.model_validate({key: value})


def test_a_section_of_its_own_wins_key_by_key() -> None:
    common = SlurmSection.model_validate({"mem": "4G", "qos": "low", "time": "10", "max-jobs": 7})
    own = SlurmSection.model_validate({"qos": "high", "cpus-per-task": 8}).over(common)
    assert directives(own.sbatch) == [
        *("#SBATCH --nodes=1", "#SBATCH --cpus-per-task=8", "#SBATCH --mem=4G", "#SBATCH --time=10"),
        "#SBATCH --qos=high",
    ]
    assert own.max_jobs == 7


# what becomes of a task's trials


def task(*trials: Trial) -> Task:
    return Task(0, list(trials))


def decided(found: Task, meaning: Meaning, limit: int = 3) -> list[tuple[str, str]]:
    return [(each.key, "again" if end is None else end.reason) for each, end in verdicts(found, meaning, limit=limit)]


@pytest.mark.parametrize(
    "meaning", [Meaning.TIMED_OUT, Meaning.OUT_OF_MEMORY, Meaning.FAILED, Meaning.RETRY, Meaning.DONE]
)
def test_what_has_ended_is_left_and_what_had_no_chance_runs_again(meaning: Meaning) -> None:
    found = task(trial("ended", begun=True, ended=True), trial("begun", begun=True), trial("behind"))
    assert dict(decided(found, meaning))["behind"] == "again"
    assert [key for key, _ in decided(found, meaning)] == ["begun", "behind"]


def test_a_cancelled_task_takes_all_its_trials_with_it() -> None:
    assert decided(task(trial("a", begun=True), trial("b")), Meaning.CANCELLED) == [
        ("a", "cancelled"),
        ("b", "cancelled"),
    ]


def test_the_time_limit_is_held_against_a_trial_that_had_all_of_it() -> None:
    first = task(trial("a", begun=True), trial("b"))
    assert verdicts(first, Meaning.TIMED_OUT, limit=3)[0][1] == End(
        1, timed_out=True, reason="time limit of the Slurm job reached"
    )
    second = task(trial("a", begun=True, ended=True), trial("b", begun=True))
    assert decided(second, Meaning.TIMED_OUT) == [("b", "again")]
    assert second.trials[1].alone


@pytest.mark.parametrize(
    "meaning", [Meaning.RETRY, Meaning.DONE, Meaning.NOT_REPORTED, Meaning.TIMED_OUT, Meaning.OUT_OF_MEMORY]
)
def test_only_the_trial_that_ran_last_is_to_blame(meaning: Meaning) -> None:
    """The end mark of a success is held back for a moment: the trial behind it may have begun already."""
    found = task(trial("held", begun=True), trial("runs", begun=True), trial("behind"))
    assert decided(found, meaning, limit=0)[0] == ("held", "again")
    assert found.trials[0].again == 0


@pytest.mark.parametrize(
    "meaning", [Meaning.RETRY, Meaning.DONE, Meaning.NOT_REPORTED, Meaning.TIMED_OUT, Meaning.OUT_OF_MEMORY]
)
def test_a_task_that_never_begins_is_given_up(meaning: Meaning) -> None:
    found = task(trial("a"))
    seen = [decided(found, meaning, limit=2)[0][1] for _ in range(3)]
    assert seen[:2] == ["again", "again"]
    assert seen[2] != "again"
    assert "3 times" in seen[2]


# what a task is told


def job(folder: Path, environment: dict[str, str], **keys: object) -> Job:
    made = Job(7, (("bash", "a b.sh"),), folder, folder / "log", environment, 5.0, point=12, memory_mib=64)
    return replace(made, **keys)  # type: ignore[arg-type]


def test_of_the_environment_only_what_was_made_for_the_job_is_told(tmp_path: Path) -> None:
    mine = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "hunter2", "ways": "old", "OMP_NUM_THREADS": "4", "gone": "x"}
    theirs = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "hunter2", "ways": "8", "OMP_NUM_THREADS": "4"}
    record = record_of(job(tmp_path, theirs, variables={"ways": "8", "OMP_NUM_THREADS": "4"}), "k", mine)
    assert record["environment"] == {"ways": "8", "OMP_NUM_THREADS": "4"}
    assert record["unset"] == ["gone"]
    assert "hunter2" not in json.dumps(record)


def test_a_job_is_made_again_from_what_was_told(tmp_path: Path) -> None:
    mine = {"PATH": "/bin", "ways": "old"}
    first = job(tmp_path, {"PATH": "/bin", "ways": "8 $x \udcff"}, variables={"ways": "8 $x \udcff"})
    record = json.loads(json.dumps(record_of(first, "k", mine)))
    assert replace(job_of(record, mine), number=7) == first


@pytest.mark.parametrize("name", ["explore_3", "explore_3_retry1", "a b", "it's", "deep/er", "-x", "x" * 150, "\udcff"])
def test_a_key_is_a_file_name_and_tells_folders_apart(tmp_path: Path, name: str) -> None:
    key = key_of("evaluate", tmp_path / name, tmp_path)
    (tmp_path / f"{key}.12.begun").touch()
    assert "/" not in key
    assert (
        len({key, key_of("evaluate", tmp_path / f"{name}1", tmp_path), key_of("extract", tmp_path / name, tmp_path)})
        == 3
    )


def test_tasks_are_read_one_by_one_or_all(tmp_path: Path) -> None:
    tasks = [[{"key": f"{n}-{k}", "text": "ä\n\"'" * n} for k in range(n + 1)] for n in range(5)]
    write_tasks(tmp_path / "tasks", {"name": "x"}, tasks)
    assert [read_task(tmp_path / "tasks", n)[1] for n in range(5)] == tasks
    assert list(read_tasks(tmp_path / "tasks")[1]) == tasks
    with (tmp_path / "tasks").open("r+b") as file:
        file.truncate((tmp_path / "tasks").stat().st_size - 5)
    with pytest.raises(ValueError, match=r"not whole|Unterminated|Expecting"):
        read_tasks(tmp_path / "tasks")


# marks and ledger


def test_marks_are_seen_whole_or_not_at_all(tmp_path: Path) -> None:
    mark = marks.Mark("evaluate-explore_3.x", 12, marks.ENDED)
    marks.put(tmp_path / mark.name, {"exit_code": 3})
    (tmp_path / f".{mark.name}.77").write_text("{")  # of a task that was killed while it wrote
    (tmp_path / "others").touch()
    assert list(marks.seen(tmp_path)) == [mark]
    assert marks.get(tmp_path / mark.name) == {"exit_code": 3}


def test_what_an_attempt_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    folder = tmp_path / "explore_0"
    (folder / "m5out" / "deep").mkdir(parents=True)
    (folder / "kept").touch()
    (folder / "link").symlink_to(outside)
    marks.clean(folder, ["kept"])
    assert [path.name for path in folder.iterdir()] == ["kept"]
    assert (outside / "precious").exists()


@pytest.mark.parametrize("cut", range(0, 30, 3))
def test_a_ledger_that_was_cut_short_keeps_its_other_lines(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "ended.jsonl"
    first = Ledger(path)
    first.add([{"key": "a", "number": 1}, {"key": "b", "number": 2}])
    first.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - cut)
    again = Ledger(path)
    again.add([{"key": "c", "number": 3}])
    kept = [line["key"] for line in again.lines()]
    assert kept[-1] == "c"
    assert kept[:-1] in (["a", "b"], ["a"], [])
    assert cut > 0 or kept == ["a", "b", "c"]
    assert [line["key"] for line in Ledger(path).keep(lambda line: line["number"] == 3)] == ["c"]
    assert len(path.read_bytes().splitlines()) == 1


def test_the_reply_of_a_call_is_not_kept_for_the_whole_run() -> None:
    call = Trial("k", "evaluate", {"key": "k", "content": "c", "item": "x" * 1000})
    line = call.line(3, End(0, reply="y" * 1000))
    assert len(json.dumps(line)) < 300
    assert Trial.of_line(line).ended


def test_a_task_belongs_to_the_job_that_has_claimed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "slurm" / "jobs" / "0"
    folder.mkdir(parents=True)
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    claims = []
    for job in ("7", "8", "7"):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        claims.append(program.Task(folder, 0)._claim())
    assert claims == [True, False, True]
    assert [path.name for path in folder.iterdir()] == ["0.claim"]
    (folder / "0.claim").write_text("")  # of a job that is about to write it
    assert not program.Task(folder, 0)._claim()


def test_a_claim_on_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*paths: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    marks.put_first(tmp_path / "claim", "7")
    marks.put_first(tmp_path / "claim", "8")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("claim", "7")]


@pytest.mark.parametrize(
    ("key", "meant"),
    [("patition", "partition"), ("cpu_per_task", "cpus_per_task"), ("max_job", "max_jobs"), ("poll", "poll_s"),
     ("exclusiv", "exclusive"), ("qos", ""), ("gpus_per_task", ""), ("time_min", ""), ("site_option", "")],
)  # fmt: skip
def test_a_key_that_looks_misspelt_is_told(key: str, meant: str) -> None:
    """Keys that are not known are options of sbatch, of which a cluster may have its own."""
    (doubt,) = SlurmSection.model_validate({key: "1"}).doubts or [""]
    assert (f"did you mean {meant!r}" in doubt) if meant else not doubt


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[program.Task, threading.Thread]]:
    """Starts a task with a trial for each line of bash, each in the folder of its number."""

    def start(*scripts: str) -> tuple[program.Task, threading.Thread]:
        (tmp_path / "slurm" / "marks").mkdir(parents=True)
        folder = tmp_path / "slurm" / "jobs" / "0"
        folder.mkdir(parents=True)
        records = []
        for number, script in enumerate(scripts):
            (tmp_path / str(number)).mkdir()
            made = job(tmp_path / str(number), dict(os.environ), commands=(("bash", "-c", script),))
            records.append(record_of(made, str(number), os.environ))
        write_tasks(folder / "tasks.jsonl", {"python_path": []}, [records])
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        made_task = program.Task(folder, 0)
        thread = threading.Thread(target=made_task.run, daemon=True)
        thread.start()
        return made_task, thread

    return start


def test_a_success_counts_for_nothing_when_its_task_is_just_being_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: Callable[..., tuple[program.Task, threading.Thread]]
) -> None:
    """A script may go on, and well, when its simulator is killed by the signal that ends the task; others run on."""
    monkeypatch.setattr(holding, "HOLD_S", 60)
    task, thread = started("exit 0", "touch runs; sleep 60")
    while not (tmp_path / "1" / "runs").exists():
        time.sleep(0.01)
    task.told.set()
    task.stop.set(0)
    thread.join(20)
    assert not thread.is_alive()
    assert {path.name for path in (tmp_path / "slurm" / "marks").iterdir()} == {"0.0.begun", "1.0.begun"}


def test_the_ends_of_all_trials_are_told_before_their_task_ends(
    tmp_path: Path, started: Callable[..., tuple[program.Task, threading.Thread]]
) -> None:
    task, thread = started("exit 0", "exit 3", "exit 0")
    thread.join(20)
    assert task.code == program.FINE
    ends = [marks.get(tmp_path / "slurm" / "marks" / f"{number}.0.ended")["exit_code"] for number in range(3)]
    assert ends == [0, 3, 0]


def test_a_mark_that_cannot_be_written_ends_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: Callable[..., tuple[program.Task, threading.Thread]]
) -> None:
    monkeypatch.setattr(program, "TRIES", 2)
    monkeypatch.setattr(program, "PAUSE_S", 0.01)
    task, thread = started("rm -rf ../slurm/marks; touch ../slurm/marks", "exit 0")
    thread.join(20)
    assert task.code == program.NO_MARK


def test_a_task_that_comes_to_grief_fails(tmp_path: Path) -> None:
    folder = tmp_path / "slurm" / "jobs" / "0"
    folder.mkdir(parents=True)
    write_tasks(folder / "tasks.jsonl", {"python_path": []}, [[{}]])
    done = subprocess.run(
        [sys.executable, program.__file__, str(folder), "0"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == program.NO_MARK
    assert "KeyError" in done.stderr


@pytest.mark.parametrize(
    ("said", "certain"),
    [("sbatch: error: QOSMaxSubmitJobPerUserLimit", True), ("sbatch: error: AssocGrpSubmitJobsLimit", True),
     ("error: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", False),
     ("error: QOSMaxWallDurationPerJobLimit Job violates accounting/QOS policy (job submit limit, user's size)", None)],
)  # fmt: skip
def test_a_full_queue_is_told_from_a_job_that_asks_for_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, certain: bool | None
) -> None:
    program = tmp_path / "sbatch"
    program.write_text(f'#!/bin/sh\necho "{said}" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(DeffeError if certain is None else FullError) as caught:
        Client().submit(tmp_path / "script")
    assert getattr(caught.value, "certain", None) is certain


# pickles


class Evil:
    """Leaves a file when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, int]]:
        return os.mkdir, (self.path, 0o700)


def test_what_was_signed_is_read_and_nothing_else(tmp_path: Path) -> None:
    signer = Signer.of_file(tmp_path / "key", create=True)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    text = Signer.of_file(tmp_path / "key").pack({"a": [1, 2]}, "reply 3")
    assert signer.unpack(text, "reply 3") == {"a": [1, 2]}
    other = Signer.of_file(tmp_path / "other", create=True)
    evil = other.pack(Evil(str(tmp_path / "loaded")), "reply 3")
    unsigned = base64.b64encode(b"\0" * 32 + pickle.dumps(Evil(str(tmp_path / "loaded")))).decode()
    for wrong, purpose in (
        (evil, "reply 3"),
        (unsigned, "reply 3"),
        (text, "reply 4"),
        (text[:-8], "reply 3"),
        ("?", ""),
    ):
        with pytest.raises(DeffeError):
            signer.unpack(wrong, purpose)
    assert not (tmp_path / "loaded").exists()


@pytest.mark.parametrize("spoil", ["readable", "short", "link"])
def test_a_key_that_others_may_know_is_not_used(tmp_path: Path, spoil: str) -> None:
    key = tmp_path / "key"
    Signer.of_file(key, create=True)
    if spoil == "readable":
        key.chmod(0o640)
    elif spoil == "short":
        key.write_bytes(b"x")
    else:
        key.rename(tmp_path / "elsewhere")
        key.symlink_to(tmp_path / "elsewhere")
    with pytest.raises((DeffeError, OSError)):
        Signer.of_file(key)


def test_the_line_that_every_task_prints_first_is_no_reason() -> None:
    failed = task(trial("a", begun=True))
    ((_, end),) = verdicts(failed, Meaning.FAILED, limit=0, said="host node7, job 12, task 0")
    assert end is not None
    assert end.reason == "the Slurm job failed, once"
    ((_, end),) = verdicts(failed, Meaning.FAILED, limit=0, said="module: no such module gem5")
    assert end is not None
    assert end.reason == "the Slurm job failed, 2 times: module: no such module gem5"
