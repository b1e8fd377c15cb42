"""Every checkpoint of a folder, measured on a table of known results."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from originals import original_checkpoint, original_knobs

from deffe.learn.statistics import Measured, best_lines

if TYPE_CHECKING:
    from conftest import Project

ROOT = Path(__file__).parents[2]
LINE = (ROOT / "test" / "models" / "line.py").read_text()
COLUMNS = ["Epoch", "CostIndex", "TrainLoss", "ValLoss", "TestLoss", "AllLoss", "Step", "TrainCount", "ValCount"]
SPACE: dict[str, Any] = {
    "knobs": [{"name": "a", "values": "1-21"}, {"name": "b", "values": "1-11"}],
    "costs": ["cycles", "energy"],
    "exploration": {"explore": [{"pre_evaluated_data": "known.csv", "only_preloaded": True}]},
    "model": {"pyscript": "line.py"},
}
"""200 points."""


def true_cycles(table: Any) -> Any:
    return 1000 + 20 * table["a"] * table["b"]  # no straight line


@pytest.fixture
def learned(project: Project) -> Project:
    """A project with checkpoints of two steps, that learned from rows of a table, and a table of these rows."""
    project.write("line.py", LINE)
    project.config(SPACE)
    rows = [(a, b) for a in range(1, 21) for b in range(1, 11)]
    lines = [f"{a},{b},{1000 + 20 * a * b},{5 + a / 4}" for a, b in rows]
    project.write("known.csv", "\n".join(["a,b,cycles,energy", *lines, ""]))
    project.run("-custom-samples", 60, 120, "-train-test-split", 0.8).ok()
    return project


def stats(project: Project, *arguments: object, table: str = "evaluate-model-output.csv") -> Any:
    project.run("-model-extract-dir", "checkpoints", *arguments).ok()
    return project.numbers(table)


def relative(project: Project, step: int, part: str) -> float:
    """The loss of a part of the rows, by the predictions of the checkpoint for them."""
    checkpoint = next(project.path("checkpoints").glob(f"step{step}-cost0-*"))
    project.run("-inference-only", "-input", "known.csv", "-icp", checkpoint, "-output", "all.csv").ok()
    told = project.numbers("all.csv").iloc[np.load(project.path(f"step{step}-{part}-indices.npy"))]
    return float(np.mean(np.abs(told["predicted-cycles"] - told["cycles"]) / told["cycles"]))


def forget_points(project: Project, *names: str) -> None:
    """Take from all checkpoints what they noted of their points, so that they are like files of the original."""
    for manifest in project.path("checkpoints").glob("*/checkpoint.json"):
        data = json.loads(manifest.read_text())
        for name in names or ("points.npy", "validation.npy"):
            del data["files"][name]
            (manifest.parent / name).unlink()
        manifest.write_text(json.dumps(data))


def test_a_row_a_checkpoint(learned: Project) -> None:
    table = stats(learned)
    assert list(table.columns) == [*COLUMNS, "Checkpoint"]
    assert table[["Step", "CostIndex"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert (table["AllLoss"] >= 0).all()
    assert set(table["Checkpoint"]) == {path.name for path in learned.path("checkpoints").iterdir()}


def test_losses_are_of_the_saved_split(learned: Project) -> None:
    table = stats(learned, "-load-train-test", "-loss", "custom_mean_abs_exp_loss")
    row = table[(table["Step"] == 0) & (table["CostIndex"] == 0)].iloc[0]
    for column, part in (("TrainLoss", "train"), ("ValLoss", "val")):
        assert row[column] == pytest.approx(relative(learned, 0, part), rel=1e-9)
    trained = len(np.load(learned.path("step0-train-indices.npy")))
    chosen = len(np.load(learned.path("step0-val-indices.npy")))
    assert (row["TrainCount"], row["ValCount"]) == (trained, chosen)
    rest = (row["AllLoss"] * 200 - row["TrainLoss"] * trained - row["ValLoss"] * chosen) / (200 - trained - chosen)
    assert row["TestLoss"] == pytest.approx(rest)  # all other rows


def test_another_run_in_the_same_folder_does_not_change_what_was_learned(learned: Project) -> None:
    before = stats(learned, "-load-train-test").set_index("Checkpoint")
    learned.run("-custom-samples", 60, 120, "-train-test-split", 0.5, "-seed", 5, "-run-directory", "second").ok()
    for arguments in (["-load-train-test"], ["-seed", 5, "-train-test-split", 0.3]):
        after = stats(learned, *arguments).set_index("Checkpoint")
        assert len(after) == 2 * len(before)
        assert after.loc[before.index].equals(before)


def test_rows_that_were_learned_are_no_test_rows_whatever_the_split_is(learned: Project) -> None:
    table = stats(learned, "-train-test-split", 0.1)
    for row in table.itertuples():
        learned_from = len(np.load(learned.path("checkpoints") / row.Checkpoint / "points.npy"))
        assert row.TrainCount + row.ValCount == learned_from


def test_checkpoints_that_do_not_tell_what_chose_their_weights(learned: Project) -> None:
    before = stats(learned)
    forget_points(learned, "validation.npy")
    assert stats(learned, "-train-test-split", 0.8).equals(before)  # the same seed draws them again
    other = stats(learned, "-seed", 9)
    assert (other["TrainCount"] + other["ValCount"] == before["TrainCount"] + before["ValCount"]).all()
    assert other["TestLoss"].equals(before["TestLoss"])


@pytest.mark.parametrize("loss", ["custom_mean_abs_log_loss", "custom_mean_abs_exp_loss", "mean_squared_error"])
def test_losses_by_name(learned: Project, loss: str) -> None:
    table = stats(learned, "-loss", loss, "-model-stats-output", "mine.csv", table="mine.csv")
    checkpoint = next(learned.path("checkpoints").glob("step1-cost0-*"))
    learned.run("-inference-only", "-input", "known.csv", "-icp", checkpoint, "-output", "all.csv").ok()
    told = learned.numbers("all.csv")
    actual, predicted = told["cycles"], told["predicted-cycles"]
    expected = {
        "custom_mean_abs_log_loss": np.mean(np.abs(np.log(predicted) - np.log(actual)) / np.log(actual)),
        "custom_mean_abs_exp_loss": np.mean(np.abs(predicted - actual) / actual),
        "mean_squared_error": np.mean((predicted - actual) ** 2),
    }
    assert table[(table["Step"] == 1) & (table["CostIndex"] == 0)]["AllLoss"].iloc[0] == pytest.approx(expected[loss])


def test_files_of_the_original_are_measured_too(project: Project) -> None:
    folder = original_checkpoint()
    knobs = original_knobs("100, 500, 1000, 10000, 66950, 100000")
    project.config({"knobs": knobs, "costs": ["cpu_cycles"], "model": {"pyscript": "absent_model.py"}})
    shutil.copy(folder / "test-input.csv", project.folder)
    project.path("checkpoints").mkdir()
    name = "step3-cost0-train10-val3-weights-improvement-07-loss0.0123-valloss0.0234.hdf5"
    shutil.copy(folder / "kmeans.hdf5", project.path("checkpoints") / name)
    table = stats(project, "-pre-evaluated-data", "test-input.csv", "-loss", "custom_mean_abs_exp_loss")
    assert table[["Epoch", "Step"]].to_numpy().tolist() == [[7, 3]]
    assert table["AllLoss"][0] == pytest.approx(0.03, abs=1e-3)


def test_a_damaged_checkpoint_is_left_out(learned: Project) -> None:
    damaged = next(learned.path("checkpoints").glob("step0-cost1-*"))
    (damaged / "weights.npy").write_bytes(b"")
    ended = learned.run("-model-extract-dir", "checkpoints").ok()
    assert f"{damaged.name} is left out" in ended.err
    assert len(learned.numbers("evaluate-model-output.csv")) == 3


def test_a_checkpoint_of_another_space_is_left_out(learned: Project, other: Project) -> None:
    other.write("line.py", LINE)
    knobs = [{"name": "a", "values": "1-21"}, {"name": "w", "values": "1-11"}]
    code = "def costs(frame):\n    return {'cycles': frame['a'] + 1.0}\n"
    other.python(code, knobs=knobs, costs=["cycles"], model={"pyscript": "line.py"}).run("-custom-samples", 40).ok()
    strange = next(other.path("checkpoints").iterdir())
    shutil.copytree(strange, learned.path("checkpoints") / strange.name)
    ended = learned.run("-model-extract-dir", "checkpoints").ok()
    assert f"{strange.name} is left out" in ended.err
    assert "'w'" in ended.err
    assert "1 other left out" in ended.out
    assert strange.name not in set(learned.numbers("evaluate-model-output.csv")["Checkpoint"])
    for path in learned.path("checkpoints").iterdir():
        if path.name != strange.name:
            shutil.rmtree(path)
    learned.run("-model-extract-dir", "checkpoints").refused("no checkpoint that can be measured", "'w'")


def measured(name: str, losses: dict[str, float], told: bool = True) -> Measured:
    every = dict.fromkeys(("train_loss", "val_loss", "test_loss", "all_loss"), math.nan) | losses
    return Measured(Path(name), 0, 0, 0, "cycles", **every, train=9, validation=3, error=1.0, told=told)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"val_loss": 2, "test_loss": 1}, {"val_loss": 1, "test_loss": 2}, ["least ValLoss", "second"]),
        ({"train_loss": 1, "test_loss": 2}, {"train_loss": 2, "test_loss": 1}, ["least TestLoss", "second"]),
        (
            {"train_loss": 1, "all_loss": 2},
            {"train_loss": 2, "all_loss": 1},
            ["AllLoss", "second", "learned from, too"],
        ),
        ({"train_loss": 2}, {"train_loss": 1}, ["TrainLoss", "second", "trained on"]),
        ({}, {}, ["no loss"]),
    ],
)
def test_the_best_is_that_of_rows_not_learned_from(
    first: dict[str, float], second: dict[str, float], words: list[str]
) -> None:
    told = "\n".join(best_lines([measured("first", first), measured("second", second)]))
    assert not [word for word in words if word not in told]


def test_it_is_said_where_test_rows_may_have_been_learned(learned: Project) -> None:
    forget_points(learned)
    ended = learned.run("-model-extract-dir", "checkpoints", "-train-test-split", 0.5, "-validation-split", 0).ok()
    assert "not known which rows were learned from" in ended.err
    assert "some of those that test may be among them" in ended.out


@pytest.mark.parametrize("name", ["known.csv", "config.json", "line.py", "explore/deffe.sqlite", "checkpoints"])
def test_nothing_else_is_overwritten(learned: Project, name: str) -> None:
    before = learned.contents()
    learned.run("-model-extract-dir", "checkpoints", "-model-stats-output", name).refused(name)
    assert learned.contents() == before
    stats(learned)
    stats(learned)  # a table of its own is


def test_plot(learned: Project) -> None:
    pytest.importorskip("matplotlib")
    learned.run("-model-extract-dir", "checkpoints", "-plot-loss", "-model-stats-output", "mine.csv").ok()
    assert learned.path("mine.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-model-extract-dir", "nowhere"], ["nowhere"]),
        (["-model-extract-dir", "."], ["no checkpoint"]),
        (["-model-extract-dir", "checkpoints", "-loss", "custom_mean_abs_logloss"], ["custom_mean_abs_log_loss"]),
        (["-model-extract-dir", "checkpoints", "-model-stats-output", "known.csv/x.csv"], ["known.csv"]),
    ],
)
def test_bad_calls(learned: Project, arguments: list[str], words: list[str]) -> None:
    learned.run(*arguments).refused(*words)


def test_a_split_that_was_not_saved(learned: Project) -> None:
    forget_points(learned)
    learned.path("step1-val-indices.npy").unlink()
    learned.run("-model-extract-dir", "checkpoints", "-load-train-test").refused("step1-val-indices.npy")


def test_a_split_of_another_table(learned: Project) -> None:
    forget_points(learned)
    np.save(learned.path("step0-val-indices.npy"), np.array([3, 200]))
    learned.run("-model-extract-dir", "checkpoints", "-load-train-test").refused("step0-val", "200", "another table")
    learned.path("step0-val-indices.npy").write_bytes(b"")
    learned.run("-model-extract-dir", "checkpoints", "-load-train-test").refused("step0-val", "cannot be read")


def test_there_must_be_known_results(learned: Project) -> None:
    learned.config({**SPACE, "exploration": {}})
    learned.run("-model-extract-dir", "checkpoints").refused("known results", "-pre-evaluated-data")
