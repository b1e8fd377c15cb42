"""Checkpoints by themselves: written whole, read only when they are as they were written."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deffe import checkpoint as checkpoints
from deffe.checkpoint import About, parse_name
from deffe.errors import CheckpointError
from deffe.expressions import Expression
from deffe.learn.splits import DrawnSplit, IndexFiles, SavedSplit
from deffe.metrics import DEFAULT_LOSS, LOSSES, coverage, loss
from deffe.records import CostReport
from deffe.space import DesignSpace, FeatureMap, Parameter

SPACE = DesignSpace(
    (
        Parameter("size", (1, 2, 4, 8)),
        Parameter("kind", ("slow", "fast")),
        Parameter("depth", (3, 5), when=Expression("kind == 'fast'", ["kind"])),
    )
)
REPORT = CostReport("cycles", "5-fold cross-validation", 20, 3.0, 0.9, 0.8, math.nan)
ABOUT = About(
    model="line",
    cost="cycles",
    features=FeatureMap.of(SPACE),
    index=1,
    unit="cycles",
    step=2,
    epoch=7,
    train=16,
    validation=4,
    train_loss=0.12345,
    val_loss=0.5,
    space=SPACE.describe(),
    report=REPORT,
)
POINTS = np.array([5, -3, 9])


def save(folder: Path) -> dict[str, Any]:
    np.save(folder / "weights.npy", np.arange(5.0))
    (folder / "more").mkdir()
    (folder / "more" / "text.txt").write_text("hello")
    return {"std": 1.5}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return checkpoints.write(tmp_path / "checkpoints", ABOUT, POINTS, save)


def test_what_is_written_is_read(written: Path) -> None:
    found = checkpoints.read(written)
    assert checkpoints.read(written / "checkpoint.json").path == found.path == written
    assert replace(found.about, report=None) == replace(ABOUT, report=None)
    assert found.about.report is not None
    assert replace(found.about.report, coverage=0.0) == replace(REPORT, coverage=0.0)
    assert math.isnan(found.about.report.coverage)
    assert found.facts == {"std": 1.5}
    assert found.points is not None
    assert found.points.tolist() == [-3, 5, 9]
    assert found.fallback == {"size": 4, "kind": "slow", "depth": 5}


def test_the_name_tells_step_cost_counts_epoch_and_losses(written: Path) -> None:
    assert written.name == "step2-cost1-train16-val4-weights-improvement-07-loss0.1235-valloss0.5000"
    parts = parse_name(written.name)
    assert parts == {
        "step": 2,
        "index": 1,
        "train": 16,
        "validation": 4,
        "epoch": 7,
        "train_loss": 0.1235,
        "val_loss": 0.5,
    }
    assert parse_name(written.name + ".hdf5") == parts
    assert math.isnan(parse_name(replace(ABOUT, val_loss=math.nan).name)["val_loss"])
    assert parse_name("kmeans.hdf5") == {}


def test_no_half_a_checkpoint_is_left(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        save(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="space"):
        checkpoints.write(tmp_path, ABOUT, POINTS, fail)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_former_one(written: Path) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="space"):
        checkpoints.write(written.parent, ABOUT, POINTS, fail)
    assert checkpoints.read(written).facts == {"std": 1.5}
    checkpoints.write(written.parent, ABOUT, POINTS, lambda folder: {"std": 2.5})
    assert checkpoints.read(written).facts == {"std": 2.5}
    assert list(written.parent.iterdir()) == [written]


def change(**keys: Any) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        manifest = folder / "checkpoint.json"
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **keys}))

    return edit


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "checkpoint.json").unlink(), "has no checkpoint.json"),
        (lambda f: (f / "checkpoint.json").write_text((f / "checkpoint.json").read_text()[:200]), "cut short"),
        (lambda f: (f / "checkpoint.json").write_text("[1]"), "not that of a checkpoint"),
        (lambda f: (f / "checkpoint.json").write_bytes(b"\xff\xfe"), "damaged"),
        (lambda f: (f / "weights.npy").unlink(), "weights.npy is missing"),
        (lambda f: (f / "weights.npy").write_bytes((f / "weights.npy").read_bytes()[:-8]), "weights.npy is cut short"),
        (lambda f: np.save(f / "weights.npy", np.ones(5)), "weights.npy is not as it was written"),
        (lambda f: (f / "more" / "text.txt").write_text("other"), "text.txt is not as it was written"),
        (change(kind="something else"), "not that of a checkpoint"),
        (change(format=99, deffe="9.0"), "format 99, written by deffe 9.0"),
        (change(format=None), "format None"),
        (change(features={}), "damaged"),
        (change(features=None), "damaged"),
        (change(facts=None), "damaged"),
        (change(train_loss="x"), "damaged"),
        (change(files={"../../secret": {"size": 0, "blake2b": ""}}), "outside"),
        (change(files={"weights.npy": None}), "damaged"),
        (shutil.rmtree, "does not exist"),
    ],
)
def test_a_damaged_checkpoint_is_refused(written: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(written)
    with pytest.raises(CheckpointError, match=words):
        checkpoints.read(written)


def test_a_folder_of_checkpoints_names_one(written: Path) -> None:
    with pytest.raises(CheckpointError) as error:
        checkpoints.read(written.parent)
    assert written.name in error.value.hint


# losses


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_right_prediction_has_no_loss(name: str) -> None:
    costs = np.array([0.5, 3.0, 1e9])
    assert loss(name, costs, costs) == 0
    assert loss(name, costs, costs * 1.1) > 0
    assert math.isnan(loss(name, costs[:0], costs[:0]))


def test_losses_of_the_original() -> None:
    """As its formulas give them from the logarithm that its networks predict."""
    actual, output = np.array([20.0, 3000.0]), np.array([3.1, 7.9])
    predicted = np.exp(output)
    assert loss(DEFAULT_LOSS, actual, predicted) == pytest.approx(
        abs(np.mean(np.abs(output - np.log(actual)) / np.log(actual)))
    )
    assert loss("custom_mean_abs_exp_loss", actual, predicted) == pytest.approx(
        np.mean(np.abs(np.exp(output) - actual) / actual)
    )


@pytest.mark.parametrize(
    ("name", "actual"), [(DEFAULT_LOSS, 0.0), (DEFAULT_LOSS, 1.0), (DEFAULT_LOSS, -2.0), ("custom_mean_abs_loss", 0.0)]
)
def test_a_loss_that_is_not_defined_is_no_number(name: str, actual: float) -> None:
    assert math.isnan(loss(name, np.array([actual, 5.0]), np.array([2.0, 5.0])))


def test_coverage() -> None:
    actual = np.array([1.0, 2.0, 3.0, 4.0])
    assert coverage(actual, actual, actual) == 100
    assert coverage(actual, actual - 1, np.array([2.0, 2.5, 2.0, 5.0])) == 75
    assert math.isnan(coverage(actual, np.full(4, np.nan), actual))


# splits


def test_a_drawn_split_depends_on_identity_and_seed_alone() -> None:
    ids = np.random.default_rng(0).integers(-(2**63), 2**63, 5000)
    split = DrawnSplit(0.7, 0.25, seed=3)
    rows, positions = split.of(0, ids, ids), np.random.default_rng(1).permutation(len(ids))
    moved = split.of(4, ids[positions], ids)
    for part, share in (("test", 0.3), ("validation", 0.7 * 0.25), ("train", 0.7 * 0.75)):
        assert getattr(rows, part).mean() == pytest.approx(share, abs=0.02)
        np.testing.assert_array_equal(getattr(moved, part), getattr(rows, part)[positions])
    assert (rows.train.astype(int) + rows.validation + rows.test == 1).all()
    assert (DrawnSplit(0.7, 0.25, seed=4).of(0, ids, ids).validation != rows.validation).any()


def test_a_saved_split_is_the_one_that_was_written(tmp_path: Path) -> None:
    ids, positions = np.arange(100) * 7919, np.arange(100) + 1000
    rows = DrawnSplit(0.7, 0.25, seed=3).of(0, ids, positions)
    files = IndexFiles(tmp_path)
    files.write(2, rows, positions)
    found = SavedSplit(files).of(2, ids, positions)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(found, part), getattr(rows, part))
    more = SavedSplit(files).of(2, np.arange(200), np.arange(200) + 1000)
    assert more.test[100:].all()  # all others
