"""Inference only, by checkpoints: any rows, any columns, in any order, with errors on their own rows."""

from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from originals import original_checkpoint, original_knobs

if TYPE_CHECKING:
    from conftest import Ended, Project

ROOT = Path(__file__).parents[2]
LINE = (ROOT / "test" / "models" / "line.py").read_text()
CODE = """
def costs(frame):
    size = frame["size"] / 4
    return {"cycles": 1000 + size * 20 + frame["b"] * 3 + (frame["kind"] == "slow") * 100, "energy": 5 + size / 4}
"""
SPACE: dict[str, Any] = {
    "knobs": [
        {"name": "size", "values": "4, 8, 12, 16, 24, 48, 64", "map": "SIZE", "scale": "linear"},
        {"name": "b", "values": "0-15"},
        {"name": "kind", "values": ["slow", "fast"]},
        {"name": "line", "values": "64"},
    ],
    "costs": ["cycles", "energy"],
}
"""A straight line is exact on it."""


def cycles(size: float, b: float, kind: str) -> float:
    return 1000 + size * 5 + b * 3 + 100 * (kind == "slow")


@pytest.fixture
def learned(project: Project) -> Project:
    """A project with checkpoints of both costs."""
    project.write("line.py", LINE)
    project.python(CODE, **SPACE, model={"pyscript": "line.py"}).run("-custom-samples", 60, "-no-inference").ok()
    for index in range(2):
        found = next(project.path("checkpoints").glob(f"step0-cost{index}-*"))
        found.rename(project.path(f"checkpoint{index}"))
    return project


def ask(project: Project, text: str, *arguments: object, icp: tuple[str, ...] = ("checkpoint0",)) -> Ended:
    project.write("ask.csv", text)
    return project.run("-inference-only", "-input", "ask.csv", "-output", "told.csv", "-icp", *icp, *arguments)


def test_rows_keep_their_order_and_columns(learned: Project) -> None:
    rows = [(b, kind, size) for b in (14, 0, 7) for kind in ("fast", "slow") for size in (64, 4, 16)]
    text = "".join(f"{b},row {i},{kind},{size}\n" for i, (b, kind, size) in enumerate(rows))
    ended = ask(learned, f"b,note,kind,size\n{text}{text}").ok()  # every row twice: none is dropped
    told = learned.numbers("told.csv")
    assert list(told["note"]) == [f"row {i}" for i in range(len(rows))] * 2
    assert list(told.columns[:4]) == ["b", "note", "kind", "size"]
    expected = [cycles(size, b, kind) for b, kind, size in rows] * 2
    np.testing.assert_allclose(told["predicted-cycles"], expected, rtol=1e-9)
    assert "36 points predicted" in ended.out
    assert "predicted-energy" not in told  # it has no checkpoint


def test_one_checkpoint_a_cost_whatever_their_order(learned: Project) -> None:
    ask(learned, "b,kind,size\n1,slow,8\n", icp=("checkpoint1", "checkpoint0")).ok()
    told = learned.numbers("told.csv").iloc[0]
    assert told["predicted-cycles"] == pytest.approx(cycles(8, 1, "slow"))
    assert told["predicted-energy"] == pytest.approx(5 + 8 / 4 / 4)


def test_values_outside_the_lists_extrapolate_and_are_counted(learned: Project) -> None:
    ended = ask(learned, "b,kind,size\n1,slow,10\n1.5,fast,64\n-3,fast,4096\n").ok()
    told = learned.numbers("told.csv")
    expected = [cycles(10, 1, "slow"), cycles(64, 1.5, "fast"), cycles(4096, -3, "fast")]
    np.testing.assert_allclose(told["predicted-cycles"], expected, rtol=1e-9)
    assert "1 row lies outside of what the checkpoints learned from, of 3" in ended.err


def test_columns_by_map_and_in_any_case_and_fixed_ones_absent(learned: Project) -> None:
    ask(learned, "B,Kind,SIZE\n1,slow,8\n").ok()
    assert learned.numbers("told.csv")["predicted-cycles"][0] == pytest.approx(cycles(8, 1, "slow"))


def test_errors_are_of_their_own_rows_and_of_points_not_learned_from(learned: Project) -> None:
    known = learned.numbers("deffe_evaluation.csv")
    mine = known.iloc[0]
    text = (
        f"b,kind,size,CYCLES\n{mine.b},{mine.kind},{mine['size']},1\n1,slow,10,{cycles(10, 1, 'slow') / 2}\n3,fast,8,\n"
    )
    ended = ask(learned, text).ok()
    told = learned.numbers("told.csv")
    assert told["error-percent-cycles"][1] == pytest.approx(100)
    assert told["cycles"].isna().tolist() == [False, False, True]
    assert told["error-cycles"].isna().tolist() == [False, False, True]
    assert "100.00 %" in ended.out  # the row learned from does not count
    assert "1 point of the input, not learned from" in ended.out


def test_predicted_costs_of_a_table_of_ours_are_not_true_ones(learned: Project) -> None:
    learned.run("-custom-samples", 60).ok()
    ended = learned.run("-inference-only", "-input", "deffe_output.csv", "-icp", "checkpoint0").ok()
    told = learned.numbers("predictions.csv")
    assert (told["cycles"].isna() == (told["State"] == "predicted")).all()
    assert "error on" not in ended.out  # all others were learned from


def test_nothing_is_trained_and_the_model_of_the_configuration_is_not_needed(learned: Project) -> None:
    learned.path("line.log").unlink()
    ask(learned, "b,kind,size\n1,slow,8\n").ok()
    assert not learned.path("line.log").exists()
    shutil.rmtree(learned.path("explore"))
    ask(learned, "b,kind,size\n1,slow,8\n").ok()


# what is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("b,kind\n1,slow\n", ["no column for 'size'", "its columns: b, kind"]),
        ("b,kind,size\n1,slow,8\n2,middling,8\n", ["line 3", "'middling'", "slow, fast"]),
        ("b,kind,size\n1,slow,8\n2,slow,many\n", ["line 3", "many"]),
        ("b,kind,size\n1,slow,8\n2,slow,\n", ["line 3", "size"]),
        ("b,kind,size\n1,slow,8\n2,slow,inf\n", ["line 3", "size", "inf"]),
        ("b,kind,size\n1,slow\n", ["line 2", "2 fields"]),
        ("b,kind,size\n", ["no rows"]),
        ("", ["is empty"]),
        ("b,kind,size,SIZE\n1,slow,8,9\n", ["several columns"]),
        ("b,kind,size,size\n1,slow,8,9\n", ["several columns"]),
    ],
)
def test_bad_input(learned: Project, text: str, words: list[str]) -> None:
    ask(learned, text).refused(*words)
    assert not learned.path("told.csv").exists()


def test_missing_input_and_checkpoints(learned: Project) -> None:
    learned.run("-inference-only", "-icp", "checkpoint0").refused("-input")
    ask(learned, "b,kind,size\n1,slow,8\n", icp=("nowhere",)).refused("nowhere", "does not exist")
    ask(learned, "b,kind,size\n1,slow,8\n", icp=("checkpoints",)).refused("is not a checkpoint")
    ask(learned, "b,kind,size\n1,slow,8\n", icp=("ask.csv",)).refused("ask.csv", "is not a checkpoint")
    ask(learned, "b,kind,size\n1,slow,8\n", icp=("checkpoint0",) * 2).refused("second checkpoint of 'cycles'")


def test_a_checkpoint_of_another_space_is_refused_with_the_difference(learned: Project, other: Project) -> None:
    knobs = [{"name": "size", "values": "4, 8, 1024", "scale": "linear"}, {"name": "w", "values": "1, 2"}]
    other.write("line.py", LINE)
    other.python(CODE, knobs=knobs, costs=["cycles"], model={"pyscript": "line.py"})
    checkpoint = str(learned.path("checkpoint0"))
    ask(other, "size,w\n4,1\n", icp=(checkpoint,)).refused(
        "no column for 'b', 'kind'", "size: 4.0 to 64.0, linear -> 4.0 to 1024.0, linear", "kind: one of slow, fast"
    )
    ask(other, "size,w,b,kind\n1024,1,1,slow\n", icp=(checkpoint,)).ok()  # its rows say all that is needed
    told = other.numbers("told.csv")
    assert told["predicted-cycles"][0] == pytest.approx(cycles(1024, 1, "slow"))


def test_a_checkpoint_of_another_cost_is_refused(learned: Project, other: Project) -> None:
    other.write("line.py", LINE)
    other.python(CODE, **{**SPACE, "costs": ["power"]}, model={"pyscript": "line.py"})
    ask(other, "b,kind,size\n1,slow,8\n", icp=(str(learned.path("checkpoint0")),)).refused("'cycles'", "power")


def test_the_file_of_a_model_is_run_only_if_it_is_ours_or_trusted(learned: Project, other: Project) -> None:
    other.python(CODE, **SPACE)
    other.write("line.py", LINE)
    icp = (str(learned.path("checkpoint0")),)
    ask(other, "b,kind,size\n1,slow,8\n", icp=icp).refused("'line.py'", "-trust-checkpoint")
    ask(other, "b,kind,size\n1,slow,8\n", "-trust-checkpoint", icp=icp).ok()


def test_a_pickle_is_loaded_on_trust_alone(project: Project) -> None:
    project.write("line.py", LINE)
    model = {"pyscript": "line.py", "options": {"pickled": True}}
    project.python(CODE, **SPACE, model=model).run("-custom-samples", 60, "-no-inference").ok()
    icp = (f"checkpoints/{next(project.path('checkpoints').glob('step0-cost0-*')).name}",)
    ask(project, "b,kind,size\n1,slow,8\n", icp=icp).refused("pickled", "-trust-checkpoint")
    ask(project, "b,kind,size\n1,slow,8\n", "-trust-checkpoint", icp=icp).ok()


# many rows


def test_many_rows_in_bounded_memory(learned: Project) -> None:
    many = pd.DataFrame({"b": np.arange(100_000) % 15, "kind": "slow", "size": 8, "cycles": 1.0})
    many.to_csv(learned.path("ask.csv"), index=False)
    tracemalloc.start()
    learned.run("-inference-only", "-input", "ask.csv", "-icp", "checkpoint0", "-output", "told.csv").ok()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 2**20
    assert len(learned.numbers("told.csv")) == 100_000


# the original's checkpoint


@pytest.fixture
def original(project: Project) -> Project:
    folder = original_checkpoint()
    project.config({"knobs": original_knobs("100, 1000, 100000"), "costs": ["cpu_cycles"]})
    for file in folder.iterdir():
        shutil.copy(file, project.folder)
    return project


def published(project: Project) -> Any:
    """Predictions by their cost in the published output, whose rows are shuffled."""
    return project.numbers("test-output.csv").set_index("original_cost")["predicted"]


def predict_original(project: Project) -> Ended:
    return project.run("-input", "test-input.csv", "-icp", "kmeans.hdf5", "-output", "told.csv", "-inference-only")


def test_the_originals_checkpoint_predicts_as_published(original: Project) -> None:
    ended = predict_original(original).ok()
    told = original.numbers("told.csv")
    np.testing.assert_allclose(told["predicted-cpu_cycles"], published(original)[told["cpu_cycles"]], rtol=1e-5)
    assert "cacheline 16..128, kmeans_objects 100..100000" in ended.err  # where its columns come from is told
    assert "some of which a checkpoint may have learned from" in ended.out
    assert " 3.00 %" in ended.out


def test_a_run_may_start_from_the_originals_checkpoint(original: Project) -> None:
    table = pd.read_csv(original.path("test-input.csv"))
    table[table["options"].isin([100, 1000])].to_csv(original.path("known.csv"), index=False)
    known = ["-pre-evaluated-data", "known.csv", "-only-preloaded-data-exploration"]
    ended = original.run("-icp", "kmeans.hdf5", *known, "-validate").ok()
    assert "its inputs" in ended.err


def test_a_note_beside_the_file_tells_columns_and_ranges(original: Project) -> None:
    columns = "cacheline,kmeans_objects,l1d_size,l1d_ways,l1i_size,l1i_ways,l2_size,l2_ways"
    knobs = [{"name": name, "values": "1, 2"} for name in columns.split(",")]  # of other ranges than the network
    original.config({"knobs": knobs, "costs": ["cpu_cycles"]})
    ranges = ["cacheline=16..128", "options=1..2", "l1d_size=1..64,l1i_size=1..64", "l2_size=1..256"]
    ranges += [f"{cache}_ways=1..8" for cache in ("l1d", "l1i", "l2")]
    given = ["-columns", *columns.replace("kmeans_objects", "options").split(",")]
    original.run("-import-checkpoint", "kmeans.hdf5", *given, "-ranges", *ranges).ok()
    ranges[1] = "options=100..100000"
    said = original.run("-import-checkpoint", "kmeans.hdf5", *given, "-ranges", *ranges).ok()
    assert "kmeans.hdf5.json" in said.out
    predict_original(original).ok()
    told = original.numbers("told.csv")
    np.testing.assert_allclose(told["predicted-cpu_cycles"], published(original)[told["cpu_cycles"]], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-columns", "l1d_size"], ["kmeans.hdf5", "8"]),
        (["-ranges", "l1d_sise=1..64"], ["'l1d_sise' is no input", "l1d_size"]),
        (["-columns", "l1d_size,l1d_size"], ["twice"]),
        (["-columns", "l1d_sizes"], ["'l1d_sizes'", "-ranges"]),
        (["-ranges", "l1d_size=1-64"], ["'l1d_size=1-64'", "LO..HI"]),
        (["-ranges", "l1d_size=64..1"], ["LO below HI"]),
    ],
)
def test_bad_imports(original: Project, arguments: list[str], words: list[str]) -> None:
    original.run("-import-checkpoint", "kmeans.hdf5", *arguments).refused(*words)
    assert not original.path("kmeans.hdf5.json").exists()


def test_a_file_that_was_changed_or_cut_short(original: Project) -> None:
    original.run("-import-checkpoint", "kmeans.hdf5").ok()
    file = original.path("kmeans.hdf5")
    file.write_bytes(file.read_bytes()[:50_000])
    predict_original(original).refused("written for another file")
    original.path("kmeans.hdf5.json").unlink()
    assert predict_original(original).refused("kmeans.hdf5 is not a network").err.count("kmeans.hdf5: kmeans") == 0


# what is there is not lost


@pytest.mark.parametrize(
    "name", ["ask.csv", "./ask.csv", "config.json", "checkpoint0/checkpoint.json", "explore/deffe.sqlite",
             "deffe_output.csv", "line.py", "checkpoints", "linked.csv", "deffe_prediction.csv"]
)  # fmt: skip
def test_the_output_replaces_nothing_but_predictions(learned: Project, name: str) -> None:
    learned.run("-custom-samples", 60).ok()
    learned.write("ask.csv", "b,kind,size\n1,slow,8\n")
    learned.path("linked.csv").symlink_to(learned.path("ask.csv"))
    before = learned.contents()
    told = learned.run("-inference-only", "-input", "ask.csv", "-output", name, "-icp", "checkpoint0")
    told.refused("-output", Path(name).name)
    assert learned.contents() == before


def test_predictions_are_replaced_by_new_ones_and_empty_files_too(learned: Project) -> None:
    learned.write("told.csv", "")
    ask(learned, "b,kind,size\n1,slow,8\n").ok()
    ask(learned, "b,kind,size\n1,slow,8\n2,fast,8\n", icp=("checkpoint1",)).ok()
    assert len(learned.numbers("told.csv")) == 2


def test_an_output_that_was_the_input_is_refused(learned: Project) -> None:
    ask(learned, "b,kind,size\n1,slow,8\n").ok()
    before = learned.path("told.csv").read_bytes()
    arguments = ["-inference-only", "-icp", "checkpoint0", "-input", "told.csv", "-output", "told.csv"]
    learned.run(*arguments).refused("told.csv is the input")
    assert learned.path("told.csv").read_bytes() == before


def test_text_for_a_true_cost_is_an_error(learned: Project) -> None:
    good = "b,kind,size,Cycles\n1,slow,8,1000\n2,slow,8,\n3,slow,8,NULL\n4,slow,8,nan\n5,slow,8, inf\n"
    ask(learned, good).ok()
    assert learned.numbers("told.csv")["cycles"].notna().tolist() == [True, False, False, False, False]
    learned.path("told.csv").unlink()
    ask(learned, good + "6,slow,8,12 000\n").refused("ask.csv", "line 7", "'Cycles'", "'12 000'", "empty cell")
    assert not learned.path("told.csv").exists()


def test_text_for_a_cost_that_a_table_of_ours_says_has_failed_is_none(learned: Project) -> None:
    text = "b,kind,size,cycles,State,Reason\n1,slow,8,1000,done,\n2,slow,8,-?-,failed,crashed\n"
    ask(learned, text).ok()
    assert learned.numbers("told.csv")["cycles"].notna().tolist() == [True, False]


def test_the_number_of_inputs_of_an_original_file_is_explained(original: Project) -> None:
    knobs = [{"name": name, "values": "1, 2, 4"} for name in ("l1d_size", "l1d_ways", "cacheline")]
    original.config({"knobs": knobs, "costs": ["cpu_cycles"]})
    words = ["kmeans.hdf5", "the network has 8 inputs, not 3", "3 features: cacheline, l1d_size, l1d_ways"]
    words += ["-columns", "-ranges", "-import-checkpoint"]
    predict_original(original).refused(*words)
    original.run("-import-checkpoint", "kmeans.hdf5").refused(*words[:3])
