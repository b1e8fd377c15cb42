"""The report of a run of 100,000 points, and how soon Chromium shows it: ``python test/benchmark/report.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from _browser import Browser, program
from _measure import DEFFE, Figure, Usage, measure, show, workplace

POINTS = 100_000
OPEN_S = 3.0
TIMES = 5
CONFIG = {
    "knobs": [{"name": f"knob{i}", "values": "1-9"} for i in range(8)],
    "costs": ["cycles", "area"],
    "objectives": {"cycles": "min", "area": "min"},
    "evaluate": {"pyscript": "vectorised", "options": {"function": "model.py:score", "rows": 1000}},
    "model": {"pyscript": "boosting"},
    "sampling": {"custom_samples": [POINTS // 2, POINTS]},
    "exploration": {"predict_limit": POINTS},
    "framework": {"run_directory": "run"},
}
FUNCTION = """
def score(frame):
    k = [frame[f"knob{i}"] for i in range(8)]
    cycles = 1e4 / k[0] + 1e3 / (k[1] * k[2]) + 50 * abs(k[3] - 5) + 10 * k[4]
    cycles[(k[5] == 9) & (k[6] > 7)] = float("nan")
    return {"cycles": cycles, "area": 2 * k[0] + k[1] * k[2] + 9 - k[7]}
"""
PHONE, LAPTOP = (390, 844), (1366, 768)


def both(usage: Usage) -> str:
    return f"{usage.wall_s:.1f} s ({usage.cpu_s:.1f} s CPU), {usage.peak_mib:.0f} MiB"


def figures() -> Iterator[Figure]:
    with workplace(CONFIG, model_py=FUNCTION) as folder:
        yield Figure(
            f"{POINTS:,} points evaluated, two models learned, as many predicted", both(measure(DEFFE, folder))
        )
        yield Figure("`-report`: page, pictures and workbook", both(measure((*DEFFE, "-report", "run"), folder)))
        page = folder / "run_report" / "report.html"
        yield Figure("size of the page", f"{page.stat().st_size / 1e6:.1f} MB")
        yield Figure("size of the workbook", f"{page.with_suffix('.xlsx').stat().st_size / 1e6:.1f} MB")
        yield from opened(page, folder)


def opened(page: Path, folder: Path) -> Iterator[Figure]:
    """The quickest of several openings, as other work of the machine only ever adds to it."""
    if not program():
        yield Figure("opened in Chromium", "not measured: there is no Chromium", f"< {OPEN_S:g} s", False)
        return
    browser = Browser(program(), folder / "browser")
    try:
        for name, size in (("on a laptop", LAPTOP), ("on a phone", PHONE)):
            times = []
            for _ in range(TIMES):
                seen = browser.open(page, *size, phone=size is PHONE)
                times.append((seen, seen + browser.draw_at_once()))
            seen, drawn = (min(column) for column in zip(*times, strict=True))
            yield Figure(f"{name}: loaded, what is in sight drawn", f"{seen:.2f} s", f"< {OPEN_S:g} s", seen < OPEN_S)
            yield Figure(f"{name}: all pictures drawn at once", f"{drawn:.2f} s", f"< {OPEN_S:g} s", drawn < OPEN_S)
    finally:
        browser.close()


def main() -> int:
    return 0 if show(f"The report of a run of {POINTS:,} points", figures()) else 1


if __name__ == "__main__":
    sys.exit(main())
