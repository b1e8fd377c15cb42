"""The experiments: from any folder, with few epochs, their scripts leave the files that they are known for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deffe.checkpoint import parse_name
from deffe.config import load
from deffe.models._network.inputs import Inputs, inputs_between
from deffe.sources import corresponding

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "example" / "experiments"
LEFT = ("explore*", "deffe_*", "*.hdf5", "loss.png", "checkpoints", "*.npy", "*-minmax.json", "test-*.csv", "*.riscv")
FOLDERS = {
    f"{family}/{loss}/{kernel}": (loss, kernel)
    for family, kernel in (
        ("full_explore", "kmeans"),
        ("transfer_learning_samples", "kmeans"),
        ("transfer_learning_samples_across_kernels", "matmul"),
    )
    for loss in ("log", "exp")
}
LOSSES = ["TrainLoss", "ValLoss", "TestLoss", "AllLoss"]
COLUMNS = ["Epoch", "CostIndex", *LOSSES, "Step", "TrainCount", "ValCount", "Checkpoint"]
KNOBS = ["cacheline", "l1d_size", "l1d_ways", "l1i_size", "l1i_ways", "l2_size", "l2_ways"]
needs_network = pytest.mark.skipif(
    find_spec("keras") is None or not any(map(find_spec, ("tensorflow", "torch", "jax"))),
    reason="no network library is installed: pip install 'deffe[keras,torch]'",
)
needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples in a copy, beside the real framework."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "example", folder / "example", ignore=shutil.ignore_patterns(*LEFT))
    (folder / "framework").symlink_to(ROOT / "framework")
    return folder


def script(path: Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script from another folder, with the Python that runs the tests."""
    known = {name: value for name, value in os.environ.items() if name != "DEFFE_DIR"}
    found = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {**known, "PATH": found, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        ["sh", str(path)], cwd=cwd, env=variables, capture_output=True, text=True, timeout=300, check=False
    )


def run(checkout: Path, name: str, cwd: Path) -> tuple[Path, str]:
    """The folder of an experiment that was run with few epochs, and what the run told."""
    folder = checkout / "example" / "experiments" / name
    done = script(folder / "run.sh", cwd, EPOCHS="3")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stderr


def infer(folder: Path, kernel: str, cwd: Path) -> None:
    """Run the inference of an experiment and check its predictions."""
    done = script(folder / "inference.sh", cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    size = {"kmeans": "kmeans_objects", "matmul": "matmul_size"}[kernel]
    table = pd.read_csv(ROOT / "example" / f"output_{kernel}_deffe.csv")
    assert list(pd.read_csv(folder / "test-input.csv").columns) == [*KNOBS, size, "cpu_cycles"]
    for file, rows in (("test-output.csv", table.tail(20)), ("test-output-full.csv", table)):
        found = pd.read_csv(folder / file)
        assert found[[*KNOBS, size, "cpu_cycles"]].to_numpy().tolist() == (
            rows[[*KNOBS, size, "cpu_cycles"]].to_numpy().tolist()
        )
        assert (found["predicted-cpu_cycles"] > 0).all()


def check_steps(folder: Path, totals: list[int]) -> None:
    """Every step has its checkpoints and the points that it learned from, and the statistics agree with both."""
    names = [parse_name(path.name) for path in (folder / "checkpoints").iterdir()]
    assert {found["step"] for found in names if found} == set(range(len(totals)))
    for file in folder.glob("test-output-*loss.csv"):
        statistics = pd.read_csv(file)
        assert list(statistics.columns) == COLUMNS
        assert len(statistics) == len(names)
        assert (statistics["CostIndex"] == 0).all()
        assert (statistics[["TrainLoss", "ValLoss", "TestLoss", "AllLoss"]] >= 0).all(axis=None)
        for step, total in enumerate(totals):
            train, val = (np.load(folder / f"step{step}-{part}-indices.npy") for part in ("train", "val"))
            assert len(np.union1d(train, val)) == len(train) + len(val) == total
            own = statistics[statistics["Step"] == step]
            assert set(zip(own["TrainCount"], own["ValCount"], strict=True)) == {(len(train), len(val))}


def check_rest(folder: Path, kernel: str, statistics: list[str], cwd: Path) -> None:
    """The other files, and nothing in the current folder."""
    assert sorted(path.name for path in folder.glob("test-output-*loss.csv")) == statistics
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    last = (folder / f"{kernel}.hdf5").resolve()
    assert last.parent == (folder / "checkpoints").resolve()
    steps = [found["step"] for path in last.parent.iterdir() if (found := parse_name(path.name))]
    assert (parse_name(last.name) or {})["step"] == max(steps)
    assert not list(cwd.iterdir())


@needs_network
@needs_matplotlib
class TestFewEpochs:
    def test_full_exploration(self, checkout: Path, tmp_path: Path) -> None:
        folder, _ = run(checkout, "full_explore/log/kmeans", tmp_path)
        test = np.load(folder / "step0-test-indices.npy")
        assert len(test) == pytest.approx(600, abs=60)
        check_steps(folder, [2000 - len(test)])
        infer(folder, "kmeans", tmp_path)
        check_rest(folder, "kmeans", ["test-output-exploss.csv"], tmp_path)

    def test_transfer_between_steps(self, checkout: Path, tmp_path: Path) -> None:
        folder, told = run(checkout, "transfer_learning_samples/exp/kmeans", tmp_path)
        assert "starts from earlier weights" in told
        check_steps(folder, [20, 40, 60, 80, 100, 150, 200, 300])
        check_rest(folder, "kmeans", ["test-output-exploss.csv", "test-output-logloss.csv"], tmp_path)

    def test_transfer_between_kernels(self, checkout: Path, tmp_path: Path) -> None:
        folder, told = run(checkout, "transfer_learning_samples_across_kernels/log/matmul", tmp_path)
        first = told.split("matmul step 0: 20 points")[0]
        assert "starts from earlier weights" in first
        check_steps(folder, [20, 40, 60, 80, 100, 150, 200, 300])
        infer(folder, "matmul", tmp_path)
        check_rest(folder, "matmul", ["test-output-exploss.csv", "test-output-logloss.csv"], tmp_path)


def test_the_size_of_one_kernel_stands_for_that_of_the_other() -> None:
    kmeans, matmul = (
        load(ROOT / "example" / f"config_{name}.json").explorations[0].space for name in ("kmeans", "matmul")
    )
    maps = [{p.name: p.map for p in space.parameters} for space in (kmeans, matmul)]
    mapping = corresponding(maps[1], kmeans.feature_map.inputs, {}, maps[0])
    assert mapping["matmul_size"] == "kmeans_objects"
    inputs = inputs_between(matmul, kmeans.feature_map, mapping, {})
    assert isinstance(inputs, Inputs)
    features = matmul.features(matmul.sample(50, np.random.default_rng(0)))
    ours, theirs = list(matmul.feature_names), list(kmeans.feature_names)
    order = [ours.index({"kmeans_objects": "matmul_size"}.get(name, name)) for name in theirs]
    np.testing.assert_allclose(inputs(features), features[:, order])


def test_these_are_all() -> None:
    assert sorted(str(path.parent.relative_to(EXPERIMENTS)) for path in EXPERIMENTS.rglob("run.sh")) == sorted(FOLDERS)


@pytest.mark.parametrize("name", FOLDERS)
def test_scripts_can_be_run_and_train_by_the_loss_of_their_folder(name: str) -> None:
    loss, kernel = FOLDERS[name]
    for file in ("run.sh", "inference.sh"):
        path = EXPERIMENTS / name / file
        assert os.access(path, os.X_OK)
        assert subprocess.run(["sh", "-n", str(path)], check=False).returncode == 0
        assert f"/example/config_{kernel}" in path.read_text()
    training = (EXPERIMENTS / name / "run.sh").read_text().split("python3")[1]
    assert f"-loss custom_mean_abs_{loss}_loss" in training


def test_inference_without_a_run_says_what_to_do(checkout: Path, tmp_path: Path) -> None:
    done = script(checkout / "example" / "experiments" / "full_explore" / "exp" / "kmeans" / "inference.sh", tmp_path)
    assert done.returncode == 1
    assert "run.sh makes it" in done.stderr
