"""A run as an Optuna study: it loads again, with the same points, results and best trial."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

if TYPE_CHECKING:
    from conftest import Project

NAME = "deffe_results.optuna.sqlite3"
SCRIPT = """[ $size = 4 ] && { echo "no memory" >&2; exit 3; }
echo $((size * 100 + ways)) > results.out
echo $((ways - size + 20)) >> results.out
"""
KNOBS = [
    {"name": "size", "values": "1, 2, 4, 8"},
    {"name": "ways", "values": "1-5"},
    {"name": "mode", "values": "fast, slow"},
    {"name": "depth", "values": "3, 5", "when": "mode == 'fast'"},
]


def exported(project: Project, **keys: Any) -> Any:
    optuna = pytest.importorskip("optuna")
    project.shell(SCRIPT, knobs=KNOBS, **keys).run("-no-train", "-custom-samples", 12, 30).ok()
    project.run("-export", "optuna", "-run-directory", "explore").ok()
    storage = optuna.storages.RDBStorage(f"sqlite:///{project.path(NAME)}")
    return optuna.load_study(study_name="explore_0", storage=storage)


def test_the_study_has_the_same_trials_and_the_same_best(project: Project) -> None:
    study = exported(project, objectives=["cycles"])
    table = project.numbers().sort_values("Step", kind="stable")
    assert len(study.trials) == len(table) == 30
    done = table[table["State"] == "done"]
    assert study.best_value == done["cycles"].min()
    best = done[done["Id"] == study.best_trial.user_attrs["id"]].iloc[0]
    assert study.best_params["size"] == best["size"]
    assert study.best_params["mode"] == best["mode"]
    assert study.best_trial.user_attrs["energy"] == best["energy"]
    assert [trial.user_attrs["step"] for trial in study.trials] == sorted(table["Step"])


def test_failed_points_are_failed_trials_with_their_reason(project: Project) -> None:
    study = exported(project, objectives=["cycles"])
    failed = [trial for trial in study.trials if trial.state.name == "FAIL"]
    assert failed
    assert all(trial.params["size"] == 4 for trial in failed)
    assert all(trial.values is None and "no memory" in trial.user_attrs["reason"] for trial in failed)


def test_objectives_have_their_directions(project: Project) -> None:
    study = exported(project, objectives=[{"cost": "cycles", "goal": "min"}, {"cost": "energy", "goal": "max"}])
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert study.metric_names == ["cycles", "energy"]
    table = project.numbers()
    front = {tuple(trial.values) for trial in study.best_trials}
    done = [tuple(row) for row in table.loc[table["State"] == "done", ["cycles", "energy"]].to_numpy()]
    better = {one for one in done if not any(o[0] <= one[0] and o[1] >= one[1] and o != one for o in done)}
    assert front == better


def test_knobs_keep_their_values_and_conditions(project: Project) -> None:
    study = exported(project)
    ways = study.trials[0].distributions["ways"]
    assert (ways.low, ways.high, ways.step) == (1, 4, 1)
    assert study.trials[0].distributions["size"].choices == (1, 2, 4, 8)
    for trial in study.trials:
        assert ("depth" in trial.params) == (trial.params["mode"] == "fast")
        assert trial.params.get("depth") in (None, 3, 5)


def test_it_is_written_again_but_over_nothing_else(project: Project) -> None:
    exported(project)
    project.run("-export", "optuna", "-run-directory", "explore").ok()
    project.write("mine.sqlite3", "no database")
    project.run("-export", "optuna", "-run-directory", "explore", "-output", "mine.sqlite3").refused("mine.sqlite3")
    project.run("-export", "optuna", "-run-directory", "explore", "-output", "explore/deffe.sqlite").refused()


def test_without_optuna_it_is_told_which_extra_has_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.shell(SCRIPT, knobs=KNOBS).run("-no-train", "-custom-samples", 4).ok()
    monkeypatch.setitem(sys.modules, "optuna", None)
    project.run("-export", "optuna", "-run-directory", "explore").refused("deffe[optuna]")


def test_parquet_has_the_same_points(project: Project) -> None:
    pytest.importorskip("pyarrow")
    project.shell(SCRIPT, knobs=KNOBS).run("-no-train", "-custom-samples", 12).ok()
    project.run("-export", "parquet", "-run-directory", "explore").ok()
    assert len(pd.read_parquet(project.path("deffe_results.parquet"))) == 12
