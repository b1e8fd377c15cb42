"""Every plugin that comes with deffe keeps the contract of its kind."""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from kinds import PLACES

from deffe.api import Framework
from deffe.plugins import KINDS, builtin_names, load, resolve_name
from deffe.testing import SMALL, check_plugin, make_framework, with_options

FUNCTIONS = """
def a_point(size, ways, policy):
    return {"cycles": size * ways, "energy": len(policy)}

def many_points(frame):
    return {"cycles": frame["size"] * frame["ways"], "energy": frame["size"] / 4}
"""
FILES = {
    "evaluate.sh": "echo $size > results.out\n",
    "functions.py": FUNCTIONS,
    "known.csv": "size,ways,policy,cycles,energy\n1,1,lru,5,6\n16,4,random,7,8\n2,2,lru,,3\n",
    "gem5.fast": "#!/bin/bash\necho exit exiting with last active thread context 5; echo > stats.txt\n",
    "points.csv": "policy,ways,size\nlru,1,1\nrandom,2,4\nlru,4,16\nlru,2,2\nrandom,1,8\n",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "function": {"function": "functions.py:a_point"},
    "vectorised": {"function": "functions.py:many_points"},
    "table": {"table": "known.csv"},
    "regex": {"patterns": {"cycles": r"cycles (\S+)", "energy": r"energy (\S+)"}},
    "gem5_stats": {"stats": {"cycles": "system.cpu.numCycles", "energy": "system.energy"}},
    "gem5": {"gem5": "gem5.fast", "program": "gem5.fast"},
    "cachegrind": {"program": "/bin/true"},
    "custom": {"points": "points.csv"},
    "torch_cnn": {"epochs": 20},
    "keras_cnn": {"epochs": 20},
    "multi_fidelity": {"fidelity": {"knob": "ways", "target": 4}},
}
"""What a plugin cannot do without, or not quickly."""
CONFIGS: dict[str, dict[str, Any]] = {
    "gem5": {"extract": {"pyscript": "gem5_stats"}},
    "cachegrind": {"costs": ["instructions", "l2_misses"]},
}
PREDICTS_ONLY = {"original_cnn"}
"""Models that learn nothing, and so are none for a run."""
LIBRARIES = {"torch_cnn": ("torch",), "keras_cnn": ("keras", "torch"), "evolutionary": ("pymoo",)}
EVERY = [(kind, name) for kind in KINDS for name in builtin_names(KINDS[kind]) if name not in PREDICTS_ONLY]
MODELS = [name for kind, name in EVERY if kind == "model"]
OLDER = [
    (kind, old)
    for kind in KINDS
    for old in getattr(__import__(KINDS[kind].package, fromlist=["OLD_NAMES"]), "OLD_NAMES", {})
]


def framework_of(folder: Path, kind: str, name: str, **config: Any) -> Framework:
    if name == "cachegrind" and shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    for library in LIBRARIES.get(name, ()):
        if find_spec(library) is None:  # not imported: keras asks for a backend then
            pytest.skip(f"{library} is not installed")
    for file, text in FILES.items():
        (folder / file).write_text(text)
    (folder / "gem5.fast").chmod(0o755)
    framework = make_framework(folder, PLACES[kind], config={**CONFIGS.get(name, {}), **config})
    if kind == "model":
        framework = dataclasses.replace(framework, costs=framework.costs[:2])
    options = OPTIONS.get(name, {})
    if "program" in options:
        options = {**options, "program_arguments": [f"{{{knob}}}" for knob in framework.space.names]}
    return with_options(framework, **options)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_it_keeps_its_contract(tmp_path: Path, kind: str, name: str) -> None:
    check_plugin(kind, name, framework_of(tmp_path, kind, name))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in EVERY if kind in ("sampler", "evaluator")])
def test_it_keeps_its_contract_with_conditional_knobs(tmp_path: Path, kind: str, name: str) -> None:
    knobs = [
        *SMALL["knobs"],
        {"name": "depth", "values": "1-4", "when": "policy == 'random'"},
        {"name": "constant", "values": 5},
    ]
    known = (
        FILES["known.csv"].replace("policy,", "policy,depth,").replace("random,", "random,2,").replace("lru,", "lru,,")
    )
    points = "policy,ways,size,depth\nlru,1,1,\nrandom,2,4,3\nlru,4,16,\n"
    framework = framework_of(tmp_path, kind, name, knobs=knobs)
    (tmp_path / "known.csv").write_text(known)
    (tmp_path / "points.csv").write_text(points)
    check_plugin(kind, name, framework)


@pytest.mark.parametrize(("kind", "old"), OLDER)
def test_older_names_lead_to_plugins_that_are_here(tmp_path: Path, kind: str, old: str) -> None:
    name, _ = resolve_name(KINDS[kind], old)
    assert name in builtin_names(KINDS[kind])
    for spelled in (old, f"{old}.py"):
        assert load(kind, spelled, framework_of(tmp_path, kind, name)).name == name


def test_every_kind_has_plugins() -> None:
    assert {kind for kind, _ in EVERY} == set(PLACES)
    assert {"random", "script", "results", "gaussian_process", "predict_all"} <= {name for _, name in EVERY}


@pytest.mark.parametrize("name", MODELS)
def test_models_learn_from_one_cost_and_from_few_points(tmp_path: Path, name: str) -> None:
    """Which is what a run has after its first step."""
    framework = framework_of(tmp_path, "model", name)
    check_plugin("model", name, dataclasses.replace(framework, costs=framework.costs[:1]))


def test_the_small_configuration_is_one_that_users_may_copy(tmp_path: Path) -> None:
    assert json.loads(json.dumps(SMALL)) == SMALL
    assert make_framework(tmp_path, "sampling").space.size_is_exact
