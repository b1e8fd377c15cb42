"""``run_deffe tables``: each step does what its page says, faults name their place, and no file is lost."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from deffe.table_tools.options import GROUPS, PICTURES, STEPS

if TYPE_CHECKING:
    from conftest import Ended, Project

FFT = "size,ways,cycles,area\n4,1,900,10\n4,2,860,12\n8,1,610,19\n8,2,560,23\n16,1,590,37\n16,2,540,45\n"
LIBRARIES = ("xlsxwriter", "pyarrow", "matplotlib", "openpyxl")
SORT = "size,ways,cycles,energy\n4,1,1500,7\n8,1,1320,9\n16,1,1010,11\n32,1,1000,20\n"


@pytest.fixture
def tables(project: Project) -> Project:
    project.write("fft.csv", FFT)
    project.write("sort.csv", SORT)
    return project


def call(project: Project, *arguments: object) -> Ended:
    return project.run("tables", *arguments)


def made(project: Project, *arguments: object) -> pd.DataFrame:
    """The table that a command writes."""
    call(project, *arguments, "-output", "made.csv", "-overwrite").ok()
    return project.numbers("made.csv")


# several tables


def test_combine_keeps_all_columns_and_common_columns_those_of_all(tables: Project) -> None:
    every = made(tables, "fft.csv", "sort.csv", "-combine")
    assert list(every) == ["size", "ways", "cycles", "area", "energy"]
    assert every["area"].isna().sum() == 4
    assert "900" in tables.path("made.csv").read_text()  # integers stay integers beside empty cells
    assert ".0" not in tables.path("made.csv").read_text()
    for words in (["-common-columns"], ["-combine", "-common-columns"], ["-common-columns", "-combine"]):
        assert list(made(tables, "fft.csv", "sort.csv", *words)) == ["size", "ways", "cycles"]


@pytest.mark.parametrize(("keep", "sizes"), [("both", [4, 8, 16]), ("first", [4, 4, 8, 8, 16, 16]),
                                             ("all", [4, 4, 8, 8, 16, 16, 32])])  # fmt: skip
def test_merge_joins_rows_by_keys(tables: Project, keep: str, sizes: list[int]) -> None:
    found = made(tables, "fft.csv", "sort.csv", "-merge", "size", "ways", "-merge-keep", keep)
    assert found["size"].tolist() == sizes
    assert {"cycles_fft", "cycles_sort", "area", "energy"} <= set(found)
    assert "32,1,,,1000,20" in tables.path("made.csv").read_text() or keep != "all"
    known = found.dropna()
    assert (known["cycles_sort"] > known["cycles_fft"]).all()


def test_stitch_needs_equal_lengths_and_keeps_like_columns_once(tables: Project) -> None:
    tables.write("power.csv", "size,power\n4,1\n4,2\n8,3\n8,4\n16,5\n16,6\n")
    assert list(made(tables, "fft.csv", "power.csv", "-stitch")) == ["size", "ways", "cycles", "area", "power"]
    call(tables, "fft.csv", "sort.csv", "-stitch").refused("fft.csv: 6 rows", "sort.csv: 4 rows")


def test_steps_before_a_join_are_done_on_each_table(tables: Project) -> None:
    tables.write("other.csv", "kib,ways,cycles\n4,1,5\n64,1,6\n")
    found = made(tables, "fft.csv", "other.csv", "-map", "kib::size", "-condition", "size > 8", "-source", "app",
                 "-common-columns")  # fmt: skip
    assert found.to_dict("list") == {
        "size": [16, 16, 64], "ways": [1, 2, 1], "cycles": [590, 540, 6], "app": ["fft", "fft", "other"],
    }  # fmt: skip


def test_several_tables_are_not_written_as_one_without_being_told_how(tables: Project) -> None:
    call(tables, "fft.csv", "sort.csv", "-output", "made.csv").refused("2 tables", "-combine")
    assert not tables.path("made.csv").exists()


# steps


def test_map_renames_columns_and_values(tables: Project) -> None:
    found = made(tables, "fft.csv", "-map", "cycles::time", "ways::1::one")
    assert list(found) == ["size", "ways", "time", "area"]
    assert found["ways"].tolist() == ["one", "2"] * 3


def test_arithmetic_and_conditions_are_those_of_expressions(tables: Project) -> None:
    found = made(
        tables, "fft.csv", "-arith", "c = cycles + area", "-arith", "d = c / 2", "-condition", "size<=::8 && ways==::2"
    )
    assert found["c"].tolist() == [872, 583]
    assert found["d"].tolist() == [436.0, 291.5]
    tables.write("names.csv", "app,core cycles\nfft,5\nsort,6\n")
    assert made(tables, "names.csv", "-condition", "app==::sort")["core cycles"].tolist() == [6]
    assert made(tables, "names.csv", "-arith", "x = `core cycles` * 2")["x"].tolist() == [10, 12]
    assert made(tables, "names.csv", "-condition", "app == 'no::where'").empty


def test_a_result_that_is_not_finite_is_empty_and_told(tables: Project) -> None:
    told = call(tables, "fft.csv", "-arith", "c = 1 / (size - 8)", "-output", "made.csv").ok()
    assert "empty in 2 rows" in told.err
    assert "fft.csv, line 4" in told.err
    assert tables.numbers("made.csv")["c"].isna().tolist() == [False, False, True, True, False, False]


def test_statistics_of_columns_groups_and_all_rows(tables: Project) -> None:
    found = made(tables, "fft.csv", "-stats", "r = size min area", "-stats", "g = cycles mean per size", "-stats",
                 "a = cycles max", "-stats", "n = cycles count per size, ways")  # fmt: skip
    assert found["r"].tolist() == [4, 4, 8, 8, 16, 16]
    assert found["g"].tolist() == [880, 880, 585, 585, 565, 565]
    assert found["a"].tolist() == [900] * 6
    assert found["n"].tolist() == [1] * 6


def test_statistics_leave_empty_cells_out(project: Project) -> None:
    project.write("a.csv", "g,x,y\n1,,4\n1,3,NULL\n2,,\n")
    found = made(project, "a.csv", "-stats", "m = x mean per g", "-stats", "r = x sum y", "-stats", "n = x count per g")
    assert found["m"].tolist()[:2] == [3, 3]
    assert found["m"].isna().tolist() == [False, False, True]
    assert found["r"].tolist()[:2] == [4, 3]
    assert found["n"].tolist() == [1, 1, 0]


def test_normalising_to_a_range_a_statistic_and_a_baseline(tables: Project) -> None:
    assert made(tables, "fft.csv", "-normalize", "cycles")["cycles"].agg(["min", "max"]).tolist() == [0, 1]
    found = made(tables, "fft.csv", "-normalize", "c = cycles / max", "-normalize", "b = cycles / (ways == 1) per size")
    assert found["c"].tolist() == pytest.approx([cycles / 900 for cycles in found["cycles"]])
    assert found["b"].tolist()[::2] == [1, 1, 1]
    assert found["b"].tolist()[1::2] == pytest.approx([860 / 900, 560 / 610, 540 / 590])
    call(tables, "fft.csv", "-normalize", "cycles / (ways == 1)").refused("3 rows", "exactly one")


def test_rows_are_numbered_in_all_and_in_groups(tables: Project) -> None:
    found = made(tables, "fft.csv", "-sort", "cycles::max", "-sequencing", "-sequencing", "n per ways")
    assert found["cycles"].is_monotonic_decreasing
    assert found["sequence"].tolist() == [1, 2, 3, 4, 5, 6]
    assert sorted(found["n"]) == [1, 1, 2, 2, 3, 3]


def test_just_sufficient_is_the_cheapest_that_is_good_enough(tables: Project) -> None:
    found = made(tables, "fft.csv", "-just-sufficient", "cycles <= 600 with min area per ways")
    assert found[["size", "ways"]].to_numpy().tolist() == [[8, 2], [16, 1]]
    told = call(tables, "fft.csv", "-just-sufficient", "cycles <= 550 with min area per ways").ok()
    assert "no row of ways=1 is good enough" in told.err


def test_the_front_and_the_others_make_up_all_rows(tables: Project) -> None:
    front = made(tables, "fft.csv", "-objectives", "cycles", "area", "-keep-pareto")
    others = made(tables, "fft.csv", "-objectives", "cycles", "area", "-keep-non-pareto")
    far = made(tables, "fft.csv", "-objectives", "cycles", "area", "-add-deviation", "far")
    assert len(front) + len(others) == 6
    assert far[far["far"] == 0]["cycles"].tolist() == front["cycles"].tolist()
    assert others["cycles"].tolist() == [590]
    assert far["far"].max() == pytest.approx(100 * (590 / 540 - 1))  # the row of 540 cycles is nearest
    assert len(made(tables, "fft.csv", "-objectives", "cycles::max", "area", "-keep-pareto")) == 1


# results of points


def test_results_in_folders_become_a_table(project: Project) -> None:
    for number in (1, 2, 10):
        parameters = {"size": str(number), "dir": "x", "index": number}
        project.write(f"runs/explore_{number}/param.json", json.dumps(parameters))
        project.write(f"runs/explore_{number}/results.json", json.dumps({"cycles": number * 100}))
    project.path("runs/explore_2/results.json").unlink()
    told = call(project, "-dirname", "runs", "-output", "made.csv").ok()
    assert "1 point of 3 without results" in told.err
    found = project.table("made.csv")
    assert found["size"].tolist() == ["1", "2", "10"]
    assert found["cycles"].tolist() == ["100", "", "1000"]
    project.write("runs/explore_1/results.json", "{")
    call(project, "-dirname", "runs").refused("runs/explore_1/results.json, line 1")


def test_failed_rows_are_parted_from_the_others(project: Project) -> None:
    project.write(
        "all.csv", "a, b, c, State, Reason\n1,2,3,done,\n1,2\n4,5,,failed,no memory\n6,NULL,7,done,\n8,9,1,done,\n"
    )
    call(project, "all.csv", "-identify-failed", "failed_data.csv", "-output", "valid_data.csv").ok()
    assert project.numbers("valid_data.csv")["a"].tolist() == [1, 8]
    failed = project.table("failed_data.csv")
    assert failed["Line"].tolist() == ["3", "4", "5"]
    assert failed["Why"].tolist() == ["2 fields where the header has 5", "no memory", "b is NULL"]
    call(project, "all.csv").refused("all.csv, line 3", "2 fields", "-identify-failed")


# files


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_a_table_is_the_same_after_each_format(project: Project, ending: str) -> None:
    text = 'name,whole,holes,part,switch\n=1+1,1,,0.1,True\n"a,b",2,3,1e-30,False\n007,9007199254740991,4,2.5,True\n'
    project.write("a.csv", text)
    call(project, "a.csv", "-output", f"b.{ending}").ok()
    call(project, f"b.{ending}", "-output", "c.csv").ok()
    assert project.path("c.csv").read_text() == text


def test_a_sheet_is_chosen_by_its_name(project: Project) -> None:
    project.folder.mkdir(exist_ok=True)
    with pd.ExcelWriter(project.path("book.xlsx")) as book:
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="one", index=False)
        pd.DataFrame({"b": [2]}).to_excel(book, sheet_name="two", index=False)
    assert list(made(project, "book.xlsx")) == ["a"]
    assert list(made(project, "book.xlsx#two")) == ["b"]
    call(project, "book.xlsx#tow").refused("no sheet 'tow'", "two")


def test_no_input_and_no_other_table_is_overwritten(tables: Project) -> None:
    tables.path("link.csv").symlink_to("fft.csv")
    before = tables.contents()
    for output in ("fft.csv", "./fft.csv", "link.csv"):
        call(tables, "fft.csv", "-output", output, "-overwrite").refused("is an input")
    call(tables, "fft.csv", "-output", "sort.csv").refused("sort.csv is there", "-overwrite")
    call(tables, "fft.csv", "-identify-failed", "sort.csv").refused("sort.csv is there")
    call(tables, "fft.csv", "-output", "a.csv", "-identify-failed", "a.csv").refused("a.csv")
    tables.write("mine.png", "a photograph")
    call(tables, "fft.csv", "-plot-scatter", "mine.png", "-x", "size", "-y", "cycles").refused("mine.png is there")
    assert tables.path("mine.png").read_text() == "a photograph"
    assert {name: data for name, data in tables.contents().items() if name != "mine.png"} == before


def test_a_fault_leaves_no_file_behind(tables: Project) -> None:
    tables.write("a.csv", "x\n" + "y" * 40_000 + "\n")
    before = tables.contents()
    call(tables, "a.csv", "-output", "b.xlsx").refused("40,000 characters")
    call(tables, "fft.csv", "-output", "b.csv", "-sort", "nothing").refused("no column 'nothing'")
    call(tables, "fft.csv", "-output", "fft.csv/b.csv").refused("cannot be written")
    assert tables.contents() == before


def test_a_missing_library_is_told(tables: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in LIBRARIES else found(name))
    tables.write("b.xlsx", "x")
    call(tables, "b.xlsx").refused("needs openpyxl", "pip install 'deffe[report]'")
    for output, library in (("a.xlsx", "xlsxwriter"), ("a.parquet", "pyarrow")):
        call(tables, "fft.csv", "-output", output).refused(f"needs {library}", "pip install 'deffe[")
    call(tables, "fft.csv", "-pareto", "a.png", "-x", "area", "-y", "cycles").refused(
        "needs matplotlib", "deffe[report]"
    )


# pictures

PLOTS = {
    "group-plot": ("-x", "size", "-y", "cycles", "-group", "ways"),
    "multi-plot": ("-x", "size", "-y", "cycles", "area", "-group", "ways", "-logx"),
    "plot-scatter": ("-x", "size", "-y", "cycles", "-group", "ways", "-title", "$5 each"),
    "plot3d": ("-x", "size", "-y", "ways", "-z", "cycles"),
    "pareto": ("-objectives", "area", "cycles", "-annotate", "size"),
    "non-pareto": ("-x", "area", "-y", "cycles"),
    "pareto-deviation": ("-objectives", "area", "cycles::min", "-unit", "area=mm2"),
}


def test_every_picture_has_a_test() -> None:
    assert PLOTS.keys() == {flag.name for flag in GROUPS[PICTURES]}


@pytest.mark.parametrize("plot", PLOTS)
def test_a_picture_is_made_again_over_itself(tables: Project, plot: str) -> None:
    begins = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    for ending, begin in begins.items():
        for _ in range(2):
            call(tables, "fft.csv", f"-{plot}", f"a.{ending}", *PLOTS[plot]).ok()
        assert tables.path(f"a.{ending}").read_bytes().startswith(begin)


def test_a_picture_shows_the_names_and_units(tables: Project) -> None:
    tables.write("sweep.json", json.dumps({"knobs": [{"name": "size", "values": "4", "unit": "KiB"}],
                                           "costs": [{"name": "Cycles", "unit": "kcycles"}]}))  # fmt: skip
    call(tables, "fft.csv", "-plot-scatter", "a.svg", "-x", "size", "-y", "cycles", "-config", "sweep.json").ok()
    text = tables.path("a.svg").read_text()
    assert "<!-- size (KiB) -->" in text
    assert "<!-- cycles (kcycles) -->" in text


def test_pictures_of_one_command_show_the_table_at_their_place(tables: Project) -> None:
    words = ["-objectives", "area", "cycles", "-pareto", "all.svg", "-condition", "ways == 1", "-pareto", "some.svg"]
    call(tables, "fft.csv", *words).ok()
    assert "Pareto front (5)" in tables.path("all.svg").read_text()
    assert "other points (1)" in tables.path("all.svg").read_text()
    assert "other points" not in tables.path("some.svg").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-group-plot", "a.png", "-x", "n", "-y", "v"], ["200 bars", "160"]),
        (["-plot-scatter", "a.png", "-x", "n", "-y", "v", "-group", "n"], ["200 values", "24"]),
        (["-plot-scatter", "a.png", "-x", "n", "-y", "v", "-annotate", "n"], ["200 places", "40"]),
        (["-plot-scatter", "a.png", "-x", "n", "-y", "v", "-logy"], ["-logy", "logarithm"]),
        (["-plot-scatter", "a.png", "-x", "n", "-y", "t"], ["a.csv, line 2, column 't'", "'w'"]),
        (["-plot-scatter", "a.png"], ["-x and -y"]),
        (["-pareto", "a.png", "-x", "n"], ["two objectives"]),
        (["-pareto", "a.gif", "-x", "n", "-y", "v"], ["a.gif", ".png, .pdf, .svg"]),
        (["-condition", "n < 0", "-plot-scatter", "a.png", "-x", "n", "-y", "v"], ["no rows"]),
        (["-plot-scatter", "a.png", "-x", "n", "-y", "v", "-xlim", "2"], ["-xlim LOW HIGH"]),
        (["-plot-scatter", "a.png", "-x", "n", "-y", "v", "-colors", "blu"], ["'blu' is no colour"]),
        (["-plot-scatter", "a.png", "-x", "n", "-y", "v", "-dpi", "5"], ["20 to 1200"]),
    ],
)
def test_a_picture_that_could_not_be_read_is_refused(project: Project, words: list[str], said: list[str]) -> None:
    project.write("a.csv", "n,v,t\n" + "".join(f"{n},{n - 5},w\n" for n in range(200)))
    call(project, "a.csv", *words).refused(*said)
    assert not project.path("a.png").exists()


# faults


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent.csv"], ["absent.csv", "does not exist"]),
        (["fft.doc"], ["'.doc'", ".csv"]),
        ([], ["no table is given"]),
        (["fft.csv", "-conditon", "a"], ["'-conditon'", "did you mean '-condition'"]),
        (["fft.csv", "-arith", "c = size + wasy"], ["'wasy'", "did you mean 'ways'"]),
        (["fft.csv", "-arith", "c = __import__('os')"], ["-arith", "unknown function"]),
        (["fft.csv", "-arith", "size * 2"], ["-arith", "c = a + b"]),
        (["text.csv", "-arith", "c = a * 2"], ["text.csv, line 3, column 'a'", "'oops'"]),
        (["text.csv", "-stats", "c = a mean"], ["text.csv, line 3, column 'a'"]),
        (["fft.csv", "-stats", "c = cycles middle ways"], ["-stats", "median"]),
        (["fft.csv", "-stats", "c = cycles min per"], ["-stats", "per"]),
        (["fft.csv", "-normalize", "cycles / middle"], ["'middle'", "median"]),
        (["fft.csv", "-just-sufficient", "cycles < 5"], ["-just-sufficient", "with min"]),
        (["fft.csv", "-map", "cycles"], ["-map", "a::b"]),
        (["fft.csv", "-map", "cycle::c"], ["did you mean 'cycles'"]),
        (["fft.csv", "-map", "cycles::area"], ["has a column 'area' already"]),
        (["fft.csv", "-map", "ways::3::three"], ["no cell of column 'ways' is '3'"]),
        (["sort.csv", "fft.csv", "-merge", "size"], ["size=4 stands twice", "fft.csv, line 2", "line 3"]),
        (["fft.csv", "text.csv", "-combine"], ["no column in common"]),
        (["fft.csv", "-merge", "size"], ["one table alone"]),
        (["fft.csv", "-keep-pareto"], ["two objectives"]),
        (["fft.csv", "-keep-pareto", "-objectives", "cycles", "area::least"], ["'area::least'", "::max"]),
        (["fft.csv", "-sort", "cycles::up"], ["'up'", "COLUMN::max"]),
        (["twice.csv"], ["2 columns 'a'"]),
        (["empty.csv"], ["empty.csv is empty"]),
        (["quotes.csv"], ["quotes.csv, line"]),
        (["not.xlsx"], ["not.xlsx cannot be read as XLSX"]),
        (["not.parquet"], ["not.parquet cannot be read as Parquet"]),
    ],
)
def test_a_fault_names_its_place_and_what_is_allowed(tables: Project, words: list[str], said: list[str]) -> None:
    tables.write("text.csv", "a,b\n1,2\noops,3\n")
    tables.write("twice.csv", "a,a\n1,2\n")
    tables.write("empty.csv", "")
    tables.write("quotes.csv", 'a,b\n"1,2\n')
    tables.write("not.xlsx", "a,b\n")
    tables.write("not.parquet", "a,b\n")
    call(tables, *words, "-output", "made.csv").refused(*said)
    assert not tables.path("made.csv").exists()


def test_every_step_and_picture_is_handled() -> None:
    from deffe.table_tools import command

    source = Path(command.__file__).read_text()
    assert all(f'"{flag.name}"' in source for flag in (*GROUPS[STEPS], *GROUPS[PICTURES]))


def test_help_imports_nothing_heavy_of_the_command() -> None:
    program = Path(__file__).parents[2] / "framework" / "run_deffe.py"
    said = subprocess.run(
        [sys.executable, "-X", "importtime", program, "-h"], capture_output=True, text=True, check=True
    )
    assert "run_deffe tables -h" in " ".join(said.stdout.split())
    assert not any(name in said.stderr for name in ("pandas", "numpy", "matplotlib", "deffe.table_tools"))
    said = subprocess.run(
        [sys.executable, "-X", "importtime", program, "tables", "-h"], capture_output=True, text=True, check=True
    )
    assert "matplotlib" not in said.stderr
