"""BoTorch's Gaussian processes and noisy expected (hypervolume) improvement over pools as a method of search."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from _search_loop import Told
from _search_problems import Levels, Problem, Rows
from _tables import Matrix
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.acquisition.multi_objective.objective import IdentityMCMultiOutputObjective
from botorch.acquisition.objective import GenericMCObjective
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.transforms import Standardize
from botorch.optim import optimize_acqf_discrete
from botorch.sampling import SobolQMCNormalSampler
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from gpytorch.mlls import ExactMarginalLogLikelihood

POOL = 4000
SAMPLES = 128
LEAST = 3
"""Valid points from which costs are learned."""


class BoTorch(Told):
    """Proposes the point of a pool of legal new points that improves most on those evaluated.

    The pool is all such points, of more than 4,000 the one-knob neighbours of the best ones and others at random.

    Args:
        failure: ``worst``: points that failed have the worst cost seen; ``constraint``: costs are learned from the
            others, and whether a point is valid by a process of its own.
    """

    def __init__(self, problem: Problem, seed: int, failure: str = "constraint", pool: str = str(POOL)) -> None:
        super().__init__(problem, seed)
        self._seed, self._failure, self._most = seed, failure, int(pool)
        torch.set_num_threads(1)

    def ask(self, count: int) -> Levels:
        failed = self.failed
        if (~failed).sum() < LEAST and (failed.all() or not failed.any()):
            return self.random(1)
        pool = self._pool()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(self._seed * 1000 + len(self.rows))
            found = self._best(_tensor(self.problem.features[pool]), failed)
        return self.problem.levels[pool[found]][None]

    def _pool(self) -> Rows:
        new = np.flatnonzero(self.new)
        if len(new) <= self._most:
            return new
        near = self._neighbours()[: self._most // 2]
        return np.unique(np.concatenate([near, self.rng.choice(new, self._most - len(near), replace=False)]))

    def _neighbours(self) -> Rows:
        """Legal new points that differ from one of the best valid points in one knob, in random order."""
        good = np.flatnonzero(~self.failed)
        if not len(good):
            return good
        best = good[is_non_dominated(_tensor(-self.filled[good])).numpy()]
        near = (self.problem.levels[None] != self.levels[best][:, None]).sum(axis=2) == 1
        return self.rng.permutation(np.flatnonzero(near.any(axis=0) & self.new))

    def _best(self, pool: torch.Tensor, failed: Any) -> int:
        """The position in the pool of the point that promises most."""
        points = _tensor(self.problem.features[self.rows])
        valid = _process(points, _tensor(~failed[:, None])) if failed.any() else None
        if valid is not None and (~failed).sum() < LEAST:
            with torch.no_grad():
                found = valid.posterior(pool)
                return int((found.mean + found.variance.sqrt())[:, 0].argmax())
        if self._failure == "worst":
            valid, failed = None, np.zeros_like(failed)
        points, gains = points[_mask(~failed)], -_tensor(self.filled[~failed])
        parts = [_process(points, gain[:, None]) for gain in gains.T]
        model = ModelListGP(*parts, *([] if valid is None else [valid]))
        constraints = None if valid is None else [lambda outcomes: 0.5 - outcomes[..., -1]]
        acquisition = self._acquisition(model, points, gains, constraints)
        chosen, _ = optimize_acqf_discrete(acquisition, q=1, choices=pool, max_batch_size=1000)
        return int((pool - chosen).abs().sum(dim=1).argmin())

    def _acquisition(self, model: Any, points: torch.Tensor, gains: torch.Tensor, constraints: Any) -> Any:
        shared = {
            "model": model,
            "X_baseline": points,
            "sampler": SobolQMCNormalSampler(torch.Size([SAMPLES]), seed=len(self.rows)),
            "constraints": constraints,
            "prune_baseline": True,
        }
        if self.problem.objectives == 1:
            first = GenericMCObjective(lambda outcomes, **more: outcomes[..., 0])
            return qLogNoisyExpectedImprovement(**shared, objective=first)
        return qLogNoisyExpectedHypervolumeImprovement(
            **shared,
            ref_point=infer_reference_point(gains[is_non_dominated(gains)]),
            objective=IdentityMCMultiOutputObjective(outcomes=list(range(self.problem.objectives))),
        )


def _process(points: torch.Tensor, outcomes: torch.Tensor) -> SingleTaskGP:
    """A fitted process; the binary knobs need no kernel of their own."""
    process = SingleTaskGP(points, outcomes, outcome_transform=Standardize(1))
    fit_gpytorch_mll(ExactMarginalLogLikelihood(process.likelihood, process))
    return process


def _tensor(array: Matrix | Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))


def _mask(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
