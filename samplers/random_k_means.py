"""Random k-means: the middles of the clusters of a random pool."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

from deffe.api import Features, Framework

from ._pool import PoolSampler


def cluster_middles(pool: Features, count: int) -> NDArray[np.intp]:
    """Cluster the pool and take from each cluster the row nearest to its centre.

    Args:
        pool: (n, d) features in random order, n >= count; the first rows are the initial centres.
    Returns:
        at most ``count`` distinct rows; fewer when a cluster is empty.
    Source: MacQueen, Proc. 5th Berkeley Symposium 1, 1967 (k-means); Du, Faber, Gunzburger, SIAM Review 41(4),
        1999, doi:10.1137/S0036144599352836 (centroids of a density as sample points).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster gives no point; the caller draws another
        centres, _ = kmeans2(pool, pool[:count].copy(), minit="matrix", iter=10)
    cluster, distance = vq(pool, centres)
    nearest_first = np.argsort(distance, kind="stable")
    middles = nearest_first[np.unique(cluster[nearest_first], return_index=True)[1]]
    return np.asarray(middles, dtype=np.intp)


def GetObject(framework: Framework) -> PoolSampler:
    return PoolSampler(framework, cluster_middles)
