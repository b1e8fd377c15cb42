"""Measures every checkpoint of a folder on a table of known results, and writes what comes of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe import metrics
from deffe.checkpoint import MANIFEST, Checkpoint, CheckpointModel, read
from deffe.config import Config
from deffe.errors import CheckpointError, DeffeError, UsageError, nearest
from deffe.plugins import foreign_models
from deffe.records import Costs, Ids, Levels, State
from deffe.run.derived import DerivedCosts
from deffe.run.keeping import index_files, split_of
from deffe.run.plan import Plan
from deffe.run.plots import Loss, figure_maker, plot_losses
from deffe.run.settings import Settings
from deffe.run.splits import Positions, Rows, SavedSplit
from deffe.run.transfer import restored
from deffe.sources import corresponding
from deffe.space import DesignSpace
from deffe.tables import write_rows

DEFAULT_OUTPUT = "evaluate-model-output.csv"
COLUMNS = ("Epoch", "CostIndex", "TrainLoss", "ValLoss", "TestLoss", "AllLoss", "Step", "TrainCount", "ValCount")
CHUNK = 20_000


@dataclass(frozen=True)
class Measured:
    """One checkpoint on the known results.

    Args:
        cost, name: the cost's place among the learned ones, and its name.
        train_loss, val_loss, test_loss, all_loss: NaN where there is no such row, or the loss is not defined.
        train, validation: numbers of rows.
        error: mean absolute percentage error of the test rows, or of all where none tests.
    """

    path: Path
    step: int
    epoch: int
    cost: int
    name: str
    train_loss: float
    val_loss: float
    test_loss: float
    all_loss: float
    train: int
    validation: int
    error: float

    def texts(self) -> list[str]:
        """The fields of ``COLUMNS``."""
        losses = (self.train_loss, self.val_loss, self.test_loss, self.all_loss)
        shown = ["" if math.isnan(loss) else repr(loss) for loss in losses]
        return [str(self.epoch), str(self.cost), *shown, str(self.step), str(self.train), str(self.validation)]


@dataclass(frozen=True)
class _Known:
    """The done points of a table: (n, p) levels, (n, c) costs, (n,) identities and rows of the table."""

    space: DesignSpace
    levels: Levels
    costs: Costs
    ids: Ids
    rows: Positions

    @classmethod
    def of(cls, config: Config, plan: Plan) -> _Known:
        if plan.known is None:
            raise UsageError(
                "-model-extract-dir measures on known results, but no table of them is named",
                "set pre_evaluated_data, or give -pre-evaluated-data FILE",
            )
        space, done = plan.exploration.space, np.flatnonzero(plan.known.states == State.DONE)
        levels = plan.known.levels[done]
        costs = DerivedCosts(config.costs, config.derived_costs).extend(space, levels, plan.known.costs[done])
        return cls(space, levels, costs, plan.known.ids[done], plan.known.rows[done])


def measure_checkpoints(
    config: Config,
    settings: Settings,
    plans: Sequence[Plan],
    flags: Mapping[str, Any],
    log: logging.Logger,
    say: Callable[[str], None],
) -> int:
    """Measure every checkpoint of ``-model-extract-dir`` and write ``-model-stats-output``.

    Losses are those that ``-loss`` names, of the rows that were trained on, chose the weights, and did neither. With
    ``-load-train-test`` these are as ``step<i>-*-indices.npy`` say, else as the seed draws them.
    """
    loss = _loss_name(settings)
    if settings.plot_loss:
        figure_maker()
    found = list(_measured(config, settings, plans, Path(flags["model_extract_dir"]), loss, log))
    if not found:
        folder = flags["model_extract_dir"]
        raise UsageError(f"{folder} has no checkpoint that can be read", "name a folder of checkpoints")
    found.sort(key=lambda one: (one.step, one.cost, one.epoch))
    output = Path(flags.get("model_stats_output") or DEFAULT_OUTPUT)
    write_rows(output, COLUMNS, [one.texts() for one in found])
    say("\n".join([f"checkpoints measured by {loss}: {len(found):,}, written to {output}", *_best(found)]))
    if settings.plot_loss:
        losses = [
            Loss(one.step, one.epoch, one.name, one.train, one.train_loss, one.val_loss, one.error) for one in found
        ]
        say(f"  written: {plot_losses(output.with_suffix('.png'), losses, loss)}")
    return 0


def _measured(
    config: Config, settings: Settings, plans: Sequence[Plan], folder: Path, loss: str, log: logging.Logger
) -> Iterator[Measured]:
    paths = _paths(folder)
    index = next((i for i, plan in enumerate(plans) if plan.name == folder.name), 0)
    plan = plans[index]
    known = _Known.of(config, plan)
    saved = SavedSplit(index_files(Path.cwd(), plan, index))
    split = saved if settings.saved_split else split_of(settings, plan, index)
    for path in paths:
        try:
            checkpoint = read(path, known.space)
        except DeffeError as error:
            log.warning("%s is left out: %s", path.name, error.message)
            continue
        rows = split.of(checkpoint.about.step, known.ids, known.rows)
        yield _measure(checkpoint, restored(config, settings, checkpoint), plan, config, known, rows, loss)


def _loss_name(settings: Settings) -> str:
    if settings.loss not in metrics.LOSSES:
        raise UsageError(f"-loss: no loss named {settings.loss!r}", nearest(settings.loss, metrics.LOSSES))
    return settings.loss


def _paths(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"-model-extract-dir: there is no folder {folder}", "name a folder of checkpoints")
    files = [path for path in folder.iterdir() if path.suffix.lower() in foreign_models() and path.is_file()]
    shown = (path.parent for path in folder.glob(f"*/{MANIFEST}"))
    return sorted([*files, *(path for path in shown if not path.name.startswith("."))])


def _measure(
    checkpoint: Checkpoint,
    model: CheckpointModel,
    plan: Plan,
    config: Config,
    known: _Known,
    rows: Rows,
    loss: str,
) -> Measured:
    about = checkpoint.about
    place = plan.learned.index(about.cost) if about.cost in plan.learned else about.index
    if (about.cost and about.cost not in plan.learned) or place >= len(plan.learned):
        what = repr(about.cost) if about.cost else f"number {place}"
        raise CheckpointError(f"{checkpoint.path} is of the cost {what}", f"costs learned: {', '.join(plan.learned)}")
    actual = known.costs[:, config.all_costs.index(plan.learned[place])]
    predicted = _predict(model, known)
    everything = np.ones_like(rows.test)
    tested = rows.test if rows.test.any() else everything

    def lost(part: NDArray[np.bool_]) -> float:
        return metrics.loss(loss, actual[part], predicted[part])

    return Measured(
        path=checkpoint.path,
        step=about.step,
        epoch=about.epoch,
        cost=place,
        name=plan.learned[place],
        train_loss=lost(rows.train),
        val_loss=lost(rows.validation),
        test_loss=lost(rows.test),
        all_loss=lost(everything),
        train=int(rows.train.sum()),
        validation=int(rows.validation.sum()),
        error=metrics.mape(actual[tested], predicted[tested]),
    )


def _predict(model: CheckpointModel, known: _Known) -> NDArray[np.float64]:
    """(n,) predictions of all known points."""
    mapping = corresponding({p.name: p.map for p in known.space.parameters}, model.inputs, {})
    lacking = [name for name in model.inputs if name not in mapping.values()]
    if lacking:
        lines = model.features.difference(known.space.feature_map)
        raise CheckpointError(f"{model.path} predicts from {lacking[0]!r}, which is no knob here", "\n  ".join(lines))
    parts = []
    for start in range(0, len(known.levels), CHUNK):
        frame = known.space.frame(known.levels[start : start + CHUNK])
        parts.append(model.Predict({there: frame[here].to_numpy() for here, there in mapping.items()}).mean[:, 0])
    return np.concatenate(parts) if parts else np.empty(0)


def _best(found: Sequence[Measured]) -> Iterator[str]:
    """A line a cost: the checkpoint with the smallest loss where weights are chosen, or where they are trained."""
    for cost in dict.fromkeys(one.name for one in found):
        own = [one for one in found if one.name == cost]
        by = "val_loss" if any(not math.isnan(one.val_loss) for one in own) else "train_loss"
        best = min(own, key=lambda one: math.inf if math.isnan(getattr(one, by)) else getattr(one, by))
        word = {"val_loss": "ValLoss", "train_loss": "TrainLoss"}[by]
        shown = {word: getattr(best, by), "TestLoss": best.test_loss, "AllLoss": best.all_loss}
        losses = ", ".join(f"{name} {value:.4g}" for name, value in shown.items() if not math.isnan(value))
        yield f"  {cost}: least {word} at step {best.step}, epoch {best.epoch}: {losses}; {best.path.name}"
