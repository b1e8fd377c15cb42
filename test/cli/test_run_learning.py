"""What a run learns and predicts, how it is told not to, and when it stops evaluating."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from conftest import Project

CODE = """
def costs(frame):
    with open("evaluated.log", "a") as log:
        log.writelines(f"{a} {b}\\n" for a, b in zip(frame["a"], frame["b"]))
    return {"cycles": 1000 + frame["a"] * 20 + frame["b"] * 3, "energy": 5 + frame["b"] / 4}
"""
SPACE: dict[str, Any] = {
    "knobs": [{"name": "a", "values": "0-20"}, {"name": "b", "values": "0-15"}],
    "costs": ["cycles", "energy"],
}
"""300 points."""
PREDICTION_TABLES = ("deffe_prediction.csv", "deffe_eval_predict.csv")


def true_cycles(table: Any) -> Any:
    return 1000 + table["a"] * 20 + table["b"] * 3


def test_the_rest_of_the_space_is_predicted(project: Project) -> None:
    ended = project.python(CODE, **SPACE).run("-custom-samples", 40).ok()
    everything, predicted = project.numbers(), project.numbers("deffe_prediction.csv")
    assert len(project.evaluated()) == 40
    assert len(predicted) == 260
    assert len(everything) == 300
    assert not everything.duplicated(["a", "b"]).any()
    assert set(predicted["State"]) == {"predicted"}
    assert (predicted["cycles_std"] > 0).all()
    error = np.abs(predicted["cycles"] - true_cycles(predicted)) / true_cycles(predicted)
    assert error.mean() < 0.02
    evaluated = everything[everything["State"] == "done"]
    assert (evaluated["cycles"] == true_cycles(evaluated)).all()
    assert len(project.numbers("deffe_eval_predict.csv")) == 300
    assert len(project.numbers("deffe_evaluation.csv")) == 40
    assert "40 points evaluated, 0 failed, 260 predicted, of 300" in ended.out
    assert "error on points the model had not seen" in ended.out
    assert "best of 260 predicted" in ended.out


def test_the_error_reported_is_about_that_of_the_predictions(project: Project) -> None:
    code = CODE.replace('frame["b"] * 3,', 'frame["b"] * 3 + (frame["a"] * 7 + frame["b"] * 13) % 97 * 3,')
    ended = project.python(code, **SPACE).run("-custom-samples", 60).ok()
    predicted = project.numbers("deffe_prediction.csv")
    truth = true_cycles(predicted) + (predicted["a"] * 7 + predicted["b"] * 13) % 97 * 3
    error = 100 * float((np.abs(predicted["cycles"] - truth) / truth).mean())
    said = re.search(r"cycles +([\d.]+) %.*cross-validation", ended.out)
    assert said is not None
    assert error / 2 < float(said[1]) < error * 2


def test_no_train(project: Project) -> None:
    ended = project.python(CODE, **SPACE).run("-custom-samples", 40, "-no-train").ok()
    assert not any(project.path(name).exists() for name in PREDICTION_TABLES)
    assert len(project.table()) == 40
    assert "error on points" not in ended.out


def test_no_inference(project: Project) -> None:
    ended = project.python(CODE, **SPACE).run("-custom-samples", 40, "-no-inference").ok()
    assert not any(project.path(name).exists() for name in PREDICTION_TABLES)
    assert "0 predicted" in ended.out
    assert "error on points the model had not seen" in ended.out


def test_target_error_hands_over_to_the_model(project: Project) -> None:
    ended = project.python(CODE, **SPACE).run("-init-batch-samples", 10, "-target-error", 5).ok()
    assert len(project.evaluated()) < 100
    assert len(project.table()) == 300
    assert "has reached the target of 5 %" in ended.out
    assert set(project.numbers()["State"]) == {"done", "predicted"}


def test_a_target_error_that_is_never_reached_evaluates_everything(project: Project) -> None:
    code = CODE.replace("1000 + frame", "1000 + (frame['a'] * 7919 + frame['b'] * 104729) % 4001 + frame")
    space = {**SPACE, "knobs": [{"name": "a", "values": "0-10"}, {"name": "b", "values": "0-10"}]}
    model = {"ml_model_type": "sklearn", "ml_arguments": "-rf_n_estimators 10"}
    project.python(code, **space, model=model, exploration={"target_error": "0.01"})
    ended = project.run("-init-batch-samples", 15).ok()
    assert len(project.evaluated()) == 100
    assert "100 points evaluated, 0 failed, 0 predicted" in ended.out


def test_a_run_that_reached_its_target_stops_there_when_it_is_run_again(project: Project) -> None:
    for _ in range(2):
        ended = project.python(CODE, **SPACE).run("-init-batch-samples", 10, "-target-error", 5).ok()
        evaluated = project.evaluated()
    assert len(evaluated) == len(set(evaluated)) < 100
    assert "has reached the target" in ended.out


@pytest.mark.parametrize("energy", ["7.0", "0.0", "-2.5"])
@pytest.mark.parametrize("split", [(), ("-train-test-split", 0.5)], ids=["cross-validation", "test set"])
def test_a_constant_cost_does_not_keep_the_target_from_being_reached(
    project: Project, energy: str, split: tuple[object, ...]
) -> None:
    code = CODE.replace('5 + frame["b"] / 4', f'{energy} + 0 * frame["b"]')
    ended = project.python(code, **SPACE).run("-init-batch-samples", 20, "-target-error", 5, *split).ok()
    assert "has reached the target of 5 %" in ended.out
    assert len(project.evaluated()) < 150
    assert "cannot be judged" not in ended.err


def test_a_target_is_not_said_to_be_out_of_reach_before_there_is_an_error(project: Project) -> None:
    ended = project.python(CODE, **SPACE).run("-custom-samples", 2, "-target-error", 5).ok()
    assert "cannot be judged" not in ended.err


@pytest.mark.parametrize("again", ["-no-train", "-no-inference"])
def test_predictions_of_an_earlier_run_do_not_stay_beside_a_summary_without_any(project: Project, again: str) -> None:
    project.python(CODE, **SPACE).run("-custom-samples", 40).ok()
    assert all(project.path(name).exists() for name in PREDICTION_TABLES)
    project.run("-custom-samples", 40, again).ok()
    assert not [path.name for path in project.folder.glob("*predict*")]
    assert "predicted" not in set(project.numbers()["State"])


def test_predictions_that_this_run_has_not_written_are_renamed_and_other_files_stay(project: Project) -> None:
    project.python(CODE, **SPACE).run("-custom-samples", 40).ok()
    edited = project.path("deffe_prediction.csv").read_text() + "mine\n"
    project.write("deffe_prediction.csv", edited)
    project.write("deffe_eval_predict.csv", "notes of mine\n")
    project.run("-custom-samples", 40, "-no-train").ok()
    assert not project.path("deffe_prediction.csv").exists()
    assert project.path("deffe_prediction.1.csv").read_text() == edited
    assert project.path("deffe_eval_predict.csv").read_text() == "notes of mine\n"
    project.run("-custom-samples", 40).ok()
    project.run("-custom-samples", 40, "-no-train", "-run-directory", "second").ok()
    assert project.path("deffe_prediction.2.csv").exists()
    assert not project.path("deffe_prediction.csv").exists()


def test_categories_that_were_never_seen_are_told(project: Project) -> None:
    project.write("known.csv", "kind,b,cycles\n" + "".join(f"slow,{b},{100 + b}\n" for b in range(10)))
    knobs = [{"name": "kind", "values": ["slow", "fast", "wild"]}, {"name": "b", "values": "0-10"}]
    project.config({"knobs": knobs, "costs": ["cycles"]})
    project.write("ask.csv", "kind,b\nfast,3\n")
    ended = project.run("-inference-only", "-input", "ask.csv", "-pre-evaluated-data", "known.csv").ok()
    assert "kind: no point learned from has fast, wild" in ended.err
    code = "def costs(frame):\n    return {'cycles': 100.0 + frame['b']}\n"
    project.write("points.csv", "kind,b\n" + "".join(f"slow,{b}\n" for b in range(10)))
    project.python(code, knobs=knobs, costs=["cycles"], sampling={"pyscript": "custom", "points": "points.csv"})
    assert "kind: no point learned from has fast, wild" in project.run("-custom-samples", 10).ok().out


def test_predict_limit(project: Project) -> None:
    project.python(CODE, **SPACE).run("-custom-samples", 40, "-predict-limit", 50).ok()
    assert 0 < len(project.table("deffe_prediction.csv")) <= 50


def test_the_prediction_of_a_huge_space_is_bounded(project: Project) -> None:
    knobs = [{"name": f"k{i}", "values": "0-10"} for i in range(20)]
    code = "def costs(frame):\n    return {'cycles': 100 + frame.sum(axis=1)}\n"
    project.python(code, knobs=knobs, costs=["cycles"]).run("-custom-samples", 40, "-predict-limit", 1000).ok()
    assert len(project.table("deffe_prediction.csv")) == 1000


def test_train_test_split_keeps_a_test_set(project: Project) -> None:
    ended = project.python(CODE, **SPACE).run("-custom-samples", 100, "-train-test-split", 0.7).ok()
    said = re.search(r"test set of (\d+) points", ended.out)
    assert said is not None
    assert 15 <= int(said[1]) <= 45


def test_the_split_of_the_configuration(project: Project) -> None:
    project.python(CODE, **SPACE, model={"ml_arguments": "-train-test-split 0.5 -validation-split 0.2"})
    assert "test set of" in project.run("-custom-samples", 60).ok().out


def test_costs_can_be_left_out_of_learning(project: Project) -> None:
    project.python(CODE, **SPACE, model={"exclude_costs": ["Energy"]}).run("-custom-samples", 40).ok()
    predicted = project.numbers("deffe_prediction.csv")
    assert predicted["energy"].isna().all()
    assert predicted["cycles"].notna().all()
    assert "energy_std" not in predicted


@pytest.mark.parametrize("known", [True, False])
def test_inference_only(project: Project, known: bool) -> None:
    """Without true costs there are predictions; with them there are errors as well."""
    project.python(CODE, **SPACE).run("-custom-samples", 40).ok()
    project.forget_evaluated()
    rows = [(a, b) for a in (0, 7, 19) for b in (0, 5, 14)]
    lines = [f"{b},{a}" + (f",{1000 + 20 * a + 3 * b}" if known else "") for a, b in rows]
    project.write("ask.csv", "\n".join(["b,a" + (",CYCLES" if known else ""), *lines, ""]))
    before = project.contents()
    ended = project.run("-inference-only", "-input", "ask.csv", "-output", "told.csv").ok()
    told = project.numbers("told.csv")
    assert list(zip(told["a"], told["b"], strict=True)) == rows  # in the order asked
    assert list(told.columns)[:5] == ["b", "a", "cycles", "predicted-cycles", "error-cycles"]
    np.testing.assert_allclose(told["predicted-cycles"], true_cycles(told), rtol=0.05)
    if known:
        assert (told["cycles"] == true_cycles(told)).all()
        np.testing.assert_allclose(told["error-cycles"], told["predicted-cycles"] - told["cycles"])
        assert (told["error-percent-cycles"] < 5).all()
        assert "points of the input, not learned from" in ended.out
    else:
        assert told[["cycles", "error-cycles", "error-percent-cycles"]].isna().all(axis=None)
    assert project.evaluated() == []
    assert {name: text for name, text in project.contents().items() if name != "told.csv"} == before


def test_inference_only_from_a_table_alone(project: Project) -> None:
    rows = [(a, b) for a in range(0, 20, 2) for b in range(0, 15, 3)]
    lines = [f"{a},{b},{1000 + 20 * a + 3 * b},{5 + b / 4}" for a, b in rows]
    project.write("known.csv", "\n".join(["a,b,cycles,energy", *lines, ""]))
    project.write("ask.csv", "a,b\n1,1\n19,14\n")
    project.config(SPACE)
    project.write("evaluate.sh", "exit 1\n")
    project.run("-inference-only", "-input", "ask.csv", "-pre-evaluated-data", "known.csv").ok()
    told = project.numbers("predictions.csv")
    np.testing.assert_allclose(told["predicted-cycles"], true_cycles(told), rtol=0.05)
    assert not project.path("explore").exists()


def test_an_explorer_takes_the_points_predicted_to_be_best(project: Project) -> None:
    code = CODE.replace("1000 +", "1000 + (frame['a'] - 3) ** 2 * 9 +")
    project.python(code, **SPACE, sampling={"optimize_sample_sequence_module": "cost_1d"})
    project.run("-init-batch-samples", 20, "-fixed-samples", 10, "-step-end", 3).ok()
    table = project.numbers()
    table = table[table["State"] == "done"]
    assert len(table) == 40
    assert table[table["Step"] == 2]["cycles"].mean() < table[table["Step"] == 0]["cycles"].quantile(0.3)


def test_what_was_learned_at_each_step_is_kept(project: Project) -> None:
    project.python(CODE, **SPACE).run("-init-batch-samples", 20, "-fixed-samples", 10, "-step-end", 3).ok()
    reports = project.database().execute("SELECT step, report FROM steps ORDER BY step").fetchall()
    assert [step for step, _ in reports] == [0, 1, 2]
    errors = [json.loads(report)["errors"] for _, report in reports]
    for step, rows in enumerate(errors):
        assert [(row["step"], row["cost"], row["trained_on"]) for row in rows if row["step"] == step] == [
            (step, cost, 20 + 10 * step) for cost in ("cycles", "energy")
        ]
