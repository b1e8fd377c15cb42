"""A user's own module of each kind, from a file beside the configuration: the contract, and whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kinds import PLACES

from deffe.testing import check_plugin, make_framework

if TYPE_CHECKING:
    from conftest import Project

SAMPLER = """
from deffe.api import Batch, Framework


class InOrder:
    def __init__(self, framework: Framework) -> None:
        self._space = framework.space

    def Initialize(self) -> None: ...

    def Run(self, step, count, known) -> Batch:
        first = len(known)
        return self._space.batch(step, range(first, min(first + count, self._space.size)))


def GetObject(framework):
    return InOrder(framework)
"""
EVALUATOR = """
import numpy as np
from deffe.api import Batch, Field, Framework, Options, Outcome, State


class Given(Options):
    scale: float = Field(default=1.0, gt=0, description="factor of the costs")


class Evaluator:
    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._scale = framework.options(Given).scale

    def Initialize(self) -> None: ...

    def Run(self, batch: Batch):
        for row in range(len(batch)):
            values = self._framework.space.trial_values(batch.levels[row])
            costs = np.full((1, len(self._framework.costs)), float(values["size"]) * self._scale)
            yield Outcome(np.array([row]), np.array([State.DONE], dtype=np.int8), costs)


def GetObject(framework):
    return Evaluator(framework)
"""
EXTRACTOR = """
from deffe.api import EvaluationError


class Extractor:
    def __init__(self, framework):
        self._costs = framework.costs

    def Initialize(self): ...

    def Run(self, trial):
        file = trial.folder / "mine.txt"
        if not file.exists():
            raise EvaluationError("mine.txt is not there")
        return dict.fromkeys(self._costs, float(file.read_text()) + 0.5)


def GetObject(framework):
    return Extractor(framework)
"""
MODEL = """
import numpy as np
from deffe.api import CostReport, ModelReport, Prediction


class Mean:
    def __init__(self, framework):
        self._costs = framework.costs

    def Initialize(self): ...

    def Run(self, features, costs):
        self._mean = costs.mean(axis=0)
        reports = tuple(CostReport(cost, "by guess", len(costs), 12.5, 0.0, 0.0) for cost in self._costs)
        return ModelReport("mean", len(costs), reports)

    def Predict(self, features):
        mean = np.tile(self._mean, (len(features), 1))
        return Prediction(mean, np.ones_like(mean))


def GetObject(framework):
    return Mean(framework)
"""
EXPLORER = """
from deffe.api import Advice


class Explorer:
    def __init__(self, framework):
        self._space = framework.space

    def Initialize(self): ...

    def Run(self, step, known):
        if step == 1:
            return Advice(stop="my explorer has seen enough")
        space = self._space
        unseen = [i for i in reversed(range(space.size)) if space.ids(space.points([i]))[0] not in known]
        return Advice(points=self._space.batch(step + 1, unseen[:3]))


def GetObject(framework):
    return Explorer(framework)
"""
MINE = {"sampler": SAMPLER, "evaluator": EVALUATOR, "extractor": EXTRACTOR, "model": MODEL, "explorer": EXPLORER}
SCRIPT = 'echo "$size" > mine.txt\n'
BARE = """
import os
import argparse
import shlex


class DeffeExploration:
    def __init__(self, framework):
        self.config = framework.config.GetExploration()
        self.framework = framework

    def Initialize(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("-depth", type=int, default=1)
        self.args = parser.parse_args(shlex.split(self.config.arguments))

    def Run(self):
        with open(os.path.join(self.framework.config.folder, "ran"), "a") as log:
            log.write(str(self.args.depth))


def GetObject(framework):
    return DeffeExploration(framework)
"""
"""The bare minimal class of older plugins, as users have it."""


@pytest.mark.parametrize("kind", MINE)
@pytest.mark.parametrize("name", ["mine.py", "mine"])
def test_it_keeps_the_contract(project: Project, kind: str, name: str) -> None:
    project.write("mine.py", MINE[kind])
    check_plugin(kind, name, make_framework(project.folder, PLACES[kind]))


@pytest.mark.parametrize(
    ("kind", "old", "new", "said"),
    [
        ("sampler", "min(first + count, self._space.size)", "min(first + 9, self._space.size)", "at most 4 points"),
        ("sampler", "first = len(known)", "first = 0", "known are not proposed again"),
        ("evaluator", "range(len(batch))", "range(len(batch) - 1)", "exactly one outcome"),
        ("evaluator", "State.DONE", "State.FAILED", "NaN, never a number"),
        ("evaluator", "* self._scale", "* float('nan')", "costs of done points are finite"),
        ("extractor", 'raise EvaluationError("mine.txt is not there")', "return {'cycles': 0}", "EvaluationError"),
        ("model", "np.ones_like(mean)", "-np.ones_like(mean)", "not negative"),
        ("model", "(len(features), 1)", "(len(features) - 1, 1)", "the mean has shape"),
        ("model", "self._mean = costs.mean(axis=0)", "self._mean = np.random.default_rng().random(2)", "same seed"),
        ("explorer", "return Advice(points=", "return (", "Advice or None"),
    ],
)
def test_the_kit_finds_what_breaks_the_contract(project: Project, kind: str, old: str, new: str, said: str) -> None:
    assert old in MINE[kind]
    project.write("mine.py", MINE[kind].replace(old, new))
    with pytest.raises(AssertionError, match=said):
        check_plugin(kind, "mine.py", make_framework(project.folder, PLACES[kind]))


def test_a_run_of_all_five(project: Project) -> None:
    for kind, text in MINE.items():
        project.write(f"my_{kind}.py", text)
    keys = {PLACES[kind]: {"pyscript": f"my_{kind}.py"} for kind in MINE}
    keys["evaluate"] |= {"options": {"scale": 10}}
    ended = project.config(**keys).call("-init-batch-samples", 4, "-fixed-samples", 3).ok()
    everything = project.numbers()
    table = everything[everything["State"] == "done"]
    assert project.per_step("deffe_evaluation.csv") == [4, 3]
    assert table["size"].tolist() == [1, 2, 4, 8, 8, 4, 2]  # four in order, then three from the other end
    assert (table["cycles"] == table["size"] * 10).all()
    assert "stopped: my explorer has seen enough" in ended.out
    assert "12.50 %" in ended.out
    assert "by guess" in ended.out
    predicted = everything[everything["State"] == "predicted"]
    assert len(predicted) == 5
    assert predicted["cycles"].nunique() == 1


def test_an_extractor_of_scripts(project: Project) -> None:
    project.write("my_extractor.py", EXTRACTOR)
    project.shell(SCRIPT + "[ $size != 2 ] || rm mine.txt\n", extract={"pyscript": "my_extractor.py"})
    project.run("-no-train").ok()
    table = project.numbers()
    done = table[table["State"] == "done"]
    assert (done["cycles"] == done["size"] + 0.5).all()
    assert set(table[table["size"] == 2]["Reason"]) == {"mine.txt is not there"}


def test_plugins_on_the_python_path_with_helper_modules(project: Project, other: Project) -> None:
    other.write("in_order_helper.py", "FIRST = 0\n")
    other.write("from_elsewhere.py", SAMPLER.replace("class", "from in_order_helper import FIRST\n\n\nclass"))
    project.shell(python_path=[str(other.folder)], sampling={"pyscript": "from_elsewhere"})
    project.run("-no-train", "-custom-samples", 3).ok()
    assert project.numbers()["size"].tolist() == [1, 2, 4]


def test_a_file_named_like_a_builtin_plugin_wins_when_named_as_a_file(project: Project) -> None:
    project.write("random.py", SAMPLER)
    project.shell(sampling={"pyscript": "random.py"}).run("-no-train", "-custom-samples", 3).ok()
    assert project.numbers()["size"].tolist() == [1, 2, 4]
    project.shell(sampling={"pyscript": "random"}, framework={"run_directory": "second"})
    project.run("-no-train", "-custom-samples", 6).ok()
    assert project.numbers()["size"].tolist() != [1, 2, 4, 8, 1, 2]


def test_the_bare_minimal_class_runs_as_an_explorer(project: Project) -> None:
    project.write("bare.py", BARE)
    project.shell(exploration={"pyscript": "bare.py", "arguments": "-depth 7"})
    project.run("-no-train", "-init-batch-samples", 2, "-fixed-samples", 3, "-step-end", 3).ok()
    assert project.path("ran").read_text() == "777"  # after each step
    assert len(project.table()) == 8


@pytest.mark.parametrize("kind", ["sampler", "evaluator", "extractor"])
def test_the_bare_minimal_class_is_accepted_as_any_kind(project: Project, kind: str) -> None:
    project.write("bare.py", BARE)
    project.shell(**{PLACES[kind]: {"pyscript": "bare.py"}})
    project.run("-validate").ok()


def test_a_bare_model_needs_to_predict_as_well(project: Project) -> None:
    project.write("bare.py", BARE)
    project.shell(model={"pyscript": "bare.py"})
    project.run("-validate").refused("config.json", "model", "bare", "no method Predict")
    predict = "        return None\n\n    def Predict(self):\n        return None\n\n\ndef GetObject"
    project.write("bare2.py", BARE.replace("\n\ndef GetObject", predict))
    project.shell(model={"pyscript": "bare2.py"}).run("-validate").ok()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("sampler", ()),  # it proposes nothing, which ends the run
        ("evaluator", ("evaluator 'bare'", "Run returned None", "an iterator of Outcome")),
    ],
)
def test_what_a_bare_class_does_as_another_kind(project: Project, kind: str, words: tuple[str, ...]) -> None:
    project.write("bare.py", BARE)
    project.shell(**{PLACES[kind]: {"pyscript": "bare.py"}})
    ended = project.run("-no-train")
    assert project.evaluated() == []
    if words:
        ended.refused(*words, code=1)
    else:
        assert "0 points evaluated" in ended.ok().out


def test_a_bare_extractor_fails_every_point_with_a_reason(project: Project) -> None:
    project.write("bare.py", BARE)
    project.shell(extract={"pyscript": "bare.py"}).run("-no-train").ok()
    table = project.table()
    assert set(table["State"]) == {"failed"}
    assert table["Reason"].str.contains("extractor 'bare' gave NoneType").all()
    assert set(table["cycles"]) == {""}


def test_an_entry_point_is_found(project: Project, other: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package brings plugins by the entry-point group ``deffe.plugins``."""
    other.write("my_package_of_plugins.py", SAMPLER)
    other.write("my_package-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n")
    other.write(
        "my_package-1.0.dist-info/entry_points.txt", "[deffe.plugins]\nsampler.by_turns = my_package_of_plugins\n"
    )
    monkeypatch.syspath_prepend(str(other.folder))
    project.shell(sampling={"method": "by_turns"}).run("-no-train", "-custom-samples", 3).ok()
    assert project.numbers()["size"].tolist() == [1, 2, 4]
    assert Path(other.folder).exists()
