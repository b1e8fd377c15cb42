"""How many points each step takes: the meaning of the step and sample options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from deffe.errors import UsageError

DEFAULT_INIT = 20


@dataclass(frozen=True)
class Schedule:
    """The points of each step.

    Without ``fixed`` the first step takes ``3 * init`` points and each later one ``2 * init``: a model
    trains on the first ``init``, and what one step validates on is trained on by the next. With
    ``fixed`` the first step takes ``init`` and each later one ``fixed``. ``custom`` lists the totals
    reached after each step instead.

    Args:
        init: points the first step is built on.
        fixed: points of each later step, or None.
        custom: rising totals, one a step; or empty.
        start: first step; what earlier steps would take is left out.
        end: the step before which the run ends, or -1 for no end.
        increment: blocks of points taken by one step.
        limit: points of the whole run at most.
    """

    init: int = DEFAULT_INIT
    fixed: int | None = None
    custom: Sequence[int] = ()
    start: int = 0
    end: int = -1
    increment: int = 1
    limit: int = 1_000_000

    def __post_init__(self) -> None:
        rules = {
            "init-batch-samples": (self.init, self.init >= 1, "at least 1"),
            "fixed-samples": (self.fixed, self.fixed is None or self.fixed >= 1, "at least 1"),
            "step-start": (self.start, self.start >= 0, "at least 0"),
            "step-end": (self.end, self.end == -1 or self.end > self.start, "-1 (no end) or above -step-start"),
            "step-increment": (self.increment, self.increment >= 1, "at least 1"),
            "max-samples": (self.limit, self.limit >= 1, "at least 1"),
            "custom-samples": (list(self.custom), self._rises(), "totals that rise, such as 20 40 80"),
        }
        for name, (found, fine, allowed) in rules.items():
            if not fine:
                raise UsageError(f"-{name}: got {found}", f"allowed: {allowed}")

    def _rises(self) -> bool:
        totals = [0, *self.custom]
        return all(a < b for a, b in pairwise(totals))

    def total(self, step: int) -> int:
        """Points proposed in all by the end of ``step``, counted from step 0; -1 is the time before it."""
        if step < 0:
            return 0
        if self.custom:
            return min(self.custom[min(step, len(self.custom) - 1)], self.limit)
        first, later = (3 * self.init, 2 * self.init) if self.fixed is None else (self.init, self.fixed)
        return min(first + step * later, self.limit)

    def steps(self, size: int) -> Iterator[tuple[int, int]]:
        """Each step and the number of points it takes, until a step would take none or ``size`` points are used up."""
        step = self.start
        while self.end == -1 or step < self.end:
            last = step + self.increment - 1 if self.end == -1 else min(step + self.increment, self.end) - 1
            count = self.total(last) - self.total(step - 1)
            if count <= 0 or self.total(step - 1) >= size:
                return
            yield step, count
            step += self.increment
