"""Custom points: those listed in a CSV file, in its order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from deffe.api import Field, Framework, Levels, Options, UsageError
from deffe.errors import TableError, counted

from ._finite import FiniteSampler


class CustomOptions(Options):
    points: str = Field(default="", description="CSV file with a column for every knob; the same as sampling.points")


class Custom(FiniteSampler):
    """Takes the points of a CSV file, one a row."""

    def __init__(self, framework: Framework) -> None:
        super().__init__(framework)
        named = framework.options(CustomOptions).points or getattr(framework.section, "points", None)
        if not named:
            raise UsageError(
                f"{framework.place}: the sampler 'custom' needs a CSV file of points",
                'for example "points": "points.csv"',
            )
        found = framework.find(str(named))
        if found is None:
            raise UsageError(
                f"{framework.place}.points: no file {str(named)!r}",
                "it is looked up beside the configuration, then in the current folder",
            )
        self._file = found

    def design(self) -> Levels:
        levels = self._space.encode(read_points(self._file), where=str(self._file))
        invalid = np.flatnonzero(~self._space.valid(levels))
        if len(invalid):
            rows = ", ".join(str(row + 1) for row in invalid[:10]) + (", ..." if len(invalid) > 10 else "")
            found = (
                f"{counted(len(invalid), 'point is', 'points are')} not valid in the space explored, of {len(levels)}"
            )
            raise TableError(
                f"{self._file}: {found}",
                f"rows {rows} break a constraint, or are not among the listed points; correct or remove them",
            )
        return levels


def read_points(file: Path) -> pd.DataFrame:
    """Read a CSV file of points, one column a knob.

    Raises:
        TableError: the file cannot be read or has no rows.
    """
    try:
        table = pd.read_csv(file, dtype=str, skipinitialspace=True, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise TableError(f"{file}: cannot be read: {error}", "a CSV file with a header of knob names") from error
    table.columns = table.columns.str.strip()
    if table.empty:
        raise TableError(f"{file}: no points", "a header of knob names, then one point a row")
    return table


def GetObject(framework: Framework) -> Custom:
    return Custom(framework)
