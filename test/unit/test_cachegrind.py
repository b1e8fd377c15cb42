"""cachegrind: its counts become costs, and what valgrind or the program does wrong fails the point with the reason."""

from __future__ import annotations

import logging
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deffe.api import EvaluationError, Outcome, State
from deffe.errors import ConfigError
from deffe.evaluators.cachegrind import EVENTS, costs_of, read_counts
from deffe.executors.local import LocalExecutor
from deffe.plugins import Plugin
from deffe.plugins import load as load_plugin
from deffe.testing import make_framework

COUNTS = """desc: I1 cache:         1024 B, 32 B, 2-way associative
cmd: ./matmul.host 40
events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw
fn=x
1 2 3 4 5 6 7 8 9 10
summary: 1000 10 9 300 30 29 200 20 19
"""
COSTS = ("instructions", "data_accesses", "l1i_misses", "l1d_misses", "l2_misses", "estimated_cycles")
PROGRAM = """
#include <signal.h>
#include <stdlib.h>
#include <string.h>
static char big[1 << 18];
int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "exit")) return atoi(argv[2]);
  if (!strcmp(what, "crash")) raise(SIGSEGV);
  if (!strcmp(what, "hang")) for (;;) continue;
  volatile int sum = 0;
  for (int round = 0; round < 4; round++)
    for (int i = 0; i < (argc > 2 ? atoi(argv[2]) * 1024 : 1024); i += 64) sum += big[i];
  return 0;
}
"""
needs_valgrind = pytest.mark.skipif(
    shutil.which("valgrind") is None or shutil.which("gcc") is None, reason="valgrind or gcc is not installed"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A program that touches a number of KiB four times, or ends in the way that it is told."""
    folder = tmp_path_factory.mktemp("a program")
    (folder / "touch.c").write_text(PROGRAM)
    subprocess.run(["gcc", "-O1", "-o", folder / "touch", folder / "touch.c"], check=True, timeout=60)
    return str(folder / "touch")


def make(
    folder: Path,
    knobs: dict[str, Any] | None = None,
    costs: tuple[str, ...] = COSTS,
    dry_run: bool = False,
    **options: Any,
) -> Plugin:
    section = {key: options.pop(key) for key in ("timeout_s", "retries") if key in options}
    config = {
        "knobs": [{"name": name, "values": values} for name, values in (knobs or {"l1d_size": 4}).items()],
        "constraints": [],
        "costs": list(costs),
        "evaluate": {"pyscript": "cachegrind", "options": options, **section},
    }
    framework = make_framework(folder, "evaluate", config=config)
    return load_plugin("evaluator", "cachegrind", replace(framework, dry_run=dry_run, name="cachegrind"))


def run(plugin: Plugin, executor: LocalExecutor) -> list[Outcome]:
    space = plugin.instance._framework.space
    found = plugin.call("Run", batch=space.batch(0, range(space.size)), executor=executor)
    return sorted(found, key=lambda outcome: int(outcome.rows[0]))


def costs(outcome: Outcome) -> dict[str, float]:
    assert outcome.states.tolist() == [State.DONE], outcome.reasons
    assert outcome.costs is not None
    return dict(zip(COSTS, outcome.costs[0].tolist(), strict=True))


# Counts


def test_costs_are_sums_of_events(tmp_path: Path) -> None:
    (tmp_path / "counts").write_text(COUNTS)
    found = costs_of(read_counts(tmp_path / "counts"), 10, 100)
    assert found["instructions"] == found["ir"] == 1000
    assert (found["data_reads"], found["data_writes"], found["data_accesses"]) == (300, 200, 500)
    assert (found["l1i_misses"], found["l1d_misses"], found["l2_misses"]) == (10, 50, 57)
    assert found["estimated_cycles"] == 1000 + 10 * 60 + 100 * 57
    assert costs_of(read_counts(tmp_path / "counts"), 0, 0)["estimated_cycles"] == 1000
    assert set(EVENTS) <= set(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is cut short"),
        (COUNTS.partition("summary")[0], "is cut short"),
        (COUNTS[:-3], "cannot be read"),
        (COUNTS.replace("1000", "many"), "cannot be read"),
        ("events: Ir\nsummary: 5\n", "does not have the events i1mr"),
    ],
)
def test_broken_counts_are_an_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "counts").write_text(text)
    with pytest.raises(EvaluationError, match=said):
        costs_of(read_counts(tmp_path / "counts"), 10, 100)
    with pytest.raises(EvaluationError, match="No such file"):
        read_counts(tmp_path / "absent")


# With valgrind


@needs_valgrind
def test_a_cache_that_holds_the_data_misses_less(tmp_path: Path, program: str, executor: LocalExecutor) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    knobs = {"l1d_size": "4, 64", "l2_size": 128, "cacheline": 64, "kib": 32}
    small, large = (
        costs(outcome)
        for outcome in run(make(folder, knobs, program=program, program_arguments="touch {kib}"), executor)
    )
    lines = 32 * 1024 // 64
    assert small["l1d_misses"] - large["l1d_misses"] == pytest.approx(3 * lines, rel=0.3)
    assert small["instructions"] == pytest.approx(large["instructions"], rel=0.01)
    assert small["estimated_cycles"] == pytest.approx(
        small["instructions"] + 10 * (small["l1d_misses"] + small["l1i_misses"]) + 100 * small["l2_misses"]
    )


@needs_valgrind
@pytest.mark.parametrize(
    ("arguments", "state", "reason"),
    [
        ("exit 3", State.FAILED, "the program ended with exit status 3, allowed: at most 2"),
        ("exit 2", State.DONE, ""),
        ("crash", State.FAILED, "the program was killed by SIGSEGV"),
        ("hang", State.TIMED_OUT, "time limit of 2 s reached"),
    ],
)
def test_how_the_program_ends(
    tmp_path: Path, program: str, executor: LocalExecutor, arguments: str, state: State, reason: str
) -> None:
    plugin = make(tmp_path, program=program, program_arguments=arguments, max_exit_code=2, timeout_s=2)
    (outcome,) = run(plugin, executor)
    assert outcome.states.tolist() == [state]
    assert (outcome.reasons or ("",))[0] == reason


@needs_valgrind
@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"cacheline": 8, "l1d_size": 4}, "exit status 1: valgrind: Cache line size is too small."),
        ({"l1d_size": 3, "l1d_ways": 48, "cacheline": 64}, ""),
    ],
)
def test_a_shape_that_valgrind_refuses_fails_with_its_words(
    tmp_path: Path, program: str, executor: LocalExecutor, knobs: dict[str, Any], said: str
) -> None:
    (outcome,) = run(make(tmp_path, knobs, program=program), executor)
    assert outcome.states.tolist() == [State.FAILED if said else State.DONE]
    assert (outcome.reasons or ("",))[0] == said


@needs_valgrind
def test_a_shape_that_no_cache_has_fails_without_a_run(tmp_path: Path, program: str, executor: LocalExecutor) -> None:
    (outcome,) = run(make(tmp_path, {"l1d_size": 1, "l1d_ways": 32}, program=program), executor)
    assert outcome.reasons == (
        "l1d: 1 KiB, 32 ways and lines of 64 bytes give 0 sets; the simulator needs a power of two",
    )
    assert outcome.trial is None


@needs_valgrind
def test_lines_shorter_than_a_register_fail_with_valgrind_s_words(
    tmp_path: Path, program: str, executor: LocalExecutor
) -> None:
    (outcome,) = run(make(tmp_path, {"cacheline": 16}, program=program), executor)
    if outcome.states.tolist() == [State.DONE]:
        pytest.skip("the registers of this machine have at most 16 bytes")
    assert "cannot continue: the minimum line size (16) must be equal to or larger" in outcome.reasons[0]


@needs_valgrind
def test_a_value_stays_one_word(tmp_path: Path, program: str, executor: LocalExecutor) -> None:
    evil = "a b;`touch run1` $(touch run2)"
    plugin = make(tmp_path, {"text": [evil]}, program=program, program_arguments=["{text}"])
    (outcome,) = run(plugin, executor)
    assert outcome.trial is not None
    assert outcome.trial.folder is not None
    assert f"cmd: {program} {evil}" in (outcome.trial.folder / "cachegrind.out").read_text()
    assert not list(tmp_path.rglob("run[12]"))


# Without valgrind


@pytest.fixture
def valgrind(tmp_path: Path) -> Path:
    """A valgrind of the test that ends at once, with exit code 0 and without counts."""
    path = tmp_path / "my valgrind"
    path.write_text("#!/bin/bash\necho done\n")
    path.chmod(0o755)
    return path


def test_an_end_without_counts_is_a_failure(tmp_path: Path, executor: LocalExecutor, valgrind: Path) -> None:
    (outcome,) = run(make(tmp_path, program="/bin/true", valgrind=str(valgrind)), executor)
    assert outcome.reasons == ("cachegrind.out cannot be read: No such file or directory",)


def test_what_is_missing_is_told_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        make(tmp_path, {"l3_size": "1, 2"}, ("l1d_misess",), valgrind="no-such-valgrind", program="absent")
    text = str(caught.value)
    assert "'no-such-valgrind' was not found (install it: apt install valgrind)" in text
    assert "there is no program 'absent'" in text
    assert "cachegrind does not measure 'l1d_misess' (did you mean 'l1d_misses'?" in text
    assert "'l3_size' reaches neither" in text


def test_a_program_that_cannot_be_run_is_told_before_the_run(tmp_path: Path, valgrind: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(ConfigError, match="'plain' is not executable"):
        make(tmp_path, program="plain", valgrind=str(valgrind))


def test_a_dry_run_shows_the_command_and_needs_no_valgrind(
    tmp_path: Path, executor: LocalExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plugin = make(tmp_path, {"l2_size": 512}, program="/bin/true", valgrind="no-such-valgrind", dry_run=True)
    (outcome,) = run(plugin, executor)
    assert outcome.states.tolist() == [State.WAITING]
    assert "no-such-valgrind --tool=cachegrind --cache-sim=yes" in caplog.text
    assert f"--LL={512 * 1024},8,64" in caplog.text
    assert caplog.text.rstrip().endswith("/bin/true")
