"""What a reader should know of results that show little: no point done, costs all equal, a front of one point."""

from __future__ import annotations

import numpy as np

from deffe.errors import counted
from deffe.report.content import Part, front_rows
from deffe.words import number


def cautions(part: Part) -> list[str]:
    """Sentences to stand above the pictures of an exploration."""
    done = int(part.points.done.sum())
    if not done:
        return [why_none_done(part)] if part.points.ended.any() else []
    said = []
    if done > 1:
        for column in part.shown:
            values = part.points.costs[part.points.done, column]
            if np.ptp(values) == 0:
                cost = f"{part.costs[column].name} = {number(values[0])}"
                said.append(f"All {done:,} done points have {cost}: nothing can be learned of it, or chosen by it.")
    front = front_rows(part)
    if len(part.objectives) > 1 and len(front) == 1 < int(part.results.sum()):
        said.append(f"Point {part.points.numbers[front[0]]} is the best in every objective: the front is it alone.")
    return said


def counting(part: Part) -> str:
    """Such as ``with simulator = detailed``: the points that count; empty where all do."""
    target = part.target.items()
    return f"with {', '.join(f'{knob} = {value}' for knob, value in target)}" if target else ""


def why_none_done(part: Part) -> str:
    """Why there are no costs."""
    if part.points.done.any():
        return f"No point {counting(part)} is done yet."
    ended = int(part.points.ended.sum())
    if not ended:
        return "No point is done yet."
    waiting = "" if ended == len(part.points) else "so far "
    return f"No point is done: {waiting}{counted(ended, 'point')} failed, see the table of failures."


def why_no_spread(part: Part) -> str:
    """Why nothing can be said of what knobs do to a cost."""
    done = int(part.points.done.sum())
    if not done:
        return why_none_done(part)
    return f"Nothing can be told from {counted(done, 'done point')}: they are too few, or their costs are all equal."
