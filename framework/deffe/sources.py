"""What a model may learn from besides the points of its run: a table or a checkpoint of other runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deffe.records import Prediction, Value

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, NDArray[Any]]
"""Points as (n,) columns by knob: float64 for numbers, object for text."""


class Learned(Protocol):
    """One cost that another run has learned.

    Its properties:
        path: the checkpoint's folder or file.
        model: the model that wrote it.
        cost: the cost's name there; empty when the checkpoint does not say.
        inputs: the knobs that it predicts from.
        fallback: a value for each of them, from the middle of the range that was learned.
        facts: what the model noted when it wrote the checkpoint.
    """

    @property
    def path(self) -> Path: ...
    @property
    def model(self) -> str: ...
    @property
    def cost(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def fallback(self) -> Mapping[str, Value]: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...

    def Predict(self, columns: Columns) -> Prediction:
        """(n, 1) predictions from a column for each of ``inputs``; values out of the learned range extrapolate."""
        ...


@dataclass(frozen=True)
class Source:
    """A table or a checkpoint to transfer from: either ``frame`` or ``learned`` is there.

    Args:
        name: what the user calls it, for messages.
        costs: those costs of this run that it knows something of, each with the name of the cost there.
        mapping: knobs of this run, each with the knob there that it corresponds to; the rest is not known there.
        frame: a row a point: its knobs and costs, under their names there; failed points are left out.
        learned: what predicts one cost.
    """

    name: str
    costs: Mapping[str, str]
    mapping: Mapping[str, str]
    frame: pd.DataFrame | None = field(default=None, repr=False, compare=False)
    learned: Learned | None = None

    @property
    def lacking(self) -> tuple[str, ...]:
        """Knobs of a checkpoint that nothing in this run corresponds to."""
        known = set(self.mapping.values())
        return tuple(name for name in (self.learned.inputs if self.learned else ()) if name not in known)

    def Predict(self, columns: Columns) -> Prediction:
        """What the checkpoint predicts for points of this run.

        Args:
            columns: by the names of this run. A knob that only the checkpoint knows is at the middle of its range.
        Returns:
            (n, 1) costs; far off where the runs differ, so of use as a hint and not as a result.
        Raises:
            ValueError: the source is a table.
        """
        if self.learned is None:
            raise ValueError(f"source {self.name!r} is a table; learn from its frame")
        n = len(next(iter(columns.values())))
        theirs = {self.mapping[name]: column for name, column in columns.items() if name in self.mapping}
        for name in self.lacking:
            theirs[name] = np.full(n, self.learned.fallback[name])
        return self.learned.Predict(theirs)


def corresponding(
    knobs: Mapping[str, str],
    theirs: tuple[str, ...],
    given: Mapping[str, str],
    maps: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Which knob of a source each knob of a run corresponds to.

    What is given comes first; others correspond by name, else by map, else by either without regard to case, if that
    is unambiguous.

    Args:
        knobs: knobs of the run, each with its map.
        theirs: knobs of the source.
        given: knobs of the run to knobs of the source.
        maps: of knobs of the source, where they are known.
    """
    found = dict(given)
    rules: list[Callable[[str, str, str], bool]] = [
        lambda knob, name, also: knob == name,
        lambda knob, name, also: also in (knob, maps.get(knob)),
        lambda knob, name, also: knob.lower() in (name.lower(), also.lower()),
    ]
    for fits in rules:
        for name, also in knobs.items():
            fitting = [knob for knob in theirs if knob not in found.values() and fits(knob, name, also)]
            if name not in found and len(fitting) == 1:
                found[name] = fitting[0]
    return found
