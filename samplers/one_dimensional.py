"""One-dimensional sampling: one knob at a time is changed from a base point."""

from __future__ import annotations

import itertools
import math

import numpy as np

from deffe.api import DesignSpace, Framework, Levels

from ._designs import varying
from ._finite import FiniteSampler, refuse_beyond_limit


def one_at_a_time(space: DesignSpace) -> Levels:
    """The base point and all points that differ from it in one knob, for every combination of the combination knobs.

    Returns:
        (n, p) levels: n is the product of the combination knobs' values times
        (1 + the sum of the other knobs' values but one).
    Raises:
        PluginError: more than 1,000,000 points.
    """
    base = np.array([parameter.base_level for parameter in space.parameters], dtype=np.int32)
    crossed = [i for i in varying(space) if space.parameters[i].onedim_combination]
    changed = [i for i in varying(space) if not space.parameters[i].onedim_combination]
    sizes = {i: len(space.parameters[i]) for i in (*crossed, *changed)}
    runs = math.prod(sizes[i] for i in crossed) * (1 + sum(sizes[i] - 1 for i in changed))
    refuse_beyond_limit("one_dimensional", runs)
    lines = [base[None, :]]
    for i in changed:
        line = np.tile(base, (sizes[i] - 1, 1))
        line[:, i] = [level for level in range(sizes[i]) if level != base[i]]
        lines.append(line)
    star = np.concatenate(lines)
    combinations = list(itertools.product(*(_base_first(sizes[i], int(base[i])) for i in crossed)))
    points = np.tile(star, (len(combinations), 1))
    points[:, crossed] = np.repeat(np.array(combinations, dtype=np.int32), len(star), axis=0)
    return points


def _base_first(size: int, base: int) -> list[int]:
    return [base, *(level for level in range(size) if level != base)]


class OneDimensional(FiniteSampler):
    """Sweeps one knob at a time, the others staying at their ``base``; ``onedim_combination`` knobs are crossed."""

    def design(self) -> Levels:
        return one_at_a_time(self._space)


def GetObject(framework: Framework) -> OneDimensional:
    return OneDimensional(framework)
