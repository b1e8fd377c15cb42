"""Fractional factorial: the smallest two-level design of a resolution."""

from __future__ import annotations

import math

import numpy as np
import pydoe

from deffe.api import Features, Field, Framework, Options, PluginError

from ._finite import CodedSampler


class FractionalFactorialOptions(Options):
    resolution: int = Field(
        default=4,
        ge=3,
        description="3: main effects are apart from each other; 4: also from effects of two knobs; 5: those too",
    )


class FractionalFactorial(CodedSampler):
    """Two values a knob, the first and the last, in a regular fraction of all combinations.

    Source: Box, Hunter, Technometrics 3(3), 1961, doi:10.2307/1266725.
    """

    def __init__(self, framework: Framework) -> None:
        super().__init__(framework)
        self._resolution = framework.options(FractionalFactorialOptions).resolution

    def coded(self, knobs: int) -> Features:
        try:
            return np.asarray(pydoe.fracfact_by_res(knobs, self._resolution), dtype=np.float64)
        except ValueError as error:
            raise PluginError(f"fractional_factorial: {error}", "a lower resolution, or fewer knobs") from error

    def least_runs(self, knobs: int) -> int:
        # at resolution 2t + 1 the products of up to t columns are all distinct
        most = min((self._resolution - 1) // 2, knobs)
        return sum(math.comb(knobs, i) for i in range(most + 1))


def GetObject(framework: Framework) -> FractionalFactorial:
    return FractionalFactorial(framework)
