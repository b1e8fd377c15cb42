"""A run as an Optuna study, for optuna-dashboard and Optuna's own analyses."""

from __future__ import annotations

import itertools
import math
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deffe.errors import UsageError
from deffe.operate.objectives import configuration_of, objectives_in
from deffe.operate.view import FAILED

if TYPE_CHECKING:
    from deffe.space import Parameter
    from deffe.store import Store

MARK = "deffe"
"""A user attribute of studies that were exported."""


def load_optuna() -> Any:
    """The library; UsageError where it is not there."""
    try:
        import optuna
    except ImportError as error:
        raise UsageError("-export optuna needs optuna, which is not there", "pip install 'deffe[optuna]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def is_study(path: Path) -> list[str]:
    """Something where a file is an exported study, nothing else."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT 1 FROM study_user_attributes WHERE key = ?", (MARK,)).fetchone()
    except sqlite3.Error:
        return []
    return [MARK] if found else []


def write_study(path: Path, store: Store, exploration: int, name: str) -> int:
    """Write the results of an exploration as the study of this name into a new SQLite file; the number of trials.

    Trials are in the order in which points were proposed. A point that is not done has failed there, and its user
    attributes tell its state and why.

    Raises:
        UsageError: optuna is not there.
        StoreError: the configuration of the run cannot be read.
    """
    optuna = load_optuna()
    from sqlalchemy.pool import StaticPool

    objectives = objectives_in(store, configuration_of(store))
    # in memory, since each trial is a transaction; then as a whole into the file
    shared = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    storage = optuna.storages.RDBStorage("sqlite:///:memory:", engine_kwargs=shared)
    try:
        directions = ["minimize" if objective.goal == "min" else "maximize" for objective in objectives]
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
        study.set_metric_names([objective.cost for objective in objectives])
        study.set_user_attr(MARK, str(store.folder))
        trials = list(_trials(optuna, store, exploration, [objective.cost for objective in objectives]))
        study.add_trials(trials)
        with closing(sqlite3.connect(path)) as file:
            storage.engine.raw_connection().driver_connection.backup(file)
    finally:
        storage.remove_session()
        storage.engine.dispose()
    return len(trials)


def _trials(optuna: Any, store: Store, exploration: int, objectives: Sequence[str]) -> Iterator[Any]:
    from deffe.tables.columns import bookkeeping

    parameters = {p.name: p for p in store.parameters(exploration) if len(p) > 1}
    distributions = {name: _distribution(optuna, parameter) for name, parameter in parameters.items()}
    names = store.names(exploration)
    own = bookkeeping(names)
    others = [name for name in names[len(store.parameters(exploration)) :] if name not in objectives]
    ends = store.ends(exploration)
    for frame in store.frames(exploration):
        for row in frame.to_dict("records"):
            state = row[own["state"]]
            if state != "done" and state not in FAILED:
                continue
            params = {name: _value(p, row[name]) for name, p in parameters.items() if _plain(row[name]) is not None}
            attributes = {
                what: _plain(row[own[what]]) for what in ("id", "step", "state", "source", "reason", "folder")
            }
            attributes |= {name: _plain(row[name]) for name in others} | {"point": row[own["number"]]}
            done = state == "done"
            trial = optuna.create_trial(
                state=optuna.trial.TrialState.COMPLETE if done else optuna.trial.TrialState.FAIL,
                params=params,
                distributions={name: distributions[name] for name in params},
                values=[float(row[cost]) for cost in objectives] if done else None,
                user_attrs={name: value for name, value in attributes.items() if value not in (None, "")},
            )
            _set_times(trial, ends.get(row[own["number"]]), row[own["evaluate_s"]])
            yield trial


def _set_times(trial: Any, end: float | None, seconds: float) -> None:
    """When the point was evaluated, where that is known."""
    if end is not None:
        trial.datetime_complete = datetime.fromtimestamp(end)
        took = seconds if seconds == seconds else 0.0
        trial.datetime_start = datetime.fromtimestamp(end - took)


def _distribution(optuna: Any, parameter: Parameter) -> Any:
    """A range where the values are evenly spaced whole numbers, else the values themselves."""
    values = [_plain(value) for value in parameter.values]
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
    ordered = sorted(values) if whole else []
    steps: Mapping[int, None] = dict.fromkeys(b - a for a, b in itertools.pairwise(ordered))
    if len(steps) == 1:
        return optuna.distributions.IntDistribution(ordered[0], ordered[-1], step=next(iter(steps)))
    return optuna.distributions.CategoricalDistribution(values)


def _value(parameter: Parameter, cell: Any) -> Any:
    """The parameter's own value, which a column with gaps may show as another type."""
    plain = _plain(cell)
    level = parameter.level_of(plain)
    return plain if level is None else _plain(parameter.values[level])


def _plain(value: Any) -> Any:
    """A value of Python's own types; None for none."""
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float):
        return None if math.isnan(plain) else float(plain)
    return plain
