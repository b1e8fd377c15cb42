"""What a run found in the order in which it asked: the objectives of each point, errors of its model, times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.config.configuration import Objective
from deffe.errors import TableError, UsageError, nearest
from deffe.operate.notes import target_key
from deffe.operate.objectives import configuration_of, objectives_in
from deffe.operate.place import ORIGIN, run_folder
from deffe.operate.view import view_of
from deffe.records import Costs, State
from deffe.store import Store
from deffe.tables.columns import PREDICTED, bookkeeping
from deffe.values import text

Errors = tuple[tuple[int, float], ...]
"""(points trained on, MAPE in percent), a pair a step."""
APART = ("seed", "run_directory", "workers", "executor", "private", "output_log")
"""Keys of the section ``framework`` that make no other way of exploring."""


@dataclass(frozen=True)
class Track:
    """One run.

    Args:
        name: of its folder or file.
        label: that the user gave it, or empty.
        kind: what makes its way of exploring: plugins by what they do, and the configuration as text.
        objectives: what it explored for; () for a table that does not tell.
        space: name to values of each knob, conditions and constraints; empty for a table.
        costs: (n, k) objectives in the order in which points were proposed; NaN where they failed, or are of a fidelity
            that does not count.
        failed: points that failed.
        errors: cost to the errors of its model after each step; of steps that learned from as many points, the last.
        wall_s: seconds of its last start, NaN where not known.
        evaluate_s: seconds that its evaluations took together, NaN where not known.
        ended: False of a run that goes on, or was killed: further results may come.
    """

    name: str
    label: str
    kind: Mapping[str, str]
    objectives: tuple[Objective, ...]
    space: Mapping[str, str]
    costs: Costs
    failed: int = 0
    errors: Mapping[str, Errors] = field(default_factory=dict)
    wall_s: float = float("nan")
    evaluate_s: float = float("nan")
    ended: bool = True

    def __len__(self) -> int:
        return len(self.costs)


def read_track(named: str, objectives: Sequence[Objective]) -> Track:
    """A run directory, a configuration, or a table of results; ``LABEL=`` may stand before it.

    Args:
        objectives: of a table, which does not tell its own; () where they are not known.
    Raises:
        UsageError, StoreError, TableError, ConfigError: it is not there, cannot be read, or has no results.
    """
    label, path = place_of(named)
    return _of_table(path, label, objectives) if is_table(path) else _of_run(path, label)


def place_of(named: str) -> tuple[str, Path]:
    """The label, or an empty one, and the run directory or the table.

    Raises:
        UsageError, StoreError, ConfigError: there is no such run.
    """
    label, path = "", named
    if "=" in named and not Path(named).exists():
        label, _, path = named.partition("=")
    return label, Path(path) if is_table(Path(path)) else run_folder(path, {})


def is_table(path: Path) -> bool:
    """Whether what is named is a table of results, by its name."""
    return path.suffix.lower() == ".csv"


def _of_run(folder: Path, label: str) -> Track:
    with view_of(folder) as view:
        activity = view.activity()
    with closing(Store.read(folder)) as store:
        tree = configuration_of(store)
        found = objectives_in(store, tree)
        names = store.names(0)
        table = store.table(0)
        steps = store.steps(0)
        told = store.get_meta(ORIGIN) or {}
        space = _space(store)
        target = store.get_meta(target_key(0), None) or {}
    own = bookkeeping(names)
    ended = table[own["state"]].isin([s.text for s in State if s >= State.DONE]).to_numpy()
    costs = table.loc[ended, [objective.cost for objective in found]].to_numpy(np.float64, copy=True)
    failed = _failed(costs)
    for knob, value in target.items():
        costs[table.loc[ended, knob].map(text).to_numpy() != value] = np.nan
    if not len(costs):
        raise UsageError(f"the run in {folder} has no results yet", "compare it when it has")
    seconds = table.loc[ended, own["evaluate_s"]].to_numpy(np.float64)
    wall = activity.beat - activity.started if activity and activity.beat > activity.started > 0 else float("nan")
    return Track(
        folder.name,
        label,
        _kind(tree, told),
        found,
        space,
        costs,
        failed,
        _errors(steps),
        wall,
        float(np.nansum(seconds)) if np.isfinite(seconds).any() else float("nan"),
        activity is None or bool(activity.ended),
    )


def _failed(costs: Costs) -> int:
    return int((~np.isfinite(costs).all(axis=1)).sum())


def _space(store: Store) -> dict[str, str]:
    """What the store notes of the first exploration."""
    layout = store.get_meta("layouts")[0]
    found = {knob["name"]: json.dumps([knob["values"], knob.get("when")]) for knob in layout["parameters"]}
    return found | {f"constraint {text}": "" for text in layout["constraints"]}


def _kind(tree: Any, told: Mapping[str, Any]) -> dict[str, str]:
    """What tells one way of exploring from another: plugins, and the configuration without what is only about where."""
    plain = {name: section for name, section in tree.items() if name not in ("slurm", "dask")}
    if isinstance(plain.get("framework"), Mapping):
        plain["framework"] = {name: value for name, value in plain["framework"].items() if name not in APART}
    parts = {name: str(told.get(name, [""])[0]) for name in ("sampler", "explorer", "model")}
    return {**parts, "configuration": json.dumps(plain, sort_keys=True)}


def _errors(steps: Mapping[int, Mapping[str, Any]]) -> dict[str, Errors]:
    found: dict[str, dict[int, float]] = {}
    for _, report in sorted(steps.items()):
        for row in report.get("errors", ()):
            mape = np.nan if row["mape"] is None else float(row["mape"])
            found.setdefault(row["cost"], {})[int(row["trained_on"])] = mape
    return {cost: tuple(sorted(pairs.items())) for cost, pairs in found.items()}


def _of_table(path: Path, label: str, objectives: Sequence[Objective]) -> Track:
    """A CSV table: its rows in their order, less those that were predicted."""
    import pandas as pd

    if not objectives:
        raise UsageError(f"{path} does not tell its objectives", "give -config FILE, or a run directory beside it")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be read as a table: {error}") from error
    names = {name.lower(): name for name in table.columns}
    lacking = [objective.cost for objective in objectives if objective.cost.lower() not in names]
    if lacking:
        raise TableError(f"{path} has no column for the objective {lacking[0]!r}", nearest(lacking[0], table.columns))
    if "State" in table:
        table = table[table["State"] != PREDICTED]
    columns = [names[objective.cost.lower()] for objective in objectives]
    costs = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if not len(costs):
        raise TableError(f"{path} has no results", "compare tables with a row a point")
    times = _seconds(table)
    return Track(
        path.stem, label, {"configuration": path.stem}, tuple(objectives), {}, costs, _failed(costs), evaluate_s=times
    )


def _seconds(table: Any) -> float:
    import pandas as pd

    if "EvaluateTime" not in table:
        return float("nan")
    seconds: NDArray[np.float64] = pd.to_numeric(table["EvaluateTime"], errors="coerce").to_numpy(np.float64)
    return float(np.nansum(seconds)) if np.isfinite(seconds).any() else float("nan")


def check_comparable(tracks: Sequence[Track]) -> None:
    """Refuse runs of other objectives or spaces.

    Raises:
        UsageError: with what differs.
    """
    first = tracks[0]
    lines = []
    for other in tracks[1:]:
        found = _differences(first, other)
        lines += [f"{other.name}: {line}" for line in found]
    if lines:
        raise UsageError(f"the runs cannot be compared; beside {first.name}:\n  " + "\n  ".join(lines[:MOST_LINES]),
                         "compare runs of the same objectives and the same design space")  # fmt: skip


MOST_LINES = 20


def _differences(one: Track, other: Track) -> list[str]:
    lines = []
    if one.objectives != other.objectives:
        told = (", ".join(f"{o.goal} {o.cost}" for o in track.objectives) for track in (one, other))
        lines.append("the objectives are {1}, not {0}".format(*told))
    if not (one.space and other.space):
        return lines
    for name in [*one.space, *(name for name in other.space if name not in one.space)]:
        if name not in other.space:
            lines.append(f"{name} is missing")
        elif name not in one.space:
            lines.append(f"{name} is added")
        elif one.space[name] != other.space[name]:
            lines.append(f"{name} has other values: {_shown(other.space[name])}, not {_shown(one.space[name])}")
    return lines


def _shown(values: str) -> str:
    return values if len(values) <= 60 else f"{values[:57]}..."
