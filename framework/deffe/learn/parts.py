"""Which known rows a checkpoint was trained on, which chose its weights, and which it has never seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deffe.checkpoint import Checkpoint
from deffe.learn.keeping import index_files
from deffe.learn.splits import DrawnSplit, Positions, Rows, SavedSplit
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.records import Ids
from deffe.space import DesignSpace


def tells_points(checkpoint: Checkpoint, space: DesignSpace) -> bool:
    """Whether a checkpoint knows the points of this space that it has learned from: only their knobs identify them."""
    named = {p["name"] for p in checkpoint.about.space.get("parameters", ())}
    return checkpoint.points is not None and named == set(space.names)


@dataclass(frozen=True)
class Parts:
    """The parts of known rows, for each checkpoint.

    A checkpoint that knows its points decides itself. For others, as files of the original, index files do where they
    are asked for; else rows are drawn from the seed, and some that test may have been learned from.

    Args:
        saved: the index files, if these are asked for.
    """

    space: DesignSpace
    drawn: DrawnSplit
    saved: SavedSplit | None

    @classmethod
    def of_run(cls, settings: Settings, plan: Plan, index: int) -> Parts:
        """As ``-load-train-test``, the shares and the seed say; ``index`` is of the exploration."""
        drawn = DrawnSplit(settings.train_share, settings.validation_share, settings.seed)
        saved = SavedSplit(index_files(Path.cwd(), plan, index)) if settings.saved_split else None
        return cls(plan.exploration.space, drawn, saved)

    def of(self, checkpoint: Checkpoint, ids: Ids, positions: Positions) -> tuple[Rows, bool]:
        """The parts of rows with these (n,) identities and positions, and whether they are those that were learned.

        Raises:
            UsageError: index files that are needed are not there, or of another table.
        """
        step = checkpoint.about.step
        if not tells_points(checkpoint, self.space) or checkpoint.points is None:
            return (self.saved or self.drawn).of(step, ids, positions), self.saved is not None
        learned = np.isin(ids, checkpoint.points)
        if checkpoint.validation is not None:
            validation = np.isin(ids, checkpoint.validation)
        else:  # written before checkpoints noted it; the same seed draws it again
            validation = learned & self.drawn.of(step, ids, positions).validation
            if validation.sum() != checkpoint.about.validation:
                validation = np.zeros_like(learned)
        return Rows(learned & ~validation, learned & validation, ~learned), True
