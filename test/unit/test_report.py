"""What a report says of a run is so, whatever the run: its charts, on both ways of drawing them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deffe.errors import UsageError
from deffe.operate.judged import MOST_KEPT, Judged, kept
from deffe.report.catalogue import Catalogue, beside
from deffe.report.charts import Panel, Parallel, short, slug
from deffe.report.content import INACTIVE, Cost, Knob, Part, Points, Predicted, front_rows
from deffe.report.drawn import draw
from deffe.report.effects import MOST_GROUPS, explained, groups_of
from deffe.report.figures import figure
from deffe.report.folder import MARK, check_folder, write
from deffe.report.learning import judged
from deffe.report.page import as_script
from deffe.report.recommended import Design, Recommended, expected_of
from deffe.report.tables import tables_of
from deffe.report.understood import Understood
from deffe.report.words import brief, even
from deffe.understand import Curve

SIZE = Knob("size", ("1", "2", "4", "8"), "KiB")
ORDER = Knob("order <b>", ("$i", "k&j"), numeric=False)


def points(states: list[str], costs: list[tuple[float, ...]], levels: list[tuple[int, ...]]) -> Points:
    """Points with these states, costs and levels, each evaluated in a second."""
    n, words = len(states), np.array(states, dtype=object)
    done = words == "done"
    made = np.array(costs, dtype=np.float64).reshape(n, len(costs[0]) if n else 2)
    return Points(
        levels=np.array(levels, dtype=np.int64).reshape(n, len(levels[0]) if n else 2),
        costs=np.where(done[:, None], made, np.nan),
        states=words,
        ids=np.array([f"{i:016x}" for i in range(n)], dtype=object),
        reasons=np.array(["" if d else "no </script> memory" for d in done], dtype=object),
        folders=np.array([""] * n, dtype=object),
        looked_up=np.zeros(n, dtype=bool),
        numbers=np.arange(n, dtype=np.int64),
        steps=np.arange(n, dtype=np.int64) // 4,
        seconds=np.ones(n),
    )


def part(found: Points, goals: tuple[str, ...] = ("min", "max"), knobs: tuple[Knob, ...] = (SIZE, ORDER)) -> Part:
    costs = tuple(Cost(f"cost {i}", goal) for i, goal in enumerate(goals))
    ends = np.stack([found.numbers, 1e9 + found.numbers], axis=1) if len(found) else np.empty((0, 2))
    return Part("part", knobs, costs, found, Predicted.nothing(len(knobs), len(costs), "none"), {}, (), ends)


def some(count: int, goals: tuple[str, ...] = ("min", "max"), state: str = "done") -> Part:
    rng = np.random.default_rng(1)
    levels = [tuple(row) for row in np.stack([rng.integers(4, size=count), rng.integers(2, size=count)], axis=1)]
    costs = [tuple(row) for row in rng.lognormal(0, 2, (count, len(goals)))]
    return part(points([state] * count, costs, levels), goals)


def learned(of: Part) -> Part:
    """A part whose run has learned, and has notes of predictions."""
    row = {"cost": "cost 0", "method": "5-fold cross-validation", "points": 9, "r2": 0.5, "rank": 0.5, "coverage": 90.0}
    steps = {
        0: {"errors": [{**row, "step": 0, "trained_on": 10, "mape": 20.0}], "ahead": []},
        1: {"errors": [{**row, "step": 1, "trained_on": 20, "mape": math.nan}], "ahead": [{**row, "mape": 30.0}]},
    }
    note = Judged("cost 0", "points of step 1 before it", 2, ("0" * 16, "f" * 16), (1, 9), (2, 8), (-1, 9), (3, 9.5))
    return replace(of, steps=steps, judged=(note,))


PARTS = {
    "nothing": part(points([], [], [])),
    "waiting": some(5, state="waiting"),
    "only failures": some(5, state="failed"),
    "one point": some(1),
    "two points": some(2),
    "all costs equal": part(points(["done"] * 6, [(3.0, 3.0)] * 6, [(i % 4, i % 2) for i in range(6)])),
    "zero and negative": part(points(["done"] * 6, [(i - 3.0, 0.0) for i in range(6)], [(i % 4, 0) for i in range(6)])),
    "one cost": some(50, ("min",)),
    "four costs": some(50, ("min", "max", "", "min")),
    "conditional": part(points(["done"] * 8, [(i + 1.0, 2.0 * i) for i in range(8)],
                               [(i % 4, INACTIVE if i % 2 else 0) for i in range(8)])),
    "no knob": part(points(["done"] * 3, [(1.0, 2.0)] * 3, [()] * 3), knobs=()),
    "learned": learned(some(50)),
    "many": some(20_000, ("min", "max", "max")),
    "huge": part(points(["done"] * 4, [(1e300 * i, 1e-300 * i) for i in range(1, 5)], [(i % 4, 0) for i in range(4)])),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_every_chart_shows_something_or_says_why_not(name: str, tmp_path: Path) -> None:
    drawn = draw(PARTS[name], beside(tmp_path))
    assert len({chart.key for chart in drawn.charts}) == len(drawn.charts)
    for chart in drawn.charts:
        assert bool(chart.panels) != bool(chart.empty), chart.key
        for panel in chart.panels:
            made = figure(panel)
            text = as_script(made)  # refuses what is no finite number
            assert "</" not in text
            assert len(text) < 400_000
            for series in panel.series if isinstance(panel, Panel) else ():
                assert len(series.x) == len(series.y)
                assert len(series.points) in (0, len(series.x))
                assert all(-1 <= place < len(drawn.catalogue.entries) for place in series.points)


@pytest.mark.parametrize("name", ["one point", "conditional", "learned", "huge"])
def test_matplotlib_draws_every_chart(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from deffe.report.pictures import rendered

    for chart in draw(PARTS[name], beside(tmp_path)).charts:
        if chart.panels:
            made = dict(rendered(chart, chart.title, MARK))
            assert made["png"].startswith(b"\x89PNG")
            assert made["pdf"].startswith(b"%PDF")
            assert all(MARK.encode() in content for content in made.values()), "no later report could replace it"


def test_a_chart_is_of_points_that_were_not_learned_from(tmp_path: Path) -> None:
    charts = {chart.key: chart for chart in draw(PARTS["learned"], beside(tmp_path)).charts}
    compared = charts["predicted_measured"].panels[0]
    assert isinstance(compared, Panel)
    assert [*zip(compared.series[0].x, compared.series[0].y, strict=True)] == [(1, 2), (9, 8)]
    assert "2 points, 100.0 % of those drawn inside their interval" in charts["predicted_measured"].text
    curve = charts["learning_curve"].panels[0]
    assert isinstance(curve, Panel)
    found = {series.name: [*zip(series.x, series.y, strict=True)] for series in curve.series}
    assert found == {"held out": [(10, 20.0)], "ahead": [(10, 30.0)]}, "the model of 10 points erred by 30 % ahead"


def test_the_front_is_that_of_all_objectives() -> None:
    found = part(points(["done", "done", "done", "failed"], [(1, 1), (2, 2), (3, 2), (0, 9)], [(0, 0)] * 4))
    assert front_rows(found).tolist() == [0, 1], "min of the first, max of the second"
    assert front_rows(part(found.points, ("min", "min"))).tolist() == [0]


@pytest.mark.parametrize("goals", [("min", "min"), ("min", "max"), ("max", "min"), ("max", "max")])
def test_the_line_of_the_front_is_a_staircase_of_what_its_points_reach(goals: tuple[str, str], tmp_path: Path) -> None:
    panel = draw(some(400, goals), beside(tmp_path)).charts[0].panels[0]
    assert isinstance(panel, Panel)
    front = panel.series[-1]
    assert len(front.x) > 2
    x, y = front.path
    assert len(x) == 2 * len(front.x) - 1
    signs = [1 if goal == "min" else -1 for goal in goals]
    ours = np.array([front.x, front.y]).T * signs
    places = np.array([x, y]).T * signs
    assert ((np.diff(places, axis=0) != 0).sum(axis=1) == 1).all(), "horizontal or vertical"
    assert all((ours <= place).all(axis=1).any() for place in places), "a point of the front is as good"
    data = figure(panel)["data"][-1]
    assert data["line"]["shape"] == ("hv" if goals[0] == "min" else "vh")
    assert data["mode"] == "lines+markers"


def test_points_of_a_page_tell_their_knobs(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "a b#?%"
    folder.mkdir(parents=True)
    found = some(2)
    found.points.folders[0] = str(folder)
    catalogue = Catalogue(found, beside(tmp_path / "report"))
    assert catalogue.measured([1, 0, 1]) == [0, 1, 0]
    assert catalogue.by_id(["0" * 16, "e" * 16]) == [1, -1]
    lines, link = catalogue.entries[1]["lines"], catalogue.entries[1]["link"]
    level = found.points.levels[0, 0]
    assert lines[:2] == ["point 0, step 0, done", f"size = {SIZE.texts[level]} KiB"]
    assert link == "./../run/a%20b%23%3F%25/"
    assert catalogue.entries[0]["link"] == ""


# what is recommended


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (5.0, -math.inf, 10.0, "5 (-inf to 10)"),
        (5.0, -math.inf, math.inf, "5 (-inf to inf)"),
        (0.0, -1.5e308, 1.5e308, "0 (-1.5e+308 to 1.5e+308)"),
        (0.0, -1e308, 0.0, "0 (-1e+308 to 0)"),
        (1.0, math.nan, math.nan, "1"),
    ],
)
def test_an_interval_of_any_width_is_told(value: float, low: float, high: float, told: str) -> None:
    design = Design("a" * 16, ("1", "$i"), ((value, low, high),), "best predicted cost 0", 1.0, False)
    found = replace(some(4, ("min",)), recommended=Recommended((design,), None, 2e9))
    table = next(table for table in tables_of(found) if table.title == "Recommended designs")
    assert table.rows[0][1].text == told


def test_recommended_designs_are_the_explorers_and_the_best_unseen_ones(tmp_path: Path) -> None:
    found = some(4, ("min",))
    nan = math.nan

    def design(name: str, why: str, chance: float, *, named: bool = False) -> Design:
        return Design(name, ("1", "$i"), ((1234.5, 1000.0, 1500.0),), why, chance, named)

    designs = (
        design("0" * 16, "mine: try it", nan, named=True),
        design(f"{1:016x}", "best evaluated cost 0", nan),
        design("a" * 16, "3rd best predicted cost 0", 90.0),
        design("b" * 16, "predicted Pareto front", 20.0),
        design("c" * 16, "best predicted cost 0; predicted Pareto front", 10.0),
    )
    found = replace(found, recommended=Recommended(designs, tmp_path / "table.csv", 2e9))
    table = next(table for table in tables_of(found) if table.title == "Recommended designs")
    assert [row[-1].text for row in table.rows] == [designs[i].why for i in (0, 4, 3, 2)]
    assert [row[0].text for row in table.rows] == ["0", "", "", ""], "the first has been evaluated"
    assert table.rows[1][2].text == "1,230 (1,000 to 1,500)"
    assert table.rows[1][2].value == 1234.5
    assert "In table.csv: 1 further design, evaluated ones among them." in table.more
    old = replace(found, recommended=replace(found.recommended, written=1.0))
    assert any("were evaluated after" in table.more for table in tables_of(old))


def test_what_is_expected_is_told_in_sentences_and_never_made_up() -> None:
    note = {
        "evaluations": 100, "what": "cycles", "now": 10.0, "expected": 9.0, "low": 8.0, "high": 10.0, "guided": True,
        "confidence": [{"objective": "cycles", "within": 1.0, "share": 0.0001}], "silent": "",
    }  # fmt: skip
    told = expected_of(note)
    assert told[0].startswith("100 further evaluations, chosen by the model, are expected to bring the best cycles")
    assert "from 10 to 9; 90 % of the draws: 8 to 10" in told[0]
    assert told[1].endswith("within 1 % of the best there is: cycles less than 1 %.")
    assert expected_of({**note, "evaluations": 0, "silent": "too few"}) == [
        "Nothing can be said of further evaluations: too few."
    ]
    assert expected_of({"of": "another version"}) == expected_of(None) == []


# effects


def test_the_response_of_the_model_stands_at_the_values_that_were_evaluated(tmp_path: Path) -> None:
    mean, lower, upper = (1.0, 2.0, 3.0, math.nan), (0.0, 1.0, 2.0, 0.0), (2.0, 3.0, 4.0, 9.0)
    values, numbers = ("1", "2", "4", "8"), (1.0, 2.0, 4.0, 8.0)
    curve = Curve("size", values, numbers, (1, 1, 1, 0), mean, lower, upper, lower, upper)
    levels = [(0, 0), (1, 0), (3, 1), (0, 1)]
    found = part(points(["done"] * 4, [(i + 1.0, 2.0) for i in range(4)], levels), ("min", ""))
    found = replace(found, understood=Understood({}, {"cost 0": {"size": curve}}, 9))
    panels = next(chart for chart in draw(found, beside(tmp_path)).charts if chart.key == "response_cost_0").panels
    shown = next(panel for panel in panels if isinstance(panel, Panel) and panel.title == "size")
    assert shown.x.ticks == ("1", "2", "8")
    drawn = shown.series[-1]
    assert drawn.name == "predicted, 90 % interval"
    assert [*drawn.y][:2] == [1.0, 2.0]
    assert math.isnan(drawn.y[2])


@pytest.mark.parametrize("log", [False, True])
def test_an_interval_far_beyond_the_points_does_not_flatten_them(log: bool) -> None:
    top = 1000.0 if log else 2.0
    note = Judged("cost 0", "points of step 1 before it", 3, ("0" * 16,) * 3, (1, 1.5, top), (1, 1.4, top), (0.5,) * 3,
                  (2.0, 1e9, 3000.0))  # fmt: skip
    chart = judged(replace(some(9), judged=(note,)), Catalogue(some(9), beside(Path())))
    panel = chart.panels[0]
    assert isinstance(panel, Panel)
    assert panel.y.log == log
    assert panel.y.ends is not None
    assert panel.y.ends[0] < 1
    assert top < panel.y.ends[1] < 1e7
    assert "cut off" in chart.text


def test_a_knob_without_effect_explains_nothing_and_one_that_decides_all() -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(4, size=4000)
    groups = groups_of(SIZE, levels)
    assert explained(groups, rng.normal(size=4000)) < 1
    assert explained(groups, levels**2.0) == pytest.approx(100)
    half = explained(groups, levels + rng.normal(0, levels.std(), 4000))
    assert half == pytest.approx(50, abs=4)


def test_many_levels_do_not_explain_by_chance() -> None:
    rng = np.random.default_rng(0)
    knob = Knob("seed", tuple(map(str, range(12))))
    shares = [explained(groups_of(knob, rng.integers(12, size=40)), rng.normal(size=40)) for _ in range(50)]
    assert np.mean(shares) < 10


@pytest.mark.parametrize("values", [np.ones(9), np.arange(1.0)])
def test_effects_that_cannot_be_told_are_not_told(values: np.ndarray) -> None:
    assert math.isnan(explained(groups_of(SIZE, np.arange(len(values)) % 4), values))


def test_many_values_share_groups_in_their_order() -> None:
    knob = Knob("size", tuple(str(value) for value in range(99, -1, -1)))
    groups = groups_of(knob, np.arange(100))
    assert len(groups.names) == MOST_GROUPS
    assert groups.names[0] == "0..8"
    assert np.all(np.diff(groups.of) <= 0), "level 0 is the largest value"
    assert groups_of(knob, np.array([INACTIVE, 5])).of.tolist() == [-1, 0]


# words and files


def test_an_even_choice_has_both_ends_and_no_point_twice() -> None:
    rows = np.arange(1000)
    chosen = even(rows, 7)
    assert chosen[[0, -1]].tolist() == [0, 999]
    assert len(set(chosen.tolist())) == len(chosen) == 7
    assert even(rows[:5], 7).tolist() == [0, 1, 2, 3, 4]


def test_a_note_of_forecasts_is_bounded_and_reads_back() -> None:
    assert len(set(kept(10**6))) == MOST_KEPT
    assert kept(3) == [0, 1, 2]
    told = Judged("c", "m", 3, ("a", "b"), (1.0, 2.0), (1.5, math.nan), (1.0, 1.0), (2.0, math.inf))
    back = Judged.from_note(json.loads(json.dumps(told.to_note(), allow_nan=False)))
    assert back.ids == ("a", "b")
    assert back.actual == (1.0, 2.0)
    assert math.isnan(back.mean[1])
    with pytest.raises(ValueError, match="lengths"):
        Judged.from_note({**told.to_note(), "mean": [1.0]})


@pytest.mark.parametrize(
    ("value", "shown"), [(20000, "20k"), (1.5e6, "1.5M"), (0.025, "0.025"), (-3e9, "-3G"), (0, "0")]
)
def test_numbers_beside_an_axis_are_brief(value: float, shown: str) -> None:
    assert brief(value) == shown


def test_labels_and_file_names_are_short_and_harmless() -> None:
    assert short("a" * 50 + "17", 20).endswith("17")
    assert len(short("b" * 99, 20)) == 20
    assert slug("../../etc/pass wd\n") == "etc_pass_wd"
    assert slug("...") == "_"


def test_only_files_of_a_report_are_replaced(tmp_path: Path) -> None:
    write(tmp_path / "report.html", b"<html> deffe report")
    check_folder(tmp_path, ["report.html", "new.png"])
    (tmp_path / "thesis.png").write_bytes(b"\x89PNG mine")
    (tmp_path / "folder.png").mkdir()
    for name in ("thesis.png", "folder.png"):
        with pytest.raises(UsageError, match=name):
            check_folder(tmp_path, [name])
    with pytest.raises(UsageError, match="no folder"):
        check_folder(tmp_path / "thesis.png", [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "report.html", "thesis.png"]


def test_parallel_axes_have_names_that_differ(tmp_path: Path) -> None:
    knob = Knob("long", tuple(f"same_beginning_{i}_same_end" for i in range(30)), numeric=False)
    found = part(points(["done"] * 30, [(i + 1.0, 1.0) for i in range(30)], [(i,) for i in range(30)]), knobs=(knob,))
    shown = next(chart for chart in draw(found, beside(tmp_path)).charts if chart.key == "parallel").panels[0]
    assert isinstance(shown, Parallel)
    ticks = shown.dimensions[0].ticks
    assert ticks is not None
    assert len(set(ticks)) == 30
