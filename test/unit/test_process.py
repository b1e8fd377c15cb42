"""process: commands end with their exit code, in their time, and leave nothing running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import alive, read_pid, wait_until

from deffe.errors import DeffeError
from deffe.scripts.guard import Guard
from deffe.scripts.process import Ended, Group, Stop, describe, last_line, run

FRAMEWORK = Path(__file__).parents[2] / "framework"


def sh(folder: Path, *scripts: str, timeout_s: float | None = None, stop: Stop | None = None) -> Ended:
    commands = [["bash", "-c", script] for script in scripts]
    environment = {**os.environ, "SAID": "it's"}
    return run(commands, folder=folder, log=folder / "log", environment=environment, timeout_s=timeout_s, stop=stop)


def inside(folder: Path) -> list[str]:
    """The processes that work in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (process / "cwd").readlink() == folder and alive(int(process.name)):
                found.append(process.name)
    return found


def test_folder_environment_and_log(tmp_path: Path) -> None:
    ended = sh(tmp_path, 'echo "$SAID $PWD"; echo wrong >&2; cat')
    log = (tmp_path / "log").read_text()
    assert (ended.exit_code, ended.timed_out, ended.stopped) == (0, False, False)
    assert log.startswith(f"it's {tmp_path}\nwrong\n")
    assert [line.split()[0] for line in log.splitlines()[-3:]] == ["real", "user", "sys"]


def test_commands_run_in_order_until_one_fails(tmp_path: Path) -> None:
    assert sh(tmp_path, "echo one", "echo two; exit 3", "echo three").exit_code == 3
    said = [line for line in (tmp_path / "log").read_text().splitlines() if line in ("one", "two", "three")]
    assert said == ["one", "two"]


def test_cpu_time_of_what_the_command_ran_is_in_the_log(tmp_path: Path) -> None:
    sh(tmp_path, f"{sys.executable} -c 'while __import__(\"time\").process_time() < 0.2: pass'")
    times = dict(line.split() for line in (tmp_path / "log").read_text().splitlines())
    assert float(times["user"]) + float(times["sys"]) >= 0.2


def test_a_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    start = time.monotonic()
    ended = sh(tmp_path, "sleep 60 & echo $! > pid; sleep 61", timeout_s=0.3)
    assert ended.timed_out
    assert 0.3 <= ended.seconds <= time.monotonic() - start < 10
    pid = read_pid(tmp_path / "pid")
    assert wait_until(lambda: not alive(pid), seconds=2)


def test_a_time_limit_holds_for_all_commands_together(tmp_path: Path) -> None:
    ended = sh(tmp_path, "sleep 0.4", "sleep 60", timeout_s=0.6)
    assert ended.timed_out
    assert ended.seconds < 5


def test_a_command_that_ends_well_when_told_to_has_still_timed_out(tmp_path: Path) -> None:
    ended = sh(tmp_path, "trap 'exit 0' TERM; sleep 60 & wait", timeout_s=0.3)
    assert ended.timed_out


def test_a_command_that_ignores_being_told_is_killed(tmp_path: Path) -> None:
    ended = sh(tmp_path, "trap '' TERM; while :; do sleep 0.1; done", timeout_s=0.2)
    assert ended.timed_out
    assert ended.exit_code == -signal.SIGKILL


def test_what_a_command_leaves_running_is_killed(tmp_path: Path) -> None:
    assert sh(tmp_path, "(trap '' TERM HUP; sleep 60) & echo $! > pid").exit_code == 0
    pid = read_pid(tmp_path / "pid")
    assert wait_until(lambda: not alive(pid), seconds=2)


def test_stop_ends_a_running_command_from_another_thread(tmp_path: Path) -> None:
    stop = Stop()
    ends: list[Ended] = []
    thread = threading.Thread(target=lambda: ends.append(sh(tmp_path, "echo $$ > pid; sleep 60", stop=stop)))
    thread.start()
    pid = read_pid(tmp_path / "pid")
    stop.set()
    thread.join(10)
    assert ends[0].stopped
    assert not alive(pid)


def test_nothing_runs_to_its_end_once_stopped(tmp_path: Path) -> None:
    stop = Stop()
    stop.set()
    assert sh(tmp_path, "sleep 1; echo > one", "echo > two", stop=stop).stopped
    assert not (tmp_path / "one").exists()
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("command", ["no_such_program", "./not_executable", "a\0b"])
def test_a_command_that_cannot_be_started_says_why(tmp_path: Path, command: str) -> None:
    (tmp_path / "not_executable").write_text("")
    ended = run([[command]], folder=tmp_path, log=tmp_path / "log", environment=dict(os.environ))
    assert ended.exit_code == 127
    assert "cannot be started" in last_line(tmp_path / "log")


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeffeError, match="cannot write"):
        run([["true"]], folder=tmp_path, log=tmp_path / "absent" / "log", environment={})


def test_a_program_killed_by_sigkill_takes_its_commands_with_it(tmp_path: Path) -> None:
    program = (
        "import os; from pathlib import Path\nfrom deffe.scripts.guard import Guard"
        "; from deffe.scripts.process import run\n"
        "run([['bash', '-c', '(trap \"\" TERM; sleep 60) & echo $! > pid; sleep 60']], folder=Path('.'),"
        " log=Path('log'), environment=dict(os.environ), guard=Guard())"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(FRAMEWORK)}
    )
    pid = read_pid(tmp_path / "pid")
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not alive(pid))


@pytest.mark.parametrize("moment", ["add", "announce"])
def test_a_program_killed_just_when_it_starts_a_command_takes_it_with_it(tmp_path: Path, moment: str) -> None:
    """Before the guardian knows the process, and while a process that it cannot know yet comes up."""
    program = f"""
import os, signal, time
from pathlib import Path
from deffe.scripts.guard import Guard
from deffe.scripts.process import run

class Late(Guard):
    def add(self, number, group):
        os.kill(os.getpid(), signal.SIGKILL)

    def announce(self):
        number, variable = super().announce()
        if {moment!r} == "announce":
            if os.fork() == 0:
                os.setsid()
                os.closerange(3, 100)
                time.sleep(0.5)
                os.execve("/bin/sleep", ["sleep", "60"], {{**os.environ, **variable}})
            os.kill(os.getpid(), signal.SIGKILL)
        return number, variable

run([["bash", "-c", "echo $$ > pid; sleep 60"]], folder=Path("."), log=Path("log"), environment=dict(os.environ),
    guard=Late())
"""
    environment = {**os.environ, "PYTHONPATH": str(FRAMEWORK)}
    parent = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, timeout=60, check=False)
    assert parent.returncode == -signal.SIGKILL
    assert wait_until(lambda: not inside(tmp_path))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system does not tell of other processes")
@pytest.mark.parametrize("way", ["setsid", "timeout 60"])
def test_what_leaves_the_group_of_its_command_ends_with_it(tmp_path: Path, way: str) -> None:
    guard = Guard()
    try:
        (tmp_path / "other").mkdir()
        script = f"{way} bash -c 'echo $$ > pid; sleep 60' & until [ -s pid ]; do sleep 0.01; done"
        other = Group(["bash", "-c", f"{script}; wait"], folder=tmp_path / "other", output=subprocess.DEVNULL,
                      environment=dict(os.environ), guard=guard)  # fmt: skip
        stays = read_pid(tmp_path / "other" / "pid")
        ended = run([["bash", "-c", script]], folder=tmp_path, log=tmp_path / "log", environment=dict(os.environ),
                    guard=guard)  # fmt: skip
        assert ended.exit_code == 0
        leaves = read_pid(tmp_path / "pid")
        assert wait_until(lambda: not alive(leaves))
        assert alive(stays)  # of a command that goes on
        other.signal(signal.SIGKILL)
        other.reap()
    finally:
        guard.close()
    assert wait_until(lambda: not alive(stays))


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    for content, line in [
        (b"", ""),
        (b"one\ntwo\n\n  \nreal 0.10\nuser 0.00\nsys 0.00\n", "two"),
        (b"10%\r50%\r99%\r\n", "99%"),
        (b"\x1b[31mred\x1b[0m \x07bell\n", "red bell"),
        (b"\xff\x00" * 100_000 + b"\nend\n", "end"),
    ]:
        log.write_bytes(content)
        assert last_line(log) == line
    log.write_bytes(b"x" * 1_000_000)
    assert len(last_line(log)) == 200


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "exit status 3"), (-11, "killed by SIGSEGV"), (139, "exit status 139 (SIGSEGV)"), (255, "exit status 255"),
     (-9, "killed by SIGKILL, perhaps out of memory")],
)  # fmt: skip
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe(code) == words
