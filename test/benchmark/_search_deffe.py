"""An explorer of deffe as a method of search: called as a run calls it, with a table in place of the evaluations."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _search_loop import Told
from _search_problems import Levels, Problem
from _tables import Matrix

from deffe.learn.learner import Learner
from deffe.learn.splits import DrawnSplit
from deffe.plugins import load
from deffe.space.derived_costs import DerivedCosts
from deffe.tables.columns import bookkeeping
from deffe.testing import make_framework, with_options


class Explorer(Told):
    """Steps of ``batch`` points, each proposed by an explorer from what is known.

    Args:
        explorer: its name.
        batch: points a step.
        model: learned before each proposal and handed to the explorer; without a name there is none.
        options: of the explorer.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        explorer: str = "bayesian",
        batch: str = "1",
        model: str = "",
        **options: str,
    ) -> None:
        super().__init__(problem, seed)
        self._batch = int(batch)
        self._folder = tempfile.TemporaryDirectory(prefix="deffe_benchmark_")
        framework = make_framework(Path(self._folder.name), "exploration", config=problem.config(), seed=seed)
        space = framework.space
        names = [knob.name for knob in problem.knobs]
        self._to_space = [names.index(name) for name in space.names]
        self._of_space = [space.names.index(name) for name in names]
        self.space = space if problem.complete else space.listed(problem.levels[:, self._to_space])
        framework = replace(framework, space=self.space)
        self._costs_names = tuple(objective.cost for objective in framework.config.objectives)
        self._names = bookkeeping([*self.space.names, *self._costs_names])
        self._explorer = load("explorer", explorer, with_options(framework, **options))
        self._explorer.call("Initialize")
        self._learner = self._make_learner(replace(framework, section=framework.config.model, place="model"), model)
        self._steps: list[int] = []
        self._step = -1

    def _make_learner(self, framework: Any, model: str) -> Learner | None:
        if not model:
            return None
        plugin = load("model", model, framework)
        plugin.call("Initialize")
        config = framework.config
        derived = DerivedCosts(config.costs, config.derived_costs)
        split = DrawnSplit(train_share=1.0, validation_share=0.2, seed=framework.seed)
        return Learner(plugin, self.space, config.all_costs, config.costs, derived, split)

    @property
    def space_levels(self) -> Levels:
        """(n, p) points evaluated so far, in the order of the space's knobs."""
        return self.levels[:, self._to_space]

    def tell(self, levels: Levels, costs: Matrix) -> None:
        super().tell(levels, costs)
        self._step += 1
        self._steps += [self._step] * len(levels)

    def ask(self, count: int) -> Levels:
        known = self.space.ids(self.space_levels)
        report = None
        done = ~self.failed
        if self._learner is not None and done.any():
            report = self._learner.learn(self.space_levels[done], self.costs[done], known[done], self._step)
        advice = self._explorer.call(
            "Run",
            step=self._step,
            count=min(self._batch, count),
            report=report,
            target_error=None,
            model=None if report is None else self._learner,
            known=np.sort(known),
            table=self._table(known),
        )
        if advice is None or advice.points is None:
            return self.random(min(self._batch, count))  # as the sampler does
        return np.asarray(advice.points.levels)[:, self._of_space]

    def _table(self, known: Any) -> pd.DataFrame:
        """The cost table of a run with these points."""
        failed = self.failed
        cells = {
            "id": known,
            "number": np.arange(len(known)),
            "step": self._steps,
            "state": np.where(failed, "failed", "done"),
            "reason": np.where(failed, "it does not build", ""),
            "source": "",
            "evaluate_s": np.nan,
            "extract_s": np.nan,
            "folder": "",
        }
        own = pd.DataFrame({self._names[column]: cell for column, cell in cells.items()})
        costs = pd.DataFrame(self.costs, columns=list(self._costs_names))
        return pd.concat([own, self.space.frame(self.space_levels), costs], axis=1)
