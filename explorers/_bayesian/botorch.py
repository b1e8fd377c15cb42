"""BoTorch's processes and acquisitions over candidates: noisy expected improvement, of the hypervolume if need be."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.multi_objective.monte_carlo import qNoisyExpectedHypervolumeImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models.gp_regression import SingleTaskGP
from botorch.models.model_list_gp_regression import ModelListGP
from botorch.models.transforms import Standardize
from botorch.sampling.normal import SobolQMCNormalSampler
from gpytorch.mlls import ExactMarginalLogLikelihood
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from deffe.api import Costs, Features, Levels

from .acquisition import LEAST, log_improvement, reference
from .pools import LEAST_VARIANCE

Vector = NDArray[np.float64]
SAMPLES = 128
COMPARED = 500
"""Candidates that are compared, those expected to improve most by a formula that looks at each alone."""
SHORTLIST = 200
"""Of those as many are compared again after a choice."""
HYPER_ROWS = 250
"""Points that hyperparameters are fitted on at most."""
MOST_ITERATIONS = 100
"""Of that fit: where nothing is noise, the likelihood grows for ever."""
CHUNK = 500
"""Candidates that are compared at once."""


class BoTorchBeliefs:
    """What BoTorch's processes make of the points that are done: (n, d) features and (n, m) targets."""

    def __init__(self, features: Features, targets: Costs) -> None:
        self._features, self._targets = features, targets

    def proposal(self, levels: Levels, features: Features, chance: Vector, rng: np.random.Generator) -> BoTorchProposal:
        """Compare candidates by their (k, d) features; the levels tell nothing more."""
        return BoTorchProposal(self._features, self._targets, chance, features, int(rng.integers(2**31)))


class BoTorchProposal:
    """Compares candidates by what they are expected to improve, all objectives to be minimised.

    Args:
        features, targets: (n, d) and (n, m), the points that are done, as the processes see them.
        chance: (k,) probability that each candidate does not fail.
        candidates: (k, d).
    Source: Ament, Daulton, Eriksson, Balandat, Bakshy, Unexpected improvements to expected improvement for Bayesian
        optimization, NeurIPS 2023, arXiv:2310.20708 (of one objective); Daulton, Balandat, Bakshy, Parallel Bayesian
        optimization of multiple noisy objectives with expected hypervolume improvement, NeurIPS 2021, arXiv:2105.08195.
    """

    def __init__(self, features: Features, targets: Costs, chance: Vector, candidates: Features, seed: int) -> None:
        self._log_chance, self._candidates = np.log(chance), _tensor(candidates)
        self._is_log = targets.shape[1] == 1
        self._chosen: list[int] = []
        with _quietly(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._acquisition = _acquisition(_tensor(features), -_tensor(targets), seed)
        alone = log_improvement(*self._told(), targets, reference(targets), np.random.default_rng(seed))
        self._open = np.argsort(-(alone + self._log_chance), kind="stable")[:COMPARED]

    def _told(self) -> tuple[Costs, Costs]:
        """(k, m) means and variances of the targets of all candidates."""
        with torch.no_grad(), _quietly():
            told = [self._acquisition.model.posterior(points) for points in torch.split(self._candidates, CHUNK)]
            mean, variance = torch.cat([one.mean for one in told]), torch.cat([one.variance for one in told])
        return -mean.numpy(), np.maximum(variance.numpy(), LEAST_VARIANCE)

    def gain(self) -> Vector:
        """(k,) logarithm of the improvement expected of each candidate, given those that were chosen.

        After the first choice the best of those compared are left; for the others it is minus infinity.
        """
        found = np.full(len(self._candidates), -np.inf)
        found[self._open] = self._gain(self._candidates[self._open]) + self._log_chance[self._open]
        self._open = self._open[np.argsort(-found[self._open], kind="stable")[:SHORTLIST]]
        return found

    def _gain(self, points: torch.Tensor) -> Vector:
        with torch.no_grad(), _quietly():
            found = torch.cat([self._acquisition(part[:, None]) for part in torch.split(points, CHUNK)]).numpy()
        return np.asarray(found if self._is_log else np.log(np.maximum(found, LEAST)))

    def choose(self, row: int) -> None:
        """Take a candidate as under way."""
        self._chosen.append(row)
        with _quietly():
            self._acquisition.set_X_pending(self._candidates[self._chosen])


def _acquisition(points: torch.Tensor, gains: torch.Tensor, seed: int) -> Any:
    few = torch.randperm(len(points))[:HYPER_ROWS].sort().values
    shared: dict[str, Any] = {
        "model": ModelListGP(*(_process(points, gain[:, None], few) for gain in gains.T)),
        "X_baseline": points,
        "sampler": SobolQMCNormalSampler(torch.Size([SAMPLES]), seed=seed),
        "prune_baseline": True,
    }
    if gains.shape[1] == 1:
        return qLogNoisyExpectedImprovement(**shared)
    # not its logarithm's own class, which compiles C++ in a folder of the user, and waits for ever if that was cut off
    return qNoisyExpectedHypervolumeImprovement(**shared, ref_point=(-reference(-gains.numpy())).tolist())


def _process(points: torch.Tensor, outcomes: torch.Tensor, few: torch.Tensor) -> SingleTaskGP:
    """Knows all points; its hyperparameters are fitted on few of them."""
    process = SingleTaskGP(points, outcomes, outcome_transform=Standardize(1))
    fitted = SingleTaskGP(points[few], outcomes[few], outcome_transform=Standardize(1))
    options = {"options": {"maxiter": MOST_ITERATIONS}}
    fit_gpytorch_mll(ExactMarginalLogLikelihood(fitted.likelihood, fitted), optimizer_kwargs=options)
    process.covar_module.load_state_dict(fitted.covar_module.state_dict())
    process.mean_module.load_state_dict(fitted.mean_module.state_dict())
    process.likelihood.load_state_dict(fitted.likelihood.state_dict())
    return process


@contextmanager
def _quietly() -> Iterator[None]:
    """On one thread, as more cost more than they do here, and without warnings of failed fits and of jitter."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))
