"""Sobol sequence: low discrepancy at every length, best at powers of two."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from deffe.api import Features, Framework

from ._quasi_random import QuasiRandom

BITS = 32
"""The sequence has 2**32 points."""


def sobol(start: int, n: int, d: int, rng: np.random.Generator) -> Features:
    """Points start, ..., start + n - 1 of a scrambled Sobol sequence.

    Args:
        start: at least 0; n: a power of two where start is 0; d: 1 to 21201 axes.
    Returns:
        (n, d) float64 in [0, 1), unitless; fewer points at the end of the sequence.
    Source: Sobol, USSR Comp. Math. and Math. Phys. 7(4), 1967, doi:10.1016/0041-5553(67)90144-9; Owen,
        J. Complexity 14(4), 1998, doi:10.1006/jcom.1998.0487 (scrambling).
    """
    n = min(n, 2**BITS - start)
    engine = qmc.Sobol(d, bits=BITS, seed=rng)
    if start:
        engine.fast_forward(start)
    return np.asarray(engine.random(n), dtype=np.float64)


def GetObject(framework: Framework) -> QuasiRandom:
    return QuasiRandom(framework, sobol)
