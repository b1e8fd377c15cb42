"""The rules of the house that can be read off the syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN_PACKAGES = ("models", "samplers", "evaluators", "extractors", "explorers")
CORE = sorted((ROOT / "framework" / "deffe").rglob("*.py"))
PLUGINS = sorted(file for package in PLUGIN_PACKAGES for file in (ROOT / package).rglob("*.py"))

ROOMS = [
    *("errors", "words", "records", "values", "expressions", "metrics", "surrogates", "options", "space", "understand"),
    *("tables", "store", "scripts", "executors", "config", "sources", "api", "plugins", "checkpoint", "testing"),
    *("operate", "compare", "report", "prepare", "learn", "outlook", "answer", "queries", "run", "flags"),
    *("table_tools", "cli"),
]
"""Modules and packages of the core, each of which knows only those before it."""
ALLOWED = {"signed.py": {"pickle.loads"}}
"""What a file may do all the same: pickles are loaded once their signature has shown that this run has written them."""


def room(path: Path) -> str:
    """The module or package of the core that a path such as ``deffe/space/parameters`` leads to."""
    return path.parts[1].removesuffix(".py")


def test_every_room_is_named_once() -> None:
    there = {room(file.relative_to(ROOT / "framework")) for file in CORE} - {"__init__"}
    assert sorted(ROOMS) == sorted(there)


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", PLUGINS, ids=named)
def test_plugins_never_import_the_store_or_the_loop(file: Path) -> None:
    rooms = ROOMS[ROOMS.index("operate") :]
    forbidden = ("deffe.store", *(f"deffe.{room}" for room in rooms))
    assert not [name for name in imports(file) if name.startswith(forbidden)]


@pytest.mark.parametrize("file", PLUGINS, ids=named)
def test_plugins_leave_the_private_rooms_of_other_kinds_alone(file: Path) -> None:
    own = file.relative_to(ROOT).parts[0]
    others = tuple(f"deffe.{package}" for package in PLUGIN_PACKAGES if package != own)
    assert not [name for name in imports(file) if name.startswith(others) and "._" in name]


@pytest.mark.parametrize("file", CORE, ids=named)
def test_the_core_never_names_a_plugin(file: Path) -> None:
    packages = tuple(f"deffe.{package}" for package in PLUGIN_PACKAGES)
    assert not [name for name in imports(file) if name.startswith(packages)]


@pytest.mark.parametrize("file", CORE, ids=named)
def test_the_core_imports_from_earlier_rooms_alone(file: Path) -> None:
    own = room(file.relative_to(ROOT / "framework"))
    used = {room(Path(*name.split("."))) for name in imports(file) if name.startswith("deffe.")} - {own}
    if own in ROOMS:
        assert not used & set(ROOMS[ROOMS.index(own) :])
    else:
        assert own == "__init__"


@pytest.mark.parametrize("file", [*CORE, *PLUGINS], ids=named)
def test_a_file_says_its_idea_first(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text()))


@pytest.mark.parametrize("file", [*CORE, *PLUGINS], ids=named)
def test_what_the_house_forbids(file: Path) -> None:
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    attributes = {
        ast.unparse(node.func) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)
    }
    assert not calls & {"eval", "exec", "input"}
    assert not attributes & ({"os.chdir", "os.system", "pickle.load", "pickle.loads"} - ALLOWED.get(file.name, set()))
    bare = [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not bare
