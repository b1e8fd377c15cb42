"""How likely a design can be evaluated at all, learned from those that could and those that failed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deffe.records import Features

TREES = 100
LEAST = 1e-6
"""The chance of a point in the midst of failed ones: it is avoided, not forbidden."""


class Feasibility:
    """The probability that a point is done rather than failed; the same everywhere while only one of both was seen.

    Extremely randomised trees: failures have sharp, axis-aligned limits, such as the number of units that fit.

    Args:
        features: (n, d) of the points that have ended.
        failed: (n,) bool.
    Source: Gelbart, Snoek, Adams, Bayesian optimization with unknown constraints, UAI 2014 (the product with the
        expected improvement); Geurts, Ernst, Wehenkel, Extremely randomized trees, 2006, doi:10.1007/s10994-006-6226-1.
    """

    def __init__(self, features: Features, failed: NDArray[np.bool_], seed: int) -> None:
        self._forest = None
        self._same = 0.5 if len(failed) and failed.all() else 1.0
        if failed.any() and not failed.all():
            from sklearn.ensemble import ExtraTreesClassifier

            self._forest = ExtraTreesClassifier(TREES, random_state=seed, max_features=None).fit(features, ~failed)

    def chance(self, candidates: Features) -> NDArray[np.float64]:
        """(m,) probabilities of (m, d) candidates."""
        if self._forest is None:
            return np.full(len(candidates), self._same)
        done = list(self._forest.classes_).index(True)
        return np.asarray(np.maximum(self._forest.predict_proba(candidates)[:, done], LEAST))
