"""What a run tells and does when the same directory is started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project

BROKEN_FOR_8 = """if [ $size = 8 ]; then echo "no licence" >&2; exit 3; fi
echo $((size * 100 + ways)) > results.out
echo 1 >> results.out
"""
MENDED = """echo $((size * 100 + ways)) > results.out
echo 1 >> results.out
"""


def test_failed_points_are_evaluated_again_when_asked_for(project: Project) -> None:
    project.shell(BROKEN_FOR_8).run("-no-train").ok()
    assert set(project.numbers().query("State == 'failed'")["size"]) == {8}
    project.shell(MENDED).run("-no-train").ok()
    assert set(project.numbers().query("State == 'failed'")["size"]) == {8}
    project.run("-no-train", "-retry-failed").ok()
    table = project.numbers()
    assert set(table["State"]) == {"done"}
    assert (table["cycles"] == table["size"] * 100 + table["ways"]).all()
    assert len(table) == len(table.drop_duplicates(["size", "ways"]))


def test_a_run_that_goes_on_says_so(project: Project) -> None:
    project.shell(MENDED).run("-no-train", "-custom-samples", 5).ok()
    ended = project.run("-no-train", "-custom-samples", 5, 8).ok()
    assert "going on with the run" in ended.err
    assert "5 points done, 0 failed, 0 to do" in ended.err


def test_a_script_that_was_edited_between_runs_is_told(project: Project) -> None:
    project.shell(MENDED).run("-no-train", "-custom-samples", 5).ok()
    assert "has changed since" not in project.run("-no-train", "-custom-samples", 5, 6).ok().err
    project.shell(MENDED.replace("100", "1000"))
    ended = project.run("-no-train", "-custom-samples", 5, 6, 8).ok()
    assert "evaluate.sh has changed since 6 points were evaluated" in ended.err


def test_why_a_run_ended_is_told_as_it_is(project: Project) -> None:
    shell = project.shell(MENDED)
    assert "stopped: the last step asked for, 0, is done" in shell.run("-no-train", "-custom-samples", 4).ok().out
    assert "(-max-samples)" in shell.run("-no-train", "-max-samples", 6).ok().out
    assert "stopped: every point there is has been evaluated" in shell.run("-no-train").ok().out
    method = ("-sampling-method", "plackett_burman", "-run-directory", "design")
    assert "has no more points than" in shell.run("-no-train", *method).ok().out


def test_numbers_reach_scripts_as_they_were_written(project: Project) -> None:
    knobs = [{"name": "version", "values": "3.8,3.10,1e3"}]
    script = 'echo "$version" >> "$DEFFE_CONFIG_DIR/seen.log"; echo 1 > results.out; echo 1 >> results.out\n'
    project.shell(script, knobs=knobs, constraints=[])
    project.run("-no-train", "-run-directory", "spelled").ok()
    assert sorted((project.folder / "seen.log").read_text().split()) == ["1e3", "3.10", "3.8"]
