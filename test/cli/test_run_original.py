"""A configuration in the style of the original, with its keys, types and scripts, runs unchanged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

CONFIG = """
// Caches of a small core. A comment to the end of a line,
{
    ; a line of comment,
    /* and a block
       of several lines */
    "include": "common.json",
    "python_path": [".", "plugins"],
    "knobs": [
        {"name": "l1d_size", "values": ["1,2-4,5"], "groups": ["cache", "first"], "base": "2",
            "onedim_combination": "true"},
        {"name": "l1d_ways", "values": "1,2", "groups": "cache", "map": "WAYS"},  # of the first level
        {"name": "frequency", "values": "100-400-100"},
        {"name": "cacheline", "values": ["64"], "groups": ["cache"]},
        {"name": "prefetcher", "values": "pre[1-3]x, none", "groups": ["extra"]},
        {"name": "folder", "values": "$DEFFE_CONFIG_DIR/data"},
    ],
    "scenarios": [
        {"name": "app", "values": ["kmeans.sh"], "map": "command_file", "groups": ["kmeans"]},
        {"name": "objects", "values": "10, 20", "groups": ["kmeans"]},
        {"name": "app", "values": ["matmul.sh"], "map": "command_file", "groups": ["matmul"]},
        {"name": "objects", "values": "16", "groups": ["matmul"]},
    ],
    "costs": ["CPU_cycles", "area"],
    "model": {
        "pyscript": "_ml_model.py",
        "ml_model_type": "sklearn",
        "output_log": "train.log",
        "batch_size": "20",
        "arguments": "",
        "ml_arguments": "-rf_random_state 0 -rf_n_estimators 10 -train-test-split 1.0 -validation-split 0.2",
        "exclude_costs": ["area"],
    },
    "exploration": {
        "pyscript": "_exploration.py",
        "arguments": "",
        "output_log": "",
        "explore": [
            {
                "groups": ["cache", "kmeans", "objects::10;20"],
                "valid_costs": [],
                "pre_evaluated_data": "",
                "all_table": "all.csv",
                "exploration_table": "exploration.csv",
                "evaluation_table": "evaluated.csv",
                "ml_predict_table": "predicted.csv",
                "evaluation_predict_table": "both.csv",
            },
            {"groups": ["cache::1;2", "matmul", "frequency::100"], "all_table": "matmul.csv"},
        ],
    },
    "sampling": {
        "pyscript": "_sampling.py",
        "arguments": "-custom-samples 6 10 -method random",
        "output_log": "",
        "cost_objective": ["cpu_cycles::min", "area::min"],
    },
    "evaluate": {
        "pyscript": "_evaluate.py",
        "arguments": "",
        "batch_size": 2,
        "output_flow": -1,
        "output_log": "evaluate.log",
        "source_scripts": ["setup.sh"],
        "slurm": "False",
        "sample_evaluate_script": "evaluate.sh",
        "sample_evaluate_arguments": "",
        "sample_evaluate_excludes": [],
    },
    "extract": {
        "pyscript": "_extract.py",
        "arguments": "",
        "batch_size": "20",
        "output_log": "extract.log",
        "sample_extract_script": "extract.sh",
        "sample_extract_arguments": "",
        "sample_extract_excludes": "",
        "cost_output": "results.out",
        "hold_evaluated_data": "false",
        "slurm": false,
    },
    "framework": {"output_log": "", "run_directory": "runs"},
    "slurm": {
        "nodes": "1", "cpus_per_task": 4, "exclude": "", "nodelist": "", "mem": "4G", "mail_type": "", "mail_user": "",
        "account": "", "time": "01:00:00", "constraint": "", "partition": "", "source_scripts": [],
        "pyscript": "deffe_slurm.py",
    },
}
"""
COMMON = '{"costs": ["area"], "knobs": [{"name": "frequency", "map": "FREQ"}, {"name": "depth", "values": "7"}]}'
SCRIPTS = {
    "setup.sh": "export FROM_SETUP=5\n",
    "kmeans.sh": "echo kmeans $objects >> program\n",
    "matmul.sh": "echo matmul ${objects} >> program\n",
    "evaluate.sh": """# a script of a user
size=unset; size=$l1d_size
[ "$folder" = "$DEFFE_CONFIG_DIR/data" ] || exit 9
[ "$depth" = 7 ] || exit 8
echo "program: $(cat program) cycles: $((size * WAYS * FROM_SETUP * FREQ))"
""",
    "extract.sh": "sed -n 's/.*cycles: //p' evaluate.log > results.out\necho $l1d_size >> results.out\n",
}


@pytest.fixture
def original(project: Project) -> Project:
    for name, text in {**SCRIPTS, "config.json": CONFIG, "common.json": COMMON}.items():
        project.write(name, text)
    return project


def test_an_original_configuration_runs_unchanged(original: Project) -> None:
    ended = original.call("-no-slurm").ok()
    everything = original.numbers("all.csv")
    table = everything[everything["State"] == "done"]
    assert len(table) == 10
    assert len(everything) == 4 * 2 * 3 * 2  # the rest is predicted
    assert set(everything["l1d_size"]) == {1, 2, 3, 5}  # the end of a range is left out
    assert set(everything["frequency"]) == {100, 200, 300}
    assert set(everything["objects"]) == {10, 20}
    assert "prefetcher" not in everything
    assert (table["cpu_cycles"] == table["l1d_size"] * table["l1d_ways"] * 5 * table["frequency"]).all()
    assert (table["area"] == table["l1d_size"]).all()
    assert original.per_step("evaluated.csv") == [6, 4]
    predicted = original.numbers("predicted.csv")
    assert predicted["area"].isna().all()  # excluded
    assert predicted["cpu_cycles"].notna().all()
    assert len(original.numbers("both.csv")) == 48
    matmul = original.numbers("matmul.csv")
    assert set(matmul["l1d_size"]) == set(matmul["l1d_ways"]) == {1, 2}
    assert set(matmul["cacheline"]) == {1, 2}
    assert set(matmul["app"]) == {"matmul.sh"}
    assert ended.out.count("points evaluated") == 2
    assert not original.path("exploration.csv").exists()


def test_the_scripts_see_what_they_saw(original: Project) -> None:
    original.run("-no-slurm", "-no-train").ok()
    row = original.table("all.csv").iloc[0]
    folder = original.folder / row["RunDir"]
    assert folder.parent == original.path("runs")
    assert (folder / "program").read_text() == f"kmeans {row['objects']}\n"
    told = json.loads((folder / "param.json").read_text())
    assert told["WAYS"] == told["l1d_ways"] == row["l1d_ways"]
    assert told["FREQ"] == told["frequency"] == row["frequency"]
    assert (folder / "extract.log").exists()
    assert "program: kmeans" in (folder / "evaluate.log").read_text()
    minmax = json.loads(original.path("explore_0-minmax.json").read_text())
    assert minmax["WAYS"] == {"count": 2, "min": 1, "max": 2}
    assert minmax["FREQ"] == {"count": 3, "min": 100, "max": 300}


def test_slurm_that_was_asked_for_is_not_silently_left_out(
    original: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bash", "python3", "env"):  # all but the programs of Slurm
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tmp_path))
    original.write("config.json", CONFIG.replace('"slurm": "False"', '"slurm": "True"'))
    original.run("-no-train").refused("there is no program sbatch on this machine", "-no-slurm")
    assert "sbatch" not in original.run("-no-train", "-no-run").ok().err  # a rehearsal needs none
    assert "#SBATCH --nodes=1\n" in next(original.folder.rglob("no_run/slurm_evaluate.sh")).read_text()
    original.run("-no-train", "-executor", "slurm", "-no-slurm").refused("contradict")
