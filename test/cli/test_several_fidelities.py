"""Runs in several fidelities: what a cheap one says is learned from, and is no result."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from deffe.report.content import at_target, front_rows
from deffe.report.gather import gather

if TYPE_CHECKING:
    from conftest import Project

QUICK_IS_LOW = """
import numpy as np

def costs(points):
    a, detailed = np.asarray(points["a"], dtype=float), np.asarray(points["simulator"]) == "detailed"
    return {"time": np.where(detailed, 100, 1) + (a - 5) ** 2, "area": np.where(detailed, 50, 2) + 11 - a}
"""
KNOBS = [
    {"name": "a", "values": "1-12"},
    {"name": "b", "values": "1-5"},
    {"name": "simulator", "values": ["quick", "detailed"]},
]
FIDELITY = {"knob": "simulator", "target": "detailed", "seconds": {"quick": 1, "detailed": 9}}


def explored(project: Project, objectives: list[str], *arguments: object, code: str = QUICK_IS_LOW) -> str:
    project.python(
        code,
        knobs=KNOBS,
        costs=["time", "area"],
        objectives=objectives,
        model={"pyscript": "gaussian_process"},
        sampling={"init_batch_samples": 20, "fixed_samples": 10},
        exploration={"pyscript": "multi_fidelity", "options": {"fidelity": FIDELITY}},
    )
    return project.run("-step-end", 2, *arguments).ok().out


@pytest.mark.parametrize("objectives", [["time"], ["time", "area"]])
@pytest.mark.parametrize("more", [(), ("-predict-space", "-predict-limit", 10), ("-no-inference",)])
def test_the_cheap_fidelity_is_never_told_as_best(
    project: Project, objectives: list[str], more: tuple[object, ...]
) -> None:
    out = explored(project, objectives, *more)
    assert "only points with simulator=detailed count as best" in out
    best = re.findall(r"min \w+ = .* at (.*)", out)
    predicted = "-no-inference" not in more
    assert len(best) >= len(objectives) * (1 + (predicted and "-predict-space" not in more))
    assert all("simulator=detailed" in point for point in best)
    front = out[out.find("Pareto front") : out.find("what drives")] if len(objectives) > 1 else ""
    assert not re.search(r" quick\b", front)
    designs = pd.read_csv(project.path("deffe_recommended.csv"))
    assert set(designs["simulator"]) == {"detailed"}
    if predicted and len(designs[designs["State"] == "predicted"]):
        assert designs.loc[designs["State"] == "predicted", "Chance"].notna().all()
    assert set(pd.read_csv(project.path("deffe_output.csv"))["simulator"]) == {"quick", "detailed"}


def test_why_there_is_no_forecast_is_told_of_the_points_that_count(project: Project) -> None:
    out = explored(project, ["time"])
    costs = pd.read_csv(project.path("deffe_evaluation.csv"))
    counting = int((costs["simulator"] == "detailed").sum())
    assert 1 < counting < 20 <= len(costs)
    assert f"no forecast: {counting} points that count are done, and at least 20 are needed" in out


def test_the_report_s_front_is_of_the_fidelity_that_counts(project: Project) -> None:
    explored(project, ["time", "area"])
    part = gather(project.path("explore")).parts[0]
    assert part.target == {"simulator": "detailed"}
    rows = front_rows(part)
    assert len(rows)
    assert at_target(part.knobs, part.target, part.points.levels[rows]).all()
    assert part.predicted.front.any()
    assert at_target(part.knobs, part.target, part.predicted.levels[part.predicted.front]).all()
    project.run("-report", "explore").ok()


def test_knobs_that_predict_does_not_name_are_as_in_the_best_of_the_dear_fidelity(project: Project) -> None:
    explored(project, ["time"])
    out = project.run("-predict", "a=3").ok().out
    assert re.search(r"  a=3  \(b=\d simulator=detailed\)", out)
    assert "cheap fidelity" not in out


def test_where_the_dear_fidelity_always_fails_predict_tells_that_it_begins_with_a_cheap_point(project: Project) -> None:
    explored(
        project, ["time"], code=QUICK_IS_LOW.replace("np.where(detailed, 100, 1)", "np.where(detailed, np.nan, 1)")
    )
    out = project.run("-predict", "a=3").ok().out
    assert re.search(r"  a=3  \(b=\d simulator=quick\)", out)
    assert "that point is of a cheap fidelity: no point that counts is done" in out


def test_the_best_is_that_of_the_dear_fidelity_though_the_cheap_one_says_less(project: Project) -> None:
    out = explored(project, ["time"], "-no-train")
    costs = pd.read_csv(project.path("deffe_output.csv"))
    quick = costs["simulator"] == "quick"
    assert np.nanmin(costs.loc[quick, "time"]) < np.nanmin(costs.loc[~quick, "time"])
    best = re.search(r"min time = ([\d,]+)", out)
    assert best
    assert float(best[1]) == np.nanmin(costs.loc[~quick, "time"])


def test_compared_runs_have_the_best_of_the_dear_fidelity(project: Project) -> None:
    explored(project, ["time"], "-no-train", "-run-directory", "a", "-seed", 1)
    explored(project, ["time"], "-no-train", "-run-directory", "b", "-seed", 2)
    project.run("-compare", "one=a", "two=b").ok()
    found = pd.read_csv(project.path("deffe_compare.csv"))
    assert (found["best_time"] >= 100).all()
    assert (found["failed"] == 0).all()
    assert (found["points"] == 30).all()


def test_cheap_points_that_improve_do_not_keep_a_run_going(project: Project) -> None:
    """By the quick costs, a hundred times lower, the first step that has some would improve the best."""
    project.write("mine.py", LATE_QUICK)
    project.python(
        QUICK_IS_LOW,
        knobs=KNOBS,
        costs=["time", "area"],
        objectives=["time"],
        sampling={"pyscript": "mine.py", "custom_samples": [6, 12, 18]},
        exploration={"pyscript": "mine.py"},
    )
    ended = project.run("-no-train", "-patience", 1).ok()
    assert "the last step has improved the best by 0 %" in ended.out
    assert len(project.table()) == 12


LATE_QUICK = """
import numpy as np

class Both:
    def __init__(self, framework):
        self._space = framework.space
    def Initialize(self): ...
    def Run(self, step, count, known=None):
        points = self._space.points(range(self._space.size))
        quick = points[points[:, 2] == (1 if step <= 0 else 0)]
        return self._space.of_levels(step, quick[:count])
    def Target(self): return {"simulator": "detailed"}

class Explorer(Both):
    def Run(self): return None

def GetObject(framework):
    return (Both if framework.place == "sampling" else Explorer)(framework)
"""


EXPLORER = """
class Explorer:
    def Initialize(self): ...
    def Run(self): ...
    def Target(self): return {target}

def GetObject(framework): return Explorer()
"""


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("{'simulater': 1}", "did you mean 'simulator'"),
        ("{'a': 99}", "a cannot be 99"),
        ("'a'", "Target gave str"),
    ],
)
def test_a_target_that_cannot_be_is_refused(project: Project, target: str, said: str) -> None:
    project.write("mine.py", EXPLORER.replace("{target}", target))
    project.python(QUICK_IS_LOW, knobs=KNOBS, costs=["time", "area"], exploration={"pyscript": "mine.py"})
    project.run("-no-train").refused(said)
    assert not project.path("deffe_output.csv").exists()
