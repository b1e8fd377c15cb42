"""What a plugin that breaks the contract gets: a message with its place, exit code 2, and nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kinds import PLACES

if TYPE_CHECKING:
    from conftest import Project

WHOLE = """
class Mine:
    def __init__(self, framework):
        pass

    def Initialize(self):
        pass

    def Run(self):
        pass

    def Predict(self):
        pass


def GetObject(framework):
    return Mine(framework)
"""
BROKEN: dict[str, tuple[str, tuple[str, ...]]] = {
    "no GetObject": (WHOLE.replace("def GetObject", "def get_object"), ("mine.py", "has no GetObject")),
    "GetObject is no function": (WHOLE.replace("def GetObject", "GetObject = 3\n\n\ndef other"), ("has no GetObject",)),
    "GetObject without argument": (
        WHOLE.replace("GetObject(framework)", "GetObject()"),
        ("cannot be made", "TypeError"),
    ),
    "GetObject returns None": (WHOLE.replace("return Mine", "Mine"), ("no method Initialize",)),
    "no Run": (WHOLE.replace("def Run", "def run"), ("no method Run",)),
    "no Initialize": (WHOLE.replace("def Initialize", "def initialize"), ("no method Initialize",)),
    "Run is no method": (WHOLE.replace("    def Run(self):\n        pass", "    Run = 5"), ("no method Run",)),
    "unknown argument": (
        WHOLE.replace("Run(self)", "Run(self, bacth)"),
        ("Run asks for unknown argument 'bacth'", "allowed:"),
    ),
    "Initialize with argument": (WHOLE.replace("Initialize(self)", "Initialize(self, x)"), ("unknown argument 'x'",)),
    "syntax error": (WHOLE + "def broken(:\n", ("cannot be imported", "SyntaxError", "mine.py")),
    "import error": ("import no_such_module\n" + WHOLE, ("cannot be imported", "no_such_module", "mine.py:1")),
    "error at import": (WHOLE + "\n1 / 0\n", ("cannot be imported", "ZeroDivisionError")),
    "exit at import": (WHOLE + "\nraise SystemExit(0)\n", ("cannot be imported", "SystemExit")),
    "error in GetObject": (
        WHOLE.replace("return Mine", "1 / 0\n    return Mine"),
        ("cannot be made", "ZeroDivisionError"),
    ),
    "error in Initialize": (
        WHOLE.replace("def Initialize(self):\n        pass", "def Initialize(self):\n        open('/no')"),
        ("cannot be made", "/no"),
    ),
    "exit in Initialize": (
        WHOLE.replace("def Initialize(self):\n        pass", "def Initialize(self):\n        raise SystemExit(2)"),
        ("cannot be made", "SystemExit"),
    ),
    "unread options": (WHOLE, ("takes no options", "speed")),
}


def broken(project: Project, kind: str, text: str, **options: object) -> Project:
    project.write("mine.py", text)
    return project.shell(**{PLACES[kind]: {"pyscript": "mine.py", **({"options": options} if options else {})}})


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("kind", PLACES)
def test_a_plugin_that_cannot_be_loaded(project: Project, kind: str, fault: str) -> None:
    text, words = BROKEN[fault]
    broken(project, kind, text, **({"speed": 3} if fault == "unread options" else {}))
    before = project.contents()
    project.run().refused("config.json: 1 fault", PLACES[kind], "mine", *words)
    assert {name: text for name, text in project.contents().items() if "__pycache__" not in name} == before
    assert project.evaluated() == []


def test_all_broken_plugins_are_reported_together(project: Project) -> None:
    faults = ["no GetObject", "no Run", "unknown argument", "import error", "error in GetObject"]
    keys = {}
    for (kind, place), fault in zip(PLACES.items(), faults, strict=True):
        project.write(f"my_{kind}.py", BROKEN[fault][0])
        keys[place] = {"pyscript": f"my_{kind}.py"}
    ended = project.shell(**keys).run().refused("5 faults", *(f"my_{kind}" for kind in PLACES), *PLACES.values())
    assert len([line for line in ended.err.splitlines() if line.startswith("  ")]) == 5
    assert project.evaluated() == []


def test_unknown_options_of_a_plugin_have_their_place_and_a_near_match(project: Project) -> None:
    head = (
        "from deffe.api import Field, Options\n\n\nclass Given(Options):\n    speed: int = Field(default=1, ge=0)\n\n"
    )
    text = head + WHOLE.replace(
        "(self, framework):\n        pass", "(self, framework):\n        framework.options(Given)"
    )
    broken(project, "explorer", text, sped=3).run().refused("exploration.options.sped", "did you mean 'speed'")
    broken(project, "explorer", text, speed="x").run().refused("exploration.options.speed", "'x'")
    broken(project, "explorer", text, speed=-1, other=2).run().refused("exploration.options.other")
    assert project.evaluated() == []


RUNS: list[tuple[str, str, tuple[str, ...]]] = [
    ("sampler", "return [1, 2]", ("sampler 'mine'", "Run gave list", "a Batch")),
    ("sampler", "return 1 / 0", ("sampler 'mine'", "ZeroDivisionError")),
    ("evaluator", "return None", ("evaluator 'mine'", "Run returned None", "Outcome")),
    ("evaluator", "return [1.0, 2.0]", ("evaluator 'mine'", "Run gave float", "Outcome")),
    ("evaluator", "return 5", ("evaluator 'mine'",)),
    ("evaluator", "return 1 / 0", ("evaluator 'mine'", "ZeroDivisionError")),
    ("evaluator", "return iter(())", ("evaluator 'mine'", "12 points", "no outcome")),
    ("model", "return 1 / 0", ("model 'mine'", "ZeroDivisionError")),
    ("explorer", "return 'stop'", ("explorer 'mine'", "Run gave str", "Advice")),
    ("explorer", "return 1 / 0", ("explorer 'mine'", "ZeroDivisionError")),
]


@pytest.mark.parametrize(("kind", "body", "words"), RUNS)
def test_a_plugin_that_breaks_its_contract_in_a_run(
    project: Project, kind: str, body: str, words: tuple[str, ...]
) -> None:
    """The message names the plugin; what had been evaluated by then is kept."""
    text = WHOLE.replace("def Run(self):\n        pass", f"def Run(self):\n        {body}")
    broken(project, kind, text).run().refused(*words, code=1)
    if kind in ("model", "explorer"):
        assert len(project.table()) == 12
    project.shell().run("-no-train").ok()
    assert len(project.evaluated()) == 12


def test_a_sampler_outside_the_space(project: Project) -> None:
    body = "import numpy as np\n        levels = np.array([[0, 2]], dtype=np.int32)\n"
    body += "        return self.f.space.of_levels(0, levels)"
    text = WHOLE.replace("def Run(self):\n        pass", f"def Run(self):\n        {body}")
    text = text.replace("(self, framework):\n        pass", "(self, framework):\n        self.f = framework")
    broken(project, "sampler", text)
    project.shell(sampling={"pyscript": "mine.py"}, constraints=["size >= ways"])
    project.run("-no-train").refused("sampler 'mine'", "not in the design space", code=1)
    assert project.evaluated() == []


@pytest.mark.parametrize(
    "body",
    [
        "return {'cycles': 1}",
        "return {'cycles': 1, 'energy': float('nan')}",
        "return {'cycles': 1, 'energy': 'x'}",
        "return 3",
        "return 1 / 0",
    ],
)
def test_an_extractor_that_goes_wrong_fails_its_points(project: Project, body: str) -> None:
    text = WHOLE.replace("def Run(self):\n        pass", f"def Run(self):\n        {body}")
    broken(project, "extractor", text).run("-no-train").ok()
    table = project.table()
    assert set(table["State"]) == {"failed"}
    assert set(table["cycles"]) == set(table["energy"]) == {""}
    assert (table["Reason"] != "").all()


def test_a_model_that_predicts_nonsense(project: Project) -> None:
    for body in ("return 5", "return 1 / 0"):
        text = WHOLE.replace("def Predict(self):\n        pass", f"def Predict(self):\n        {body}")
        broken(project, "model", text).run("-custom-samples", 8).refused("model 'mine'", code=1)
    assert len(project.evaluated()) == 8
