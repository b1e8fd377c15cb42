"""What the README and the docs say is true: configurations are valid, plugins keep their contract, commands run.

A page is a session in one empty folder, from its first block to its last:

- a block with ``title=NAME`` is written to that file;
- ``json`` is a complete configuration and valid;
- ``python`` with ``plugin=KIND`` keeps the contract of that kind; with a title ``test_...`` it is run by pytest, and
  without a title as it is;
- ``bash`` without a title is run when all its commands are ``run_deffe``;
- ``text`` right behind such a block is what it printed, and with ``example=NAME`` what that script of the examples
  prints, but for digits behind its first line;
- a block with ``needs=PROGRAM`` is passed over where there is no such program, and the test is then shown as skipped.

``python test/docs/test_docs.py`` writes the tables below ``<!-- options ... -->`` and ``<!-- flags ... -->`` anew.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from kinds import PLACES
from pydantic.fields import FieldInfo

from deffe.cli import main
from deffe.flags import GROUPS, Flag
from deffe.options import Options, tokens
from deffe.plugins import KINDS, builtin_names
from deffe.prepare.schedule import DEFAULT_INIT, Schedule
from deffe.table_tools.options import GROUPS as TABLE_GROUPS
from deffe.testing import check_plugin, make_framework

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(?P<language>\w*)(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_GENERATED = re.compile(r"^<!-- (?P<what>options|flags): (?P<name>.+) -->\n\n(?:\|.*\n)*\n*", re.MULTILINE)
_NUMBER = re.compile(r"\d[\d.,]*(e[+-]?\d+)?|\bnan\b")
_KNOBS = re.compile(r"(?<= with )\w+=.*|(?<=no effect of ).*")
"""In which knobs the nearest point differs, and which have no effect, depends on what was measured."""
_LINK = re.compile(r"\]\((?!https?:)(?P<file>[^)#]*)(?:#(?P<heading>[^)]*))?\)")


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


# blocks


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: where it is, its language, ``name=value`` pairs behind the language, and its text."""

    place: str
    language: str
    info: dict[str, str]
    text: str
    start: int
    end: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        info = dict(pair.split("=", 1) for pair in found["info"].split())
        yield Block(f"{page_name(page)}:{line}", found["language"], info, found["text"], found.start(), found.end())


@dataclass
class Session:
    """The blocks of one page, run in one folder."""

    folder: Path
    text: str
    printed: str | None = None
    behind: int = 0
    files: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)

    def take(self, block: Block) -> None:
        if "needs" in block.info and shutil.which(block.info["needs"]) is None:
            self.missing.add(block.info["needs"])
            return
        gap = self.text[self.behind : block.start]
        if self.printed is not None and block.language == "text" and not gap.strip():
            same_output(self.printed, block)
        self.printed, self.behind = None, block.end
        if "title" in block.info:
            self.write(block)
        handle = {"json": self.validate, "python": self.python, "bash": self.bash, "text": self.example}
        if block.language in handle:
            handle[block.language](block)

    def write(self, block: Block) -> None:
        file = self.folder / block.info["title"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
        file.chmod(0o755)
        self.files.append(block.info["title"])

    def validate(self, block: Block) -> None:
        name = block.info.get("title", "configuration_of_a_block.json")
        (self.folder / name).write_text(block.text, encoding="utf-8")
        assert main(["-config", name, "-validate"]) == 0, block.place

    def python(self, block: Block) -> None:
        if "plugin" in block.info:
            kit = self.folder / "kit"
            shutil.rmtree(kit, ignore_errors=True)
            kit.mkdir()
            for name in self.files:
                if name.endswith(".py"):
                    shutil.copy(self.folder / name, kit)
            kind = block.info["plugin"]
            check_plugin(kind, block.info["title"], make_framework(kit, PLACES[kind]))
        elif block.info.get("title", "").startswith("test_"):
            self.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", block.info["title"]], block)
        elif "title" not in block.info:
            script = self.folder / "block.py"
            script.write_text(block.text, encoding="utf-8")
            runpy.run_path(str(script))

    def bash(self, block: Block) -> None:
        if "title" in block.info or not all(words[0] == "run_deffe" for words in commands(block.text)):
            return
        script = f'run_deffe() {{ {shlex.join([sys.executable, str(ROOT / "framework" / "run_deffe.py")])} "$@"; }}\n'
        self.printed = self.run(["bash", "-euo", "pipefail", "-c", script + block.text], block)

    def example(self, block: Block) -> None:
        if "example" not in block.info:
            return
        folder = self.folder / "example"
        left = shutil.ignore_patterns("explore*", "deffe_*", "*.riscv", "*.host", "*-minmax.json")
        shutil.copytree(ROOT / "example", folder, ignore=left)
        starter = self.folder / "bin" / "run_deffe"
        starter.parent.mkdir()
        starter.write_text(
            f'#!/bin/sh\nexec {shlex.join([sys.executable, str(ROOT / "framework" / "run_deffe.py")])} "$@"\n'
        )
        starter.chmod(0o755)
        script = f'PATH={shlex.quote(str(starter.parent))}:"$PATH"; bash {shlex.quote(block.info["example"])}'
        printed = self.run(["bash", "-c", script], block, folder)
        same_output(printed, block)

    def run(self, command: Sequence[str], block: Block, folder: Path | None = None) -> str:
        """What a command prints on its standard output; it must succeed."""
        paths = os.pathsep.join([str(ROOT / "framework"), os.environ.get("PYTHONPATH", "")])
        ended = subprocess.run(
            command,
            cwd=folder or self.folder,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, f"{block.place}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}"
        return ended.stdout


def commands(text: str) -> list[list[str]]:
    """The words of each command of a shell script that has one command a line."""
    return [words for line in text.replace("\\\n", " ").splitlines() if (words := shlex.split(line, comments=True))]


def same_output(printed: str, block: Block) -> None:
    """The first line is as shown; of the others what differs between machines does not count: digits and space."""
    found, expected = ((text.partition("\n")[0], masked(text)) for text in (printed, block.text))
    assert found == expected, f"{block.place}: the output is\n{printed}"


def masked(text: str) -> list[str]:
    return _NUMBER.sub("#", _KNOBS.sub("...", text)).split()


# tables made from the code


def generated(page: Path) -> str:
    """A page with the tables below its markers made anew."""
    text = page.read_text(encoding="utf-8")
    models = [model_at(found["name"]) for found in _GENERATED.finditer(text) if found["what"] == "options"]

    def remake(found: re.Match[str]) -> str:
        if found["what"] == "flags":
            table = flags_table({**GROUPS, **TABLE_GROUPS}[found["name"]])
        else:
            table = options_table(model_at(found["name"]), models)
        return f"<!-- {found['what']}: {found['name']} -->\n\n{table}\n"

    return _GENERATED.sub(remake, text)


def model_at(name: str) -> type[Options]:
    module, _, model = name.rpartition(".")
    found: type[Options] = getattr(importlib.import_module(module), model)
    return found


def options_table(model: type[Options], described: Sequence[type[Options]]) -> str:
    """The options of a plugin, less those of a base class that has a table of its own; alike ones share a row."""
    elsewhere = {name for base in described if base is not model and issubclass(model, base)
                 for name in base.model_fields}  # fmt: skip
    rows: dict[tuple[str, str, str], list[str]] = {}
    for name, info in model.model_fields.items():
        if name not in elsewhere:
            older = f"`{info.alias}`" if info.alias else ""
            rows.setdefault((older, default_of(info), meaning_of(info)), []).append(f"`{name}`")
    older_names = any(older for older, _, _ in rows)
    head = ("option", "older name", "default", "meaning") if older_names else ("option", "default", "meaning")
    lines = [head, ["---"] * len(head)]
    for (older, default, meaning), names in rows.items():
        lines.append([", ".join(names), *([older] if older_names else []), default, meaning])
    return table_of(lines)


def default_of(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True, validated_data={})
    if default is None:
        return "none"
    return f"`{json.dumps(default)}`" if default not in ("", ()) else ""


def meaning_of(info: FieldInfo) -> str:
    choices = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    allowed = f" ({', '.join(f'`{choice}`' for choice in choices)})" if choices else ""
    return (info.description or "") + allowed


def flags_table(flags: Sequence[Flag]) -> str:
    return table_of([("option", "meaning"), ("---", "---"), *((f"`{spelled(flag)}`", flag.help) for flag in flags)])


def spelled(flag: Flag) -> str:
    value = "" if flag.kind is None else "|".join(flag.choices) or flag.metavar
    value = f" [{value}]" if flag.optional else f" {value}" if value else ""
    return f"-{flag.name}{value}{' ...' if flag.many else ''}"


def table_of(rows: Sequence[Sequence[str]]) -> str:
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def plugin_models() -> Iterator[type[Options]]:
    """The options of every built-in plugin."""
    for kind in KINDS.values():
        for name in builtin_names(kind):
            module: Any = importlib.import_module(f"{kind.package}.{name}")
            for found in vars(module).values():
                own = isinstance(found, type) and issubclass(found, Options) and found is not Options
                if own and found.model_fields:
                    yield found


# tests


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_what_a_page_shows_works(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session(tmp_path, page.read_text(encoding="utf-8"))
    (tmp_path / "evaluate.sh").write_text("echo 1 > results.out\n")  # the default, where a page shows none
    for name in ("gem5", "se.py", "kernels/matmul.riscv"):  # what simulations need that are shown and not run
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("GEM5", str(tmp_path / "gem5"))
    for block in blocks(page):
        session.take(block)
    if session.missing:
        pytest.skip(f"not installed: {', '.join(sorted(session.missing))}")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_a_reader_sees_the_name_of_each_file(page: Path) -> None:
    text, behind = page.read_text(encoding="utf-8"), 0
    for block in blocks(page):
        name = block.info.get("title")
        assert name is None or f"`{name}`" in text[behind : block.start], f"{block.place}: name {name} before it"
        behind = block.end


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_generated_tables_are_current(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == generated(page), "run: python test/docs/test_docs.py"


def test_every_option_of_a_plugin_is_documented() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    described = [model_at(found["name"]) for found in _GENERATED.finditer(text) if found["what"] == "options"]
    missing = [model for model in plugin_models() if not any(issubclass(shown, model) for shown in described)]
    assert not missing


def test_every_option_of_the_command_line_is_documented() -> None:
    for page, documented in (("command_line.md", GROUPS), ("tables.md", TABLE_GROUPS)):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert [found["name"] for found in _GENERATED.finditer(text)] == list(documented)


def test_the_arguments_of_plugins_are_documented() -> None:
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    for kind in KINDS.values():
        for row, method in ((kind.name, "Run"), (f"{kind.name}, `Predict`", "Predict")):
            if method in kind.methods:
                found = re.search(rf"^\| {row} \| ((?:`\w+`(?:, )?)+) \|", text, re.MULTILINE)
                assert found, row
                assert set(re.findall(r"\w+", found[1])) == kind.methods[method], row


def test_the_number_of_points_after_each_step_is_as_documented() -> None:
    text = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    table = text[text.index("| given | after step 0") :].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert len(rows) == 6
    for given, *documented in rows:
        words = tokens(given.strip("`")) if given != "nothing" else ()
        options = {name.lstrip("-"): [int(value) for value in values] for name, values in words}
        schedule = Schedule(
            init=options.get("init-batch-samples", [DEFAULT_INIT])[0],
            fixed=options.get("fixed-samples", [None])[0],
            custom=options.get("custom-samples", []),
            start=options.get("step-start", [0])[0],
            increment=options.get("step-increment", [1])[0],
        )
        totals, total = {}, 0
        for step, count in schedule.steps(1000):
            total += count
            totals[step] = total
        assert [re.sub(r"\D", "", cell) for cell in documented] == [str(totals.get(step, "")) for step in range(3)]


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    for found in _LINK.finditer(_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / found["file"]).resolve() if found["file"] else page
        assert target.exists(), found[0]
        if found["heading"]:
            assert found["heading"] in headings(target), found[0]


def headings(page: Path) -> set[str]:
    """The anchors of a page."""
    titles = re.findall(r"^#+ (.*)$", _BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_a_block_that_is_wrong_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evaluate.sh").write_text("echo 1 > results.out\n")
    session = Session(tmp_path, "")
    with pytest.raises(AssertionError, match="wrong:1"):
        session.take(Block("wrong:1", "json", {}, '{"knobs": [{"name": "a", "value": 1}], "costs": ["c"]}', 0, 0))
    with pytest.raises(AssertionError, match="wrong:2"):
        session.take(Block("wrong:2", "bash", {}, "run_deffe -validate -config absent.json\n", 0, 0))


if __name__ == "__main__":
    for written in PAGES:
        written.write_text(generated(written), encoding="utf-8")
