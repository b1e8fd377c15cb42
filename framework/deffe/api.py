"""What plugin authors import: the Framework handle, one Protocol a kind of plugin, and the records they exchange.

``Run`` and ``Predict`` are called with keyword arguments. A plugin's method declares those it needs,
by name, in any order; the Protocols list all that are on offer to a kind.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from pydantic import Field

from deffe.errors import DeffeError, EvaluationError, PluginError, UsageError
from deffe.executors import Executor
from deffe.options import Options, read_options
from deffe.records import (
    Advice,
    Answer,
    Batch,
    CostReport,
    Costs,
    Features,
    Ids,
    Levels,
    ModelReport,
    Outcome,
    Prediction,
    Snapshot,
    State,
    Trial,
    Value,
)
from deffe.sources import Source
from deffe.space import DesignSpace, FeatureMap, Parameter

if TYPE_CHECKING:
    from deffe.config import Config, Exploration, Section

__all__ = [
    "Advice",
    "Answer",
    "Batch",
    "CostReport",
    "Costs",
    "DeffeError",
    "DesignSpace",
    "EvaluationError",
    "Evaluator",
    "Executor",
    "Explorer",
    "Extractor",
    "FeatureMap",
    "Features",
    "Field",
    "Framework",
    "Ids",
    "Levels",
    "Model",
    "ModelReport",
    "Options",
    "Outcome",
    "Parameter",
    "PluginError",
    "Prediction",
    "Sampler",
    "Snapshot",
    "Source",
    "State",
    "Trial",
    "UsageError",
    "Value",
]

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class Framework:
    """The handle that every plugin gets from ``GetObject(framework)``.

    Args:
        space: the design space of this exploration.
        costs: names of the costs the plugin deals with, in their order.
        folder: the run directory; a plugin writes only below it.
        log: where a plugin says something to the user.
        config: the checked configuration.
        exploration: the entry of ``exploration.explore`` that is being explored.
        section: the plugin's own section of the configuration.
        place: the name of that section, such as ``sampling``.
        name: the plugin's name; random draws depend on it.
        seed: the run's seed; plugins draw from ``rng``.
        workers: how many trials run at the same time.
        dry_run: write what would be run, and run nothing.
        overrides: options given on the command line; they win over the configuration.
        arguments: the argument string of an older configuration, less what the loop acts on.
        defaults: options that the older name of the plugin stands for.
        sources: tables and checkpoints of other runs that a model may start from or learn from.
    """

    space: DesignSpace
    costs: tuple[str, ...]
    folder: Path
    log: logging.Logger
    config: Config
    exploration: Exploration
    section: Section
    place: str
    name: str
    seed: int = 0
    workers: int = 1
    dry_run: bool = False
    overrides: Mapping[str, object] = field(default_factory=dict)
    arguments: str | Sequence[str] = ""
    defaults: Mapping[str, object] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    options_read: list[str] = field(default_factory=list, repr=False, compare=False)

    def options(self, model: type[OptionsT]) -> OptionsT:
        """The plugin's options: ``options`` and ``arguments`` of its section, then the command line.

        Raises:
            ConfigError: unknown options or unsuitable values, all at once, with their place.
        """
        self.options_read.append(model.__name__)
        return read_options(
            model,
            source=str(self.config.source),
            place=self.place,
            arguments=self.arguments,
            options={**self.defaults, **self.section.options},
            overrides=self.overrides,
        )

    def rng(self, step: int = 0) -> np.random.Generator:
        """A random generator that depends on the seed, the plugin's name and the step alone."""
        return np.random.default_rng([self.seed, zlib.crc32(self.name.encode()), step])

    def find(self, path: str) -> Path | None:
        """A file named in the configuration: beside the JSON file, then in the current folder."""
        return self.config.find(path)


class Sampler(Protocol):
    """Proposes the points of a step: at most ``count``, distinct, valid and not ``known``; fewer, or None, at its end.

    On offer to ``Run``: step, count, known (sorted ids of all points proposed so far), table (the cost table).
    """

    def Initialize(self) -> None: ...

    @property
    def Run(self) -> Callable[..., Any]: ...


class Evaluator(Protocol):
    """Runs the points of a batch and yields each outcome as it is known.

    On offer to ``Run``: batch, executor, table. It returns an iterator of ``Outcome``.
    """

    def Initialize(self) -> None: ...

    @property
    def Run(self) -> Callable[..., Any]: ...


class Extractor(Protocol):
    """Reads the costs of one evaluated point, ``{name: value}``, or raises ``EvaluationError`` with the reason.

    On offer to ``Run``: trial, executor. It is called from several threads at once.
    """

    def Initialize(self) -> None: ...

    @property
    def Run(self) -> Callable[..., Any]: ...


class Model(Protocol):
    """Learns costs from features and predicts them.

    On offer to ``Run``: features (n, d), costs (n, c), levels (n, p), step, and validation, (n,) bool: the rows that
    weights are chosen by and not trained on; a model that cross-validates learns from them too, or does not ask for
    them. It returns a ``ModelReport``.
    On offer to ``Predict``: features (n, d), levels (n, p). It returns a ``Prediction``.

    A model whose checkpoints are to be kept has besides

    - ``Save(cost, folder)``: writes what was learned of one cost into an empty folder, in formats that load without
      running code, and returns facts for JSON;
    - in its module a function ``Restore(folder, facts, trust)``: from these files an object with
      ``Predict(features)``, which gives a ``Prediction`` of (n, 1); ``trust`` allows formats that could run code.

    and may have

    - ``Means``: the means that ``Predict`` gives, (n, k), where that takes less work; on offer to it: features, levels,
      and costs, the k names that are asked for;
    - ``Snapshots(cost)``: a sequence of ``Snapshot``, states of the last training that are each worth a checkpoint;
    - ``Load(cost, folder, facts)``: goes on from what ``Save`` or a snapshot of an earlier step of the same run wrote.
    """

    def Initialize(self) -> None: ...

    @property
    def Run(self) -> Callable[..., Any]: ...

    @property
    def Predict(self) -> Callable[..., Any]: ...


class Explorer(Protocol):
    """After each step, says when to stop and may propose the next points; None leaves both to the others.

    On offer to ``Run``: step, count (of the next step), report (``ModelReport`` or None), target_error (in percent,
    or None), model (an object with ``costs``, the names it predicts,
    and ``Predict(levels)``; or None), known (sorted ids), table.

    It may have ``Answer``, which is asked once, at the end, for the designs that it recommends: an ``Answer``, or None.
    On offer to it: model, table, known. Without it the best evaluated and the best predicted points are recommended.
    It may have ``Target``, without arguments, where points are evaluated to learn from alone: {knob: value} of those
    whose costs are results.
    """

    def Initialize(self) -> None: ...

    @property
    def Run(self) -> Callable[..., Any]: ...
