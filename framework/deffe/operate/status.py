"""What a run has done, does, and has left to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from deffe.errors import counted
from deffe.operate.activity import Activity
from deffe.operate.view import FAILED, Part, View, now, view_of
from deffe.words import duration, moment

WINDOWS_S = (600.0, 3600.0, 86_400.0)
ENOUGH = 10
"""Points that tell a speed; with fewer, a longer time is looked at."""
LEAST_S = 1.0
"""A shorter time tells no speed."""
MOST_REASONS = 5
MOST_POINTS = 10


def status(folder: Path, say: Callable[[str], None]) -> int:
    """Say what became of a run so far; the exit code.

    Raises:
        StoreError: the database is damaged, of a newer version, or empty.
    """
    with view_of(folder) as view:
        activity = view.activity()
        lines = [f"{folder}: {_state(activity)}"]
        counts = {part.name: view.counts(part) for part in view.parts}
        for part in view.parts:
            lines.append(f"  {part.name}: {_counts(counts[part.name])}{_planned(activity, part, counts[part.name])}")
        lines += _speed(view, activity, counts)
        lines += _now(activity)
        lines += [line for part in view.parts for line in _reasons(view, part, counts[part.name])]
    say("\n".join(lines))
    return 0


def _state(activity: Activity | None) -> str:
    if activity is None:
        return "a run of an older version, which tells no times"
    alive = activity.is_alive()
    ago = duration(now() - activity.beat)
    who = f"process {activity.process} on {activity.host}"
    if alive:
        return f"running since {moment(activity.started)} ({duration(now() - activity.started)}), {who}"
    if alive is None:
        return f"running since {moment(activity.started)}, {who}; last sign of life {ago} ago"
    if activity.ended:
        return f"ended {moment(activity.beat)} ({ago} ago): {activity.ended}"
    return f"not running; it was killed after {moment(activity.beat)} ({ago} ago), the same command goes on"


def _counts(counts: dict[str, int]) -> str:
    shown = [("done", "done"), *((state, state.replace("_", " ")) for state in FAILED if counts[state])]
    parts = [f"{counts[state]:,} {words}" for state, words in shown]
    return ", ".join([*parts, f"{_to_do(counts):,} to do"])


def _to_do(counts: dict[str, int]) -> int:
    return counts["waiting"] + counts["running"]


def _ended(counts: dict[str, int]) -> int:
    return counts["done"] + sum(counts[state] for state in FAILED)


def _planned(activity: Activity | None, part: Part, counts: dict[str, int]) -> str:
    planned = activity.planned.get(part.name) if activity else None
    if planned is None or planned <= _ended(counts) + _to_do(counts):
        return ""
    return f" of this step; {'at most ' if activity and activity.target else ''}{counted(planned, 'point')} in all"


def _speed(view: View, activity: Activity | None, counts: dict[str, dict[str, int]]) -> Iterator[str]:
    last = view.last_end()
    if activity is None or last is None:
        return
    until = now() if activity.is_alive() else last
    for window in WINDOWS_S:
        points = view.ended_since(until - window)
        if points >= ENOUGH or until - window < activity.started:
            break
    over = min(window, until - activity.started)
    if over < LEAST_S:
        return  # nothing has ended since it was started again, or it has just begun
    points = view.ended_since(until - over)
    hourly = 3600 * points / over
    amount = f"{hourly:,.0f}" if hourly >= 10 else f"{hourly:.2g}"
    yield f"  speed: {amount} points an hour, over {duration(over)}"
    left = sum(_left(activity, name, found) for name, found in counts.items())
    if activity.is_alive() is not False and left and hourly:
        most = "at most " if activity.target else ""
        yield f"  left: {most}{counted(left, 'point')}, {most}about {duration(3600 * left / hourly)}"


def _left(activity: Activity, name: str, counts: dict[str, int]) -> int:
    return max(activity.planned.get(name, 0) - _ended(counts), _to_do(counts))


def _now(activity: Activity | None) -> Iterator[str]:
    if activity is None or activity.is_alive() is False:
        return
    since = duration(now() - activity.doing_since)
    if not activity.doing:
        yield f"  now: learning or choosing points, for {since}"
        return
    yield f"  now: {activity.doing}, for {since}, {counted(activity.under_way, 'point')} under way"
    shown = [(number, start) for number, start in activity.longest if number >= 0][:MOST_POINTS]
    for number, start in shown:
        yield f"    point {number} for {duration(now() - start)}"
    if shown and activity.under_way > len(shown):
        yield f"    {activity.under_way - len(shown):,} more"
    if activity.queue:
        yield f"  queue: {activity.queue}"


def _reasons(view: View, part: Part, counts: dict[str, int]) -> Iterator[str]:
    if not any(counts[state] for state in FAILED):
        return
    where = f" of {part.name}" if len(view.parts) > 1 else ""
    yield f"  failures{where}, by reason:"
    for reason, points in view.reasons(part, MOST_REASONS):
        yield f"    {points:,} {'time' if points == 1 else 'times'}: {reason}"
