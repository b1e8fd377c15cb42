"""SMAC3's random forest and expected improvement as a method of search."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from _search_loop import Told
from _search_problems import Levels, Problem
from _tables import Matrix
from ConfigSpace import Categorical, Configuration, ConfigurationSpace, Integer
from smac import HyperparameterOptimizationFacade as Facade
from smac import Scenario
from smac.main.config_selector import ConfigSelector
from smac.multi_objective.parego import ParEGO
from smac.random_design import ProbabilityRandomDesign
from smac.runhistory import StatusType, TrialInfo, TrialValue

ENDLESS = 10**9


class Smac(Told):
    """The facade for hyperparameters; several objectives through its ParEGO.

    Its challengers come ordered by their expected improvement; after a rejected one the next is asked for, and the
    forest learns again after each evaluation.

    Args:
        legality: ``retry``: as above; ``nearest``: the nearest legal new point is taken and told instead.
        failure: ``worst``: points that failed have the worst cost seen; ``crash``: they are told to have crashed.
        random: the share of challengers that SMAC draws at random.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        legality: str = "retry",
        failure: str = "worst",
        random: str = "0.2",
        challengers: str = "2000",
    ) -> None:
        super().__init__(problem, seed)
        logging.getLogger("smac").setLevel(logging.ERROR)
        self._seed, self._legality, self._failure = seed, legality, failure
        self._random, self._challengers = float(random), int(challengers)
        self._space = ConfigurationSpace(seed=seed)
        self._space.add(
            [
                Integer(knob.name, (0, len(knob.values) - 1))
                if knob.numeric
                else Categorical(knob.name, list(range(len(knob.values))))
                for knob in problem.knobs
            ]
        )
        self._folder = tempfile.TemporaryDirectory(prefix="deffe_benchmark_")
        self._facade: Any = None
        self._worst: list[float] = []
        self._next: Iterator[Configuration] | None = None

    def _start(self) -> None:
        names = [f"objective_{i}" for i in range(self.problem.objectives)]
        scenario = Scenario(
            self._space,
            objectives=names if len(names) > 1 else "cost",
            deterministic=True,
            n_trials=ENDLESS,
            seed=self._seed,
            output_directory=Path(self._folder.name),
        )
        first = [self._made(self.levels[0])]
        more = {"multi_objective_algorithm": ParEGO(scenario)} if len(names) > 1 else {}
        self._facade = Facade(
            scenario,
            lambda configuration, seed=0: 0.0,
            initial_design=Facade.get_initial_design(scenario, n_configs=0, additional_configs=first),
            acquisition_maximizer=Facade.get_acquisition_maximizer(scenario, challengers=self._challengers),
            random_design=ProbabilityRandomDesign(self._random, seed=self._seed),
            config_selector=ConfigSelector(scenario, retrain_after=ENDLESS),
            logging_level=logging.ERROR,
            overwrite=True,
            **more,
        )

    def _made(self, levels: Levels) -> Configuration:
        return Configuration(
            self._space, dict(zip((knob.name for knob in self.problem.knobs), levels.tolist(), strict=True))
        )

    def tell(self, levels: Levels, costs: Matrix) -> None:
        super().tell(levels, costs)
        if self._facade is None:
            self._start()
        self._next = None
        told = np.exp(self.filled)
        for point, values, failed in zip(levels, told[-len(levels) :], self.failed[-len(levels) :], strict=True):
            crashed = failed and self._failure == "crash"
            self._facade.tell(
                TrialInfo(self._made(point), seed=0),
                TrialValue(
                    cost=values.tolist() if len(values) > 1 else float(values[0]),
                    status=StatusType.CRASHED if crashed else StatusType.SUCCESS,
                ),
                save=False,
            )

    def ask(self, count: int) -> Levels:
        with warnings.catch_warnings(), joblib.parallel_config(backend="sequential"):
            warnings.simplefilter("ignore")
            if self._next is None:
                self._next = iter(self._facade._config_selector)
            configuration = next(self._next)
        levels = np.array([[configuration[knob.name] for knob in self.problem.knobs]], dtype=np.int32)
        return self.nearest(levels) if self._legality == "nearest" else levels
