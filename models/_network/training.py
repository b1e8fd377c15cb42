"""Training a network: what a library is given, and the judge of its weights after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deffe.api import Features

from .layout import Layout, Network
from .loss import Loss, Vector

SNAPSHOTS = 30
"""Weights kept along a training, at most."""


@dataclass(frozen=True)
class Examples:
    """Rows to learn or to judge by: (n, d) features, (n,) wanted outputs, and (n,) weights of their penalties."""

    features: Features
    wanted: Vector
    weights: Vector

    def __len__(self) -> int:
        return len(self.wanted)

    def take(self, rows: NDArray[np.bool_]) -> Examples:
        """Those where (n,) ``rows`` is true."""
        return Examples(self.features[rows], self.wanted[rows], self.weights[rows])


@dataclass(frozen=True)
class Course:
    """What a network is to learn.

    Args:
        layout: its layers.
        start: weights to start from, or None for random ones.
        examples: to learn from.
        loss: the penalty.
        frozen: layers, from the first, whose weights stay as they are.
        epochs, batch_size, learning_rate: the last falls to 0 along half a cosine.
        seed: of initial weights, order of the rows, and dropout.
    """

    layout: Layout
    start: Network | None
    examples: Examples
    loss: Loss
    frozen: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class Kept:
    """Weights at the end of an epoch, from 1, that was the best so far; 0 is what a warm start began with.

    Args:
        train_loss, val_loss: of training and validation rows, NaN when not known.
    """

    epoch: int
    train_loss: float
    val_loss: float
    network: Network


@dataclass
class Best:
    """The least loss of some rows so far, and what was predicted then."""

    loss: float = np.inf
    outputs: Vector = field(default_factory=lambda: np.empty(0))

    def update(self, loss: float, outputs: Vector) -> bool:
        if not loss < self.loss:
            return False
        self.loss, self.outputs = loss, outputs
        return True


class Judge:
    """Looks at the weights after each epoch, keeps the best by the loss of validation rows, and says when to stop.

    The validation rows are two halves. What the epoch that is best on one half predicts for the other has been chosen
    without the other: an honest measure of error.

    Args:
        layout, loss: of the network.
        examples: the m validation rows; m may be 0, then the loss of the training rows decides.
        first: (m,) bool, the rows of the first half.
        patience: epochs without a better loss before training stops; 0 for never.
        start: weights that training starts from, the first to be judged.
    """

    def __init__(
        self,
        layout: Layout,
        loss: Loss,
        examples: Examples,
        first: NDArray[np.bool_],
        patience: int,
        start: Network | None = None,
    ) -> None:
        self._layout, self._loss, self._patience = layout, loss, patience
        self._examples = examples
        self.first, self._start = first, start
        self.forget()

    def forget(self) -> None:
        """Begin anew, with nothing seen but the weights to start from."""
        self.halves = (Best(), Best())
        self._since = 0
        self._trained = np.inf
        self.least = np.inf
        self.losses: list[tuple[int, float, float]] = []
        self.kept: list[Kept] = []
        if self._start is not None:
            self.see(0, float("nan"), self._start.weights)

    def see(self, epoch: int, train_loss: float, weights: Sequence[NDArray[np.float32]]) -> bool:
        """Judge the weights after an epoch, 0 being before the first: whether to go on."""
        if not all(np.all(np.isfinite(weight)) for weight in weights):
            return False
        network = Network(self._layout, tuple(weights))
        val_loss = self._validate(network)
        self.losses.append((epoch, train_loss, val_loss))
        deciding = val_loss if len(self._examples) else train_loss
        if deciding < self.least or not self.kept:
            self.least = deciding if np.isfinite(deciding) else np.inf
            self._keep(Kept(epoch, train_loss, val_loss, network))
        # a good start is first spoilt by the high learning rate; what counts is progress since
        self._since = 0 if deciding < self._trained else self._since + 1
        self._trained = min(self._trained, deciding) if epoch else np.inf
        return not self._patience or self._since < self._patience

    def _validate(self, network: Network) -> float:
        if not len(self._examples):
            return float("nan")
        outputs = network(self._examples.features)
        penalties = self._loss.penalty(outputs - self._examples.wanted, self._examples.weights)
        for best, half in zip(self.halves, (self.first, ~self.first), strict=True):
            if half.any():
                best.update(float(np.mean(penalties[half])), outputs)
        return float(np.mean(penalties))

    def _keep(self, kept: Kept) -> None:
        self.kept.append(kept)
        if len(self.kept) > SNAPSHOTS:
            # every second, the newest among those that stay
            del self.kept[-2::-2]


def honest(judges: Sequence[Judge]) -> Vector:
    """(m,) outputs of the validation rows, each of an epoch, of any of these trainings, chosen without its half."""
    by_first, by_second = (min((j.halves[i] for j in judges), key=lambda best: best.loss) for i in (0, 1))
    return np.where(judges[0].first, by_second.outputs, by_first.outputs)
