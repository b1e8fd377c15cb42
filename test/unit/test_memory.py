"""A memory limit counts all processes of a job, kills it alone, and says so."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deffe.executors import Job
from deffe.executors.local import LocalExecutor

TAKES = "import sys, time; taken = bytearray(int(sys.argv[1]) << 20); time.sleep(float(sys.argv[2]))"
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="the memory of processes is not known")


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor(4)
    yield made
    made.close()


def job(folder: Path, number: int, command: str, **more: float | None) -> Job:
    return Job(number, (("bash", "-c", command),), folder, folder / f"log{number}", {"PATH": "/usr/bin:/bin"}, **more)  # type: ignore[arg-type]


def take(mib: int, seconds: float) -> str:
    return f"{sys.executable} -S -c '{TAKES}' {mib} {seconds}"


def test_a_job_over_its_limit_is_killed_and_the_others_go_on(executor: LocalExecutor, tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, 0, take(400, 60), memory_mib=100),
        job(tmp_path, 1, take(10, 1.5), memory_mib=100),
        job(tmp_path, 2, take(400, 1.5)),
    ]
    ends = {end.job.number: end for end in executor.run(jobs)}
    assert ends[0].exit_code != 0
    assert ends[0].how == "memory limit of 100 MiB reached"
    assert ends[0].seconds < 30
    assert [ends[1].exit_code, ends[2].exit_code] == [0, 0]
    assert ends[1].reason == ends[2].reason == ""


def test_processes_of_a_job_count_together(executor: LocalExecutor, tmp_path: Path) -> None:
    together = " & ".join([take(60, 60)] * 4) + " & wait"
    (end,) = executor.run([job(tmp_path, 0, together, memory_mib=150)])
    assert end.how == "memory limit of 150 MiB reached"


def test_a_look_that_fails_does_not_end_the_watch(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([OSError("too many open files")] * 2)
    real = os.listdir

    def listdir(path: object = ".") -> list[str]:
        if str(path) == "/proc" and (error := next(looks, None)) is not None:
            raise error
        return real(path)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "listdir", listdir)
    (end,) = executor.run([job(tmp_path, 0, take(400, 60), memory_mib=100)])
    assert end.how == "memory limit of 100 MiB reached"
    assert next(looks, None) is None


def test_a_job_waits_before_it_begins_and_that_does_not_count(executor: LocalExecutor, tmp_path: Path) -> None:
    start = time.monotonic()
    (end,) = executor.run([job(tmp_path, 0, "true", delay_s=0.7, timeout_s=0.5)])
    assert time.monotonic() - start >= 0.7
    assert (end.exit_code, end.timed_out) == (0, False)
    assert end.seconds < 0.5


def test_waiting_ends_when_the_executor_is_closed(executor: LocalExecutor, tmp_path: Path) -> None:
    ends = executor.run(iter([job(tmp_path, 0, "true"), job(tmp_path, 1, "touch began", delay_s=600)]))
    assert next(ends).job.number == 0
    start = time.monotonic()
    executor.close()
    assert list(ends) == []
    assert time.monotonic() - start < 10
    assert not (tmp_path / "began").exists()
