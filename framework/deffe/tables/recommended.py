"""The CSV table of recommended designs: their costs, measured or predicted, and what speaks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deffe.records import Costs, Levels, Prediction, State
from deffe.space import DesignSpace
from deffe.tables.columns import PREDICTED, id_texts, unique_names
from deffe.tables.csv_out import SPREADS, PointTexts, Source, _numbers, _quoted_all, publish_columns

COLUMNS = ("Id", "State", "Why", "Chance")
"""What the table tells of a design after its knobs and costs."""


@dataclass(frozen=True)
class Designs:
    """What a run recommends, the best first.

    Args:
        levels: (n, p) the designs.
        why: (n,) what speaks for each.
        measured: (n, c) all costs; NaN in the rows of unseen designs.
        predicted: names of the costs that are predicted.
        prediction: (n, predicted), NaN in the rows of evaluated designs.
        chance: (n,) how likely each unseen one is better than all evaluated ones; NaN where not known.
        places: id to row.
    """

    levels: Levels
    why: tuple[str, ...]
    measured: Costs
    predicted: tuple[str, ...]
    prediction: Prediction
    chance: NDArray[np.float64]
    places: Mapping[int, int]


def write_recommended(source: Source, path: Path, space: DesignSpace, costs: Sequence[str], designs: Designs) -> Path:
    """Write recommended designs; the path.

    Args:
        costs: names of all costs.
    Raises:
        StoreError: it cannot be written.
    """
    known, predicted = np.asarray(~np.isnan(designs.measured).all(axis=1)), designs.predicted
    values = designs.measured.copy()
    for i, cost in enumerate(predicted):
        column = list(costs).index(cost)
        values[:, column] = np.where(known, values[:, column], designs.prediction.mean[:, i])
    own = [*space.names, *costs]
    names = [*own, *unique_names(COLUMNS, own)]
    spreads = unique_names([f"{cost}_{what}" for what in SPREADS for cost in predicted], names)
    columns = [
        *PointTexts(space).columns(designs.levels),
        *(_numbers(column) for column in values.T),
        id_texts(space.ids(designs.levels)),
        [State.DONE.text if done else PREDICTED for done in known.tolist()],
        _quoted_all(designs.why),
        _numbers(np.round(100 * designs.chance, 1)),
        *(_numbers(column) for what in SPREADS for column in getattr(designs.prediction, what).T),
    ]
    return publish_columns(source, path, [*names, *spreads], columns)
