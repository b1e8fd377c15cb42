"""One generation of a genetic algorithm of pymoo: survivors of all evaluated points, and their children."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.api import Costs, DesignSpace, Levels, PluginError

from ._variation import Variation

FEW_OBJECTIVES = 3


def check_library() -> None:
    """PluginError where pymoo is not installed."""
    if find_spec("pymoo") is None:
        raise PluginError("pymoo is not installed", "install deffe[search], or pymoo")


class Generation:
    """The population of one generation.

    One objective: a genetic algorithm with elitist survival. Two or three: NSGA-II. More: NSGA-III, whose reference
    directions are as many as the population allows.

    Args:
        levels: (n, p) evaluated points.
        costs: (n, m) to be minimised; NaN rows have failed and count as infeasible.
        size: points that survive.
    Source: Deb et al., NSGA-II, 2002, doi:10.1109/4235.996017; Deb, Jain, NSGA-III, IEEE Transactions on Evolutionary
        Computation 18(4), 2014, doi:10.1109/TEVC.2013.2281535; Blank, Deb, pymoo, IEEE Access 8, 2020.
    """

    def __init__(self, space: DesignSpace, levels: Levels, costs: Costs, size: int, rng: np.random.Generator) -> None:
        from pymoo.core.population import Population
        from pymoo.core.problem import Problem

        counts = np.array([len(parameter) for parameter in space.parameters])
        objectives = costs.shape[1]
        self._rng = rng
        self._problem = Problem(n_var=len(counts), n_obj=objectives, n_ieq_constr=1, xl=0, xu=counts - 1, vtype=int)
        self._algorithm = _algorithm(space, objectives, size)
        self._algorithm.random_state = rng  # else its tournaments draw ties without a seed
        failed = np.isnan(costs).any(axis=1, keepdims=True)
        everyone = Population.new("X", levels, "F", np.where(failed, 0.0, costs), "G", failed.astype(float))
        self._living = self._algorithm.survival.do(
            self._problem, everyone, n_survive=size, algorithm=self._algorithm, random_state=rng
        )

    @property
    def levels(self) -> Levels:
        """(k, p) the survivors."""
        return np.asarray(self._living.get("X"), dtype=np.int32)

    def children(self, count: int) -> Levels:
        """(count, p) valid points bred from the survivors; some may be known or equal."""
        mating = self._algorithm.mating
        bred = mating.do(
            self._problem, self._living, count, algorithm=self._algorithm, random_state=self._rng, n_max_iterations=1
        )
        return np.asarray(bred.get("X"), dtype=np.int32).reshape(-1, self._problem.n_var)


def _algorithm(space: DesignSpace, objectives: int, size: int) -> Any:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.moo.nsga3 import NSGA3
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.operators.mutation.nom import NoMutation

    parts = {"crossover": _crossover(space), "mutation": NoMutation(), "eliminate_duplicates": False}
    if objectives == 1:
        return GA(pop_size=size, **parts)
    if objectives <= FEW_OBJECTIVES:
        algorithm = NSGA2(pop_size=size, **parts)
        algorithm.tournament_type = "comp_by_rank_and_crowding"
        return algorithm
    return NSGA3(_directions(objectives, size), pop_size=size, **parts)


def _directions(objectives: int, size: int) -> NDArray[np.float64]:
    """(at most size, m) reference directions on the unit simplex, as fine as fits."""
    from math import comb

    from pymoo.util.ref_dirs import get_reference_directions

    parts = 1
    while comb(parts + objectives, objectives - 1) <= size:
        parts += 1
    return np.asarray(get_reference_directions("das-dennis", objectives, n_partitions=parts))


def _crossover(space: DesignSpace) -> Any:
    from pymoo.core.crossover import Crossover

    class Breeding(Crossover):  # type: ignore[misc]
        """Crossover and mutation of levels, whose children are valid points."""

        def __init__(self) -> None:
            super().__init__(2, 1, prob=1.0)
            self._variation = Variation(space)

        def _do(
            self, problem: Any, parents: NDArray[Any], *args: Any, random_state: Any = None, **kwargs: Any
        ) -> NDArray[Any]:
            first, second = parents.astype(np.int32)
            return self._variation.children(first, second, random_state)[None]

    return Breeding()
