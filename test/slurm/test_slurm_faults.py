"""What becomes of trials in states that a healthy cluster does not show; Slurm's programs are stand-ins."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from disks import mounted

from deffe.errors import DeffeError, JobsCancelledError
from deffe.executors import Job
from deffe.executors.slurm import books, inquiry, marks, submitter
from deffe.executors.slurm.executor import SlurmExecutor
from deffe.executors.slurm.marks import ENDED
from deffe.executors.slurm.submission import Submission, Task
from deffe.executors.slurm.trials import End, Trial

if TYPE_CHECKING:
    from conftest import Fake, Lab, Project

VAGUE = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
"""What sbatch says of a full queue, and of a job that asks for more than is allowed."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiry, "RESUBMIT_S", 0.1)


def test_every_job_ends_once_with_its_own_code(fake: Fake, lab: Lab) -> None:
    found = lab.ends(*[f"echo {n}; exit {n % 3}" for n in range(7)])
    assert {number: end.exit_code for number, end in found.items()} == {n: n % 3 for n in range(7)}
    for number, end in found.items():
        assert end.job.log.read_text().startswith(f"{number}\nreal ")
        assert not end.timed_out
    assert list((lab.run / "slurm" / "marks").iterdir()) == []
    assert list((lab.run / "slurm" / "jobs").iterdir()) == []


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "COMPLETED", "GONE"])
def test_what_the_cluster_ends_is_submitted_again(fake: Fake, lab: Lab, state: str) -> None:
    fake.plan(f"hold {state}", "run")
    found = lab.ends("true")
    assert (found[0].exit_code, found[0].reason) == (0, "")
    assert len(fake.jobs()) == 2
    assert ["100"] in fake.calls("scancel")  # in case Slurm has begun to start it again


@pytest.mark.parametrize(
    ("state", "words"),
    [("NODE_FAIL", "ended by the cluster 3 times, the last time with NODE_FAIL"),
     ("GONE", "the Slurm job vanished without a result, 3 times"),
     ("COMPLETED", "the Slurm job ended without a result, 3 times")],
)  # fmt: skip
def test_what_the_cluster_ends_again_and_again_has_failed(fake: Fake, lab: Lab, state: str, words: str) -> None:
    fake.plan(f"hold {state}")
    found = lab.ends("true", resubmit=2)
    assert found[0].reason == words
    assert found[0].exit_code != 0
    assert len(fake.jobs()) == 3


@pytest.mark.parametrize("state", ["REQUEUED", "SUSPENDED", "A_STATE_OF_TOMORROW"])
def test_a_state_that_may_go_on_is_waited_for(
    fake: Fake, lab: Lab, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    fake.plan(f"hold {state}")
    with lab.executor() as made:
        thread, done = lab.background(made, lab.job(0, "true"))
        lab.wait_until(lambda: len(fake.calls("squeue")) > 2)
        assert len(fake.jobs()) == 1
        assert done == []
        assert made.status().startswith("0 running, 1 queued")
    thread.join(10)
    assert not thread.is_alive()
    assert ("A_STATE_OF_TOMORROW" in caplog.text) is (state == "A_STATE_OF_TOMORROW")


def test_a_trial_that_ran_out_of_time_has_timed_out_and_those_behind_it_run(fake: Fake, lab: Lab) -> None:
    fake.plan("kill TIMEOUT", "run")
    found = lab.ends("sleep 60", "true", "true", trials_per_task=3)
    assert found[0].timed_out
    assert found[0].how == "time limit of the Slurm job reached"
    assert [found[n].exit_code for n in (1, 2)] == [0, 0]
    assert len(fake.jobs()) == 2


def test_a_trial_that_had_part_of_the_time_gets_all_of_it(
    fake: Fake, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a trial that was the first of its task has had the whole limit."""
    monkeypatch.setenv("FAKE_ENDED", "1")
    fake.plan("kill TIMEOUT", "run")
    script = "[ -e ../second ] || { touch ../second half; sleep 60; }; [ ! -e half ]"
    found = lab.ends("true", script, trials_per_task=2)
    assert [found[n].exit_code for n in (0, 1)] == [0, 0]  # and what the first attempt left is gone
    assert len(fake.jobs()) == 2


def test_a_trial_that_ran_out_of_memory_has_failed(fake: Fake, lab: Lab) -> None:
    fake.plan("kill OUT_OF_MEMORY", "run")
    found = lab.ends("sleep 60", "true", trials_per_task=2)
    assert (found[0].how, found[0].timed_out, found[0].exit_code != 0) == ("out of memory", False, True)
    assert found[1].exit_code == 0


def test_a_trial_that_takes_more_memory_than_it_may_is_ended(fake: Fake, lab: Lab) -> None:
    hungry = f"{sys.executable} -c 'import time; x = bytearray(200 << 20); time.sleep(60)'"
    with lab.executor() as made:
        jobs = [replace(lab.job(0, hungry), memory_mib=100), replace(lab.job(1, "true"), memory_mib=100)]
        found = {end.job.number: end.how for end in made.run(jobs)}
    assert found == {0: "memory limit of 100 MiB reached", 1: "exit status 0"}


def test_a_trial_begins_no_sooner_than_asked(fake: Fake, lab: Lab) -> None:
    with lab.executor() as made:
        start = time.monotonic()
        assert len(list(made.run([replace(lab.job(0, "true"), delay_s=2)]))) == 1
        assert time.monotonic() - start > 2


def test_a_task_that_fails_again_and_again_tells_why(fake: Fake, lab: Lab, tmp_path: Path) -> None:
    source = tmp_path / "modules.sh"
    source.write_text("echo 'module: no such module gem5'; exit 1\n")
    fake.plan("run FAILED")
    found = lab.ends("true", "true", sources=(source,), resubmit=2, trials_per_task=2)
    why = "the Slurm job failed before the trial began, 3 times: module: no such module gem5"
    assert {end.reason for end in found.values()} == {why}
    assert len(fake.jobs()) == 3
    assert [path.name for path in (lab.run / "slurm" / "logs").iterdir()] != []


def test_a_task_that_fails_for_a_while_is_submitted_again(fake: Fake, lab: Lab, tmp_path: Path) -> None:
    source = tmp_path / "modules.sh"
    source.write_text(f"mkdir {tmp_path}/second 2> /dev/null && exit 5\n")
    fake.plan("run FAILED", "run")
    assert lab.ends("true", sources=(source,))[0].exit_code == 0
    assert len(fake.jobs()) == 2


def test_a_task_that_fails_while_a_trial_runs_is_submitted_again(fake: Fake, lab: Lab) -> None:
    """As when its node is shut down, or when Slurm cannot start it after a requeue."""
    fake.plan("kill FAILED", "run")
    found = lab.ends(
        "[ ! -e half ] || exit 9; touch half; mkdir ../second || exit 0; sleep 60", "true", trials_per_task=2
    )
    assert [found[n].exit_code for n in (0, 1)] == [0, 0]
    assert len(fake.jobs()) == 2


def test_what_somebody_cancels_has_failed(fake: Fake, lab: Lab) -> None:
    fake.plan("hold CANCELLED")
    found = lab.ends("true", "true", trials_per_task=2)
    assert {end.how for end in found.values()} == {"cancelled"}


def test_while_slurm_does_not_answer_the_run_waits(fake: Fake, lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    fake.say("all", "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)")
    with lab.executor() as made:
        thread, done = lab.background(made, lab.job(0, "true"))
        lab.wait_until(lambda: "Slurm does not answer" in made.status())
        fake.say("all", None)
        thread.join(20)
        assert [end.exit_code for end in done] == [0]
    assert caplog.text.count("does not answer") == 1
    assert "answers again" in caplog.text


def test_a_submission_that_was_taken_without_an_answer_is_not_repeated(fake: Fake, lab: Lab, tmp_path: Path) -> None:
    """The answer of sbatch is lost: its job is found by its name."""
    lost = fake.programs / "sbatch"
    lost.write_text(
        lost.read_text().replace("exec ", "") + 'echo "Socket timed out on send/recv operation" >&2; exit 1\n'
    )
    found = lab.ends(f"echo x >> {tmp_path}/notes; sleep 1")
    assert found[0].exit_code == 0
    assert (tmp_path / "notes").read_text() == "x\n"
    assert len(fake.jobs()) == 1


def test_a_submission_that_was_not_taken_is_repeated(fake: Fake, lab: Lab) -> None:
    fake.say("sbatch", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    with lab.executor() as made:
        thread, done = lab.background(made, lab.job(0, "true"))
        lab.wait_until(lambda: fake.calls("sbatch"))
        fake.say("sbatch", None)
        thread.join(20)
        assert [end.exit_code for end in done] == [0]


def test_a_queue_that_is_full_is_waited_for(fake: Fake, lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    fake.say("sbatch", "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed")
    with lab.executor() as made:
        thread, done = lab.background(made, *(lab.job(n, "true") for n in range(4)))
        lab.wait_until(lambda: "takes no more jobs" in made.status())
        fake.say("sbatch", None)
        thread.join(20)
        assert [end.exit_code for end in done] == [0] * 4
    assert "QOSMaxSubmitJobPerUserLimit" in caplog.text
    assert caplog.text.count("other jobs must end first; Ctrl-C ends the run") == 1


def test_a_job_beyond_a_limit_is_refused_by_what_the_limit_is_called(fake: Fake, lab: Lab) -> None:
    fake.say("sbatch", f"sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: {VAGUE}")
    with pytest.raises(DeffeError, match=r"sbatch refuses the jobs: .*QOSMaxWallDuration"):
        lab.ends("true")
    assert len(fake.calls("sbatch")) == 1


def test_a_job_that_is_not_taken_by_an_empty_queue_is_refused(
    fake: Fake, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter, "TIMES_REFUSED", 3)
    fake.say("sbatch", f"sbatch: error: Batch job submission failed: {VAGUE}")
    with lab.executor() as made:
        caught: list[BaseException] = []
        thread = in_background(lambda: list(made.run([lab.job(0, "true")])), caught)
        thread.join(20)
        assert not thread.is_alive()
    assert "sbatch refuses the jobs" in str(caught[0])
    assert VAGUE in str(caught[0])
    assert len(fake.calls("sbatch")) == 3


def test_a_full_queue_is_waited_for_while_jobs_of_the_run_are_in_it(
    fake: Fake, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitter, "TIMES_REFUSED", 2)
    with lab.executor() as made:
        first, done = lab.background(made, lab.job(0, "while [ ! -e ../go ]; do sleep 0.1; done"))
        lab.wait_until(fake.jobs)
        fake.say("sbatch", f"sbatch: error: Batch job submission failed: {VAGUE}")
        second, also = lab.background(made, lab.job(1, "true"))
        lab.wait_until(lambda: len(fake.calls("sbatch")) > 4)
        fake.say("sbatch", None)
        second.join(20)
        (lab.run / "go").touch()
        first.join(20)
    assert [end.exit_code for end in done + also] == [0, 0]


def in_background(function: Callable[[], object], caught: list[BaseException]) -> threading.Thread:
    """A thread that calls a function, and what it has raised."""

    def call() -> None:
        try:
            function()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


def test_a_refusal_ends_the_run_with_what_sbatch_said(fake: Fake, lab: Lab) -> None:
    fake.say("sbatch", "sbatch: error: invalid partition specified: bog")
    with pytest.raises(DeffeError, match=r"sbatch refuses the jobs: .*invalid partition specified: bog"):
        lab.ends("true")


def test_a_refused_script_is_kept_and_named_where_it_is(fake: Fake, lab: Lab) -> None:
    (fake.programs / "sbatch").write_text(
        '#!/bin/sh\nfor i; do :; done\necho "sbatch: error: $i: bad line" >&2; exit 1\n'
    )
    with pytest.raises(DeffeError) as caught:
        lab.ends("true")
    kept = lab.run / "slurm" / "logs" / "refused.sh"
    assert f"{kept}: bad line" in caught.value.message
    assert str(kept) in caught.value.hint
    assert kept.read_text().startswith("#!/bin/bash\n#SBATCH")


def test_arrays_are_cut_to_what_the_cluster_allows(fake: Fake, lab: Lab) -> None:
    (fake.folder / "array_size").write_text("3")
    found = lab.ends(*["true"] * 8, trials_per_task=1)
    assert len(found) == 8
    assert [each["tasks"] for each in fake.jobs()] == [3, 3, 2]


def test_a_cluster_without_arrays_gets_single_jobs(fake: Fake, lab: Lab) -> None:
    (fake.folder / "array_size").write_text("0")
    found = lab.ends(*["true"] * 3, trials_per_task=1)
    assert len(found) == len(fake.jobs()) == 3
    assert not any("--array" in " ".join(words) for words in fake.calls("sbatch"))


def test_no_more_tasks_are_queued_than_asked_for(fake: Fake, lab: Lab) -> None:
    fake.plan("hold")
    with lab.executor(replace(lab.QUICK, max_jobs=3, trials_per_task=2)) as made:
        drawn: list[int] = []

        def jobs() -> Iterator[Job]:
            for number in range(20):
                drawn.append(number)
                yield lab.job(number, "true")

        threading.Thread(target=lambda: list(made.run(jobs())), daemon=True).start()
        lab.wait_until(lambda: sum(each["tasks"] for each in fake.jobs()) == 3)
        time.sleep(1)
        assert sum(each["tasks"] for each in fake.jobs()) == 3
        assert len(drawn) == 6


def test_an_ended_task_that_squeue_has_forgotten_is_looked_up_in_the_accounts(fake: Fake, lab: Lab) -> None:
    fake.plan("hold GONE")
    with lab.executor() as made:
        thread, done = lab.background(made, lab.job(0, "true"))
        lab.wait_until(fake.jobs)
        fake.accounts(f"{fake.jobs()[0]['name']}|100_0|CANCELLED by 1000\n")
        thread.join(20)
    assert [end.how for end in done] == ["cancelled"]


def test_jobs_of_an_earlier_start_are_adopted(fake: Fake, lab: Lab, tmp_path: Path) -> None:
    """The program was closed while one job had ended, one ran and one was queued."""
    notes = tmp_path / "notes"
    fake.plan("run", "run", "hold")
    scripts = [f"echo 0 >> {notes}", f"echo 1 >> {notes}; sleep 3; exit 4", f"echo 2 >> {notes}"]
    with lab.executor(replace(lab.QUICK, trials_per_task=1)) as first:
        for number in range(3):
            lab.background(first, lab.job(number, scripts[number]))
            lab.wait_until(lambda n=number: len(fake.jobs()) == n + 1)
        lab.wait_until(lambda: notes.exists() and len(notes.read_text().split()) == 2)
    fake.plan("run")
    with lab.executor() as second:
        found = [second.adopted(lab.run / f"explore_{number}") for number in range(3)]
        assert [each.point for each in found if each] == [0, 1, 2]
        assert second.adopted(lab.run / "explore_0") is None  # each is given once
        held = fake.folder / "job_2"
        held.write_text(held.read_text().replace('"hold", "state": ""', '"hold", "state": "NODE_FAIL"'))
        done = {end.job.point: end.exit_code for end in second.run(each for each in found if each)}
    assert done == {0: 0, 1: 4, 2: 0}
    assert sorted(notes.read_text().split()) == ["0", "1", "2"]


def test_a_point_that_has_its_result_is_not_adopted(fake: Fake, lab: Lab) -> None:
    lab.ends("exit 3", "exit 4")
    with lab.executor(settled={0}.__contains__) as second:
        assert second.adopted(lab.run / "explore_0") is None
        kept = second.adopted(lab.run / "explore_1")
        assert kept is not None
        assert [end.exit_code for end in second.run([kept])] == [4]  # told again, not run again
    assert len(fake.jobs()) == 1


def test_a_submission_that_was_cut_short_before_sbatch_is_given_to_it(fake: Fake, lab: Lab) -> None:
    fake.say("sbatch", "Socket timed out")
    with lab.executor() as first:
        lab.background(first, lab.job(0, "exit 5"))
        lab.wait_until(lambda: fake.calls("sbatch"))
    fake.say("sbatch", None)
    with lab.executor() as second:
        kept = second.adopted(lab.run / "explore_0")
        assert kept is not None
        assert [end.exit_code for end in second.run([kept])] == [5]


def test_a_submission_that_meets_a_full_queue_later_is_adopted_and_runs(fake: Fake, lab: Lab) -> None:
    fake.say("sbatch", "Socket timed out")
    with lab.executor() as first:
        lab.background(first, lab.job(0, "exit 5"))
        lab.wait_until(lambda: fake.calls("sbatch"))
    fake.say("sbatch", "sbatch: error: QOSMaxSubmitJobPerUserLimit")
    with lab.executor() as second:
        lab.wait_until(lambda: "takes no more jobs" in second.status())
        kept = second.adopted(lab.run / "explore_0")
        assert kept is not None
        fake.say("sbatch", None)
        thread, done = lab.background(second, kept)
        thread.join(20)
        assert [end.exit_code for end in done] == [5]


def test_an_end_is_delivered_once(fake: Fake, lab: Lab) -> None:
    """It comes just when somebody has begun to wait for it."""
    got: list[End] = []
    trial = Trial("k", "evaluate", {"key": "k", "content": "c"}, number=0, kept=True)

    class Lock:
        """Has the end come when it is left for the first time."""

        def __init__(self, lock: Any) -> None:
            self.lock = lock

        def __enter__(self) -> None:
            self.lock.__enter__()

        def __exit__(self, *error: object) -> None:
            self.lock.__exit__(*error)
            if trial.deliver is not None and not trial.ended:
                made._books.end(trial, 0, End(0))
                made._books.flush()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.lock, name)

    with lab.service() as made:
        made._books.enter(Submission(0, "name", "evaluate", [Task(0, [trial])]))
        made._lock = made._books._lock = Lock(made._lock)  # type: ignore[assignment]
        made.add(trial, got.append)
    assert got == [End(0)]


def test_what_is_cancelled_ends_a_run_that_would_go_on_submitting(fake: Fake, lab: Lab) -> None:
    fake.plan("hold")
    with lab.service() as made:
        executor = SlurmExecutor(made, "evaluate")
        caught: list[BaseException] = []
        in_background(lambda: list(executor.run([lab.job(0, "true")])), caught)
        lab.wait_until(lambda: made.status() == "0 running, 1 queued" and fake.jobs())
        made._inquiry._next = made.clock.now() + 60
        marks.put(made.paths.cancelled, {})
        thread = in_background(lambda: list(executor.run([lab.job(1, "true")])), caught)
        thread.join(20)
        assert not thread.is_alive()
    assert {type(error) for error in caught} == {JobsCancelledError}
    assert len(fake.jobs()) == 1


def test_jobs_that_cannot_be_cancelled_end_the_start(fake: Fake, lab: Lab) -> None:
    """The answer of sbatch had been lost, so that the job is known by its name alone."""
    lost = fake.programs / "sbatch"
    lost.write_text(lost.read_text().replace("exec ", "") + 'echo "Socket timed out" >&2; exit 1\n')
    fake.plan("hold")
    with lab.executor(replace(lab.QUICK, settle_s=60)) as first:
        lab.background(first, lab.job(0, "true"))
        lab.wait_until(fake.jobs)
    (lab.run / "slurm" / "jobs" / "0" / "job").unlink(missing_ok=True)
    marks.put(first._service.paths.cancelled, {})
    fake.say("all", "Unable to contact slurm controller")
    with pytest.raises(DeffeError, match="does not answer"), lab.service():
        pass
    assert first._service.paths.cancelled.exists()
    fake.say("all", None)
    with lab.executor() as second:
        assert second.adopted(lab.run / "explore_0") is None
    assert not first._service.paths.cancelled.exists()
    assert fake.calls("scancel")[-1] == ["100"]


def test_tasks_that_are_over_are_ended_by_one_call(fake: Fake, lab: Lab) -> None:
    fake.plan("hold NODE_FAIL", "run")
    found = lab.ends(*["true"] * 20, trials_per_task=1)
    assert [end.exit_code for end in found.values()] == [0] * 20
    assert len(fake.calls("scancel")) <= 3


@pytest.mark.parametrize("times", [2, 1000])
def test_a_mark_that_cannot_be_read_for_a_moment_is_read_later(
    fake: Fake, lab: Lab, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    get, tried = marks.get, []

    def flaky(path: Path) -> dict[str, Any]:
        if path.name.endswith(ENDED):
            tried.append(path)
            if len(tried) <= times:
                raise OSError(5, "Input/output error", str(path))
        return get(path)

    monkeypatch.setattr(marks, "get", flaky)
    if times == 2:
        assert lab.ends("exit 3")[0].exit_code == 3
    else:
        with pytest.raises(DeffeError, match=r"\.ended cannot be read or written: Input/output error"):
            lab.ends("exit 3")
    assert len(fake.jobs()) == 1


def test_an_item_that_cannot_be_loaded_is_an_error_of_its_call(fake: Fake, lab: Lab) -> None:
    with lab.executor(replace(lab.QUICK, trials_per_task=2)) as made:
        found = {end.index: end for end in made.call(str, [Unloadable(), 3])}
    assert "ValueError: invalid literal" in found[0].error
    assert (found[1].value, found[1].error) == ("3", "")
    assert len(fake.jobs()) == 1


def test_the_ends_of_calls_do_not_pile_up(fake: Fake, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "LEDGER_LINES", 4)
    with lab.executor(replace(lab.QUICK, trials_per_task=2)) as made:
        for start in range(0, 24, 4):
            assert len(list(made.call(str, range(start, start + 4)))) == 4
        ledger = made._service.paths.ledger
        assert 0 < len([line for line in ledger.read_text().splitlines() if line]) < 16
    with lab.executor() as made:
        found = list(made.run(lab.job(number, "exit 3") for number in range(10)))
        assert [end.exit_code for end in found] == [3] * 10
    with lab.executor() as second:  # not recorded by now: told again
        assert all(second.adopted(lab.run / f"explore_{number}") for number in range(10))


class Unloadable:
    """Can be pickled, and not loaded."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return int, ("not a number",)


def test_while_nothing_is_due_the_service_sleeps(fake: Fake, lab: Lab) -> None:
    with lab.service() as made:
        turns, turn = [], made._turn

        def counted(now: float) -> None:
            turns.append(now)
            turn(now)

        made._turn = counted  # type: ignore[method-assign]
        lab.background(SlurmExecutor(made, "evaluate"), *(replace(lab.job(n, "true"), delay_s=60) for n in range(3)))
        lab.wait_until(lambda: turns)
        time.sleep(1)
        turns.clear()
        time.sleep(1)
        assert len(turns) < 30


def test_a_script_that_was_edited_while_its_trials_were_queued_is_told(fake: Fake, lab: Lab, project: Project) -> None:
    script = "echo 1 > results.out; echo 1 >> results.out\n"
    fake.plan("hold NODE_FAIL", "run")
    project.shell(script, evaluate={"slurm": True}, slurm={"poll_s": [0.1, 0.5], "settle_s": 30})
    process = project.start("-no-train", "-custom-samples", 2)
    lab.wait_until(fake.jobs)
    process.kill()
    process.communicate(timeout=60)
    project.shell(script + "true\n", evaluate={"slurm": True}, slurm={"poll_s": [0.1, 0.5], "settle_s": 0.4})
    ended = project.call("-no-train", "-custom-samples", 2).ok()
    assert "evaluate.sh has changed since 2 Slurm trials were made with it" in " ".join(ended.err.split())
    assert set(project.table()["State"]) == {"done"}


def test_a_task_that_is_started_twice_runs_once(fake: Fake, lab: Lab, tmp_path: Path) -> None:
    """As when sbatch was called again because its first answer was lost, and both jobs come to run."""
    notes = tmp_path / "notes"
    fake.plan("hold")
    with lab.executor() as made:
        lab.background(made, lab.job(0, f"echo x >> {notes}; sleep 0.5"))
        lab.wait_until(fake.jobs)
        script = fake.jobs()[0]["script"]
        both = [subprocess.Popen(["bash", script], env={"PATH": "/usr/bin:/bin", "SLURM_ARRAY_JOB_ID": number})
                for number in ("7", "8")]  # fmt: skip
        assert [each.wait(20) for each in both] == [0, 0]
    assert notes.read_text() == "x\n"


def test_extractions_of_many_threads_are_submitted_together(fake: Fake, lab: Lab) -> None:
    with lab.executor(replace(lab.QUICK, trials_per_task=10)) as made:
        codes: list[int] = []

        def one(number: int) -> None:
            codes.extend(end.exit_code for end in made.run([lab.job(number, "true")]))

        threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert codes == [0] * 20
    assert len(fake.jobs()) <= 3


@pytest.fixture
def read_only(lab: Lab) -> Iterator[None]:
    """The run directory is on a disk that cannot be written."""
    with mounted(lab.run, "ro"):
        yield


@pytest.mark.usefixtures("read_only")
def test_a_read_only_run_directory_is_told(fake: Fake, lab: Lab) -> None:
    with pytest.raises(DeffeError, match="slurm cannot be read or written: Read-only file system"), lab.service():
        pass


def test_a_file_in_the_way_of_the_run_directory_is_told(fake: Fake, lab: Lab) -> None:
    (lab.run / "slurm").write_text("in the way")
    with pytest.raises(DeffeError, match="cannot be read or written"), lab.service():
        pass


def test_a_run_directory_that_others_can_read_holds_no_trusted_key(fake: Fake, lab: Lab) -> None:
    with lab.service():
        pass
    (lab.run / "slurm" / "key").chmod(0o644)
    with pytest.raises(DeffeError, match="not a file that you alone own"), lab.service():
        pass


def test_close_is_quick_and_leaves_the_jobs(fake: Fake, lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fake.plan("hold")
    with lab.service() as made:
        thread, done = lab.background(SlurmExecutor(made, "evaluate"), lab.job(0, "true"))
        lab.wait_until(fake.jobs)
        start = time.monotonic()
        made.close()
        thread.join(5)
        assert time.monotonic() - start < 5
        assert not thread.is_alive()
        assert done == []
        assert made.left() == 1
        assert fake.calls("scancel") == []
        assert made.cancel() == 1
        assert fake.calls("scancel") == [["100"]]
