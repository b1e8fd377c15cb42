"""executors: work is drawn when a slot is free, handed back as it ends, and none of it outlives its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import alive, read_pid, wait_until

from deffe.errors import PluginError
from deffe.executors import Job
from deffe.executors.local import LocalExecutor

FRAMEWORK = Path(__file__).parents[2] / "framework"
FUNCTIONS = """
import os, signal, subprocess, sys, time

def act(item):
    kind, value = item
    if kind == "return": return value
    if kind == "raise": raise ValueError(value)
    if kind == "exit": sys.exit(value)
    if kind == "signal": os.kill(os.getpid(), value)
    if kind == "sleep": time.sleep(value)
    if kind == "pid": return os.getpid()
    if kind == "print": print(value); return subprocess.run(["cat"], capture_output=True).stdout
    if kind == "unpicklable": return lambda: None
    if kind == "child":
        child = subprocess.Popen(["sleep", "60"])
        open(value, "w").write(str(child.pid))
        child.wait()
"""


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], object]:
    name = f"functions_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    function: Callable[[object], object] = __import__(name).act
    return function


def job(folder: Path, number: int, script: str, timeout_s: float | None = None) -> Job:
    return Job(number, (("bash", "-c", script),), folder, folder / f"log{number}", dict(os.environ), timeout_s)


def test_every_job_ends_once_with_its_own_code(executor: LocalExecutor, tmp_path: Path) -> None:
    ends = list(executor.run(job(tmp_path, i, f"exit {i % 5}") for i in range(25)))
    assert sorted(end.job.number for end in ends) == list(range(25))
    assert all(end.exit_code == end.job.number % 5 and not end.timed_out for end in ends)


def test_ends_come_in_order_of_completion(executor: LocalExecutor, tmp_path: Path) -> None:
    slow, fast = job(tmp_path, 0, "while [ ! -e go ]; do sleep 0.01; done"), job(tmp_path, 1, "true")
    ends = executor.run(iter([slow, fast]))
    assert next(ends).job.number == 1
    (tmp_path / "go").touch()
    assert [end.job.number for end in ends] == [0]


def test_a_job_is_drawn_only_when_a_slot_is_free(executor: LocalExecutor, tmp_path: Path) -> None:
    drawn = 0

    def jobs() -> Iterator[Job]:
        nonlocal drawn
        for i in range(10):
            drawn += 1
            yield job(tmp_path, i, "true")

    for done, _ in enumerate(executor.run(jobs())):
        assert drawn <= done + executor.slots
    assert drawn == 10


def test_as_many_jobs_run_at_once_as_there_are_workers(executor: LocalExecutor, tmp_path: Path) -> None:
    meet = "touch here$0; for i in {1..1000}; do [ -e here0 -a -e here1 ] && exit 0; sleep 0.01; done; exit 1"
    jobs = [Job(i, (("bash", "-c", meet, str(i)),), tmp_path, tmp_path / f"log{i}", dict(os.environ)) for i in (0, 1)]
    assert [end.exit_code for end in executor.run(jobs)] == [0, 0]


def test_an_error_of_the_jobs_is_passed_on_and_ends_what_runs(executor: LocalExecutor, tmp_path: Path) -> None:
    def jobs() -> Iterator[Job]:
        yield job(tmp_path, 0, "echo $$ > pid; sleep 60")
        read_pid(tmp_path / "pid")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(executor.run(jobs()))
    pid = read_pid(tmp_path / "pid")
    assert wait_until(lambda: not alive(pid), seconds=2)


def test_what_has_ended_is_told_before_an_error_of_the_jobs(executor: LocalExecutor, tmp_path: Path) -> None:
    def jobs() -> Iterator[Job]:
        for number in range(4):
            yield job(tmp_path, number, f"touch ended{number}")
        assert wait_until(lambda: all((tmp_path / f"ended{number}").exists() for number in range(4)))
        time.sleep(0.3)
        raise OSError("disk full")

    told: list[int] = []
    ends = executor.run(jobs())
    with pytest.raises(OSError, match="disk full"):
        told.extend(end.job.number for end in ends)
    assert sorted(told) == [0, 1, 2, 3]


def test_leaving_the_iterator_ends_what_runs_and_the_executor_can_be_used_again(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    ends = executor.run(
        [job(tmp_path, 0, "echo $$ > pid; sleep 60"), job(tmp_path, 1, "while [ ! -s pid ]; do sleep 0.01; done")]
    )
    assert next(ends).job.number == 1
    ends.close()  # type: ignore[attr-defined]
    pid = read_pid(tmp_path / "pid")
    assert wait_until(lambda: not alive(pid), seconds=2)
    assert [end.exit_code for end in executor.run([job(tmp_path, 2, "true")])] == [0]


def test_close_from_another_thread_ends_the_iterator_without_ends_of_killed_jobs(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    pulled: list[int] = []
    ended: list[int] = []

    def jobs() -> Iterator[Job]:
        for i in range(100):
            pulled.append(i)
            yield job(tmp_path, i, f"echo $$ > pid{i}; sleep 60")

    thread = threading.Thread(target=lambda: ended.extend(end.job.number for end in executor.run(jobs())))
    thread.start()
    pids = [read_pid(tmp_path / f"pid{i}") for i in range(2)]
    executor.close()
    thread.join(10)
    assert not thread.is_alive()
    assert (pulled, ended) == ([0, 1], [])
    assert wait_until(lambda: not any(alive(pid) for pid in pids), seconds=2)
    assert list(executor.run([job(tmp_path, 3, "true")])) == []


def test_a_time_limit_fails_its_job_alone(executor: LocalExecutor, tmp_path: Path) -> None:
    jobs = [job(tmp_path, 0, "sleep 60", timeout_s=0.2), job(tmp_path, 1, "true", timeout_s=60)]
    assert {end.job.number: end.timed_out for end in executor.run(jobs)} == {0: True, 1: False}


@pytest.mark.parametrize(
    "end", ["raise SystemExit", "raise ValueError", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)"]
)
def test_no_job_outlives_the_program_however_it_ends(tmp_path: Path, end: str) -> None:
    program = f"""
import os, time
from pathlib import Path
from deffe.executors import Job
from deffe.executors.local import LocalExecutor
here = Path(".")
def jobs():
    yield Job(0, (("bash", "-c", "echo $$ > pid; sleep 60"),), here, here / "log", dict(os.environ))
    while not Path("pid").exists() or not Path("pid").read_text(): time.sleep(0.01)
    yield Job(1, (("true",),), here, here / "log", dict(os.environ))
for ended in LocalExecutor(2).run(jobs()):
    {end}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(FRAMEWORK)},
        stderr=subprocess.DEVNULL, timeout=20,
    )  # fmt: skip
    assert done.returncode != 0 or "SystemExit" in end
    assert wait_until(lambda: not alive(read_pid(tmp_path / "pid")))


def test_calls_give_values_or_errors_of_their_own_item(
    executor: LocalExecutor, act: Callable[[object], object]
) -> None:
    items = [
        ("return", [1, 2]), ("raise", "bad knob"), ("exit", 3), ("signal", int(signal.SIGSEGV)),
        ("unpicklable", 0), ("return", "fine"), ("print", "to standard output"),
    ]  # fmt: skip
    ends = {end.index: end for end in executor.call(act, items)}
    assert sorted(ends) == list(range(len(items)))
    assert ends[0].value == [1, 2]
    assert "ValueError: bad knob" in ends[1].error
    assert "SystemExit: 3" in ends[2].error
    assert "died: killed by SIGSEGV" in ends[3].error
    assert "cannot be sent back" in ends[4].error
    assert (ends[5].value, ends[5].error) == ("fine", "")
    assert (ends[6].value, ends[6].error) == (b"", "")


def test_what_a_function_prints_goes_to_the_log(
    executor: LocalExecutor, act: Callable[[object], object], tmp_path: Path
) -> None:
    list(executor.call(act, [("print", "hello")], log=tmp_path / "log"))
    assert (tmp_path / "log").read_text() == "hello\n"


def test_a_call_over_its_time_is_ended_with_what_it_started(
    executor: LocalExecutor, act: Callable[[object], object], tmp_path: Path
) -> None:
    items = [("child", str(tmp_path / "pid")), ("return", 1), ("return", 2), ("return", 3)]
    ends = {end.index: end for end in executor.call(act, items, timeout_s=1)}
    assert ends[0].timed_out
    assert "time limit of 1 s" in ends[0].error
    assert [ends[i].value for i in (1, 2, 3)] == [1, 2, 3]
    pid = read_pid(tmp_path / "pid")
    assert wait_until(lambda: not alive(pid), seconds=2)


def test_workers_live_from_one_call_to_the_next(executor: LocalExecutor, act: Callable[[object], object]) -> None:
    pids = {end.value for _ in range(5) for end in executor.call(act, [("pid", 0)] * 4)}
    assert len(pids) <= executor.slots


def test_close_ends_calls(executor: LocalExecutor, act: Callable[[object], object], tmp_path: Path) -> None:
    ended: list[object] = []
    file = tmp_path / "pid"
    thread = threading.Thread(target=lambda: ended.extend(executor.call(act, [("child", str(file)), ("sleep", 60)])))
    thread.start()
    pid = read_pid(file)
    executor.close()
    thread.join(10)
    assert not thread.is_alive()
    assert ended == []
    assert wait_until(lambda: not alive(pid), seconds=2)


def test_a_function_that_cannot_reach_the_workers_is_an_error(executor: LocalExecutor) -> None:
    with pytest.raises(PluginError, match="cannot be sent"):
        list(executor.call(lambda item: item, [1]))


def test_a_module_that_fails_in_the_workers_is_an_error(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "breaks_later.py"
    file.write_text("def f(item): return item\n")
    monkeypatch.syspath_prepend(tmp_path)
    function = __import__("breaks_later").f
    file.write_text("import no_such_module\n")
    with pytest.raises(PluginError, match="no_such_module"):
        list(executor.call(function, [1]))
