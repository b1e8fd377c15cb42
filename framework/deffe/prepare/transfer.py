"""Finds what a model may start from: the checkpoints of ``-icp``, and ``model.transfer`` of a configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from deffe.checkpoint import Checkpoint, CheckpointModel, read
from deffe.config import Config
from deffe.errors import CheckpointError, TableError, counted, nearest
from deffe.prepare.settings import Settings
from deffe.sources import Source, corresponding
from deffe.space import DesignSpace
from deffe.tables import AskedPoints


def initial_checkpoints(
    config: Config, settings: Settings, space: DesignSpace, costs: Sequence[str], log: logging.Logger, exact: bool
) -> dict[str, CheckpointModel]:
    """The checkpoint that ``-icp`` gives for each cost, loaded.

    A checkpoint belongs to the cost that it names; those that name none of these take the other costs in order.

    Args:
        costs: names of the learned costs.
        exact: whether a checkpoint must name its cost rightly, if it names one.
    Raises:
        CheckpointError: a checkpoint that cannot be read or restored, or more of them than costs.
    """
    found = [(path, _read(config, path, space, log, "-icp: ")) for path in settings.icp]
    assigned: dict[str, Checkpoint] = {}
    for path, checkpoint in found:
        cost = checkpoint.about.cost
        if cost in assigned:
            raise CheckpointError(f"-icp: {path} is a second checkpoint of {cost!r}", "give one a cost")
        if cost in costs:
            assigned[cost] = checkpoint
    for path, checkpoint in found:
        if checkpoint.about.cost in costs:
            continue
        cost = next((name for name in costs if name not in assigned), "")
        if not cost:
            raise CheckpointError(f"-icp: {path} is one checkpoint too many", f"one a cost: {', '.join(costs)}")
        if checkpoint.about.cost and exact:
            raise CheckpointError(
                f"-icp: {path} predicts {checkpoint.about.cost!r}, which is none of the costs", nearest("", costs)
            )
        assigned[cost] = checkpoint
        log.info("%s: taken for the cost %s", path, cost)
    return {cost: restored(config, settings, assigned[cost]) for cost in costs if cost in assigned}


def _read(config: Config, path: str, space: DesignSpace, log: logging.Logger, option: str = "") -> Checkpoint:
    given = Path(path).expanduser()
    try:
        checkpoint = read(given if given.exists() else config.find(path) or given, space)
    except CheckpointError as error:
        raise CheckpointError(f"{option}{error.message}", error.hint) from error
    told = checkpoint.facts.get("inputs")
    if checkpoint.path.is_file() and told:
        ranges = ", ".join(f"{k.knob} {k.low:g}..{k.high:g}" for k in checkpoint.about.features.knobs)  # type: ignore[union-attr]
        log.info("%s does not tell its inputs; by %s they are: %s", path, told, ranges)
    return checkpoint


def restored(config: Config, settings: Settings, checkpoint: Checkpoint) -> CheckpointModel:
    """The checkpoint, ready to predict."""
    section = config.model
    own = section.ml_model_script or section.ml_model_type or section.pyscript
    model = CheckpointModel(checkpoint, config.find, config.python_path, settings.trust, own)
    if checkpoint.path.is_file():  # its inputs were told by others: at least their number must fit
        _check_inputs(model)
    return model


def _check_inputs(model: CheckpointModel) -> None:
    """That a file of another system takes as many inputs as it was told to have."""
    names = model.features.names
    try:
        model.of_features(np.full((1, len(names)), 0.5))
    except CheckpointError as error:
        told = model.facts.get("inputs") or "its note"
        raise CheckpointError(
            f"{error.message}; by {told} they are {counted(len(names), 'feature')}: {', '.join(names)}",
            f"name its inputs in their order: -import-checkpoint {model.path} -columns KNOB,KNOB,..., "
            "with -ranges KNOB=LO..HI for ranges that the configuration does not have",
        ) from error


def sources_of(
    config: Config, settings: Settings, space: DesignSpace, costs: Sequence[str], log: logging.Logger
) -> tuple[Source, ...]:
    """Everything that a model of these costs may transfer from, in the order given, ``-icp`` first.

    Raises:
        CheckpointError, TableError: one that cannot be read, or shares no knob or no cost with the exploration.
    """
    initial = initial_checkpoints(config, settings, space, costs, log, exact=False)
    found = [
        _checkpoint_source(str(model.path), {cost: model.cost}, model, space, {}, log)
        for cost, model in initial.items()
    ]
    for entry in config.model.transfer.sources if config.model.transfer else ():
        mapping = {here: there for there, here in entry.map.items() if here in space.names}
        wanted = {cost: entry.costs.get(cost, entry.cost or cost).lower() for cost in costs}
        if entry.table:
            found.append(_table_source(config, entry.table, wanted, space, mapping, log))
        else:
            model = restored(config, settings, _read(config, entry.checkpoint, space, log))
            theirs = {here: there for here, there in wanted.items() if model.cost in ("", there)}
            found.append(_checkpoint_source(entry.checkpoint, theirs, model, space, mapping, log))
    return tuple(found)


def _checkpoint_source(
    name: str,
    costs: Mapping[str, str],
    model: CheckpointModel,
    space: DesignSpace,
    given: Mapping[str, str],
    log: logging.Logger,
) -> Source:
    _check_map(name, given, model.inputs)
    # files of other systems tell names and ranges alone
    maps = {p["name"]: p.get("map", p["name"]) for p in model.checkpoint.about.space.get("parameters", ())}
    mapping = corresponding({p.name: p.map for p in space.parameters}, model.inputs, given, maps)
    source = Source(name, costs, mapping, learned=model)
    if not mapping or not costs:
        what = "knob" if not mapping else f"cost (it predicts {model.cost!r})"
        lines = model.features.difference(space.feature_map)
        raise CheckpointError(f"the checkpoint {name} shares no {what} with this exploration", "\n  ".join(lines))
    for line in model.features.difference(space.feature_map):
        log.info("%s: differs: %s", name, line)
    if source.lacking:
        log.info("%s: at the middle of their ranges: %s", name, ", ".join(source.lacking))
    return source


def _check_map(name: str, given: Mapping[str, str], there: Sequence[str]) -> None:
    """That a map names knobs that the source has; TableError else."""
    wrong = [knob for knob in given.values() if knob not in there]
    if wrong:
        found = f"model.transfer.from: map names {wrong[0]!r}, which {name} does not have"
        raise TableError(found, nearest(wrong[0], list(there)))


def _table_source(
    config: Config,
    name: str,
    wanted: Mapping[str, str],
    space: DesignSpace,
    given: Mapping[str, str],
    log: logging.Logger,
) -> Source:
    path = config.find(name) or Path(name)
    points = AskedPoints(path, space.names, tuple(dict.fromkeys(wanted.values())))
    _check_map(str(path), given, points.names)
    frame = _frame(points)
    costs = {here: there for here, there in wanted.items() if frame[there].notna().any()}
    mapping = corresponding({p.name: p.map for p in space.parameters}, points.names, given)
    if not costs or not mapping:
        what = f"column for a cost ({', '.join(wanted.values())})" if not costs else "column for a knob"
        raise TableError(f"{path}, to transfer from, has no {what}", f"its columns: {', '.join(points.names)}")
    frame = frame[frame[list(costs.values())].notna().all(axis=1)]
    absent = [p.name for p in space.parameters if len(p) > 1 and p.name not in mapping]
    log.info(
        "%s: %s rows to transfer from%s", name, f"{len(frame):,}", f"; without {', '.join(absent)}" if absent else ""
    )
    return Source(name, costs, mapping, frame=frame.reset_index(drop=True))


def _frame(points: AskedPoints) -> pd.DataFrame:
    """All rows: numbers where a column has only numbers, else text; costs that are not known are NaN."""
    blocks = list(points.blocks())
    if not blocks:
        raise TableError(f"{points.path} has no rows, only the names of its columns", "add a row a point")
    columns = {}
    for name in points.names:
        parts = [block.numbers(name) for block in blocks]
        text = any(part.dtype == object for part in parts)
        columns[name] = np.concatenate([block.texts(name) for block in blocks] if text else parts)
    costs = np.concatenate([block.costs for block in blocks])
    frame: pd.DataFrame = pd.DataFrame({**columns, **dict(zip(points.costs, costs.T, strict=True))})
    return frame
