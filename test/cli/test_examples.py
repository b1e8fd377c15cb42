"""The examples: every configuration is valid and explores recorded results; those that simulate do so."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from deffe.config import load
from deffe.run import run

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example"
RECORDS = ROOT / ".." / "shared" / "data" / "gem5_runs"
CONFIGS = sorted(EXAMPLE.glob("config*.json"))
LIVE = ("config_gem5.json", "config_cachegrind.json")
REPLAYS = [path for path in CONFIGS if path.name not in LIVE]
LIBRARIES = {"keras_cnn": ("keras", "tensorflow", "torch", "jax"), "torch_cnn": ("torch",)}
KNOBS = ("cacheline", "l1d_size", "l1d_ways", "l1i_size", "l1i_ways", "l2_size", "l2_ways")


def deffe(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run deffe as from a checkout."""
    command = [sys.executable, str(ROOT / "framework" / "run_deffe.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_is_valid_with_its_plugins(
    path: Path, tmp_path: Path, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matmul.riscv", "matmul.host", "valgrind"):  # stand-ins
        (example / "kernels" / name).write_text("#!/bin/sh\n")
        (example / "kernels" / name).chmod(0o755)
    monkeypatch.setenv("GEM5", "/bin/true")
    monkeypatch.setenv("PATH", f"{example / 'kernels'}:{os.environ['PATH']}")
    path = example / path.name
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
    for name in ("config.json", "config_small.json", *LIVE):
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


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the examples in a folder with a space, without programs."""
    left = shutil.ignore_patterns("explore*", "deffe_*", "*.host", "*.riscv")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "the example", ignore=left))


class TestLiveGem5:
    @pytest.fixture
    def gem5(self, example: Path) -> Path:
        """A stand-in for gem5 that leaves the record of a run, and stand-ins for the kernels."""
        for kernel in ("kmeans", "matmul", "nw"):
            (example / "kernels" / f"{kernel}.riscv").write_text("")
        gem5 = example / "my gem5"
        gem5.write_text(
            '#!/bin/bash\nprintf "%s\\n" "$@" > got\n'
            f'gzip -dc "{RECORDS}/matmul24_timing.stats.txt.gz" > "$3/stats.txt"\n'
            f'cat "{RECORDS}/matmul24_timing.log"\n'
        )
        gem5.chmod(0o755)
        return gem5

    def test_without_gem5_and_kernels_the_faults_say_what_to_do(
        self, example: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if shutil.which("gem5") or shutil.which("gem5.opt") or shutil.which("gem5.fast"):
            pytest.skip("gem5 is installed here")
        for name in ("GEM5", "gem5_dir"):
            monkeypatch.delenv(name, raising=False)
        done = deffe("-config", str(example / "config_gem5.json"), cwd=example)
        assert done.returncode == 2
        assert "set GEM5 to its executable" in done.stderr
        assert f"make -C '{example / 'kernels'}'" in done.stderr
        assert not (example / "explore_gem5").exists()

    @pytest.mark.skipif(not RECORDS.is_dir(), reason="the records of gem5 runs are not here")
    @pytest.mark.parametrize("kernel", ["kmeans", "matmul", "nw"])
    def test_gem5_gets_every_knob_and_the_program(
        self, example: Path, gem5: Path, kernel: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GEM5", str(gem5))
        config = example / "config_gem5.json"
        config.write_text(config.read_text().replace('"groups": "matmul" }]', f'"groups": "{kernel}" }}]'))
        done = deffe("-config", str(config), "-custom-samples", "6", "-no-train", "-no-inference", cwd=example)
        assert done.returncode == 0, done.stderr
        table = pd.read_csv(example / "deffe_output.csv")
        assert len(table) == 6
        assert set(table["cpu_cycles"]) == {163962}
        assert set(table["dram_energy_pj"]) == {91305167.3184}
        assert set(table["l1d_misses"]) == {1495}
        size = {"kmeans": "kmeans_objects", "matmul": "matmul_size", "nw": "nw_length"}[kernel]
        for row in table.to_dict("records"):
            got = (Path(row["RunDir"]) / "got").read_text().splitlines()
            options = dict(zip(got[4:18:2], got[5:18:2], strict=True))
            assert options == {f"--{name}": str(row[name]) for name in KNOBS}
            assert got[18:] == [str(example / "kernels" / f"{kernel}.riscv"), str(row[size])]

    @pytest.mark.skipif(not RECORDS.is_dir(), reason="the records of gem5 runs are not here")
    def test_two_runs_at_once_do_not_meet(self, example: Path, gem5: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GEM5", str(gem5))
        program = [
            sys.executable,
            str(ROOT / "framework" / "run_deffe.py"),
            "-config",
            str(example / "config_gem5.json"),
        ]
        runs = []
        for name in ("one", "two"):
            (example / name).mkdir()
            command = [*program, "-custom-samples", "8", "-no-train", "-no-inference"]
            runs.append(subprocess.Popen(command, cwd=example / name, stdout=subprocess.DEVNULL))
        assert [run.wait(120) for run in runs] == [0, 0]
        for name in ("one", "two"):
            assert len(list((example / name / "explore_gem5").glob("explore_*/stats.txt.gz"))) == 8


class TestLiveCachegrind:
    needs = pytest.mark.skipif(
        not all(map(shutil.which, ("valgrind", "gcc", "make"))), reason="valgrind, gcc or make is not installed"
    )

    @needs
    def test_the_script_makes_the_kernels_and_explores(self, example: Path) -> None:
        path = f"{example / 'bin'}:{os.environ['PATH']}"
        (example / "bin").mkdir()
        run_deffe = example / "bin" / "run_deffe"
        run_deffe.write_text(f'#!/bin/bash\nexec "{sys.executable}" "{ROOT}/framework/run_deffe.py" "$@"\n')
        run_deffe.chmod(0o755)
        command = ["bash", str(example / "cachegrind.sh"), "-custom-samples", "30"]
        environment = {**os.environ, "PATH": path}
        done = subprocess.run(
            command, env=environment, cwd=example, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "matmul: 30 points evaluated, 0 failed" in done.stdout
        assert "Pareto front" in done.stdout
        table = pd.read_csv(example / "deffe_evaluation.csv")
        assert (table["estimated_cycles"] > 100_000).all()
        least, most = table["estimated_cycles"].min(), table["estimated_cycles"].max()
        assert most > 1.5 * least, "caches make a difference"

    def test_what_is_not_installed_is_told(self, example: Path) -> None:
        (example / "bin").mkdir()
        for tool in ("dirname", "id", "bash"):
            (example / "bin" / tool).symlink_to(shutil.which(tool) or "")
        (example / "bin" / "id").unlink()
        (example / "bin" / "id").write_text("#!/bin/bash\necho 1000\n")
        (example / "bin" / "id").chmod(0o755)
        environment = {**os.environ, "PATH": str(example / "bin")}
        command = [shutil.which("bash") or "", str(example / "cachegrind.sh")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert "apt-get install valgrind gcc make" in done.stderr


class TestKernels:
    """The kernels return the checksums that they always have."""

    @pytest.mark.parametrize(
        ("target", "tools"),
        [("check", ("riscv64-linux-gnu-gcc", "qemu-riscv64")), ("check-host", ("gcc",))],
    )
    def test_checksums(self, example: Path, target: str, tools: tuple[str, ...]) -> None:
        missing = [tool for tool in ("make", *tools) if shutil.which(tool) is None]
        if missing:
            pytest.skip(f"{', '.join(missing)} not installed")
        command = ["make", "-C", str(example / "kernels"), target]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


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
