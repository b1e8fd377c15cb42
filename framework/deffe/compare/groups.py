"""Runs of one way of exploring as one curve: their median, with a 90 % confidence band of the median over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from deffe.compare.progress import BestKnown
from deffe.compare.tracks import Track
from deffe.records import TAILS_90

Vector = NDArray[np.float64]
RESAMPLED = 1000
MOST_PLACES = 400
"""Places at which a curve is drawn."""


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds alone, or were given the same label."""

    label: str
    tracks: tuple[Track, ...]


@dataclass(frozen=True)
class Band:
    """A median curve.

    Args:
        x: (n,) evaluations, or points trained on.
        median, low, high: (n,); low and high are the ends of the band, NaN with a single run.
    """

    x: Vector
    median: Vector
    low: Vector
    high: Vector


def grouped(tracks: Sequence[Track]) -> list[Group]:
    """Runs by label; those without one by their way of exploring, named by what tells it from the others."""
    found: dict[tuple[str, ...], list[Track]] = {}
    for track in tracks:
        way = ("label", track.label) if track.label else ("way", *(f"{k}={v}" for k, v in sorted(track.kind.items())))
        found.setdefault(way, []).append(track)
    own = [members for way, members in found.items() if way[0] == "way"]
    labels = {way[1] for way in found if way[0] == "label"}
    names = (f"{name} (no label)" if name in labels else name for name in _names(own))
    return [Group(way[1] if way[0] == "label" else next(names), tuple(members)) for way, members in found.items()]


def _names(groups: Sequence[Sequence[Track]]) -> list[str]:
    """The plugins that differ, where these tell all groups apart; else what the names of folders have in common."""
    kinds = [members[0].kind for members in groups]
    differing = [part for part in ("sampler", "explorer", "model") if len({kind.get(part, "") for kind in kinds}) > 1]
    named = [", ".join(kind.get(part) or "?" for part in differing) for kind in kinds]
    if differing and len(set(named)) == len(named) and not any("?" in name for name in named):
        return named
    stems = [_stem(members) for members in groups]
    return [stem if stems.count(stem) == 1 else f"{stem} {place + 1}" for place, stem in enumerate(stems)]


def _stem(members: Sequence[Track]) -> str:
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*(track.name for track in members), strict=False))
    common = "".join(letters[0] for letters in same)
    return (common.rstrip("0123456789").rstrip("-_. ") or common) if len(members) > 1 else members[0].name


def band_of(curves: Sequence[Vector], places: Vector) -> Band:
    """The median of curves over 1, 2, ... evaluations at some places; a run that has ended stays where it was."""
    held = np.array([curve[np.minimum(places.astype(int), len(curve)) - 1] for curve in curves])
    return _band(held, places)


def band_of_errors(errors: Sequence[Sequence[tuple[int, float]]]) -> Band:
    """The median of errors over points trained on, where all runs have one; between these they are interpolated."""
    known = [np.array([pair for pair in pairs if np.isfinite(pair[1])], dtype=np.float64) for pairs in errors]
    known = [pairs for pairs in known if len(pairs)]
    if not known:
        return Band(*(np.empty(0) for _ in range(4)))
    first, last = max(pairs[0, 0] for pairs in known), min(pairs[-1, 0] for pairs in known)
    places = np.unique(np.concatenate([pairs[:, 0] for pairs in known]))
    places = places[(places >= first) & (places <= last)]
    return _band(np.array([np.interp(places, pairs[:, 0], pairs[:, 1]) for pairs in known]), places)


def _band(values: NDArray[np.float64], places: Vector) -> Band:
    """(r, n) values of r runs; the band is that of the bootstrap (Efron, Annals of Statistics 7(1), 1979,
    doi:10.1214/aos/1176344552)."""
    count = len(values)
    empty = np.full(len(places), np.nan)
    if not len(places) or count == 1:
        return Band(places, values[0] if count else empty, empty, empty)
    drawn = np.random.default_rng(0).integers(count, size=(RESAMPLED, count))
    medians = np.array([np.median(values[rows], axis=0) for rows in drawn])
    low, high = np.percentile(medians, TAILS_90, axis=0)
    return Band(places, np.median(values, axis=0), low, high)


def places_of(groups: Sequence[Group]) -> Mapping[str, Vector]:
    """Evaluations at which the curve of each group is drawn: all of them, or evenly over its longest run."""
    longest = {group.label: max(len(track) for track in group.tracks) for group in groups}
    return {label: np.unique(np.linspace(1, most, min(most, MOST_PLACES)).astype(int)).astype(np.float64)
            for label, most in longest.items()}  # fmt: skip


def bands_of_quality(groups: Sequence[Group], known: BestKnown) -> dict[str, Band]:
    """The gap to the best known, or the share of the hypervolume in percent, of each group over evaluations."""
    places = places_of(groups)
    several = len(known.objectives) > 1
    return {
        group.label: band_of(
            [100 * known.volume_ratio(t.costs) if several else known.gap(t.costs) for t in group.tracks],
            places[group.label],
        )
        for group in groups
    }


def bands_of_best(groups: Sequence[Group], known: BestKnown, objective: int) -> dict[str, Band]:
    """The best so far of one objective."""
    places = places_of(groups)
    return {
        group.label: band_of([known.best_so_far(t.costs, objective) for t in group.tracks], places[group.label])
        for group in groups
    }
