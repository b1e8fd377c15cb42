"""The cache knobs that simulators share, and the shapes that no simulator takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deffe.api import EvaluationError

KNOBS: Mapping[str, int] = {
    "l1d_size": 32,
    "l1d_ways": 8,
    "l1i_size": 32,
    "l1i_ways": 8,
    "l2_size": 256,
    "l2_ways": 8,
    "cacheline": 64,
}
"""Each knob and its value where the design space does not have it: sizes in KiB, lines in bytes."""
LEVELS = ("l1d", "l1i", "l2")


@dataclass(frozen=True)
class Cache:
    """One cache: its size and line in bytes, and its ways."""

    name: str
    size: int
    ways: int
    line: int

    def check(self) -> None:
        """Refuse what has no power of two of sets, by the simulators' own arithmetic.

        Raises:
            EvaluationError: with the shape and its number of sets.
        """
        sets = self.size // (self.ways * self.line)
        if sets < 1 or sets & (sets - 1):
            shape = f"{self.size // 1024} KiB, {self.ways} ways and lines of {self.line} bytes"
            raise EvaluationError(f"{self.name}: {shape} give {sets} sets; the simulator needs a power of two")


def read_caches(values: Mapping[str, str]) -> dict[str, Cache]:
    """{level: cache} from the texts of the knobs; those that are absent have their defaults.

    Raises:
        EvaluationError: a value that is no whole number above 0.
    """
    found = {name: _whole(name, values.get(name, str(default))) for name, default in KNOBS.items()}
    return {
        level: Cache(level, found[f"{level}_size"] * 1024, found[f"{level}_ways"], found["cacheline"])
        for level in LEVELS
    }


def check_caches(values: Mapping[str, str]) -> None:
    """Refuse caches that simulators refuse, without running one.

    Raises:
        EvaluationError: with the first such cache.
    """
    for cache in read_caches(values).values():
        cache.check()


def _whole(name: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise EvaluationError(f"{name} is {text!r}, expected a whole number above 0")
    return value
