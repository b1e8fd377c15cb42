"""What a run keeps of what it has learned: checkpoints, the split of its points, and how it goes on from them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from conftest import Project

LINE = (Path(__file__).parents[1] / "models" / "line.py").read_text()
CODE = """
def costs(frame):
    return {"cycles": 1000 + frame["a"] * 20 + frame["b"] * 3, "energy": 5 + frame["b"] / 4}
"""
SPACE: dict[str, Any] = {
    "knobs": [{"name": "a", "values": "0-20"}, {"name": "b", "values": "0-15"}, {"name": "c", "values": "7"}],
    "costs": ["cycles", {"name": "energy", "unit": "pJ"}],
}
NAME = re.compile(
    r"step(\d+)-cost(\d+)-train(\d+)-val(\d+)-weights-improvement-(\d\d)-loss(\d\.\d{4})-valloss(\d\.\d{4})"
)


def line(project: Project, **keys: Any) -> Project:
    """A project whose model is a straight line; ``options`` are the model's."""
    project.write("line.py", LINE)
    model = {"pyscript": "line.py", "options": keys.pop("options", {}), **keys.pop("model", {})}
    return project.python(CODE, **{**SPACE, **keys}, model=model)


def names(project: Project, folder: str = "checkpoints") -> list[str]:
    return sorted(path.name for path in project.path(folder).iterdir())


def indices(project: Project, step: int, part: str) -> Any:
    return np.load(project.path(f"step{step}-{part}-indices.npy"))


def test_a_checkpoint_a_cost_and_step(project: Project) -> None:
    line(project).run("-custom-samples", 20, 40, "-train-test-split", 0.8).ok()
    found = [NAME.fullmatch(name) for name in names(project)]
    assert all(found)
    assert [(m[1], m[2]) for m in found if m] == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]
    for match in found:
        parts = {part: len(indices(project, int(match[1]), part)) for part in ("train", "val", "test")}  # type: ignore[index]
        assert (parts["train"], parts["val"]) == (int(match[3]), int(match[4]))  # type: ignore[index]
        assert sum(parts.values()) == 20 * (1 + int(match[1]))  # type: ignore[index]


def test_a_checkpoint_says_all_that_is_needed(project: Project) -> None:
    line(project).run("-custom-samples", 30).ok()
    folder = project.path("checkpoints") / names(project)[1]
    data = json.loads((folder / "checkpoint.json").read_text())
    assert (data["model"], data["file"], data["cost"], data["unit"]) == ("line", "line.py", "energy", "pJ")
    assert data["libraries"]["numpy"] == np.__version__
    assert {p["name"] for p in data["space"]["parameters"]} == {"a", "b", "c"}
    assert data["train"] + data["validation"] == 30
    assert set(data["files"]) == {"weights.npy", "points.npy", "validation.npy"}
    points, validation = np.load(folder / "points.npy"), np.load(folder / "validation.npy")
    assert len(points) == 30
    assert len(validation) == data["validation"] > 0
    assert set(validation) < set(points)


def test_every_snapshot_is_a_checkpoint(project: Project) -> None:
    line(project, options={"snapshots": 3}).run("-custom-samples", 30).ok()
    found = [NAME.fullmatch(name) for name in names(project)]
    assert [m and m[5] for m in found] == ["01", "02", "03"] * 2
    assert [m and m[6] for m in found][:3] == ["0.5000", "0.2500", "0.1667"]


def test_the_parts_are_disjoint_stay_and_are_drawn_from_the_seed(project: Project, other: Project) -> None:
    for one, seed in ((project, 3), (other, 4)):
        line(one).run("-custom-samples", 60, 120, "-train-test-split", 0.7, "-seed", seed).ok()
    first, second = ({part: set(indices(project, s, part)) for part in ("train", "val", "test")} for s in (0, 1))
    assert sum(len(part) for part in first.values()) == len(set.union(*first.values())) == 60
    assert all(first[part] <= second[part] for part in first)
    assert 0.1 < len(second["val"]) / (len(second["val"]) + len(second["train"])) < 0.32
    assert set(indices(other, 1, "test")) != second["test"]


@pytest.mark.parametrize(("share", "least", "most"), [("0.5", 0.35, 0.65), ("0", 0.0, 0.0)])
def test_validation_split(project: Project, share: str, least: float, most: float) -> None:
    line(project, model={"ml_arguments": f"-validation-split {share}"}).run("-custom-samples", 100).ok()
    assert least <= len(indices(project, 0, "val")) / 100 <= most


def test_a_split_that_leaves_nothing_to_train_on_is_refused(project: Project) -> None:
    line(project).run("-validation-split", 1).refused("-validation-split", "below 1")


def test_few_points_have_one_that_chooses_weights(project: Project) -> None:
    line(project).run("-custom-samples", 5).ok()
    assert len(indices(project, 0, "val")) >= 1


def test_indices_are_rows_of_the_table_of_known_results(project: Project) -> None:
    rows = [(a, b) for a in range(0, 20, 3) for b in range(0, 15, 2)]
    table = [f"{a},{b},{1000 + 20 * a + 3 * b},{5 + b / 4}" for a, b in rows]
    table.insert(1, table[0])  # a repeated row is not a point, yet a row
    project.write("known.csv", "\n".join(["a,b,cycles,energy", *table, ""]))
    line(project)
    project.run("-pre-evaluated-data", "known.csv", "-only-preloaded-data-exploration", "-full-exploration").ok()
    everything = np.concatenate([indices(project, 0, part) for part in ("train", "val", "test")])
    assert sorted(everything) == [0, *range(2, len(table))]


@pytest.mark.parametrize("broken", ["disk", "bug", "facts"])
def test_a_checkpoint_that_cannot_be_written_loses_nothing(project: Project, broken: str) -> None:
    ended = line(project, options={"broken": broken}).run("-custom-samples", 30).ok()
    assert "no checkpoint is kept" in ended.err
    assert "Traceback" not in ended.err
    assert names(project) == []
    assert len(project.numbers()) == 300


def test_a_place_that_cannot_be_written_loses_nothing(project: Project) -> None:
    project.write("checkpoints", "a file in the way")
    ended = line(project).run("-custom-samples", 30).ok()
    assert "no checkpoint is kept" in ended.err
    assert len(project.numbers()) == 300


def test_no_checkpoints(project: Project) -> None:
    line(project).run("-custom-samples", 30, "-no-checkpoints").ok()
    assert not project.path("checkpoints").exists()
    assert not list(project.folder.glob("*.npy"))


def test_explorations_do_not_overwrite_each_other(project: Project) -> None:
    knobs = [{"name": "a", "values": "0-20", "groups": "all"}, {"name": "b", "values": "0-15", "groups": "all"}]
    explore = [{"name": "first", "groups": "all"}, {"name": "second", "groups": ["all", "a::0;1;2;3"]}]
    line(project, knobs=knobs, exploration={"explore": explore}).run("-custom-samples", 30).ok()
    assert len([name for name in names(project) if NAME.fullmatch(name)]) == 2
    assert len(names(project, "checkpoints/second")) == 2
    assert project.path("second-step0-train-indices.npy").exists()


def test_a_run_again_replaces_its_checkpoints(project: Project) -> None:
    for _ in range(2):
        line(project).run("-custom-samples", 20, 40).ok()
        first = names(project)
    assert first == names(project)
    assert len(first) == 4


def test_saved_splits_are_taken(project: Project, other: Project) -> None:
    line(project).run("-custom-samples", 60, "-train-test-split", 0.7).ok()
    for path in project.folder.glob("step0-*.npy"):
        (other.folder / path.name).write_bytes(path.read_bytes())
    line(other).run("-custom-samples", 60, "-load-train-test").ok()
    assert names(other)[0].split("-weights")[0] == names(project)[0].split("-weights")[0]
    assert (indices(other, 0, "test") == indices(project, 0, "test")).all()


def test_steps_beyond_a_saved_split_are_drawn(project: Project, other: Project) -> None:
    for one, arguments in ((project, ()), (other, ("-load-train-test",))):
        line(one).run("-custom-samples", 60, "-train-test-split", 0.7, *arguments).ok()
    assert (indices(other, 0, "test") == indices(project, 0, "test")).all()


# going on


def test_a_resumed_run_starts_where_one_that_was_not_stopped_would(project: Project) -> None:
    """Step 1 is learned again, since its successor had not begun, and starts from step 0 as before."""
    options = {"tl_samples": True, "snapshots": 2}
    line(project, options=options).run("-custom-samples", 20, 40).ok()
    project.path("line.log").unlink()
    line(project, options=options).run("-custom-samples", 20, 40, 60).ok()
    notes = project.path("line.log").read_text()
    assert "run step 2 rows 60" in notes
    assert "'cycles': 'step0-cost0-train" in notes
    assert "'energy': 'step0-cost1-train" in notes


def test_without_tl_samples_a_resumed_run_learns_from_the_start(project: Project) -> None:
    line(project).run("-custom-samples", 20).ok()
    line(project).run("-custom-samples", 20, 40).ok()
    assert "started {}" in project.path("line.log").read_text().splitlines()[-1]


def test_checkpoints_of_other_runs_are_not_taken(project: Project) -> None:
    """The original started from whatever lay in the folder."""
    line(project, options={"tl_samples": True}).run("-custom-samples", 20, "-run-directory", "one").ok()
    line(project, options={"tl_samples": True}).run("-custom-samples", 20, 40, "-run-directory", "two").ok()
    assert "step0-cost0" not in project.path("line.log").read_text()


# drawing


def test_plot_loss(project: Project) -> None:
    pytest.importorskip("matplotlib")
    ended = line(project, options={"snapshots": 3}).run("-custom-samples", 20, 40, "-plot-loss").ok()
    assert project.path("loss.png").read_bytes().startswith(b"\x89PNG")
    assert "written: loss.png" in ended.out


def test_intervals_stand_in_the_tables_of_predictions(project: Project) -> None:
    line(project).run("-custom-samples", 30).ok()
    predicted = project.numbers("deffe_prediction.csv")
    assert (predicted["cycles_lower"] <= predicted["cycles"]).all()
    assert (predicted["cycles"] <= predicted["cycles_upper"]).all()
    width = (predicted["cycles_upper"] - predicted["cycles_lower"]) / predicted["cycles_std"]
    assert math.isclose(width.median(), 2 * 1.645, rel_tol=1e-3)
