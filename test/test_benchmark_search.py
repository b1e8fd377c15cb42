"""The benchmark of searches: problems, their measures, and the judge that all methods have in common."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "benchmark"
DATA = Path(__file__).parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the tables of recorded results are not there")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("_tables", "_search_problems", "_search_loop", "_search_methods", "_search_results", "_search_tables")
    yield {name: importlib.import_module(name) for name in names}
    for name in [name for name in sys.modules if name.startswith("_search_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["matmul_constrained", "convolution_A100", "spector_mm"])
def test_every_legal_point_has_its_row_and_the_truth_reaches_the_best(modules, name):
    problem = modules["_search_problems"].problem(name)
    assert (problem.rows(problem.levels) == np.arange(len(problem.levels))).all()
    end = problem.curve(problem.costs[np.argsort(problem.costs[:, 0])][:2000])[-1]
    assert end == pytest.approx(0 if problem.objectives == 1 else 1)


def test_constrained_matmul_is_the_published_problem(modules):
    problem = modules["_search_problems"].problem("matmul_constrained")
    assert len(problem.levels) == 576
    assert (problem.costs <= 1.01 * problem.best).sum() == 2


def test_illegal_repeated_and_failed_proposals(modules):
    problem = modules["_search_problems"].problem("convolution_A100")

    class Stubborn(modules["_search_loop"].Told):
        """Proposes a point outside the space, then one that is known."""

        refused: list[bool] = []  # noqa: RUF012

        def ask(self, count):
            return np.array([[-1] * len(problem.counts), self.levels[0]])

        def reject(self, levels, legal):
            self.refused.append(legal)

    found = modules["_search_loop"].search(problem, Stubborn(problem, 0), seed=0, budget=12)
    assert len(set(found.rows)) == 12
    assert found.fallbacks == 2
    assert found.rejected == len(Stubborn.refused) == 2 * modules["_search_loop"].PATIENCE
    assert any(Stubborn.refused)
    assert not all(Stubborn.refused)


def test_nearest_is_legal_new_and_its_own_where_possible(modules):
    problem = modules["_search_problems"].problem("spector_mm")
    told = modules["_search_loop"].Told(problem, 0)
    assert (told.nearest(problem.levels[5:6]) == problem.levels[5]).all()
    told.tell(problem.levels[5:6], problem.costs[5:6])
    near = told.nearest(np.repeat(problem.levels[5:6], 3, axis=0))
    rows = problem.rows(near)
    assert len(set(rows.tolist()) - {5, -1}) == 3


def test_all_methods_start_from_the_same_points(modules):
    problem = modules["_search_problems"].problem("convolution_A4000")
    make, search = modules["_search_methods"].make, modules["_search_loop"].search
    found = [
        search(problem, make(name, problem, 3), 3, 15).rows
        for name in ("random", "deffe:explorer=cost_1d:model=extra_trees:batch=5")
    ]
    assert found[0][:10] == found[1][:10]
    assert found[0][10:] != found[1][10:]


def test_verdict_is_paired_by_seed_and_knows_its_direction(modules):
    verdict = modules["_search_tables"].verdict
    ours = {seed: 1.0 + seed for seed in range(10)}
    theirs = {seed: 1.5 + 1.1 * seed for seed in range(10)}
    shuffled = {seed: theirs[9 - seed] for seed in range(10)}
    assert verdict(ours, theirs, "convolution_A100") == "win (p 0.002)"
    assert verdict(theirs, ours, "convolution_A100") == "loss (p 0.002)"
    assert verdict(ours, theirs, "spector_mm").startswith("loss")
    assert verdict(ours, shuffled, "convolution_A100").startswith("tie")
    assert verdict(ours, ours, "spector_mm") == "tie (p 1)"
    assert verdict(ours, dict.fromkeys(range(5), 0.0), "spector_mm") == "-"


def test_verdict_counts_a_search_without_a_valid_point_as_the_worst(modules):
    verdict = modules["_search_tables"].verdict
    none = dict.fromkeys(range(10), np.inf)
    assert verdict(dict.fromkeys(range(10), 1.0), none, "convolution_A100").startswith("win")
    assert verdict(none, dict.fromkeys(range(10), 1.0), "convolution_A100").startswith("loss")
    assert verdict(none, none, "convolution_A100").startswith("tie")


def test_table_has_medians_quartiles_valid_points_and_verdicts(modules, capsys):
    problem, results = modules["_search_problems"].problem("convolution_A100"), modules["_search_results"]
    good = np.argsort(problem.costs[:, 0])  # failed points last
    found = []
    for seed in range(6):
        rows = [*good[-10:], *good[seed : seed + 90]]
        found.append(results.Result("deffe", problem.name, seed, tuple(int(row) for row in rows), 0, 0, 2.0))
        rows = [*good[-30:], *good[20 + seed : 90 + seed]]
        found.append(results.Result("random", problem.name, seed, tuple(int(row) for row in rows), 4, 0, 1.0))
    modules["_search_tables"].show(found, None, [problem.name, "spector_mm"], ["hebo"])
    out = capsys.readouterr().out
    regret = [100 * (problem.costs[good[20 + seed], 0] / problem.best - 1) for seed in range(6)]
    low, middle, high = np.quantile(regret, [0.25, 0.5, 0.75])
    line = next(line for line in out.splitlines() if line.startswith("| random"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:4] == ["random", "6", f"{middle:.2f} ({low:.2f} to {high:.2f})", "20"]
    assert cells[4] == "win (p 0.031)"
    assert cells[6:] == ["70", "win (p 0.031)", "4", "1.0"]
    assert "| hebo | not installed |" in out
    assert "spector_mm" not in out
    widths = {line.count("|") for line in out.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_a_line_that_was_cut_short_is_left_out(modules, tmp_path):
    results = modules["_search_results"]
    result = results.Result("random", "spector_mm", 0, tuple(range(25)), 0, 0, 0.1)
    results.append(tmp_path / "r.jsonl", result)
    with (tmp_path / "r.jsonl").open("a") as stream:
        stream.write(result.line()[:30])
    assert results.read(tmp_path / "r.jsonl") == [result]


def test_hebo_proposes_legal_new_points(modules):
    entry = modules["_search_methods"].ENTRIES["hebo"]
    if not entry.installed:
        pytest.skip(f"hebo is not installed: {entry.install}")
    problem = modules["_search_problems"].problem("convolution_A4000")
    method = entry.make(problem, 0, {})
    found = modules["_search_loop"].search(problem, method, seed=0, budget=13)
    assert len(set(found.rows)) == 13
    assert found.rejected == found.fallbacks == 0
    with pytest.raises(ValueError, match="one objective"):
        entry.make(modules["_search_problems"].problem("spector_mm"), 0, {})


def test_a_library_may_be_in_another_python(modules, monkeypatch):
    entry = modules["_search_methods"].Entry("x", ("x", "X"), "no_such_library", "", "OTHER_PYTHON")
    assert not entry.installed
    monkeypatch.setenv("OTHER_PYTHON", "/no/such/python")
    assert not entry.installed
    monkeypatch.setenv("OTHER_PYTHON", sys.executable)
    assert not entry.installed
    assert modules["_search_methods"].Entry("x", ("x", "X"), "json", "", "OTHER_PYTHON").elsewhere
