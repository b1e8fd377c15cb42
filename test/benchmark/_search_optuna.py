"""Optuna's samplers TPE and NSGA-II as methods of search."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from _search_loop import Told
from _search_problems import Levels, Problem
from _tables import Matrix
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

BUILT = "built"
LEGALITY = ("fail", "worst", "nearest", "both")
FAILURE = ("worst", "constraint")


def distributions(problem: Problem, categorical: bool = False) -> dict[str, BaseDistribution]:
    """Each knob as a position in its values, of switches as a choice without an order."""
    return {
        knob.name: IntDistribution(0, len(knob.values) - 1)
        if knob.numeric and not categorical
        else CategoricalDistribution(range(len(knob.values)))
        for knob in problem.knobs
    }


class Optuna(Told):
    """A study whose proposals that are illegal or repeated are told in one of several ways.

    Args:
        legality: ``fail``: the trial failed; ``worst``: it has the worst cost seen; ``nearest``: the nearest legal new
            point is evaluated and told in its place; ``both``: that, and the proposal itself has the worst cost seen.
        failure: of points that failed; ``worst``: the worst cost seen; ``constraint``: that too, and a constraint that
            is not met.
    """

    def __init__(
        self, problem: Problem, seed: int, sampler: Any, legality: str, failure: str, categorical: bool = False
    ) -> None:
        super().__init__(problem, seed)
        if legality not in LEGALITY or failure not in FAILURE:
            raise ValueError(f"legality is one of {LEGALITY}, failure one of {FAILURE}")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._legality, self._failure = legality, failure
        self._space = distributions(problem, categorical)
        self._sampler = sampler
        self.repeat = "worst"
        self._pending: dict[tuple[int, ...], Trial] = {}
        self.study = self._empty()

    def _empty(self) -> optuna.Study:
        return optuna.create_study(sampler=self._sampler, directions=["minimize"] * self.problem.objectives)

    def ask(self, count: int) -> Levels:
        trial = self.study.ask(self._space)
        levels = np.array([trial.params[name] for name in self._space], dtype=np.int32)
        if self._legality in ("nearest", "both"):
            near = self.nearest(levels[None])[0]
            if self._legality == "both" and (near != levels).any():
                self._pending[tuple(levels.tolist())] = trial
                self.reject(levels, legal=False)
                return near[None]
            levels = near
        self._pending[tuple(levels.tolist())] = trial
        return levels[None]

    def reject(self, levels: Levels, legal: bool) -> None:
        trial = self._pending.pop(tuple(levels.tolist()))
        if self._punishes(legal):
            self._violate(trial)
            self.study.tell(trial, self.filled.max(axis=0).tolist())
        else:
            self.study.tell(trial, state=TrialState.FAIL)

    def _punishes(self, legal: bool) -> bool:
        return self._legality in ("worst", "both") and not (legal and self.repeat == "fail")

    def _violate(self, trial: Trial) -> None:
        if self._failure == "constraint":
            trial.set_constraint(BUILT, 1.0)

    def frozen(self, levels: Levels, costs: Matrix, failed: bool, **more: Any) -> FrozenTrial:
        """A finished trial of (p,) levels with (m,) costs."""
        return create_trial(
            params=dict(zip(self._space, levels.tolist(), strict=True)),
            distributions=self._space,
            values=costs.tolist(),
            constraints={BUILT: 1.0 if failed else -1.0} if self._failure == "constraint" else None,
            **more,
        )


class Tpe(Optuna):
    """Tree-structured Parzen estimators. All points are told again when the worst cost seen has grown.

    Args:
        legality, multivariate: by default what did best: ``worst`` and ``no`` with one objective, ``nearest`` and
            ``yes`` with several.
        repeat: of proposals that are known; ``worst``: as ``legality`` says; ``fail``: the trial failed.
    """

    def __init__(
        self,
        problem: Problem,
        seed: int,
        legality: str = "",
        failure: str = "constraint",
        multivariate: str = "",
        categorical: str = "no",
        repeat: str = "worst",
    ) -> None:
        several = problem.objectives > 1
        legality = legality or ("nearest" if several else "worst")
        multivariate = multivariate or ("yes" if several else "no")
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=1, multivariate=multivariate == "yes", constant_liar=False, seed=seed
        )
        super().__init__(problem, seed, sampler, legality, failure, categorical == "yes")
        self.repeat = repeat
        self._rejected: list[Levels] = []
        self._worst: list[float] = []

    def reject(self, levels: Levels, legal: bool) -> None:
        super().reject(levels, legal)
        if self._punishes(legal):
            self._rejected.append(levels)

    def tell(self, levels: Levels, costs: Matrix) -> None:
        super().tell(levels, costs)
        self._pending.clear()
        filled = self.filled
        worst = filled.max(axis=0)
        if self._worst == worst.tolist() and not self._rejected:
            trials = list(zip(levels, filled[-len(levels) :], self.failed[-len(levels) :], strict=True))
        else:
            trials = list(zip(self.levels, filled, self.failed, strict=True))
            trials += [(rejected, worst, True) for rejected in self._rejected]
            self.study = self._empty()
        self._worst = worst.tolist()
        self.study.add_trials([self.frozen(*trial) for trial in trials])


class Nsga2(Optuna):
    """NSGA-II, whose first population is the points that all methods start from."""

    def __init__(self, problem: Problem, seed: int, legality: str = "nearest", failure: str = "constraint") -> None:
        sampler = optuna.samplers.NSGAIISampler(population_size=problem.case.first, seed=seed)
        super().__init__(problem, seed, sampler, legality, failure)

    def tell(self, levels: Levels, costs: Matrix) -> None:
        super().tell(levels, costs)
        told = zip(levels, self.filled[-len(levels) :], self.failed[-len(levels) :], strict=True)
        for point, values, failed in told:
            trial = self._pending.pop(tuple(point.tolist()), None) or self.study.ask(self._space)
            generation = self.study.trials[trial.number].system_attrs
            self.study.tell(trial, state=TrialState.FAIL)
            self.study.add_trial(self.frozen(point, values, failed, system_attrs=generation))
