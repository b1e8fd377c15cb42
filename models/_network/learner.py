"""The model of the contract around networks: warm starts from checkpoints, snapshots, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, Features, Framework, ModelReport, Snapshot

from .._learning.fitted import FittedCost
from .._learning.learner import Restored, TableLearner, damage_named
from .._learning.way import Way
from .inputs import inputs_between
from .options import NetworkOptions
from .pictures import draw_layers, draw_losses
from .regressor import MakeRegressor, NetworkRegressor
from .start import Origin


class NetworkLearner(TableLearner):
    """One network a cost.

    Args:
        make: a new regressor.
    """

    goes_on = True

    def __init__(self, framework: Framework, options: NetworkOptions, make: MakeRegressor) -> None:
        self._origins, self._told = _origins(framework)
        start = self._origins.get if self._origins else None
        super().__init__(framework, [Way(framework.name, make, sets_aside=True)], options, start=start)
        self._network_options = options

    def Run(
        self, features: Features, costs: Costs, step: int = 0, validation: NDArray[np.bool_] | None = None
    ) -> ModelReport:
        """Learn all costs; see ``TableLearner.Run``.

        Args:
            validation: (n,) bool, the rows that weights are chosen by.
        """
        report = self.learn(features, costs, step, validation)
        notes = [*self._told, *self._draw()]
        self._told = []
        return replace(report, notes=(*report.notes, *notes))

    def Load(self, cost: str, folder: Path, facts: Mapping[str, Any]) -> None:
        """Start the next learning of a cost from what ``Save`` wrote at an earlier step."""
        with damage_named(folder):
            self._earlier[cost] = FittedCost.restore(folder, facts["fitted"], trust=False)

    def Snapshots(self, cost: str) -> list[Snapshot]:
        """States of the last training of a cost that were the best so far, the best of all last."""
        return [
            Snapshot(state.epoch, state.train_loss, state.val_loss, partial(self._save_state, cost, state.network))
            for network in self._networks(cost)
            for state in network.states()
        ]

    def _save_state(self, cost: str, network: Any, folder: Path) -> Mapping[str, Any]:
        learned = self._learned[cost]
        member = learned.fitted.members[0]
        earlier = replace(member, regressor=self._networks(cost)[0].having(network))
        return self.save_fitted(cost, replace(learned.fitted, members=(earlier,)), folder)

    def _networks(self, cost: str) -> list[NetworkRegressor]:
        """The network of a cost, or none where the mean was learned."""
        members = self._learned[cost].fitted.members
        return [member.regressor for member in members if isinstance(member.regressor, NetworkRegressor)]

    def _draw(self) -> list[str]:
        notes, options, folder = [], self._network_options, self._framework.folder
        networks = [(cost, network) for cost in self._framework.costs for network in self._networks(cost)]
        for cost, network in networks:
            if options.plot_loss and network.judge is not None:
                notes.append(draw_losses(folder / f"loss-{cost}.png", cost, network.loss, network.judge.losses))
            if options.plot_model:
                notes.append(draw_layers(folder / f"model-{cost}.png", network.network.layout))
        return notes


def _origins(framework: Framework) -> tuple[dict[str, Origin], list[str]]:
    """The network that each cost's learning starts from, of checkpoints; and what to tell of those that do not fit."""
    origins: dict[str, Origin] = {}
    notes = []
    for source in framework.sources:
        learned: Any = source.learned
        origin = _origin(getattr(learned, "restored", None))
        if learned is None or origin is None:
            continue
        inputs = inputs_between(framework.space, learned.features, source.mapping, learned.fallback)
        for cost in source.costs:
            if isinstance(inputs, str):
                notes.append(f"{cost}: does not start from {source.name}: {inputs}")
            else:
                origins.setdefault(cost, replace(origin, inputs=inputs))
    return origins, notes


def _origin(restored: Any) -> Origin | None:
    """The network in a restored checkpoint, of a model here or of the original."""
    if isinstance(restored, Restored):
        members = restored.fitted.members
        if len(members) != 1 or len(members[0].priors):
            return None
        restored = members[0].regressor
    return Origin.of(restored)
