"""The CSV table of recommended designs: their costs, measured or predicted, and what speaks for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deffe.records import Costs, Levels, Prediction, State
from deffe.space import DesignSpace
from deffe.tables.columns import PREDICTED, id_texts, unique_names
from deffe.tables.csv_out import SPREADS, PointTexts, Source, _numbers, _quoted_all, publish_columns

COLUMNS = ("Id", "State", "Why", "Chance")
"""What the table tells of a design after its knobs and costs."""


def write_recommended(
    source: Source,
    path: Path,
    space: DesignSpace,
    costs: Sequence[str],
    levels: Levels,
    measured: Costs,
    predicted: Sequence[str],
    prediction: Prediction,
    why: Sequence[str],
    chance: NDArray[np.float64],
) -> Path:
    """Write recommended designs, the best first.

    Args:
        costs: names of all costs.
        levels: (n, p) the designs.
        measured: (n, costs), NaN in the rows of unseen ones.
        predicted: names of the costs that are predicted.
        prediction: (n, predicted), NaN in the rows of evaluated ones.
        why: (n,) what speaks for each.
        chance: (n,) percent, NaN where not known.
    Returns:
        the path.
    Raises:
        StoreError: it cannot be written.
    """
    known = np.asarray(~np.isnan(measured).all(axis=1))
    values = measured.copy()
    for i, cost in enumerate(predicted):
        column = list(costs).index(cost)
        values[:, column] = np.where(known, values[:, column], prediction.mean[:, i])
    own = [*space.names, *costs]
    names = [*own, *unique_names(COLUMNS, own)]
    spreads = unique_names([f"{cost}_{what}" for what in SPREADS for cost in predicted], names)
    columns = [
        *PointTexts(space).columns(levels),
        *(_numbers(column) for column in values.T),
        id_texts(space.ids(levels)),
        [State.DONE.text if done else PREDICTED for done in known.tolist()],
        _quoted_all(why),
        _numbers(np.round(chance, 1)),
        *(_numbers(column) for what in SPREADS for column in getattr(prediction, what).T),
    ]
    return publish_columns(source, path, [*names, *spreads], columns)
