"""Dask: items are drawn as slots fall free, fail alone, and end with their run, whatever becomes of workers and run."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import alive, read_pid, wait_until

from deffe.errors import DeffeError, PluginError, UsageError
from deffe.executors import Job
from deffe.executors.dask import DaskExecutor
from deffe.executors.dask_link import Link

pytest.importorskip("distributed", reason="Dask is not installed")

FRAMEWORK = Path(__file__).parents[2] / "framework"
submit = Link.submit
FUNCTIONS = """
import os, signal, subprocess, sys, time
from pathlib import Path

def add_length(data, item):
    return len(data) + item

def act(item):
    kind, value = item
    if kind == "return": return value
    if kind == "raise": raise ValueError(value)
    if kind == "exit": sys.exit(value)
    if kind == "signal": os.kill(os.getpid(), value)
    if kind == "print": print(value)
    if kind == "where": return os.getcwd(), os.getppid()
    if kind == "unpicklable": return lambda: None
    if kind == "kill workers":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    if kind == "kill the first":
        if not os.path.exists(value):
            open(value, "w").close()
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        return "again"
    if kind == "child":
        child = subprocess.Popen(["sleep", "60"])
        Path(value + ".new").write_text(str(child.pid))
        os.rename(value + ".new", value)
        child.wait()
"""
PROGRAM = """
import sys, os, time
from pathlib import Path
from deffe.executors import Job
from deffe.executors.dask import DaskExecutor
import functions
here = Path(".").absolute()
def jobs():
    yield Job(0, (("bash", "-c", "echo $$ > new; mv new pid; sleep 60"),), here, here / "log", dict(os.environ))
    while not Path("pid").exists(): time.sleep(0.01)
    if sys.argv[1] != "group": yield Job(1, (("true",),), here, here / "log1", dict(os.environ))
if __name__ == "__main__":
    for ended in DaskExecutor.of({"address": sys.argv[2]} if len(sys.argv) > 2 else {}, 2).run(jobs()):
        if sys.argv[1] == "kill": os.kill(os.getpid(), 9)
        if sys.argv[1] == "raise": raise ValueError
"""
Act = Callable[[object], object]


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a module of functions, as that of a user."""
    folder = tmp_path_factory.mktemp("functions")
    (folder / "functions.py").write_text(FUNCTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
    sys.modules.pop("functions", None)


@pytest.fixture(scope="module")
def act(functions: Path) -> Act:
    found: Act = __import__("functions").act
    return found


@pytest.fixture(scope="module")
def executor(functions: Path) -> Iterator[DaskExecutor]:
    """On a cluster of this machine with two slots."""
    made = DaskExecutor.of({}, 2)
    yield made
    made.close()


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A cluster of somebody else, which knows nothing of deffe: its address, and its processes, the scheduler first."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    file = folder / "scheduler.json"
    scheduler = [*("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"), "--no-show"]
    worker = ["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    file_option = ["--scheduler-file", str(file)]
    started: list[subprocess.Popen[bytes]] = []
    with (folder / "cluster.log").open("ab") as log:
        for words in [scheduler, *([worker] * workers)]:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", *words, *file_option],
                    cwd="/",
                    env=environment,
                    stdout=log,
                    stderr=log,
                )
            )
            assert wait_until(lambda: address_in(file), 30), (folder / "cluster.log").read_text()
    try:
        yield address_in(file), started
    finally:
        for process in started:
            process.kill()
            process.wait()


def address_in(file: Path) -> str:
    """The address that a scheduler has noted; empty as long as it has not."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        return str(json.loads(file.read_text())["address"])
    return ""


def job(folder: Path, number: int, script: str, timeout_s: float | None = None) -> Job:
    return Job(number, (("bash", "-c", script),), folder, folder / f"log{number}", dict(os.environ), timeout_s)


# what becomes of items


def test_every_job_ends_once_with_its_own_code(executor: DaskExecutor, tmp_path: Path) -> None:
    ends = list(executor.run(job(tmp_path, i, f"echo $$; exit {i % 5}") for i in range(12)))
    assert sorted(end.job.number for end in ends) == list(range(12))
    assert all(end.exit_code == end.job.number % 5 and not end.timed_out and end.seconds < 10 for end in ends)
    assert (tmp_path / "log3").read_text().splitlines()[0].isdigit()


def test_calls_give_values_or_errors_of_their_own_item(executor: DaskExecutor, act: Act) -> None:
    items = [
        ("return", [1, 2]), ("raise", "bad knob"), ("exit", 3), ("signal", int(signal.SIGSEGV)),
        ("unpicklable", 0), ("return", "fine"), lambda: None, ("where", 0),
    ]  # fmt: skip
    ends = {end.index: end for end in executor.call(act, items)}
    assert sorted(ends) == list(range(len(items)))
    assert ends[0].value == [1, 2]
    assert "ValueError: bad knob" in ends[1].error
    assert "SystemExit: 3" in ends[2].error
    assert "died: killed by SIGSEGV" in ends[3].error
    assert "cannot be sent back" in ends[4].error
    assert (ends[5].value, ends[5].error) == ("fine", "")
    assert "cannot be sent to a worker process" in ends[6].error
    assert ends[7].value[0] == os.getcwd()


def test_ends_come_in_order_of_completion(executor: DaskExecutor, tmp_path: Path) -> None:
    slow, fast = job(tmp_path, 0, "while [ ! -e go ]; do sleep 0.01; done"), job(tmp_path, 1, "true")
    ends = executor.run(iter([slow, fast]))
    assert next(ends).job.number == 1
    (tmp_path / "go").touch()
    assert [end.job.number for end in ends] == [0]


def test_few_items_are_drawn_beyond_the_slots(executor: DaskExecutor, act: Act) -> None:
    drawn = 0

    def items() -> Iterator[object]:
        nonlocal drawn
        for i in range(50):
            drawn += 1
            yield ("return", i)

    for done, _ in enumerate(executor.call(act, items())):
        assert drawn <= done + 2 * 2 + 2
    assert drawn == 50


def test_what_a_function_prints_goes_to_the_log(executor: DaskExecutor, act: Act, tmp_path: Path) -> None:
    list(executor.call(act, [("print", "hello")], log=tmp_path / "log"))
    assert (tmp_path / "log").read_text() == "hello\n"
    assert [end.error for end in executor.call(act, [("print", "hello")], log=tmp_path / "absent" / "log")] == [""]


def test_time_limits_end_what_hangs_with_all_that_it_started(executor: DaskExecutor, act: Act, tmp_path: Path) -> None:
    items = [("child", str(tmp_path / "pid")), ("return", 1), ("return", 2), ("return", 3)]
    ends = {end.index: end for end in executor.call(act, items, timeout_s=1)}
    assert ends[0].timed_out
    assert "time limit of 1 s" in ends[0].error
    assert [ends[i].value for i in (1, 2, 3)] == [1, 2, 3]
    assert wait_until(lambda: not alive(read_pid(tmp_path / "pid")), seconds=2)
    jobs = [job(tmp_path, 0, "sleep 60", timeout_s=0.2), job(tmp_path, 1, "true", timeout_s=60)]
    assert {end.job.number: end.timed_out for end in executor.run(jobs)} == {0: True, 1: False}


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="the memory of processes is not known")
def test_memory_limits_and_waits_hold_on_workers(executor: DaskExecutor, tmp_path: Path) -> None:
    takes = f"{sys.executable} -S -c 'import time; taken = bytearray(400 << 20); time.sleep(60)'"
    greedy = dataclasses.replace(job(tmp_path, 0, takes), memory_mib=100)
    late = dataclasses.replace(job(tmp_path, 1, "true"), delay_s=0.7)
    start = time.monotonic()
    ends = {end.job.number: end for end in executor.run([greedy, late])}
    assert time.monotonic() - start >= 0.7
    assert ends[0].how == "memory limit of 100 MiB reached"
    assert ends[1].exit_code == 0


def test_a_large_function_works_like_a_small_one(executor: DaskExecutor, functions: Path) -> None:
    add_length = __import__("functions").add_length
    calls = executor.call(functools.partial(add_length, b"x" * 1_000_000), range(20))
    assert sorted(end.value for end in calls) == [1_000_000 + i for i in range(20)]


def test_a_function_that_cannot_reach_the_workers_is_an_error(
    executor: DaskExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PluginError, match="cannot be sent"):
        list(executor.call(lambda item: item, [1]))
    file = tmp_path / "breaks_on_workers.py"
    file.write_text("def f(item): return item\n")
    monkeypatch.syspath_prepend(tmp_path)
    function = __import__("breaks_on_workers").f
    file.unlink()
    with pytest.raises(PluginError, match="breaks_on_workers"):
        list(executor.call(function, [1]))


def test_an_error_of_the_items_is_passed_on_and_ends_what_runs(executor: DaskExecutor, tmp_path: Path) -> None:
    def jobs() -> Iterator[Job]:
        yield job(tmp_path, 0, "echo $$ > new; mv new pid; sleep 60")
        read_pid(tmp_path / "pid")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(executor.run(jobs()))
    assert wait_until(lambda: not alive(read_pid(tmp_path / "pid")), seconds=5)


def test_leaving_the_iterator_ends_what_runs_and_the_executor_can_be_used_again(
    executor: DaskExecutor, tmp_path: Path
) -> None:
    first = job(tmp_path, 0, "echo $$ > new; mv new pid; sleep 60")
    ends = executor.run([first, job(tmp_path, 1, "while [ ! -e pid ]; do sleep 0.01; done")])
    assert next(ends).job.number == 1
    ends.close()  # type: ignore[attr-defined]
    assert wait_until(lambda: not alive(read_pid(tmp_path / "pid")), seconds=5)
    assert [end.exit_code for end in executor.run([job(tmp_path, 2, "true")])] == [0]


def test_scripts_need_a_folder_that_the_workers_have(executor: DaskExecutor, tmp_path: Path) -> None:
    with pytest.raises(DeffeError, match="is not on the Dask worker"):
        list(executor.run([job(tmp_path / "absent", 0, "true")]))


# workers that die


def test_an_item_whose_worker_dies_is_given_to_another_one(executor: DaskExecutor, act: Act, tmp_path: Path) -> None:
    items = [("kill the first", str(tmp_path / "mark")), *(("return", i) for i in range(6))]
    ends = {end.index: (end.value, end.error) for end in executor.call(act, items)}
    assert ends == {0: ("again", ""), **{i + 1: (i, "") for i in range(6)}}


def test_an_item_that_kills_every_worker_fails_alone(executor: DaskExecutor, act: Act) -> None:
    ends = {end.index: end for end in executor.call(act, [("kill workers", 0), ("return", 1)])}
    assert "the Dask worker that ran it died" in ends[0].error
    assert (ends[1].value, ends[1].error) == (1, "")


def test_a_job_that_kills_every_worker_says_so(executor: DaskExecutor, tmp_path: Path) -> None:
    kill = job(tmp_path, 0, "kill -9 $PPID; sleep 60")
    ends = {end.job.number: end for end in executor.run([kill, job(tmp_path, 1, "true")])}
    assert {number: end.exit_code for number, end in ends.items()} == {0: -9, 1: 0}
    assert "the Dask worker that ran it died" in ends[0].how


def test_iterators_that_are_open_at_the_same_time_share_the_slots(executor: DaskExecutor, act: Act) -> None:
    drawn = [0, 0, 0]

    def items(caller: int) -> Iterator[object]:
        for i in range(10):
            drawn[caller] += 1
            yield ("return", i)

    calls = [executor.call(act, items(caller)) for caller in range(3)]
    for call in calls:
        next(call)
    assert sum(drawn) <= 3 + executor.slots + 2 + 3
    assert [len(list(call)) for call in calls] == [9, 9, 9]


def test_secrets_stay_here(act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setenv("TOKEN", "hush-hush")
    made = Job(0, (("bash", "-c", "echo $TOKEN-$size-$HOME"),), tmp_path, tmp_path / "log", {**os.environ, "size": "8"})
    with cluster(tmp_path, 1) as (address, _):
        executor = DaskExecutor.of({"address": address}, 1)
        monkeypatch.setattr(Link, "submit", lambda self, *task: [sent.append(repr(task)), submit(self, *task)][1])
        assert [end.exit_code for end in executor.run([made])] == [0]
        executor.close()
    assert "size" in sent[0]
    assert "hush-hush" not in sent[0]


# the end of a run


def test_close_from_another_thread_ends_iterators_and_what_runs(functions: Path, act: Act, tmp_path: Path) -> None:
    executor = DaskExecutor.of({}, 2)
    ended: list[object] = []
    items = [("child", str(tmp_path / "pid0"))]
    jobs = [job(tmp_path, 0, "echo $$ > new; mv new pid1; sleep 60")]
    threads = [
        threading.Thread(target=lambda: ended.extend(executor.call(act, items))),
        threading.Thread(target=lambda: ended.extend(executor.run(jobs))),
    ]
    for thread in threads:
        thread.start()
    pids = [read_pid(tmp_path / f"pid{i}") for i in range(2)]
    executor.close()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert ended == []
    assert wait_until(lambda: not any(alive(pid) for pid in pids), seconds=2)
    assert list(executor.run(jobs)) == []


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    (folder / "program.py").write_text(PROGRAM)
    (folder / "functions.py").write_text(FUNCTIONS)
    return subprocess.Popen(
        [sys.executable, "program.py", *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": str(FRAMEWORK)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["raise", "kill", "group"])
def test_no_job_outlives_the_program_however_it_ends(tmp_path: Path, how: str) -> None:
    program = start(tmp_path, how)
    pid = read_pid(tmp_path / "pid")
    if how == "group":
        os.killpg(program.pid, signal.SIGINT)  # as Ctrl-C does
    said, _ = program.communicate(timeout=30)
    assert program.returncode != 0
    assert said.count(b"Traceback") <= 1, said.decode()
    assert wait_until(lambda: not alive(pid))


# clusters of others


def test_a_cluster_of_others_needs_no_deffe(act: Act, tmp_path: Path) -> None:
    with cluster(tmp_path) as (address, _):
        executor = DaskExecutor.of({"address": address}, 1)
        ends = {end.index: end for end in executor.call(act, [("return", 1), ("where", 0), ("raise", "bad")])}
        assert (ends[0].value, ends[1].value[0]) == (1, os.getcwd())
        assert "ValueError: bad" in ends[2].error
        assert [end.exit_code for end in executor.run([job(tmp_path, 0, "exit 3")])] == [3]
        executor.close()
        again = DaskExecutor.of({"scheduler_file": str(tmp_path / "scheduler.json")}, 1)
        assert [end.value for end in again.call(act, [("return", 2)])] == [2]
        again.close()


def test_nothing_is_left_on_a_cluster_of_others_by_a_run_that_was_killed(tmp_path: Path) -> None:
    with cluster(tmp_path) as (address, _):
        program = start(tmp_path, "kill", address)
        pid = read_pid(tmp_path / "pid")
        program.communicate(timeout=30)
        assert program.returncode == -signal.SIGKILL
        assert wait_until(lambda: not alive(pid))


def test_a_lost_scheduler_is_an_error_that_says_what_to_do(act: Act, tmp_path: Path) -> None:
    with cluster(tmp_path, 1) as (address, processes):
        executor = DaskExecutor.of({"address": address}, 1)
        ends = executor.call(act, [("return", 1), ("child", str(tmp_path / "pid"))])
        assert next(ends).value == 1
        pid = read_pid(tmp_path / "pid")
        processes[0].kill()
        begin = time.monotonic()
        with pytest.raises(DeffeError, match=r"scheduler at .* is gone") as caught:
            list(ends)
        assert "same command again" in caught.value.hint
        executor.close()
        assert time.monotonic() - begin < 20
        assert wait_until(lambda: not alive(pid))


def test_a_cluster_that_another_class_makes(act: Act) -> None:
    options = {"n_workers": 0, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    executor = DaskExecutor.of({"cluster": "distributed.LocalCluster", "options": options, "workers": 1}, 7)
    assert sorted(end.value for end in executor.call(act, [("return", i) for i in range(4)])) == [0, 1, 2, 3]
    executor.close()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"address": "tcp://127.0.0.1:9", "connect_s": 0.3}, "no Dask scheduler answers at tcp://127.0.0.1:9"),
        ({"address": "nonsense://x"}, "'nonsense://x' is no address"),
        ({"address": "bogus"}, "'bogus' is no address"),
        ({"scheduler_file": "absent.json"}, "there is no file absent.json"),
        ({"cluster": "no_such_library.Cluster"}, "'no_such_library.Cluster' cannot be imported"),
        ({"cluster": "distributed.NoSuchCluster"}, "'distributed.NoSuchCluster' cannot be imported"),
        ({"cluster": "distributed.LocalCluster", "options": {"n_workers": "x"}}, "cannot be made"),
    ],
)
def test_what_cannot_be_reached_or_made(act: Act, section: dict[str, object], said: str) -> None:
    executor = DaskExecutor.of(section, 1)
    with pytest.raises(DeffeError, match=said.replace(".", r"\.")):
        list(executor.call(act, [("return", 1)]))
    executor.close()


def test_without_dask_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="distributed") as caught:
        DaskExecutor.of({}, 1)
    assert "deffe[dask]" in caught.value.hint


def test_dask_is_imported_when_it_is_used() -> None:
    code = "import sys, deffe.executors.dask; sys.exit('distributed' in sys.modules or 'dask' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(FRAMEWORK)}).returncode == 0
    )


def test_nobody_else_can_use_the_cluster_of_this_machine(executor: DaskExecutor, act: Act) -> None:
    assert [end.value for end in executor.call(act, [("return", 1)])] == [1]
    psutil = pytest.importorskip("psutil")
    me = psutil.Process()
    listening = [
        found.laddr
        for process in [me, *me.children(recursive=True)]
        for found in process.net_connections("inet")
        if found.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {address.ip for address in listening} == {"127.0.0.1"}
    for port in {address.port for address in listening}:
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=5) as asked:
            asked.sendall(b"GET /info/main/workers.html HTTP/1.0\r\n\r\n")
            answer = asked.recv(100)
            assert answer == b"" or b"404" in answer, answer
