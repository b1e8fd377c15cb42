"""Plackett-Burman design: the main effects of many knobs from few two-level runs."""

from __future__ import annotations

import numpy as np
import pydoe

from deffe.api import Features, Framework

from ._finite import CodedSampler


def plackett_burman(knobs: int) -> Features:
    """An orthogonal two-level design with the least multiple of 4 above ``knobs`` runs that can be made.

    Returns:
        (runs, knobs) of -1 and +1; every column has as many of each, and any two columns are orthogonal.
    Source: Plackett, Burman, Biometrika 33(4), 1946, doi:10.1093/biomet/33.4.305.
    """
    # Some multiples of 4, such as 28, have no design in pydoe; a power of two always has one.
    for factors in range(knobs, 2 * knobs + 4):
        try:
            return np.asarray(pydoe.pbdesign(factors), dtype=np.float64)[:, :knobs]
        except ValueError:
            continue
    raise ValueError(f"no Plackett-Burman design for {knobs} knobs")


class PlackettBurman(CodedSampler):
    """Two values a knob, the first and the last: screens which knobs matter at all."""

    least_knobs = 1

    def coded(self, knobs: int) -> Features:
        return plackett_burman(knobs)

    def least_runs(self, knobs: int) -> int:
        return knobs + 1


def GetObject(framework: Framework) -> PlackettBurman:
    return PlackettBurman(framework)
