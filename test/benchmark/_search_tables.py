"""Markdown tables of what searches found: medians and quartiles over seeds, and tests paired by seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from _search_methods import OURS, split_name
from _search_problems import CASES, problem
from _search_results import Result, of

BUDGETS = (50, 100)
LEAST = 6
"""Seeds below which the test cannot find a difference."""
LEVEL = 0.05
"""Chance of a difference without a cause, below which it is no tie."""


def show(results: Sequence[Result], methods: Sequence[str] | None, names: Sequence[str], absent: Sequence[str]) -> None:
    """Print a table a problem, of the methods asked for or of all there are."""
    wanted = [*(methods or dict.fromkeys(result.method for result in results))]
    wanted += [method for method in absent if method not in wanted]
    for name in names:
        lines = [_line(results, method, name, method in absent) for method in wanted]
        if any(lines):
            print(f"### {name}\n\n{_measure(name)}\n\n{_head()}")
            print("\n".join(filter(None, lines)) + "\n")


def _measure(name: str) -> str:
    if len(CASES[name].objectives) == 1:
        return "Regret in percent of the true best; less is better."
    return "Share of the hypervolume of the true front; more is better."


def _head() -> str:
    heads = ["method", "seeds"]
    for budget in BUDGETS:
        heads += [f"{budget} evaluations", f"valid points of {budget}", f"deffe against it at {budget}"]
    heads += ["rejected", "CPU s"]
    return f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}"


def _line(results: Sequence[Result], method: str, name: str, absent: bool) -> str:
    found = of(results, method, name)
    if not found:
        lacks = absent and len(CASES[name].objectives) <= split_name(method)[0].most
        return f"| {method} | not installed |{' |' * (2 + 3 * len(BUDGETS))}" if lacks else ""
    ours = of(results, OURS, name)
    cells = [method, str(len(found))]
    for budget in BUDGETS:
        values = scores(found, budget)
        valid = [result.valid(budget) for result in found.values() if len(result.rows) >= budget]
        cells.append(_quartiles(list(values.values()), 2 if problem(name).objectives == 1 else 3) if values else "-")
        cells.append(f"{np.median(valid):g}" if valid else "-")
        cells.append("-" if method == OURS or not values else verdict(scores(ours, budget), values, name))
    cells.append(f"{np.median([result.rejected for result in found.values()]):g}")
    cells.append(f"{np.median([result.seconds for result in found.values()]):.1f}")
    return f"| {' | '.join(cells)} |"


def scores(found: dict[int, Result], budget: int) -> dict[int, float]:
    """By seed, what a method reached after so many evaluations."""
    return {seed: result.curve[budget - 1] for seed, result in found.items() if len(result.rows) >= budget}


def _quartiles(values: Sequence[float], digits: int) -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def verdict(ours: dict[int, float], theirs: dict[int, float], name: str) -> str:
    """Win, tie or loss by the signed-rank test of Wilcoxon (1945) over the seeds that both have."""
    from scipy.stats import rankdata, wilcoxon

    seeds = sorted(ours.keys() & theirs.keys())
    if len(seeds) < LEAST:
        return "-"
    sign = 1 if problem(name).objectives == 1 else -1
    pairs = [(ours[seed], theirs[seed]) for seed in seeds]
    gains = np.array([0.0 if a == b else sign * (b - a) for a, b in pairs])  # without a valid point both are infinite
    gains = np.nan_to_num(np.round(gains, 12))
    chance = wilcoxon(gains).pvalue if gains.any() else 1.0
    if chance >= LEVEL:
        return f"tie (p {chance:.2g})"
    better = (np.sign(gains) * rankdata(np.abs(gains))).sum() > 0
    return f"{'win' if better else 'loss'} (p {chance:.2g})"
