"""Permutation importance: how much worse measured points are predicted when one knob of them is drawn anew.

Source: Breiman, Machine Learning 45(1), 2001, doi:10.1023/A:1010933404324; drawn within what the other knobs leave,
as in Strobl et al., BMC Bioinformatics 9, 2008, doi:10.1186/1471-2105-9-307.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deffe.records import NORMAL_90, Costs, Levels, Prediction
from deffe.space import DesignSpace
from deffe.understand.draws import drawn_anew

REPEATS = 8
MOST_POINTS = 2000


@dataclass(frozen=True)
class Unseen:
    """Measured points that a model has not learned from.

    Args:
        levels: (m, p).
        costs: (m, c), finite.
        predict: the model that has not learned from them, where that is not the one to be understood.
    """

    levels: Levels
    costs: Costs
    predict: Callable[[Levels], Prediction] | None = None


@dataclass(frozen=True)
class Importance:
    """(c,) losses of R2, and halves of their 90 % intervals; NaN for costs that do not vary."""

    loss: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def least(self) -> NDArray[np.float64]:
        """(c,) the least that is likely."""
        return self.loss - self.error


def importance_of(
    space: DesignSpace,
    predict: Callable[[Levels], Prediction],
    columns: Sequence[int],
    unseen: Unseen,
    rng: np.random.Generator,
) -> dict[int, Importance]:
    """The importance of each of these columns of levels, on at most ``MOST_POINTS`` points, of more a random choice."""
    count = len(unseen.levels)
    rows = rng.choice(count, MOST_POINTS, replace=False) if count > MOST_POINTS else np.arange(count)
    levels, costs = unseen.levels[rows], unseen.costs[rows]
    ask = unseen.predict or predict
    peak = np.abs(costs).max(axis=0, initial=0.0)
    scale = np.where(peak > 0, peak, 1.0)
    variance = (costs / scale).var(axis=0)
    known = ((ask(levels).mean - costs) / scale) ** 2
    found = {}
    for column in columns:
        anew = [ask(drawn_anew(space, levels, column, rng)).mean for _ in range(REPEATS)]
        worse = np.mean([((mean - costs) / scale) ** 2 for mean in anew], axis=0) - known
        with np.errstate(invalid="ignore", divide="ignore"):
            error = NORMAL_90 * worse.std(axis=0, ddof=1) / np.sqrt(len(worse))
            varies = variance > 1e-24
            found[column] = Importance(
                np.where(varies, worse.mean(axis=0) / variance, np.nan), np.where(varies, error / variance, np.nan)
            )
    return found
