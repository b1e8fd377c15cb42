"""pymoo's NSGA-II as a method of search."""

from __future__ import annotations

from typing import Any

import numpy as np
from _search_loop import Told
from _search_problems import Levels, Problem
from _tables import Matrix
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.evaluator import Evaluator
from pymoo.core.problem import Problem as Space
from pymoo.core.repair import Repair
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.problems.static import StaticProblem


class _Nearest(Repair):  # type: ignore[misc]
    """Moves each child to the nearest legal point that is new."""

    def __init__(self, told: Told) -> None:
        super().__init__()
        self._told = told

    def _do(self, problem: Any, points: Any, **kwargs: Any) -> Any:
        return self._told.nearest(np.rint(points).astype(np.int32))


class Nsga2(Told):
    """NSGA-II on positions in the knobs' values, by simulated binary crossover and polynomial mutation.

    Args:
        failure: ``worst``: points that failed have the worst cost seen; ``constraint``: that too, and a constraint that
            is not met.
        offspring: children a generation; 0 for as many as there are first points.
    """

    def __init__(
        self, problem: Problem, seed: int, failure: str = "constraint", offspring: str = "1", eta: str = "3"
    ) -> None:
        super().__init__(problem, seed)
        self._seed, self._eta = seed, float(eta)
        self._offspring = int(offspring) or problem.case.first
        self._constrained = failure == "constraint"
        self._space = Space(
            n_var=len(problem.knobs),
            n_obj=problem.objectives,
            n_ieq_constr=int(self._constrained),
            xl=0,
            xu=np.array(problem.counts) - 1,
            vtype=int,
        )
        self._algorithm: Any = None
        self._asked: Any = None

    def _start(self, levels: Levels) -> None:
        rounded = {"vtype": float, "repair": RoundingRepair()}
        self._algorithm = NSGA2(
            pop_size=len(levels),
            n_offsprings=self._offspring,
            sampling=levels,
            crossover=SBX(prob=1.0, eta=self._eta, **rounded),
            mutation=PM(eta=self._eta, **rounded),
            repair=_Nearest(self),
        )
        self._algorithm.setup(self._space, termination=("n_gen", 10**9), seed=self._seed, verbose=False)
        self._asked = self._algorithm.ask()

    def tell(self, levels: Levels, costs: Matrix) -> None:
        if self._algorithm is None:
            self._start(levels)
        super().tell(levels, costs)
        if len(self._asked) != len(levels):
            return  # the end of the budget cut the generation short
        told = {"F": self.filled[-len(levels) :]}
        if self._constrained:
            told["G"] = np.where(self.failed[-len(levels) :, None], 1.0, -1.0)
        Evaluator().eval(StaticProblem(self._space, **told), self._asked)
        self._algorithm.tell(infills=self._asked)

    def ask(self, count: int) -> Levels:
        self._asked = self._algorithm.ask()
        return np.asarray(self._asked.get("X")).astype(np.int32)
