"""Which points are trained on, which choose weights, and which test: drawn once a point, and kept in files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deffe.errors import UsageError
from deffe.records import Ids

Mask = NDArray[np.bool_]
Positions = NDArray[np.int64]

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Rows:
    """(n,) bool each; every point is in exactly one part.

    Args:
        train: weights are fitted to these.
        validation: weights are chosen by these.
        test: nothing is learned from these.
    """

    train: Mask
    validation: Mask
    test: Mask

    @property
    def known(self) -> Mask:
        """The points that the model sees."""
        return ~self.test


class Split(Protocol):
    """Divides the points of a step."""

    def of(self, step: int, ids: Ids, positions: Positions) -> Rows:
        """The parts of the points with these (n,) identities and (n,) positions, as the files have them."""
        ...


@dataclass(frozen=True)
class DrawnSplit:
    """Draws a point's part from the seed and its identity: it stays there over steps, restarts and edits.

    Args:
        train_share: share of all points that the model sees.
        validation_share: share of these that weights are chosen by.
    """

    train_share: float
    validation_share: float
    seed: int

    def of(self, step: int, ids: Ids, positions: Positions) -> Rows:
        salt = np.uint64(self.seed * 0x9E3779B97F4A7C15 % 2**64)
        mixed = (ids.view(np.uint64) ^ salt) * np.uint64(0xBF58476D1CE4E5B9)
        test = _fraction(mixed) >= self.train_share
        draw = _fraction(_mixed(ids.view(np.uint64) + _mixed(~salt)))
        validation = ~test & (draw < self.validation_share)
        if not validation.any() and self.validation_share * (~test).sum() >= 1:
            validation[np.argmin(np.where(test, 2.0, draw))] = True  # few points: one of them, rather than none
        return Rows(~test & ~validation, validation, test)


@dataclass(frozen=True)
class SavedSplit:
    """Takes the parts of each step from the files that an earlier run wrote; all other points test.

    Args:
        otherwise: what divides the points of a step that no earlier run has reached.
    """

    files: IndexFiles
    otherwise: Split | None = None

    def of(self, step: int, ids: Ids, positions: Positions) -> Rows:
        if self.otherwise is not None and not self.files.path(step, "train").exists():
            return self.otherwise.of(step, ids, positions)
        train, validation = (self._mask(step, part, positions) for part in ("train", "val"))
        return Rows(train, validation & ~train, ~(train | validation))

    def _mask(self, step: int, part: str, positions: Positions) -> Mask:
        saved = self.files.read(step, part)
        absent = saved[~np.isin(saved, positions)]
        if len(absent) and self.otherwise is None:
            what = f"-load-train-test: {self.files.path(step, part)} names {absent[0]}, which is no row with a result"
            raise UsageError(what, "it was written by a run on another table")
        return np.isin(positions, saved)


@dataclass(frozen=True)
class IndexFiles:
    """``step0-train-indices.npy`` and the like: positions of points, int64, rising.

    Args:
        prefix: what the names begin with; empty for the first exploration.
    """

    folder: Path
    prefix: str = ""

    def path(self, step: int, part: str) -> Path:
        """The file of one of ``PARTS``."""
        return self.folder / f"{self.prefix}step{step}-{part}-indices.npy"

    def write(self, step: int, rows: Rows, positions: Positions) -> None:
        """Write the files of a step; OSError where that fails."""
        for part, mask in zip(PARTS, (rows.train, rows.validation, rows.test), strict=True):
            path = self.path(step, part)
            temporary = path.with_name(f".{path.name}.tmp")
            try:
                with temporary.open("wb") as file:
                    np.save(file, np.sort(positions[mask]))
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def read(self, step: int, part: str) -> Positions:
        """The positions in one file.

        Raises:
            UsageError: the file is not there, or holds something else.
        """
        path = self.path(step, part)
        try:
            found = np.load(path, allow_pickle=False)
        except FileNotFoundError as error:
            raise UsageError(
                f"-load-train-test: {path} is not there",
                "a run writes it beside its checkpoints; without -load-train-test the split is drawn from the seed",
            ) from error
        except (OSError, ValueError, EOFError) as error:
            raise UsageError(f"-load-train-test: {path} cannot be read: {error}") from error
        if found.ndim != 1 or found.dtype.kind not in "iu":
            raise UsageError(f"-load-train-test: {path} holds {found.dtype} of shape {found.shape}, not positions")
        return np.asarray(found, dtype=np.int64)


def _mixed(numbers: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195)."""
    mixed = np.atleast_1d(np.asarray(numbers, dtype=np.uint64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _fraction(mixed: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Numbers in [0, 1) from the upper bits."""
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / 2.0**53)
