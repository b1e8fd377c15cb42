"""Progress that is noted in the run directory too, for those who look at the run from outside."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from deffe.errors import DeffeError, StoreError
from deffe.operate.activity import ACTIVITY, BEAT_S, MOST_SHOWN, Activity
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.run.progress import Progress
from deffe.store import Store

UnderWay = Callable[[], Sequence[tuple[int, float]]]
"""Number and start of the points that the executor has."""


class Recorded:
    """Hands everything to a progress, and notes it now and then in the store. The loop's thread alone calls it.

    Attributes:
        why: why the run has ended, once it has.
    """

    def __init__(self, progress: Progress, store: Store, under_way: UnderWay, activity: Activity) -> None:
        self._progress = progress
        self._store = store
        self._under_way = under_way
        self._activity = activity
        self._last = float("-inf")
        self.why = "done"

    def begin(self, label: str, total: int) -> None:
        self._progress.begin(label, total)
        self._change(label)

    def grow(self, count: int) -> None:
        self._progress.grow(count)

    def advance(self, count: int) -> None:
        self._progress.advance(count)
        self._beat()

    def note(self, text: str) -> None:
        self._progress.note(text)
        self._activity = replace(self._activity, queue=text)
        self._beat()

    def end(self) -> None:
        self._progress.end()
        self._change("")

    def finish(self, why: str) -> None:
        """Note that the run has ended."""
        self._activity = replace(self._activity, doing="", ended=why)
        self._write()

    def _change(self, doing: str) -> None:
        self._activity = replace(self._activity, doing=doing, doing_since=time.time(), queue="")
        self._write()

    def _beat(self) -> None:
        if time.monotonic() - self._last >= BEAT_S:
            self._write()

    def _write(self) -> None:
        there = self._under_way()
        self._activity = replace(
            self._activity, beat=time.time(), under_way=len(there), longest=tuple(there[:MOST_SHOWN])
        )
        self._store.set_meta(ACTIVITY, self._activity.to_note())
        self._last = time.monotonic()


@contextlib.contextmanager
def recorded(
    progress: Progress, store: Store, under_way: UnderWay, settings: Settings, plans: Sequence[Plan]
) -> Iterator[Recorded]:
    """A progress that is noted, from the start of the run to its end, and how it ended."""
    now = time.time()
    activity = Activity(
        started=now, doing_since=now, planned=planned(settings, plans), target=settings.target_error is not None
    )
    made = Recorded(progress, store, under_way, activity)
    try:
        made.finish("")
        yield made
    except BaseException as error:
        made.why = next(iter(error.message.splitlines()), "") if isinstance(error, DeffeError) else "interrupted"
        raise
    finally:
        with contextlib.suppress(StoreError):  # how the run ended has been told; a full disk must not hide it
            made.finish(made.why)


def planned(settings: Settings, plans: Sequence[Plan]) -> Mapping[str, int]:
    """The most points that each exploration will have; those of its space where nothing else limits it."""
    schedule = settings.schedule
    most = schedule.limit
    if not settings.full_exploration and (schedule.custom or schedule.end != -1):
        most = schedule.total(len(schedule.custom) - 1 if schedule.end == -1 else schedule.end - 1)
        most -= schedule.total(schedule.start - 1)
    return {plan.name: min(most, plan.space.size) for plan in plans}
