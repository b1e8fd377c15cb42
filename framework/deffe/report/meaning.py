"""What the configuration of a run says of its costs and tables: goals, units, and the name of the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deffe.config.check import exploration_name, explore_entries
from deffe.config.configuration import objectives_of
from deffe.config.groups import entries_of
from deffe.config.read import read_file
from deffe.config.text import Faults, parse
from deffe.tables import table_paths


@dataclass(frozen=True)
class Meaning:
    """What a report needs of a configuration.

    Args:
        goals: objective to ``min`` or ``max``; None where that is not known.
        units: of knobs and costs.
        tables, designs: exploration to the names of its tables of predictions and of recommended designs.
    """

    goals: Mapping[str, str] | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    designs: Mapping[str, str] = field(default_factory=dict)


def meaning_of(configurations: Sequence[tuple[str, str, str]]) -> Meaning:
    """What the last of the stored configurations says.

    Raises:
        LookupError: there is none, or nothing can be made of it.
        ConfigError: it is no JSON.
    """
    if not configurations:
        raise LookupError("none is stored")
    tree = parse(configurations[-1][2], "")
    file = read_file(tree, Faults(tree, []))
    if file is None:
        raise LookupError("it is one of another version")
    units = {cost.name: cost.unit for cost in file.costs if cost.unit}
    units |= {entry.knob.name: entry.knob.unit for entry in entries_of(file) if entry.knob.unit}
    names = [exploration_name(entry, index) for index, entry in enumerate(explore_entries(file))]
    keys = ("all_table", "evaluation_table", "ml_predict_table", "evaluation_predict_table", "recommended_table")
    tables = [[getattr(entry, key) for key in keys] for entry in explore_entries(file)]
    paths = table_paths(Path(), list(zip(names, tables, strict=True)))
    return Meaning(
        {objective.cost: objective.goal for objective in objectives_of(file)},
        units,
        {name: str(path.ml_predict) for name, path in zip(names, paths, strict=True)},
        {name: str(path.recommended) for name, path in zip(names, paths, strict=True)},
    )
