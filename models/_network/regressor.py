"""Regression of one cost by a network, whichever library trains it: start, training, honest errors, and files."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.api import DeffeError, Features
from deffe.errors import counted
from deffe.surrogates.target import Target

from .._learning.regressor import Held, Task
from .inputs import Inputs
from .layout import Layout, Network
from .loss import Frame, Loss, Vector, frame_of
from .options import STEPS, NetworkOptions, frozen_layers
from .start import Origin, adaptation, affine, rescaled, with_dropout
from .training import Course, Examples, Judge, Kept, honest

LEAST_JUDGED = 8
"""Validation rows that two trainings are compared by, at least."""
LEAST_ROWS = 2
"""Rows that are trained on at least; below, none are set aside."""


class NetworkRegressor(ABC):
    """Learns one target; the weights kept are those with the least loss on the validation rows.

    Args:
        options: of the network.
    """

    file: ClassVar[str]
    """Name of the file that weights are kept in."""
    batches: ClassVar[int] = 25
    """Steps of an epoch, about, where nothing else is asked for."""
    defaults: ClassVar[type[NetworkOptions]] = NetworkOptions
    """Its options."""

    def __init__(self, options: NetworkOptions) -> None:
        self._options = options
        self.loss: str = options.objective
        self.notes: tuple[str, ...] = ()
        self.held: Held | None = None
        self.judge: Judge | None = None
        self.network: Network
        self.frame: Frame
        self.inputs: Inputs | None = None
        self._target: Target
        self._floor = -np.inf
        self._first: Origin | None = None

    @abstractmethod
    def layout(self, inputs: int) -> Layout:
        """The layers for (n, inputs) features."""

    @abstractmethod
    def train(self, course: Course, judge: Judge) -> tuple[str, ...]:
        """Train along a course, showing the weights to the judge after each epoch until it says to stop; notes."""

    @abstractmethod
    def write(self, network: Network, path: Path) -> None:
        """Write the weights into a file that loads without running code."""

    @classmethod
    @abstractmethod
    def read(cls, layout: Layout, path: Path) -> Network:
        """The weights in a file that ``write`` wrote."""

    def fit(self, task: Task) -> None:
        """Train on the rows of a task that are not set aside for validation, from its previous network if it fits.

        Raises:
            DeffeError: the training ran away from finite numbers.
        """
        with threadpool_limits(1):
            self._fit(task)

    def _fit(self, task: Task) -> None:
        cost = _costs(task)
        self.frame, loss, notes = frame_of(cost, self._options.objective, self._options.cost_scaling_factor)
        self.loss = loss.name
        self._target, self._floor = task.target, float(np.min(cost)) / 2 if task.target.log else -np.inf
        validation = _set_aside(task)
        weights, wanted = loss.weights(cost, self.frame), self.frame.forward(cost)
        seed, halves = int(task.rng.integers(2**31)), _halves(task.features[validation], task.rng)
        tried = []
        for origin in self._origins(task.previous, int(validation.sum())):
            start, told = self._start(origin, task.features[~validation], wanted[~validation])
            inputs = origin.inputs if origin and start else None
            examples = Examples(inputs(task.features) if inputs else task.features, wanted, weights)
            course = self._course(start, examples.take(~validation), loss, seed)
            judge = Judge(course.layout, loss, examples.take(validation), halves, self._patience(course), start)
            told += self.train(course, judge)
            tried.append(Trained(judge, inputs, told))
            if origin and not start:
                break
        found = min(tried, key=lambda one: one.judge.least)
        if not found.judge.kept:
            raise DeffeError("the training of a network ran away from finite numbers", "lower learning_rate")
        self.judge, self.inputs, self.network = found.judge, found.inputs, found.judge.kept[-1].network
        self.held = self._held(validation, halves, [one.judge for one in tried])
        self.notes = (*notes, *tried[0].notes, *_compared(tried))

    def _course(self, start: Network | None, examples: Examples, loss: Loss, seed: int) -> Course:
        options, count = self._options, len(examples)
        layout = start.layout if start else self.layout(examples.features.shape[1])
        batch = min(count, options.batch_size or int(np.clip(2 ** round(np.log2(count / self.batches)), 16, 256)))
        epochs = options.epochs or int(np.clip(STEPS // -(-count // batch), 50, 500))
        frozen = frozen_layers(layout, max(options.freeze_layers, options.tl_freeze_layers)) if start else 0
        return Course(layout, start, examples, loss, frozen, epochs, batch, options.learning_rate, seed)

    def _patience(self, course: Course) -> int:
        return max(10, course.epochs // 2) if self._options.patience is None else self._options.patience

    def _held(self, validation: NDArray[np.bool_], halves: NDArray[np.bool_], judges: list[Judge]) -> Held | None:
        if halves.all() or not halves.any():
            return None
        mean = self._standardised(honest(judges))
        return Held(np.flatnonzero(validation), mean, np.full(len(mean), np.nan))

    def _origins(self, previous: Any, judged: int) -> list[Origin | None]:
        """What to start from, None being random weights; where there are several, the better result is kept.

        The network of the step before is taken with ``tl_samples`` alone, and with validation rows: without them it has
        learned from the rows that a cross-validation holds out. A checkpoint of another run may mislead, so random
        weights are tried too, unless layers are to be frozen.
        """
        if isinstance(previous, NetworkRegressor) and previous.judge is not None:
            self._first = previous._first
            if self._options.tl_samples and judged:
                return [Origin(previous.network, previous.frame, previous.inputs, adapts=False)]
        else:
            self._first = Origin.of(previous)
        alone = judged < LEAST_JUDGED or max(self._options.freeze_layers, self._options.tl_freeze_layers) > 0
        return [self._first] if alone or self._first is None else [self._first, None]

    def _start(
        self, origin: Origin | None, features: Features, wanted: Vector
    ) -> tuple[Network | None, tuple[str, ...]]:
        """The network to start from, its head set to this frame, or None; and what to tell the user."""
        if origin is None:
            return None, ()
        shown = origin.inputs(features) if origin.inputs else features
        found, here = origin.network.layout.inputs, shown.shape[1]
        if found != here:
            return None, (f"starts anew: the earlier network has {counted(found, 'feature')}, here are {here}",)
        if origin.frame.log != self.frame.log:
            return None, ("starts anew: the earlier network and this one differ in learning the logarithm of the cost",)
        start = rescaled(with_dropout(origin.network, self._options.dropout), origin.frame, self.frame)
        gain, shift = adaptation(start(shown), wanted) if origin.adapts else (1.0, 0.0)
        if np.allclose((gain, shift), (1.0, 0.0), atol=1e-3):  # in deviations of the cost
            return start, ("starts from earlier weights",)
        return affine(start, gain, shift), ("starts from earlier weights, the output scaled to these costs",)

    def predict(self, features: Features) -> tuple[Vector, Vector]:
        """(n,) means; the deviations are not known."""
        with threadpool_limits(1):
            output = self.network(self.inputs(features) if self.inputs else features)
        return self._standardised(output), np.full(len(features), np.nan)

    def _standardised(self, output: Vector) -> Vector:
        return self._target.forward(np.maximum(self.frame.backward(output), self._floor))

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the weights; the facts say what they mean."""
        self.write(self.network, folder / self.file)
        return {
            "layout": self.network.layout.to_json(),
            "frame": asdict(self.frame),
            "inputs": self.inputs.to_json() if self.inputs else None,
            "target": self._target.to_json(),
            "floor": None if np.isinf(self._floor) else self._floor,
            "loss": self.loss,
        }

    def states(self) -> list[Kept]:
        """Weights that were the best so far at the end of some epochs, the best of all last."""
        kept = self.judge.kept if self.judge else []
        # a start that training did not make better is the only one there is
        return [state for state in kept if state.epoch] or kept

    def having(self, network: Network) -> NetworkRegressor:
        """This regressor with other weights."""
        other = copy.copy(self)
        other.network = network
        return other

    @classmethod
    def restore(cls, folder: Path, facts: Mapping[str, Any], trust: bool) -> Any:
        """What ``save`` wrote; no code of a file is ever run.

        Raises:
            DeffeError: the file is cut short or of another network.
        """
        path, made = folder / cls.file, cls(cls.defaults())
        try:
            made.loss = str(facts["loss"])
            made.frame, made._target = Frame(**facts["frame"]), Target(**facts["target"])
            made.inputs = Inputs.from_json(facts["inputs"]) if facts["inputs"] else None
            made._floor = -np.inf if facts["floor"] is None else float(facts["floor"])
            made.network = cls.read(Layout.from_json(facts["layout"]), path)
        except DeffeError as error:
            raise DeffeError(f"{path}: {error.message}", error.hint) from error
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise DeffeError(f"{path} is not a network that can be read: {error}") from error
        return made


@dataclass(frozen=True)
class Trained:
    """One training: its judge, the inputs it needs, and what to tell the user."""

    judge: Judge
    inputs: Inputs | None
    notes: tuple[str, ...]


def _compared(tried: list[Trained]) -> tuple[str, ...]:
    if len(tried) < 2:
        return ()
    with_start, anew = (one.judge.least for one in tried)
    told = "the earlier weights are kept" if with_start <= anew else "they are not used"
    return (f"validation loss from earlier weights {with_start:.4g}, from random ones {anew:.4g}: {told}",)


def _costs(task: Task) -> Vector:
    """(n,) costs of a task; a 0 that came back from its scale as something like 1e-17 is a 0 again."""
    cost = task.target.cost(task.values)
    if task.target.log and not task.target.shift:
        return cost
    return np.where(np.abs(cost) < 1e-14 * np.max(np.abs(cost)), 0.0, cost)


def _set_aside(task: Task) -> NDArray[np.bool_]:
    """(n,) bool: the validation rows, or none where too few would be left."""
    none = np.zeros(len(task.values), dtype=bool)
    if task.validation is None or (~task.validation).sum() < LEAST_ROWS:
        return none
    return task.validation


def _halves(features: Features, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(m,) bool: a random half of the points; rows of the same point are in the same half."""
    if not len(features):
        return np.zeros(0, dtype=bool)
    _, points = np.unique(features, axis=0, return_inverse=True)
    points = np.asarray(points).reshape(-1)
    return np.asarray(rng.permutation(int(points.max()) + 1)[points] % 2 == 0)


MakeRegressor = Callable[[], NetworkRegressor]
