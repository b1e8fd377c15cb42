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
from deffe.errors import CheckpointError, DeffeError, UsageError, counted, nearest
from deffe.learn.parts import Parts
from deffe.learn.plots import Loss, figure_maker, plot_losses
from deffe.learn.splits import Positions
from deffe.plugins import foreign_models
from deffe.prepare.plan import Plan, known_table
from deffe.prepare.settings import Settings
from deffe.prepare.transfer import restored
from deffe.records import Costs, Ids, Levels, State
from deffe.sources import corresponding
from deffe.space import DesignSpace
from deffe.space.derived_costs import DerivedCosts
from deffe.tables import check_replaceable, write_rows

DEFAULT_OUTPUT = "evaluate-model-output.csv"
COLUMNS = ("Epoch", "CostIndex", "TrainLoss", "ValLoss", "TestLoss", "AllLoss", "Step", "TrainCount", "ValCount")
"""What the original writes, in its order."""
NAME = "Checkpoint"
WARNINGS = {
    "all_loss": "this loss is of rows that were learned from, too: it does not tell how well others are predicted",
    "train_loss": "this loss is of the rows that were trained on: it does not tell how well others are predicted",
}
MOST_LEFT = 5
LOSSES = {"val_loss": "ValLoss", "test_loss": "TestLoss", "all_loss": "AllLoss", "train_loss": "TrainLoss"}
CHUNK = 20_000


@dataclass(frozen=True)
class Measured:
    """One checkpoint on the known results.

    Args:
        cost, name: the cost's place among the learned ones, and its name.
        train_loss, val_loss, test_loss, all_loss: NaN where there is no such row, or the loss is not defined.
        train, validation: numbers of rows.
        told: whether it is known which rows it has learned from; else the seed has drawn them.
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
    told: bool = True

    def texts(self) -> list[str]:
        """The fields of ``COLUMNS``, and the name."""
        losses = (self.train_loss, self.val_loss, self.test_loss, self.all_loss)
        shown = ["" if math.isnan(loss) else repr(loss) for loss in losses]
        counts = [str(self.train), str(self.validation)]
        return [str(self.epoch), str(self.cost), *shown, str(self.step), *counts, self.path.name]


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

    Losses are those that ``-loss`` names, of the rows that were trained on, chose the weights, and did neither; see
    ``Parts``. A checkpoint that cannot be measured is left out, which the log tells.
    """
    loss = _loss_name(settings)
    if settings.plot_loss:
        figure_maker()
    folder, output = Path(flags["model_extract_dir"]), Path(flags.get("model_stats_output") or DEFAULT_OUTPUT)
    paths = _paths(folder)
    index = next((i for i, plan in enumerate(plans) if plan.name == folder.name), 0)
    table = known_table(plans[index].exploration, flags)
    used = {"the configuration": config.source, **({"the table of known results": table} if table else {})}
    check_replaceable(output, "-model-stats-output", lambda names: {*COLUMNS} <= {*names}, used)
    measuring = _Measuring(config, settings, plans[index], index, loss, log)
    found = measuring.all(folder, paths)
    write_rows(output, (*COLUMNS, NAME), [one.texts() for one in found])
    left = f"; {counted(len(measuring.left), 'other')} left out, see the log" if measuring.left else ""
    say("\n".join([f"checkpoints measured by {loss}: {len(found):,}, written to {output}{left}", *best_lines(found)]))
    if settings.plot_loss:
        losses = [
            Loss(one.step, one.epoch, one.name, one.train, one.train_loss, one.val_loss, one.error) for one in found
        ]
        say(f"  written: {plot_losses(output.with_suffix('.png'), losses, loss)}")
    return 0


class _Measuring:
    """Measures checkpoints on the known results of one exploration.

    Attributes:
        left: what was left out, and why.
    """

    def __init__(
        self, config: Config, settings: Settings, plan: Plan, index: int, loss: str, log: logging.Logger
    ) -> None:
        self._config = config
        self._settings = settings
        self._plan = plan
        self._loss = loss
        self._log = log
        self._known = _Known.of(config, plan)
        self._parts = Parts.of_run(settings, plan, index)
        self.left: list[str] = []

    def all(self, folder: Path, paths: Sequence[Path]) -> list[Measured]:
        """Those of a folder, by step, cost and epoch; UsageError where there is none that can be measured."""
        found: list[Measured] = []
        for path in paths:
            try:
                checkpoint = read(path, self._known.space)
                model = restored(self._config, self._settings, checkpoint)
                place = self._place(checkpoint)
                predicted = _predict(model, self._known)
            except DeffeError as error:
                self.left.append(f"{path.name}: {error.message}")
                self._log.warning("%s is left out: %s", path.name, error.message)
                continue
            found.append(self._measured(checkpoint, place, predicted))
        if not found:
            why = "\n  ".join(self.left[:MOST_LEFT]) or "name a folder of checkpoints"
            raise UsageError(f"{folder} has no checkpoint that can be measured here", why)
        unsure = sum(not one.told for one in found)
        if unsure:
            text = "of %s it is not known which rows were learned from: they are drawn from the seed, and a row that "
            text += "tests may have been learned (-load-train-test takes them from index files)"
            self._log.warning(text, counted(unsure, "checkpoint"))
        return sorted(found, key=lambda one: (one.step, one.cost, one.epoch, one.path.name))

    def _place(self, checkpoint: Checkpoint) -> int:
        """Which of the learned costs it predicts."""
        about, learned = checkpoint.about, self._plan.learned
        place = learned.index(about.cost) if about.cost in learned else about.index
        if (about.cost and about.cost not in learned) or place >= len(learned):
            what = repr(about.cost) if about.cost else f"number {place}"
            raise CheckpointError(f"it is of the cost {what}, and the costs learned are {', '.join(learned)}")
        return place

    def _measured(self, checkpoint: Checkpoint, place: int, predicted: NDArray[np.float64]) -> Measured:
        known, about = self._known, checkpoint.about
        rows, told = self._parts.of(checkpoint, known.ids, known.rows)
        actual = known.costs[:, self._config.all_costs.index(self._plan.learned[place])]
        everything = np.ones_like(rows.test)
        tested = rows.test if rows.test.any() else everything

        def lost(part: NDArray[np.bool_]) -> float:
            return metrics.loss(self._loss, actual[part], predicted[part])

        return Measured(
            path=checkpoint.path,
            step=about.step,
            epoch=about.epoch,
            cost=place,
            name=self._plan.learned[place],
            train_loss=lost(rows.train),
            val_loss=lost(rows.validation),
            test_loss=lost(rows.test),
            all_loss=lost(everything),
            train=int(rows.train.sum()),
            validation=int(rows.validation.sum()),
            error=metrics.mape(actual[tested], predicted[tested]),
            told=told,
        )


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


def best_lines(found: Sequence[Measured]) -> Iterator[str]:
    """A line a cost: the checkpoint with the smallest loss of rows that it was not trained on."""
    for cost in dict.fromkeys(one.name for one in found):
        own = [one for one in found if one.name == cost]
        by = _ranking(own)
        ranked = [one for one in own if not math.isnan(getattr(one, by))]
        if not ranked:
            yield f"  {cost}: no loss of this name is defined for its checkpoints"
            continue
        best = min(ranked, key=lambda one: float(getattr(one, by)))
        shown = {LOSSES[by]: getattr(best, by), "TestLoss": best.test_loss, "AllLoss": best.all_loss}
        losses = ", ".join(f"{name} {value:.4g}" for name, value in shown.items() if not math.isnan(value))
        yield f"  {cost}: least {LOSSES[by]} at step {best.step}, epoch {best.epoch}: {losses}; {best.path.name}"
        if by in WARNINGS:
            yield f"    {WARNINGS[by]}"
        elif by == "test_loss" and not best.told:
            yield "    which rows it has learned from is not known: some of those that test may be among them"


def _ranking(own: Sequence[Measured]) -> str:
    """The loss that checkpoints are compared by: of rows that none of them was trained on, as far as there are any."""

    def count(loss: str) -> int:
        return sum(not math.isnan(getattr(one, loss)) for one in own)

    unseen = max(("val_loss", "test_loss"), key=count)
    return next((loss for loss in (unseen, "all_loss", "train_loss") if count(loss)), "all_loss")
