"""Names and values are data: whatever they hold, nothing of it is ever executed, and it comes back as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

if TYPE_CHECKING:
    from conftest import Project

HOSTILE = [
    "a b",
    "two  spaces",
    "it's",
    'say "hi"',
    "; touch hacked",
    "$(touch hacked)",
    "`touch hacked`",
    "a && touch hacked",
    "| touch hacked #",
    "> hacked",
    "*",
    "~",
    "-rf",
    "--help",
    "\\",
    "tab\there",
    "grün→µ",
    "100%",
    "${x:-$(touch hacked)}",
    "007",
    "a=b",
]
TOLD = """
printf '%s' "$value" > unquoted_none
printf '%s' "${value}" > braces
printf '%s' $value > bare
printf '%s' "$(printenv value)" > environment
cat > document <<EOF
$value
EOF
echo "in a comment: $value" > text # $value
echo 1 > results.out
"""


def knobs(values: list[str], name: str = "value") -> dict[str, Any]:
    return {"knobs": [{"name": name, "values": values}], "costs": ["cycles"]}


def unharmed(project: Project) -> None:
    found = [path for path in project.folder.rglob("*") if path.name == "hacked"]
    assert not found, found


def test_values_are_never_executed_by_a_shell_script(project: Project) -> None:
    project.shell(TOLD, **knobs(HOSTILE)).run("-no-train").ok()
    unharmed(project)
    table = project.table()
    assert set(table["value"]) == set(HOSTILE)
    assert set(table["State"]) == {"done"}
    for row in table.itertuples():
        folder = project.folder / row.RunDir
        assert json.loads((folder / "param.json").read_text())["value"] == row.value
        for name in ("unquoted_none", "braces", "bare", "environment"):
            assert (folder / name).read_text() == row.value, name
        assert (folder / "document").read_text() == row.value + "\n"
        assert (folder / "text").read_text() == f"in a comment: {row.value}\n"


def test_values_reach_a_python_script_as_they_are(project: Project) -> None:
    code = "import sys\nargs = sys.argv[1:]\n"
    code += "open('seen', 'w').write(args[args.index('--value') + 1])\nopen('results.out', 'w').write('1')\n"
    project.write("evaluate.py", code)
    project.config(knobs(HOSTILE), evaluate={"sample_evaluate_script": "evaluate.py"}).run("-no-train").ok()
    unharmed(project)
    for row in project.table().itertuples():
        assert (project.folder / row.RunDir / "seen").read_text() == row.value


def test_values_in_extract_scripts_and_arguments(project: Project) -> None:
    project.write("extract.sh", 'printf "%s" "$value" > seen; printf "%s" "$1" > first; echo 1 > results.out\n')
    project.shell("true\n", **knobs(HOSTILE), extract={"sample_extract_arguments": "'$value'"}).run("-no-train").ok()
    unharmed(project)
    for row in project.table().itertuples():
        assert (project.folder / row.RunDir / "seen").read_text() == row.value
        assert (project.folder / row.RunDir / "first").read_text() == row.value


def test_maps_with_odd_names(project: Project) -> None:
    project.shell("echo 1 > results.out\n", knobs=[{"name": "x y", "values": HOSTILE}], costs=["a b"])
    project.run("-no-train").ok()
    unharmed(project)
    assert set(project.table()["x y"]) == set(HOSTILE)
    assert set(project.table()["a b"]) == {"1"}


@pytest.mark.parametrize("name", ["$(touch hacked)", "a;b", "`x`", "a'b", 'a"b', "a\\b", "", " ", "a\nb"])
def test_names_that_no_script_could_refer_to_are_refused(project: Project, name: str) -> None:
    project.shell("echo 1 > results.out\n", **knobs(["1"], name))
    project.run("-no-train").refused("config.json", "knobs[0].name")
    unharmed(project)
    assert not project.path("explore").exists()


def test_names_of_shell_variables_do_not_break_scripts(project: Project) -> None:
    shell = [{"name": name, "values": "1,2"} for name in ("PATH", "HOME", "IFS", "LD_LIBRARY_PATH")]
    project.shell("ls > /dev/null && echo 1 > results.out\n", knobs=shell, costs=["cycles"])
    project.run("-no-train").ok()
    assert set(project.table()["State"]) == {"done"}


def test_files_and_folders_with_odd_names(project: Project) -> None:
    name = '$(touch hacked); it\'s "mine".sh'
    project.write(name, "echo 1 > results.out\n")
    keys = {"evaluate": {"sample_evaluate_script": name}, "framework": {"run_directory": "runs of; touch hacked"}}
    project.config(knobs(["1", "2"]), **keys).run("-no-train").ok()
    unharmed(project)
    assert set(project.table()["State"]) == {"done"}


def test_values_survive_tables_and_a_resume(project: Project) -> None:
    project.shell("echo 1 > results.out\n", **knobs(HOSTILE)).run("-no-train", "-custom-samples", 10).ok()
    first = project.table()
    project.run("-no-train", "-custom-samples", 10, len(HOSTILE)).ok()
    pd.testing.assert_frame_equal(project.table().head(10), first)
    assert set(project.table()["value"]) == set(HOSTILE)


def test_text_of_results_is_never_executed(project: Project) -> None:
    project.shell("echo \"__import__('os').system('touch hacked')\" > results.out\n", **knobs(["1", "2"]))
    project.run("-no-train").ok()
    unharmed(project)
    assert set(project.table()["State"]) == {"failed"}


@pytest.mark.parametrize("text", ["__import__('os').system('touch hacked')", "value.__class__", "open('hacked', 'w')"])
def test_expressions_run_no_code(project: Project, text: str) -> None:
    project.shell("echo 1 > results.out\n", **knobs(["1", "2"]), constraints=[text])
    project.run("-no-train").refused("constraints[0]")
    unharmed(project)
