"""What a run recommends at its end: the best points, their chances, a whole space predicted, an explorer's answer."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from conftest import Project

CODE = """
def costs(frame):
    return {"cycles": 1000 + 20 * (frame["a"] - 9) ** 2 + frame["b"], "energy": 50 + frame["b"] + frame["a"]}
"""
SPACE: dict[str, Any] = {
    "knobs": [{"name": "a", "values": "0-20"}, {"name": "b", "values": "0-15"}],
    "costs": ["cycles", "energy"],
    "model": {"pyscript": "extra_trees", "options": {"trees": 20}},
}
"""300 points."""
TABLE = "deffe_recommended.csv"


def true_cycles(table: pd.DataFrame) -> pd.Series[Any]:
    return 1000 + 20 * (table["a"] - 9) ** 2 + table["b"]


def test_the_best_of_each_kind_are_recommended(project: Project) -> None:
    ended = project.python(CODE, **SPACE, exploration={"recommend": 4}).run("-custom-samples", 40).ok()
    table, evaluated = project.numbers(TABLE), project.numbers("deffe_evaluation.csv")
    predicted = project.numbers("deffe_prediction.csv")
    assert not table.duplicated(["a", "b"]).any()
    for cost in ("cycles", "energy"):
        for what, whole in (("evaluated", evaluated), ("predicted", predicted)):
            named = table[table["Why"].str.contains(rf"\b{what} {cost}", regex=True)]
            assert len(named) == 4
            np.testing.assert_allclose(np.sort(named[cost]), np.sort(whole[cost])[:4], rtol=1e-9)
    done = table[table["State"] == "done"]
    assert (done["cycles"] == true_cycles(done)).all()
    assert done["Chance"].isna().all()
    unseen = table[table["State"] == "predicted"]
    assert unseen["Chance"].between(0, 100).all()
    assert (unseen["cycles_lower"] <= unseen["cycles"]).all()
    assert "better than the best evaluated" in ended.out
    assert "predicted Pareto front" in ended.out
    assert f"written: {TABLE}" in ended.out


def test_what_is_surely_better_has_a_high_chance(project: Project) -> None:
    code = "def costs(frame):\n    return {'cycles': 100 * frame['a'] + frame['b']}\n"
    knobs = [{"name": "a", "values": "0-20"}, {"name": "b", "values": "0-10"}]
    project.write("points.csv", "a,b\n" + "".join(f"{a},{b}\n" for a in range(5, 20) for b in (0, 9)))
    sampling = {"method": "custom", "points": "points.csv", "custom_samples": [30]}
    project.python(code, knobs=knobs, costs=["cycles"], model={"pyscript": "gaussian_process"}, sampling=sampling)
    project.run("-run-directory", "second").ok()
    table = project.numbers(TABLE)
    chance = table.set_index(["a", "b"])["Chance"]
    assert chance[(0, 0)] > 99
    assert table["State"].tolist()[0] == "done"


def test_without_a_model_the_evaluated_ones_are_recommended(project: Project) -> None:
    ended = project.python(CODE, **SPACE).run("-custom-samples", 20, "-no-train").ok()
    table = project.numbers(TABLE)
    assert set(table["State"]) == {"done"}
    assert "predicted Pareto front" not in ended.out


ANSWER = """
import numpy as np
from deffe.api import Answer, Prediction

class Explorer:
    def __init__(self, framework):
        self._space = framework.space
    def Initialize(self): ...
    def Run(self): ...
    def Answer(self, known):
        {body}

def GetObject(framework):
    return Explorer(framework)
"""
GOOD = """
        unseen = self._space.points(range(self._space.size))
        unseen = unseen[~np.isin(self._space.ids(unseen), known)][:2]
        mean = np.array([[7.0, 8.0], [9.0, 10.0]])
        return Answer(self._space.of_levels(0, unseen), ("first", "second"), Prediction(mean, mean / 10))
"""


@pytest.mark.parametrize("train", [(), ("-no-train",)], ids=["with a model", "without"])
def test_an_explorer_s_answer_comes_first(project: Project, train: tuple[str, ...]) -> None:
    project.write("mine.py", ANSWER.format(body=GOOD))
    ended = project.python(CODE, **SPACE, exploration={"pyscript": "mine.py"}).run("-custom-samples", 20, *train).ok()
    first = project.numbers(TABLE).head(2)
    assert first["cycles"].tolist() == [7, 9]
    assert [why.split(";")[0] for why in first["Why"]] == ["mine: first", "mine: second"]
    assert first["energy_std"].tolist() == [0.8, 1.0]
    assert set(first["State"]) == {"predicted"}
    assert "recommended by the explorer:\n    cycles = 7, energy = 8 (predicted)  at a=" in ended.out


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no idea')", "no idea"),
        ("return 5", "Answer gave int"),
        ("return Answer(self._space.of_levels(0, np.full((1, 2), 99, dtype=np.int32)))", "no answer of the explorer"),
    ],
)
def test_an_answer_that_fails_loses_nothing(project: Project, body: str, said: str) -> None:
    project.write("mine.py", ANSWER.format(body=body))
    ended = project.python(CODE, **SPACE, exploration={"pyscript": "mine.py"}).run("-custom-samples", 20).ok()
    assert said in ended.out
    assert len(project.numbers(TABLE)) > 10
    assert len(project.table()) == 300


# --- a whole space

LARGE = {**SPACE, "knobs": [{"name": "a", "values": "0-300"}, {"name": "b", "values": "0-900"}]}
"""270,000 points."""


def test_a_whole_space_is_predicted_and_a_sample_of_it_written(project: Project) -> None:
    project.python(CODE, **LARGE)
    ended = project.run("-custom-samples", 30, "-predict-space", "-predict-limit", 500, "-workers", 1).ok()
    assert "269,970 predicted" in ended.out
    assert "the tables show 500 of the predicted points" in ended.out
    assert len(project.numbers("deffe_prediction.csv")) == 500
    whole = project.run("-custom-samples", 30, "-predict-limit", 300_000, "-workers", 1).ok()
    everything = project.numbers("deffe_prediction.csv")
    assert "the tables show" not in whole.out
    found = re.search(r"predicted:\n\s+min cycles = ([\d,.]+)", ended.out)
    assert found is not None
    assert float(found[1].replace(",", "")) == pytest.approx(everything["cycles"].min(), rel=1e-5)


def places() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [("-workers", "2")]
    return [*found, ("-executor", "dask", "-workers", "2")] if importlib.util.find_spec("distributed") else found


@pytest.mark.parametrize("place", places(), ids=" ".join)
def test_a_whole_space_is_predicted_the_same_elsewhere(
    project: Project, other: Project, place: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deffe.answer.sweep.LEAST_BLOCKS", 1)
    tables = []
    for here, where in ((project, ("-workers", "1")), (other, place)):
        arguments = ("-custom-samples", 30, "-predict-space", "-predict-limit", 500, *where)
        ended = here.python(CODE, **LARGE).run(*arguments).ok()
        assert "in this process" not in ended.err
        tables.append(here.table(TABLE))
    pd.testing.assert_frame_equal(*tables)


# --- what makes it hard to tell which point is best

EXPLORERS = ["predict_all", "cost_1d", "cost_2d"]


def explored(project: Project, code: str, explorer: str, **keys: Any) -> Any:
    sampling = {"custom_samples": [20, 30]}
    return project.python(code, **{**SPACE, **keys}, exploration={"pyscript": explorer}, sampling=sampling).run()


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_costs_that_are_all_equal_are_told(project: Project, explorer: str) -> None:
    code = "def costs(frame):\n    return {'cycles': 5 + 0 * frame['a'], 'energy': 2 + 0 * frame['b']}\n"
    ended = explored(project, code, explorer).ok()
    assert "cycles is 5 at every evaluated point" in ended.out
    assert "energy is 2 at every evaluated point" in ended.out
    assert len(project.numbers("deffe_evaluation.csv")) == 30


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_a_front_of_one_point_is_told(project: Project, explorer: str) -> None:
    code = "def costs(frame):\n    return {'cycles': 1.0 + frame['a'], 'energy': 2.0 + 2 * frame['a']}\n"
    ended = explored(project, code, explorer, knobs=[{"name": "a", "values": "0-60"}]).ok()
    assert "Pareto front, 1 evaluated point:" in ended.out
    assert "best in every objective" in ended.out


@pytest.mark.parametrize("explorer", EXPLORERS)
@pytest.mark.parametrize("points", [10, 30])
def test_that_all_points_failed_is_told(project: Project, explorer: str, points: int) -> None:
    project.shell("exit 3\n", exploration={"pyscript": explorer}, knobs=SPACE["knobs"])
    ended = project.run("-custom-samples", points)
    assert "nothing to learn or recommend" in ended.out
    assert "exit status 3" in ended.out
    assert ended.code == (3 if points >= 20 else 0)
    assert project.numbers(TABLE).empty


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_objectives_that_do_not_exist_and_spaces_without_points_are_refused(project: Project, explorer: str) -> None:
    project.python(CODE, **SPACE, exploration={"pyscript": explorer}, objectives={"heat": "min"})
    project.run().refused("objectives.heat", "unknown cost 'heat'", "cycles, energy")
    project.python(CODE, **SPACE, exploration={"pyscript": explorer}, constraints=["a > b + 100"])
    project.run().refused("no point", "a > b + 100")


def test_an_objective_that_an_explorer_is_told_of_must_exist(project: Project) -> None:
    chosen = {"pyscript": "cost_1d", "options": {"weights": {"cycles": 1, "heat": 2}}}
    project.python(CODE, **SPACE, exploration=chosen).run().refused("exploration.options", "'heat' is no objective")
