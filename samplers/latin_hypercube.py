"""Latin hypercube sampling: every slice of every knob is hit equally often."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from deffe.api import Batch, Features, Field, Framework, Ids, Levels, Options
from deffe.space.proposals import gather

from ._designs import Snap

MOST_OPTIMISED = 500


class LatinHypercubeOptions(Options):
    space_filling: bool = Field(
        default=False, description=f"also spread the points evenly (designs of up to {MOST_OPTIMISED} points)"
    )


def latin_hypercube(n: int, d: int, rng: np.random.Generator, *, space_filling: bool = False) -> Features:
    """Draw one point from each of n equal slices of every axis.

    Args:
        n, d: number of points and axes, both at least 1.
        space_filling: exchange coordinates until the centred discrepancy is low; beyond 500 points, where
            that takes long and gains little, a plain design is drawn.
    Returns:
        (n, d) float64 in [0, 1), unitless; each column hits every slice [i/n, (i+1)/n) once.
    Source: McKay, Beckman, Conover, Technometrics 21(2), 1979, doi:10.2307/1268522; Jin, Chen, Sudjianto,
        J. Statistical Planning and Inference 134(1), 2005, doi:10.1016/j.jspi.2004.02.014 (space filling).
    """
    optimised = space_filling and 1 < n <= MOST_OPTIMISED
    engine = qmc.LatinHypercube(d, optimization="random-cd" if optimised else None, seed=rng)
    return np.asarray(engine.random(n), dtype=np.float64)


class LatinHypercube:
    """A new Latin hypercube each step, as large as the step; a further one makes up for what is invalid or known."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._space_filling = framework.options(LatinHypercubeOptions).space_filling
        self._snap = Snap(framework.space)

    def Initialize(self) -> None: ...

    def Run(self, step: int, count: int, known: Ids) -> Batch:
        """``count`` new points; fewer only when the space has fewer."""
        space, rng = self._framework.space, self._framework.rng(step)

        def draw(n: int) -> Levels:
            return self._snap(latin_hypercube(n, self._snap.axes, rng, space_filling=self._space_filling))

        return space.of_levels(step, gather(space, draw, count, known, rng))


def GetObject(framework: Framework) -> LatinHypercube:
    return LatinHypercube(framework)
