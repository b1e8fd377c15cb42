"""Rules that end a run: each of them, in steps and in pipeline mode, on resume, and those that cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Ended, Project

CODE = """
def costs(frame):
    a, b = frame["a"], frame["b"]
    return {"cycles": (a - 7) ** 2 + (b - 20) ** 2 + 100, "area": a + b}
"""
KNOBS = [{"name": name, "values": "1-31"} for name in "ab"]
"""900 points."""
SLEEPS = """echo "$size $ways" >> "$DEFFE_CONFIG_DIR/evaluated.log"
sleep 0.2
echo $((size * 100 + ways)) > results.out
"""
STEPS = ("-init-batch-samples", 20, "-fixed-samples", 10)
MODES = pytest.mark.parametrize("mode", [(), ("-pipeline",)], ids=["steps", "pipeline"])
UNLEARNED = ("-no-train", "-no-inference")


def swift(project: Project, stop: dict[str, Any] | None = None, **keys: Any) -> Project:
    """A project whose points take no time."""
    exploration = {"stop": stop or {}, **keys.pop("exploration", {})}
    given = {
        "knobs": KNOBS,
        "costs": ["cycles", "area"],
        "objectives": {"cycles": "min"},
        "model": {"pyscript": "gaussian_process"},
        "exploration": exploration,
        **keys,
    }
    return project.python(CODE, **given)


def slow(project: Project, **keys: Any) -> Project:
    """A project whose points take a fifth of a second, two at a time."""
    given = {
        "knobs": [{"name": "size", "values": "1-31"}, {"name": "ways", "values": "1-5"}],
        "costs": ["cycles"],
        "evaluate": {"workers": 2},
        **keys,
    }
    return project.shell(SLEEPS, **given)


def stopped(ended: Ended, *words: str) -> str:
    line = next(line for line in ended.ok().out.splitlines() if "stopped:" in line)
    missing = [word for word in words if word not in line]
    assert not missing, line
    return line


def states(project: Project, table: str = "deffe_output.csv") -> dict[str, int]:
    return dict(project.numbers(table)["State"].value_counts())


@MODES
def test_evaluations_are_counted_to_the_point(project: Project, mode: tuple[str, ...]) -> None:
    ended = swift(project, {"evaluations": 45}).run(*STEPS, *UNLEARNED, *mode)
    stopped(ended, "evaluations allowed, 45")
    assert states(project) == {"done": 45}


@MODES
def test_a_spent_budget_stays_spent_and_a_larger_one_goes_on(project: Project, mode: tuple[str, ...]) -> None:
    swift(project, {"evaluations": 45})
    first = stopped(project.run(*STEPS, *UNLEARNED, *mode))
    assert stopped(project.run(*STEPS, *UNLEARNED, *mode)) == first
    assert len(project.numbers()) == 45
    stopped(project.run(*STEPS, *UNLEARNED, *mode, "-max-evaluations", 62), "62")
    assert states(project) == {"done": 62}
    assert project.per_step() == [20, 10, 10, 10, 10, 2]


@MODES
def test_known_results_are_free(project: Project, mode: tuple[str, ...]) -> None:
    rows = "\n".join(
        f"{a},{b},{(a - 7) ** 2 + (b - 20) ** 2 + 100},{a + b}" for a in range(1, 16) for b in range(1, 31)
    )
    project.write("known.csv", f"a,b,cycles,area\n{rows}\n")
    explore = [{"pre_evaluated_data": "known.csv"}]
    swift(project, {"evaluations": 30}, exploration={"explore": explore})
    stopped(project.run(*STEPS, *UNLEARNED, *mode), "30")
    sources = project.numbers()["Source"].value_counts()
    assert sources["evaluated"] == 30
    assert sources["pre_evaluated"] > 5


def test_where_only_known_results_are_explored_they_count(project: Project) -> None:
    rows = "\n".join(f"{a},{b},{a * b},{a + b}" for a in range(1, 31) for b in range(1, 31))
    project.write("known.csv", f"a,b,cycles,area\n{rows}\n")
    explore = [{"pre_evaluated_data": "known.csv", "only_preloaded": True}]
    ended = swift(project, {"evaluations": 33}, exploration={"explore": explore}).run(*STEPS, *UNLEARNED)
    stopped(ended, "33")
    assert states(project) == {"done": 33}


def test_an_exploration_has_a_budget_of_its_own(project: Project) -> None:
    explore = [{"name": "small", "stop": {"evaluations": 25}}, {"name": "large"}]
    explore = [{**entry, "all_table": f"{entry['name']}.csv"} for entry in explore]
    ended = swift(project, {"evaluations": 35}, exploration={"explore": explore}).run(*STEPS, *UNLEARNED).ok()
    assert "evaluations allowed, 25" in ended.out
    assert "evaluations allowed, 35" in ended.out
    assert [len(project.numbers(name)) for name in ("small.csv", "large.csv")] == [25, 35]
    ended = project.run(*STEPS, *UNLEARNED, "-max-evaluations", 41).ok()
    assert ended.out.count("evaluations allowed, 41") == 2


@MODES
@pytest.mark.parametrize("rule", ["-max-hours", "-max-start-hours", "-max-core-hours"])
def test_when_hours_are_used_up_what_runs_ends_and_nothing_is_started(
    project: Project, rule: str, mode: tuple[str, ...]
) -> None:
    """Points of 0.2 s, two at a time: after a second about ten of the forty of the first step."""
    command = ("-init-batch-samples", 40, "-fixed-samples", 10, *UNLEARNED, *mode, "-step-end", 2)
    ended = slow(project).run(*command, rule, 1 / 3600)
    stopped(ended, rule.replace("-max-", "").replace("-", "_"))
    found = states(project)
    assert 2 <= found["done"] < 40
    assert len(project.evaluated()) == found["done"]  # what was started has ended, and is kept
    before = found["done"]
    if rule != "-max-start-hours":
        stopped(project.run(*command, rule, 1 / 3600), "are allowed")
        assert len(project.evaluated()) == before
    stopped(project.run(*command, rule, 1), "the last step")
    assert states(project) == {"done": 50}
    assert len(project.evaluated()) == 50


def test_core_hours_count_the_cores_of_a_point(project: Project) -> None:
    command = ("-init-batch-samples", 30, *UNLEARNED, "-disable-threading", "-step-end", 1)
    stopped(slow(project, evaluate={"cpus": 4}).run(*command, "-max-core-hours", 4 / 3600), "core hours")
    assert 4 <= states(project)["done"] <= 6


def test_hours_of_the_run_are_those_of_all_its_explorations(project: Project) -> None:
    explore = [{"name": name, "all_table": f"{name}.csv"} for name in ("one", "two")]
    ended = slow(project, exploration={"explore": explore, "stop": {"core_hours": 1 / 3600}}).run(*UNLEARNED).ok()
    assert ended.out.count("the run has taken") == 2
    assert "two: 0 points evaluated" in ended.out


@MODES
def test_the_target_error_ends_it_whatever_the_explorer(project: Project, mode: tuple[str, ...]) -> None:
    project.write("sleeper.py", "class Sleeper:\n    def Initialize(self): pass\n    def Run(self): pass\n"
                  "def GetObject(framework):\n    return Sleeper()\n")  # fmt: skip
    swift(project, {"target_error": 30}, exploration={"pyscript": "sleeper.py"})
    stopped(project.run(*STEPS, *mode), "has reached the target of 30 %")
    assert states(project)["done"] < 200


def test_an_exploration_has_a_target_of_its_own(project: Project) -> None:
    explore = [{"name": "easy", "stop": {"target_error": 60}}, {"name": "hard"}]
    swift(project, exploration={"explore": explore, "target_error": 0.0001})
    ended = project.run(*STEPS, "-step-end", 2).ok()
    assert "the target of 60 %" in ended.out
    assert "the last step asked for, 1, is done" in ended.out


@MODES
@pytest.mark.parametrize("objectives", [{"cycles": "min"}, {"cycles": "min", "area": "max"}], ids=["one", "two"])
def test_steps_without_improvement_end_it(project: Project, mode: tuple[str, ...], objectives: dict[str, str]) -> None:
    ended = swift(project, {"patience": 3, "improvement": 2}, objectives=objectives).run(*STEPS, *UNLEARNED, *mode)
    stopped(ended, "the last 3 steps have improved", "less than 2 %")
    count = len(project.numbers())
    assert 50 <= count < 900
    stopped(project.run(*STEPS, *UNLEARNED, *mode), "the last 3 steps have improved")
    assert len(project.numbers()) == count


def test_patience_looks_at_the_objectives_it_names(project: Project) -> None:
    swift(
        project,
        {"patience": 1, "objectives": "area"},
        objectives={"cycles": "min", "area": "min"},
        costs=["cycles", "area"],
    )
    stopped(project.run(*STEPS, *UNLEARNED), "the last step has improved the best by")


@MODES
@pytest.mark.parametrize("objectives", [{"cycles": "min"}, {"cycles": "min", "area": "max"}], ids=["one", "two"])
def test_little_to_gain_ends_it(project: Project, mode: tuple[str, ...], objectives: dict[str, str]) -> None:
    ended = swift(
        project, {"predicted_gain": 1}, objectives=objectives, exploration={"pyscript": f"cost_{len(objectives)}d"}
    ).run(*STEPS, *mode, "-no-inference", "-max-samples", 200)
    stopped(ended, "is expected to improve", "predicted_gain")
    count = len(project.numbers())
    assert count < 200
    stopped(project.run(*STEPS, *mode, "-no-inference", "-max-samples", 200), "predicted_gain")
    assert len(project.numbers()) == count


def test_a_step_that_a_budget_ended_is_finished_before_the_next_one(project: Project) -> None:
    command = ("-init-batch-samples", 20, "-fixed-samples", 10, *UNLEARNED, "-step-end", 3)
    slow(project).run(*command, "-max-core-hours", 1 / 3600).ok()
    project.run(*command).ok()
    assert project.per_step() == [20, 10, 10]
    assert len(set(project.evaluated())) == len(project.evaluated()) == 40


def test_a_rehearsal_knows_no_budget(project: Project) -> None:
    slow(project, exploration={"stop": {"evaluations": 3, "hours": 1e-9}}).run("-no-run").ok()


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        ({"evaluation": 3}, ("exploration.stop", "unknown key 'evaluation'", "evaluations")),
        ({"evaluations": 0}, ("exploration.stop.evaluations",)),
        ({"evaluations": 2.5}, ("exploration.stop.evaluations",)),
        ({"hours": "soon"}, ("exploration.stop.hours",)),
        ({"core_hours": 0}, ("exploration.stop.core_hours",)),
        ({"patience": -2}, ("exploration.stop.patience",)),
        ({"predicted_gain": float("nan")}, ("NaN",)),
        ({"patience": 2, "objectives": "cycle"}, ("exploration.stop.objectives", "'cycle' is no objective", "cycles")),
        ({"patience": 2, "objectives": "area"}, ("'area' is no objective",)),
        ({"target_error": 3}, ("exploration.stop.target_error", "exploration.target_error", "give one of them")),
        (5, ("exploration.stop", "an object is needed here")),
    ],
)
def test_bad_rules_are_found_before_anything_runs(project: Project, stop: Any, words: tuple[str, ...]) -> None:
    swift(project, exploration={"stop": stop, "target_error": 4})
    project.run("-validate").refused(*words)
    explore = {"target_error": 4, "explore": [{"stop": stop}]}
    if stop != {"target_error": 3}:
        swift(project, exploration=explore).run().refused(*(word.replace("exploration.stop", "stop") for word in words))
    assert not project.path("explore").exists()


@pytest.mark.parametrize("flag", ["-max-evaluations", "-max-hours", "-max-core-hours", "-patience", "-min-gain"])
def test_flags_must_be_above_nothing(project: Project, flag: str) -> None:
    swift(project).run(flag, 0, "-validate").refused(flag, "allowed: above 0")


@pytest.mark.parametrize(
    ("stop", "flags", "word"),
    [
        ({"target_error": 3}, ("-no-train",), "target_error can never be reached: nothing is learned (-no-train)"),
        ({"predicted_gain": 3}, ("-no-train",), "predicted_gain can never hold: nothing is learned"),
        ({"patience": 3}, ("-custom-samples", 10, 20, 30), "patience can never hold: it is of 3 steps"),
        ({"improvement": 3}, (), "improvement has no effect"),
    ],
)
def test_rules_that_cannot_hold_are_told(
    project: Project, stop: dict[str, Any], flags: tuple[object, ...], word: str
) -> None:
    assert word in swift(project, stop).run("-validate", *flags).ok().err


def test_the_gain_of_what_is_not_learned_cannot_be_predicted(project: Project) -> None:
    swift(project, {"predicted_gain": 3}, model={"exclude_costs": "cycles"})
    assert "the model does not learn cycles" in project.run("-validate").ok().err
