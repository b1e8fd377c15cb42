"""Box-Behnken design: three levels a knob, two knobs at their extremes at a time."""

from __future__ import annotations

import numpy as np
import pydoe

from deffe.api import Features, Framework

from ._finite import CodedSampler


class BoxBehnken(CodedSampler):
    """First, middle and last values for a quadratic model, without the corners of the space.

    Source: Box, Behnken, Technometrics 2(4), 1960, doi:10.2307/1266454.
    """

    least_knobs = 3

    def coded(self, knobs: int) -> Features:
        # one centre run: a second run of the same point would tell a deterministic simulator's user nothing
        return np.asarray(pydoe.bbdesign(knobs, center=1), dtype=np.float64)

    def least_runs(self, knobs: int) -> int:
        return 2 * knobs * (knobs - 1) + 1


def GetObject(framework: Framework) -> BoxBehnken:
    return BoxBehnken(framework)
