"""A random forest of one objective, which sees what processes do not: thresholds, plateaus and far-off basins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deffe.api import Features

from .pools import LEAST_VARIANCE

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

Vector = NDArray[np.float64]
TREES = 40
PARTED = 3
"""Points in a node that is parted further, at least."""
LOOKED_AT = 5 / 6
"""Share of the features that each split chooses among."""


class Forest:
    """Fitted to (n, d) features and (n,) costs to be minimised.

    Attributes:
        fitted: (n,) the costs.
    Source: Hutter, Hoos, Leyton-Brown, Sequential model-based optimization for general algorithm configuration, LION
        2011, doi:10.1007/978-3-642-25566-3_40 (forests in place of processes); Hutter, Xu, Hoos, Leyton-Brown,
        Algorithm runtime prediction, 2014, arXiv:1211.0906 (the variance: between the trees and within their leaves).
    """

    def __init__(self, features: Features, values: Vector, rng: np.random.Generator) -> None:
        from sklearn.ensemble import RandomForestRegressor  # takes a second to load

        self.fitted = values
        self._forest: RandomForestRegressor = RandomForestRegressor(
            TREES,
            min_samples_split=PARTED,
            max_features=LOOKED_AT,
            random_state=int(rng.integers(2**31)),
        ).fit(features, values)

    def pool(self, candidates: Features) -> ForestPool:
        """What it says of (k, d) candidates."""
        leaves = self._forest.apply(candidates)
        trees = [tree.tree_ for tree in self._forest.estimators_]
        means = [tree.value[leaf, 0, 0] for tree, leaf in zip(trees, leaves.T, strict=True)]
        within = [tree.impurity[leaf] for tree, leaf in zip(trees, leaves.T, strict=True)]
        return ForestPool(leaves, np.mean(means, axis=0), np.var(means, axis=0) + np.mean(within, axis=0))


class ForestPool:
    """What a forest says of k candidates, some of which can be taken to have come out as predicted.

    Attributes:
        mean, variance: (k,).
    """

    def __init__(self, leaves: NDArray[np.int64], mean: Vector, variance: Vector) -> None:
        self._leaves = leaves
        self.mean, self.variance = mean, np.maximum(variance, LEAST_VARIANCE)

    def choose(self, row: int) -> None:
        """Take a candidate as evaluated; the share of the trees that see two candidates alike is their correlation.

        Source: Davies, Ghahramani, The random forest kernel, 2014, arXiv:1402.4293.
        """
        alike = (self._leaves == self._leaves[row]).mean(axis=1)
        self.variance = np.maximum(self.variance * (1 - alike**2), LEAST_VARIANCE)
