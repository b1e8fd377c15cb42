"""The examples: every configuration is valid and explores recorded results; the scripts for live gem5 do their part."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from deffe.config import load
from deffe.run import run

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example"
RECORDS = ROOT / ".." / "shared" / "data" / "gem5_runs"
CONFIGS = sorted(EXAMPLE.glob("config*.json"))
REPLAYS = [path for path in CONFIGS if path.name != "config_gem5.json"]
LIBRARIES = {"keras_cnn": ("keras", "tensorflow", "torch", "jax"), "torch_cnn": ("torch",)}
KNOBS = {"cacheline": 64, "l1d_size": 8, "l1d_ways": 2, "l1i_size": 16, "l1i_ways": 1, "l2_size": 256, "l2_ways": 4}


def deffe(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run deffe as from a checkout."""
    command = [sys.executable, str(ROOT / "framework" / "run_deffe.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def script(name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the examples as a trial does."""
    known = {name: str(value) for name, value in KNOBS.items()}
    variables = {**os.environ, **known, "DEFFE_CONFIG_DIR": str(EXAMPLE), **environment}
    command = ["bash", str(EXAMPLE / name)]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_is_valid_with_its_plugins(path: Path, tmp_path: Path) -> None:
    libraries = LIBRARIES.get(load(path).model.ml_model_type, ())
    if libraries and not (find_spec(libraries[0]) and any(map(find_spec, libraries[1:] or libraries))):
        pytest.skip(f"its network needs {libraries[0]}, which is not installed with all it needs")
    said: list[str] = []
    flags = {"validate": True, "run_directory": str(tmp_path / "explore")}
    assert run(str(path), flags, logging.getLogger("test"), said.append) == 0
    assert "valid" in said[0]


def test_no_two_configurations_share_a_run_directory() -> None:
    folders = [load(path).framework.run_directory for path in CONFIGS]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("path", REPLAYS, ids=lambda path: path.stem)
def test_the_default_is_the_recorded_results(path: Path) -> None:
    explorations = load(path).explorations
    assert explorations
    for exploration in explorations:
        assert exploration.only_preloaded
        assert exploration.pre_evaluated_data is not None
        assert len(exploration.pre_evaluated_data.read_text().splitlines()) == 2001


def test_the_first_example_ends_with_its_summary(tmp_path: Path) -> None:
    done = deffe("-config", str(EXAMPLE / "config_small.json"), "-no-slurm", "-custom-samples", "60", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "60 points evaluated (60 looked up" in done.stdout
    assert "1,940 predicted, of 2,000" in done.stdout
    assert "Pareto front" in done.stdout
    assert (tmp_path / "explore_small" / "deffe.sqlite").is_file()


def test_the_first_examples_need_no_network() -> None:
    for name in ("config.json", "config_small.json", "config_gem5.json"):
        assert load(EXAMPLE / name).model.ml_model_type not in LIBRARIES


def test_features_hold_for_their_kernel_alone() -> None:
    names = {e.name: e.space.feature_names for e in load(EXAMPLE / "config.json").explorations}
    assert {"l1d_sets", "l2_objects"} <= set(names["kmeans"])
    assert {"l1d_sets", "l2_matrix", "l1d_column"} <= set(names["matmul"])
    assert not {"l2_objects"} & set(names["matmul"])
    assert not {"l2_matrix"} & set(names["kmeans"])


def test_both_kernels_are_explored_by_one_file(tmp_path: Path) -> None:
    done = deffe("-config", str(EXAMPLE / "config.json"), "-custom-samples", "40", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "kmeans: 40 points" in done.stdout
    assert "matmul: 40 points" in done.stdout


class TestLiveGem5:
    def test_without_gem5_the_reason_says_what_to_set(self, tmp_path: Path) -> None:
        (tmp_path / "program").write_text("/bin/true\n")
        done = script("evaluate_gem5.sh", tmp_path, GEM5="", gem5_dir="", PATH="/usr/bin:/bin")
        if shutil.which("gem5", path="/usr/bin:/bin"):
            pytest.skip("gem5 is installed here")
        assert done.returncode == 127
        assert "set GEM5" in done.stderr

    @pytest.mark.parametrize(
        ("kernel", "knob", "words"),
        [
            ("kmeans", "kmeans_objects", ["300", "2"]),
            ("matmul", "matmul_size", ["300"]),
            ("nw", "nw_length", ["300", "10"]),
        ],
    )
    def test_the_simulator_gets_every_knob_and_the_program(
        self, tmp_path: Path, kernel: str, knob: str, words: list[str]
    ) -> None:
        fake = tmp_path / "my gem5"
        fake.write_text('#!/bin/bash\nprintf "%s\\n" "$@" > got\n')
        fake.chmod(0o755)
        assert script(f"{kernel}.sh", tmp_path, **{knob: "300"}).returncode == 0
        program, *given = (tmp_path / "program").read_text().splitlines()
        assert (Path(program).name, given) == (f"{kernel}.riscv", words)
        (tmp_path / "program").write_text("\n".join(["/bin/true", *given, ""]))
        done = script("evaluate_gem5.sh", tmp_path, GEM5=str(fake))
        assert done.returncode == 0, done.stderr
        got = (tmp_path / "got").read_text().splitlines()
        assert got[:4] == ["-q", "-d", ".", str(EXAMPLE / "gem5" / "cache_se.py")]
        options = dict(zip(got[4 : 4 + 14 : 2], got[5 : 4 + 14 : 2], strict=True))
        assert options == {f"--{name}": str(value) for name, value in KNOBS.items()}
        assert got[18:] == ["/bin/true", *words]

    def test_a_program_that_was_not_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "program").write_text("/nowhere/matmul.riscv\n24\n")
        done = script("evaluate_gem5.sh", tmp_path, GEM5="/bin/true")
        assert done.returncode == 126
        assert "/nowhere/matmul.riscv is missing" in done.stderr

    @pytest.mark.skipif(not RECORDS.is_dir(), reason="the records of gem5 runs are not here")
    def test_the_costs_are_read_in_the_order_of_the_configuration(self, tmp_path: Path) -> None:
        packed = RECORDS / "matmul24_timing.stats.txt.gz"
        (tmp_path / "stats.txt").write_bytes(gzip.decompress(packed.read_bytes()))
        done = script("extract.sh", tmp_path)
        assert done.returncode == 0, done.stderr
        assert load(EXAMPLE / "config_small.json").costs == ("cpu_cycles", "sim_insts", "dram_energy_pj")
        found = (tmp_path / "results.out").read_text().split()
        assert [float(text) for text in found] == [163962, 101706, 91305167.3184]

    @pytest.mark.parametrize("text", ["", "system.cpu.numCycles 12\n"])
    def test_statistics_that_are_not_there_fail_the_extraction(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "stats.txt").write_text(text)
        done = script("extract.sh", tmp_path)
        assert done.returncode == 1
        assert "has no statistic" in done.stderr


class TestTwoParameters:
    @pytest.fixture
    def case(self, tmp_path: Path) -> Path:
        """The case in a copy of the folder, beside the real framework."""
        (tmp_path / "test").mkdir()
        for name in ("config_two_parameters.json", "evaluate.sh", "extract.sh", "expected_two_parameters.csv"):
            shutil.copy(ROOT / "test" / name, tmp_path / "test")
        shutil.copy(ROOT / "test" / "run_deffe.sh", tmp_path / "test")
        (tmp_path / "framework").symlink_to(ROOT / "framework")
        return tmp_path / "test"

    def go(self, case: Path) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        command = ["sh", str(case / "run_deffe.sh"), "-no-train"]
        environment = {**os.environ, "PATH": path}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def test_it_agrees_with_the_expected_results_also_a_second_time(self, case: Path) -> None:
        for _ in range(2):
            done = self.go(case)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "all 40 points as expected" in done.stdout

    def test_a_difference_is_a_failure(self, case: Path) -> None:
        script = case / "evaluate.sh"
        script.write_text(script.read_text().replace("ways * 3", "ways * 4"))
        done = self.go(case)
        assert done.returncode != 0
        assert "differ" in done.stderr
