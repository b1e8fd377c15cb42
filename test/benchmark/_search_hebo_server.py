"""HEBO alone: proposals for observed points, in this process or as a server that speaks JSON lines.

It imports nothing of the benchmark or of deffe: it also runs under an older Python, which has HEBO and little else.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from typing import Any

import hebo.optimizers.hebo as released
import numpy as np
import pandas as pd
import torch
from hebo.design_space.design_space import DesignSpace


class Hebo:
    """HEBO over the positions of knobs' values: it draws from the front of its three acquisitions over all new points.

    Args:
        counts: (p,) numbers of values; switches: (p,) which knobs have values without an order, of which there are two.
        legal: (n, p) points that may be proposed.
        model: of HEBO: ``gp``, ``gpy`` (with warped inputs), ``rf``...
    """

    def __init__(self, counts: list[int], switches: list[bool], legal: list[list[int]], model: str) -> None:
        self._names = [f"k{i:02}" for i in range(len(counts))]
        self._space = DesignSpace().parse(
            [
                {"name": name, "type": "bool"} if switch else {"name": name, "type": "int", "lb": 0, "ub": count - 1}
                for name, count, switch in zip(self._names, counts, switches)  # noqa: B905
            ]
        )
        self._switches = [name for name, switch in zip(self._names, switches) if switch]  # noqa: B905
        self._counts = counts
        self._legal = np.array(legal)
        self._model = model
        torch.set_num_threads(1)

    def suggest(self, levels: list[list[int]], costs: list[float], known: list[list[int]], seed: int) -> list[int]:
        """The next point, none of the known ones, from (n, p) points that cost (n,)."""
        np.random.seed(seed)
        torch.manual_seed(seed)
        pool = self._frame(self._legal[self._new(np.array(known))])
        released.EvolutionOpt = lambda space, acquisition, **more: _Pool(space, acquisition, pool)
        optimizer = released.HEBO(self._space, self._model, rand_sample=2, scramble_seed=seed)
        optimizer.observe_new_data(self._frame(np.array(levels)), np.array(costs)[:, None])
        return [int(value) for value in optimizer.suggest()[self._names].iloc[0]]

    def _frame(self, levels: Any) -> pd.DataFrame:
        return pd.DataFrame(levels, columns=self._names).astype(dict.fromkeys(self._switches, bool))

    def _new(self, known: Any) -> Any:
        """(n,) which legal points are not known."""
        places = [np.ravel_multi_index(tuple(levels.T), self._counts) for levels in (self._legal, known)]
        return ~np.isin(*places)


class _Pool:
    """Stands in for HEBO's evolutionary search, which knows no legal points: the true front of the acquisitions."""

    def __init__(self, space: DesignSpace, acquisition: Any, pool: pd.DataFrame) -> None:
        self._space, self._acquisition, self._pool = space, acquisition, pool

    def optimize(self, **more: Any) -> pd.DataFrame:
        with torch.no_grad():
            values = self._acquisition(*self._space.transform(self._pool)).numpy()
        return self._pool.iloc[_front(values)].reset_index(drop=True)


def _front(values: Any) -> list[int]:
    """Rows of the points that no other one dominates, all values to be minimised."""
    left, front = np.argsort(values.sum(axis=1)), []
    while len(left):
        best, left = left[0], left[1:]
        front.append(int(best))
        left = left[(values[left] < values[best]).any(axis=1)]
    return front


def serve() -> None:
    """Answer requests until they end: the first makes the optimizer, each other asks for a suggestion."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print is no answer
    optimizer = None
    answer: dict[str, Any]
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if optimizer is None:
                optimizer, answer = Hebo(**request), {}
            else:
                answer = {"levels": optimizer.suggest(**request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps({**answer, "seconds": time.process_time()}) + "\n")
        answers.flush()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve()
