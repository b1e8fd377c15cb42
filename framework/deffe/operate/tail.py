"""Follows a run: each point that ends is told on a line of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deffe.operate.activity import Activity
from deffe.operate.view import Ended, Part, View, now, view_of
from deffe.words import duration

FIRST = 10
"""Points that had ended before, and are shown at the start."""
AT_ONCE = 1000
POLL_S = 1.0


def tail(folder: Path, say: Callable[[str], None], poll_s: float = POLL_S) -> int:
    """Say each point as it ends, until the run ends or Ctrl-C is pressed; the exit code.

    Raises:
        StoreError: the database is damaged, of a newer version, or empty.
    """
    try:
        last, first = -1, True
        while True:
            with view_of(folder) as view:
                activity = view.activity()
                found = view.ends(last, FIRST if first else AT_ONCE)
                lines = _lines(view, found)
            for line in lines:
                say(line)
            last = found[-1].serial if found else max(last, 0)
            first = False
            if len(found) < AT_ONCE and (activity is None or activity.is_alive() is False):
                say(_last_word(activity))
                return 0
            time.sleep(poll_s)
    except KeyboardInterrupt:
        return 0


def _last_word(activity: Activity | None) -> str:
    if activity is None:
        return "nothing is running here"
    ago = duration(now() - activity.beat)
    return f"the run has ended, {ago} ago: {activity.ended}" if activity.ended else f"the run was killed, {ago} ago"


def _lines(view: View, ends: Sequence[Ended]) -> list[str]:
    found = {
        part.index: view.points(part, [end.number for end in ends if end.exploration == part.index])
        for part in view.parts
    }
    several = len(view.parts) > 1
    last = {(end.exploration, end.number): end.serial for end in ends}  # of an earlier end nothing is known any more
    return [
        _line(end, view.parts[end.exploration], found[end.exploration][end.number], several)
        for end in ends
        if end.number in found.get(end.exploration, {}) and last[end.exploration, end.number] == end.serial
    ]


def _line(end: Ended, part: Part, point: dict[str, Any], several: bool) -> str:
    words = [time.strftime("%H:%M:%S", time.localtime(end.when)), *([part.name] if several else [])]
    words += [f"point {end.number}", point["state"].replace("_", " ")]
    if point["evaluate_s"] is not None:
        words.append(f"{point['evaluate_s']:.3g} s")
    words += [f"{name}={value}" for name, value in point["knobs"].items() if value is not None]
    words += [f"{name} = {_number(value)}" for name, value in point["costs"].items() if value is not None]
    return "  ".join([*words, *([point["reason"]] if point["reason"] else [])])


def _number(value: float) -> str:
    return f"{value:.6g}"
