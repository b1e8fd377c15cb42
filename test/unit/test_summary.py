"""The final summary on the terminal: what is not there is a dash, and columns are aligned."""

from __future__ import annotations

import math

from deffe.answer.summary import error_lines
from deffe.records import CostReport


def test_an_error_without_a_percentage_is_a_dash_in_its_column() -> None:
    nan = math.nan
    reports = [
        CostReport("cycles", "test set", 20, 3.25, 0.9, 0.8, 90.0),
        CostReport("misses", "test set", 20, nan, nan, nan, nan),
    ]
    _, known, absent = error_lines(reports)
    assert known.index("test set") == absent.index("test set")
    assert "%" not in absent
    assert absent.split() == ["misses", "-", "-", "-", "-", "test", "set"]
    ends = [known.index(word) + len(word) for word in ("3.25 %", "0.9000", "0.8000", "90.0 %")]
    assert [absent[end - 1] for end in ends] == ["-"] * 4
