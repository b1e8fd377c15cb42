"""Samplers with a design of fixed length: checked once, handed out in order over the steps, then at an end."""

from __future__ import annotations

import numpy as np

from deffe.api import Batch, Features, Framework, Ids, Levels, PluginError
from deffe.errors import counted
from deffe.space.proposals import Sequence, new_rows

from ._designs import coded_levels, varying

MOST_RUNS = 1_000_000
NOTHING_KNOWN: Ids = np.empty(0, dtype=np.int64)


def refuse_beyond_limit(name: str, runs: int) -> None:
    """Stop before a design that is too long is made.

    Raises:
        PluginError: more than 1,000,000 runs.
    """
    if runs > MOST_RUNS:
        raise PluginError(
            f"a {name} design of this space has {runs:,} runs, more than {MOST_RUNS:,}",
            "vary fewer knobs, or use a sampler such as latin_hypercube",
        )


class FiniteSampler:
    """Base of these samplers: ``design`` gives the points in order, and the base does the rest."""

    may_be_empty = False

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._space = framework.space

    def Initialize(self) -> None:
        """Make the design and say what is dropped from it."""
        design = self._space.canonical(self.design())
        kept = design[new_rows(self._space, design, NOTHING_KNOWN)]
        self._note(design, kept)
        self._points = Sequence(self._space, lambda start, n: kept[start : start + n])

    def Run(self, step: int, count: int, known: Ids) -> Batch:
        """The next ``count`` points of the design; fewer at its end."""
        return self._space.of_levels(step, self._points.take(count, known))

    def design(self) -> Levels:
        """(n, p) levels of the design in its order, invalid and repeated points included."""
        raise NotImplementedError

    def _note(self, design: Levels, kept: Levels) -> None:
        name = self._framework.name
        invalid = int((~self._space.valid(design)).sum())
        if not len(kept) and not self.may_be_empty:
            raise PluginError(
                f"{name}: none of the {counted(len(design), 'point')} of the design is in the space",
                "the constraints, or the listed points, exclude them all; use a sampler such as latin_hypercube",
            )
        dropped = [
            f"{number} dropped as {why}"
            for number, why in ((invalid, "invalid"), (len(design) - invalid - len(kept), "repeated"))
            if number
        ]
        self._framework.log.info("%s: %s", name, ", ".join([f"{len(design)} runs in the design", *dropped]))


class CodedSampler(FiniteSampler):
    """Base of designs in coded units, where -1 and +1 are a knob's first and last value, and 0 its middle one."""

    least_knobs = 2

    def design(self) -> Levels:
        knobs = len(varying(self._space))
        name = self._framework.name
        if knobs < self.least_knobs:
            raise PluginError(
                f"{name}: {counted(knobs, 'knob has', 'knobs have')} more than one value, "
                f"the design needs at least {self.least_knobs}",
                "vary more knobs, or use a sampler such as full_factorial",
            )
        refuse_beyond_limit(name, self.least_runs(knobs))
        coded = self.coded(knobs)
        refuse_beyond_limit(name, len(coded))
        return coded_levels(self._space, coded)

    def coded(self, knobs: int) -> Features:
        """(runs, knobs) design with entries from -1 to +1."""
        raise NotImplementedError

    def least_runs(self, knobs: int) -> int:
        """A number of runs that the design of so many knobs has at least."""
        raise NotImplementedError
