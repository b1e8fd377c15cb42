"""Halton sequence: low discrepancy at every length, one prime base an axis."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from deffe.api import Features, Framework

from ._quasi_random import QuasiRandom


def halton(start: int, n: int, d: int, rng: np.random.Generator) -> Features:
    """Points start, ..., start + n - 1 of a scrambled Halton sequence.

    Returns:
        (n, d) float64 in [0, 1), unitless.
    Source: Halton, Numerische Mathematik 2, 1960, doi:10.1007/BF01386213; Owen, arXiv:1706.02808 (scrambling).
    """
    engine = qmc.Halton(d, seed=rng)
    engine.fast_forward(start)
    return np.asarray(engine.random(n), dtype=np.float64)


def GetObject(framework: Framework) -> QuasiRandom:
    return QuasiRandom(framework, halton)
