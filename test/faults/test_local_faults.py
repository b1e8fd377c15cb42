"""Scripts and functions that go wrong in every way: each point's row says what happened, the others are done."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from disks import mounted

if TYPE_CHECKING:
    from conftest import Ended, Project

KNOBS = [{"name": "way", "values": ""}, {"name": "size", "values": "1, 2, 3"}]
SIZES = 3
DONE = """echo $((size * 100)) > results.out
echo $((size + 1)) >> results.out
"""
WAYS = {
    "hangs": ("sleep 600", "timed_out", "time limit of 2 s reached"),
    "ignores_term": ("trap '' TERM\nwhile true; do sleep 0.1; done", "timed_out", "time limit of 2 s reached"),
    "writes_nothing": ("exit 0", "failed", "results.out"),
    "writes_an_empty_file": (": > results.out", "failed", "results.out"),
    "writes_half_a_number": ("printf '%s\\n1.5e' 12 > results.out", "failed", "1.5e"),
    "writes_one_cost_of_two": ("echo 12 > results.out", "failed", "energy"),
    "writes_text": ("printf 'usage: sim\\n--help\\n' > results.out", "failed", "usage: sim"),
    "writes_nan": ("printf 'nan\\n1\\n' > results.out", "failed", "nan"),
    "writes_bytes": ("head -c 300 /dev/urandom > results.out", "failed", "results.out"),
    "fails_after_its_result": (DONE + "exit 9", "failed", "exit status 9"),
    "is_killed": (DONE + "kill -9 $$", "failed", "SIGKILL"),
    "crashes": ("kill -SEGV $$", "failed", "SIGSEGV"),
    "makes_a_folder_of_its_result": ("mkdir results.out", "failed", "results.out"),
    "removes_its_folder": (DONE + 'rm -rf "$PWD"', "failed", ""),
}


def script() -> str:
    """A script that does what the knob ``way`` says."""
    cases = "\n".join(f"{name})\n{body}\n;;" for name, (body, _, _) in WAYS.items())
    return f'echo "$way $size" >> "$DEFFE_CONFIG_DIR/evaluated.log"\ncase "$way" in\nfine)\n{DONE};;\n{cases}\nesac\n'


def call(project: Project, text: str, ways: str, *arguments: object, **evaluate: object) -> Ended:
    knobs = [{**KNOBS[0], "values": ways}, KNOBS[1]]
    project.shell(text, knobs=knobs, evaluate={"workers": 4, "max_failed": 1000, **evaluate})
    return project.call("-no-train", "-custom-samples", 1000, *arguments)


def test_each_way_to_go_wrong_fails_its_own_points_alone(project: Project) -> None:
    ended = call(project, script(), ", ".join([*WAYS, "fine"]), timeout_s=2).ok()
    rows = project.numbers()
    assert len(rows) == SIZES * (len(WAYS) + 1) == len(project.evaluated())
    for way, state, words in ("fine", "done", ""), *((name, *told) for name, (_, *told) in WAYS.items()):
        own = rows[rows["way"] == way]
        assert set(own["State"]) == {state}, f"{way}: {own[['State', 'Reason']]}"
        assert all(words in str(reason) for reason in own["Reason"]), f"{way}: {set(own['Reason'])}"
        assert own[["cycles", "energy"]].isna().all(axis=None) == (way != "fine")
    assert f"{SIZES * len(WAYS)} failed" in ended.out


def test_what_a_script_leaves_running_is_ended(project: Project) -> None:
    text = f'( while sleep 0.05; do touch "$DEFFE_CONFIG_DIR/alive"; done ) &\nsleep 0.2\n{DONE}'
    call(project, text, "forks").ok()
    project.path("alive").unlink()
    time.sleep(0.3)
    assert not project.path("alive").exists()
    assert set(project.table()["State"]) == {"done"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell of processes' memory")
def test_a_script_that_prints_much_takes_no_memory(project: Project) -> None:
    text = f'[ "$size" = 2 ] && yes "a line that nobody will ever read" | head -c 1000000000\n{DONE}'
    project.shell(text, knobs=[KNOBS[1]], evaluate={"keep": "none"})
    process = project.start("-no-train", "-custom-samples", 100)
    peak_kib = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            peak_kib = int(status.partition("VmHWM:")[2].split()[0])
        time.sleep(0.02)
    process.communicate()
    assert set(project.table()["State"]) == {"done"}
    assert 10 << 10 < peak_kib < 300 << 10
    assert not list(project.path("explore").glob("explore_*"))


def test_a_script_that_prints_much_and_fails_tells_its_last_line(project: Project) -> None:
    text = 'yes x | head -c 50000000\necho "out of tokens"\nexit 4\n'
    call(project, text, "prints", "-keep", "none")
    assert all("out of tokens" in reason for reason in project.table()["Reason"])


def test_a_worker_that_is_killed_fails_its_point_alone(project: Project) -> None:
    project.python(
        "import os, signal\ndef costs(size, ways):\n    if size == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return {'cycles': size * 100 + ways, 'energy': size}\n",
        "function",
        knobs=[{"name": "size", "values": "1, 2, 3"}, {"name": "ways", "values": "1-4"}],
    )
    project.call("-no-train", "-custom-samples", 100).ok()
    rows = project.numbers()
    assert set(rows[rows["size"] == 3]["State"]) == {"failed"}
    assert all("SIGKILL" in reason for reason in rows[rows["size"] == 3]["Reason"])
    others = rows[rows["size"] != 3]
    assert (others["cycles"] == others["size"] * 100 + others["ways"]).all()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    with mounted(tmp_path / "disk", "size=4m") as made:
        yield made


def test_a_script_that_fills_the_disk_loses_no_result(project: Project, disk: Path) -> None:
    """The points that find the disk full have failed or wait; none has a cost that is not its own."""
    text = f'[ "$size" = 3 ] && head -c 100000000 /dev/zero > "{disk}/filler"\n{DONE}'
    arguments = ("-run-directory", disk / "explore")
    first = call(project, text, "a, b, c", *arguments, workers=1)
    assert first.code in (0, 1)
    assert "Traceback" not in first.err
    (disk / "filler").unlink()
    project.write("evaluate.sh", DONE)
    project.call("-no-train", "-custom-samples", 1000, *arguments, "-retry-failed").ok()
    rows = project.numbers()
    assert len(rows) == 3 * SIZES
    assert set(rows["State"]) == {"done"}
    assert (rows["cycles"] == rows["size"] * 100).all()


FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
def test_a_clock_that_steps_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock jumps by days, there and back, while points run under a time limit."""
    stamp = project.write("clock", "+0")
    for name, value in {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(stamp),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }.items():
        monkeypatch.setenv(name, value)
    step = "case $size in 1) echo +3d;; 2) echo -2d;; 3) echo +0;; esac"
    text = f'{step} > "$DEFFE_CONFIG_DIR/clock"\nsleep 0.3\ndate +%s >> "$DEFFE_CONFIG_DIR/dates"\n{DONE}'
    call(project, text, "a, b", timeout_s=20).ok()
    rows = project.numbers()
    assert set(rows["State"]) == {"done"}
    dates = [int(line) for line in project.path("dates").read_text(encoding="ascii").split()]
    assert max(dates) - min(dates) > 24 * 3600
    assert ((rows["EvaluateTime"] >= 0.25) & (rows["EvaluateTime"] < 15)).all()
