"""What a model is offered to start from: checkpoints of ``-icp``, and the sources of ``model.transfer``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from deffe.records import Prediction, Value
from deffe.sources import Source, corresponding

if TYPE_CHECKING:
    from conftest import Project

LINE = (Path(__file__).parents[1] / "models" / "line.py").read_text()
CODE = """
def costs(frame):
    return {"cycles": 1000 + frame["a"] * 20, "energy": 5 + frame["a"] / 4}
"""
SPACE: dict[str, Any] = {
    "knobs": [{"name": "a", "values": "0-20"}, {"name": "objects", "values": "10-30"}],
    "costs": ["cycles", "energy"],
}


@pytest.fixture
def learned(project: Project) -> Project:
    """A project with checkpoints of both costs, and a table of its results."""
    project.write("line.py", LINE)
    project.python(CODE, **SPACE, model={"pyscript": "line.py"}).run("-custom-samples", 40, "-no-inference").ok()
    return project


def target(project: Project, learned: Project, *sources: dict[str, Any], **keys: Any) -> Project:
    """A project that explores something like it."""
    project.write("line.py", LINE)
    knobs = [{"name": "A", "values": "0-30"}, {"name": "rows", "values": "1-9"}]
    model: dict[str, Any] = {"pyscript": "line.py", **({"transfer": {"from": list(sources)}} if sources else {})}
    space = {"knobs": knobs, "costs": ["energy", "time"], **keys}
    return project.python(
        "def costs(frame):\n    return {'energy': frame['A'] + 1.0, 'time': frame['rows'] + 1.0}\n",
        **space,
        model=model,
    )


def checkpoint(learned: Project, cost: int) -> str:
    return str(next(learned.path("checkpoints").glob(f"step0-cost{cost}-*")))


def offered(project: Project) -> list[str]:
    lines = project.path("line.log").read_text().splitlines()
    return [line.removeprefix("source ") for line in lines if line.startswith("source ")]


def test_a_checkpoint_goes_to_its_cost_and_the_others_in_order(learned: Project, other: Project) -> None:
    paths = [checkpoint(learned, 0), checkpoint(learned, 1)]
    ended = target(other, learned).run("-custom-samples", 20, "-icp", *paths).ok()
    assert offered(other) == [
        f"{paths[1]} [('energy', 'energy')] [('A', 'a')]",
        f"{paths[0]} [('time', 'cycles')] [('A', 'a')]",
    ]
    assert "taken for the cost time" in ended.err
    assert "at the middle of their ranges: objects" in ended.err
    assert "differs: objects" in ended.err


def test_sources_of_the_configuration(learned: Project, other: Project) -> None:
    table = str(learned.path("deffe_evaluation.csv"))
    sources = [
        {"table": table, "map": {"objects": "rows"}, "costs": {"time": "cycles"}},
        {"checkpoint": checkpoint(learned, 0), "cost": "cycles"},
    ]
    target(other, learned, *sources).run("-custom-samples", 20).ok()
    assert offered(other) == [
        f"{table} [('energy', 'energy'), ('time', 'cycles')] [('A', 'a'), ('rows', 'objects')]",
        f"{checkpoint(learned, 0)} [('energy', 'cycles'), ('time', 'cycles')] [('A', 'a')]",
    ]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"knobs": [{"name": "w", "values": "0-30"}]}, ["shares no knob", "a: 0.0 to 19.0"]),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    learned: Project, other: Project, keys: dict[str, Any], words: list[str]
) -> None:
    target(other, learned, **keys).run("-icp", checkpoint(learned, 0)).refused(*words)


def test_bad_sources(learned: Project, other: Project) -> None:
    target(other, learned).run("-icp", *[checkpoint(learned, 0)] * 3).refused("one checkpoint too many")
    other.write("else.csv", "x,y\n1,2\n")
    target(other, learned, {"table": "else.csv"}).run().refused("else.csv", "no column for a cost")
    other.write("else.csv", "x,energy\n1,2\n")
    target(other, learned, {"table": "else.csv"}).run().refused("else.csv", "no column for a knob")
    target(other, learned, {"checkpoint": checkpoint(learned, 0), "cost": "power"}).run().refused("shares no cost")


# the record


class Doubled:
    """Predicts twice a, plus b."""

    def __init__(self) -> None:
        self.path, self.model, self.cost, self.inputs = Path("d"), "d", "cycles", ("a", "b")
        self.fallback: dict[str, Value] = {"a": 5, "b": 7}
        self.facts: dict[str, Any] = {}

    def Predict(self, columns: Any) -> Prediction:
        mean = (2 * columns["a"] + columns["b"])[:, None]
        return Prediction(mean, np.ones_like(mean))


def test_a_source_predicts_by_the_names_here() -> None:
    source = Source("d", {"time": "cycles"}, {"x": "a"}, learned=Doubled())
    assert source.lacking == ("b",)
    assert source.Predict({"x": np.array([1.0, 2.0]), "y": np.array([9.0, 9.0])}).mean[:, 0].tolist() == [9, 11]
    with pytest.raises(ValueError, match="is a table"):
        Source("t", {}, {}).Predict({"x": np.ones(2)})


def test_knobs_correspond_by_name_then_map_and_case_where_that_is_clear() -> None:
    knobs = {"size": "SIZE", "ways": "ways", "Line": "l", "other": "other"}
    assert corresponding(knobs, ("size", "WAYS", "line", "x"), {"other": "x"}) == {
        "other": "x",
        "size": "size",
        "ways": "WAYS",
        "Line": "line",
    }
    assert corresponding({"a": "b"}, ("b", "a"), {}) == {"a": "a"}
    assert corresponding({"a": "a"}, ("A", "B"), {"x": "A"}) == {"x": "A"}
    assert corresponding({"Ab": "aB"}, ("ab", "AB"), {}) == {}
    assert corresponding({"rows": "size"}, ("objects",), {}, {"objects": "size"}) == {"rows": "objects"}


def test_a_map_that_names_no_knob_of_the_source_is_a_fault_before_the_run(project: Project) -> None:
    project.path("other.csv").write_text("size,ways,cycles\n1,1,9\n2,1,5\n4,2,3\n")
    knobs = [{"name": "size", "values": "1, 2, 4"}, {"name": "ways", "values": "1, 2"}]
    transfer = {"from": [{"table": "other.csv", "map": {"siz": "size"}}]}
    project.config({"knobs": knobs, "costs": ["cycles"], "model": {"transfer": transfer}})
    project.run("-validate").refused("siz", "size")


def test_text_for_a_cost_of_a_source_table_is_an_error(learned: Project, other: Project) -> None:
    other.write("other.csv", "a,energy\n1,2.0\n2,\n3,NaN\n4,broken\n")
    target(other, learned, {"table": "other.csv"}).run().refused("other.csv", "line 5", "'energy'", "'broken'")
