"""How tables name their columns: knobs and costs by their own names, bookkeeping beside them without a clash."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from deffe.records import Ids

BOOKKEEPING = ("id", "number", "step", "state", "reason", "source", "evaluate_s", "extract_s", "folder")
"""What a cost table tells of a point beside its parameters and costs."""

TABLE_COLUMNS = ("EvaluateTime", "ExtractTime", "RunDir", "Id", "Step", "State", "Reason", "Source")
"""What the CSV tables tell of a point after its parameters and costs."""
PREDICTED = "predicted"
"""The state and source of a predicted point in these tables."""


def unique_names(wanted: Iterable[str], taken: Collection[str] = ()) -> tuple[str, ...]:
    """The wanted names, with a suffix where one would equal another or a taken one but for case: ``step_2``."""
    used = {name.lower() for name in taken}
    names = []
    for name in wanted:
        candidate, number = name, 1
        while candidate.lower() in used:
            number += 1
            candidate = f"{name}_{number}"
        used.add(candidate.lower())
        names.append(candidate)
    return tuple(names)


def bookkeeping(own: Sequence[str]) -> dict[str, str]:
    """What the bookkeeping columns are called in a cost table whose parameters and costs have their ``own`` names."""
    return dict(zip(BOOKKEEPING, unique_names(BOOKKEEPING, own), strict=True))


def id_texts(ids: Ids) -> list[str]:
    """Identities as 16 hexadecimal digits."""
    return [f"{number & 0xFFFFFFFFFFFFFFFF:016x}" for number in ids.tolist()]
