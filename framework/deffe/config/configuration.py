"""A configuration: one JSON file, checked as a whole, with all its faults reported at once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import deffe
from deffe.config.check import EXPLORE, check, exploration_name, explore_entries
from deffe.config.groups import ALL, Group, entries_of, make_parameters, select
from deffe.config.read import read_file
from deffe.config.schema import (
    DaskSection,
    EvaluateSection,
    ExplorationSection,
    ExploreEntry,
    ExtractSection,
    File,
    FrameworkSection,
    ModelSection,
    SamplingSection,
    Section,
    SlurmSection,
    StopSection,
)
from deffe.config.text import Faults, Keys, Object, expand, find_file, read_tree, unset
from deffe.errors import ConfigError, SpaceError
from deffe.expressions import Expression
from deffe.scripts.script_values import INDEX
from deffe.space import Constraint, DerivedFeature, DesignSpace
from deffe.space.columns import derived_column

__all__ = ["Config", "Exploration", "Objective", "Section", "json_schema", "load"]

_NOT_IDENTITY: Any = {
    "include": True,
    "python_path": True,
    "features": True,
    "slurm": True,
    "dask": True,
    "framework": {"run_directory", "output_log", "executor", "private"},
    "exploration": {
        "target_error": True,
        "stop": True,
        "predict_limit": True,
        "output_log": True,
        "explore": {"__all__": {"stop"}},
    },
    "sampling": {
        "init_batch_samples",
        "fixed_samples",
        "custom_samples",
        "step_start",
        "step_end",
        "step_increment",
        "max_samples",
        "output_log",
    },
    "evaluate": {
        "workers",
        "batch_size",
        "output_flow",
        "timeout_s",
        "retries",
        "keep",
        "max_failed",
        "slurm",
        "hold_evaluated_data",
    },
    "extract": {"batch_size", "output_flow", "slurm", "hold_evaluated_data"},
}
"""Keys that say how long and where a run runs, not what it finds: they may change when it is resumed."""


@dataclass(frozen=True)
class Objective:
    """A cost to make small (``min``) or large (``max``)."""

    cost: str
    goal: Literal["min", "max"]


@dataclass(frozen=True)
class Exploration:
    """One exploration: a design space, and what is known of it.

    Args:
        name: ``explore_0``, ``explore_1``, ..., or the name it was given.
        groups: the groups it explores, as written.
        valid_costs: costs that are learned; empty for all.
        pre_evaluated_data: table of known results, or None.
        only_preloaded: explore the rows of that table alone.
        tables: file name of each table, by its key, such as ``all_table``.
        stop: its own rules for when it is enough.
    """

    name: str
    groups: tuple[str, ...]
    space: DesignSpace
    valid_costs: tuple[str, ...]
    pre_evaluated_data: Path | None
    only_preloaded: bool
    tables: Mapping[str, str]
    stop: StopSection = field(default_factory=StopSection)


@dataclass(frozen=True)
class Config:
    """A checked configuration.

    Args:
        source: the JSON file.
        folder: its folder; files are looked up there first.
        text: the file as given; with includes, all of it merged.
        digest: what identifies a run: everything but its length, its workers and where it runs.
        costs: names of the measured costs, in the order in which results list them.
        derived_costs: name of each derived cost to its expression over knobs and the costs before it.
        units: unit of each cost and knob that has one.
        declared_space: all knobs with all their values, whatever the groups; without constraints.
        python_path: folders in which plugins are looked for.
        variables: ``DEFFE_DIR``, ``DEFFE_CONFIG_DIR`` and ``DEFFE_EXP_DIR``.
        notes: what a user should know of the file, though it is no fault.
    """

    source: Path
    folder: Path
    text: str
    digest: str
    costs: tuple[str, ...]
    derived_costs: Mapping[str, Expression]
    units: Mapping[str, str]
    objectives: tuple[Objective, ...]
    explorations: tuple[Exploration, ...]
    declared_space: DesignSpace
    python_path: tuple[Path, ...]
    variables: Mapping[str, str]
    model: ModelSection
    exploration: ExplorationSection
    sampling: SamplingSection
    evaluate: EvaluateSection
    extract: ExtractSection
    framework: FrameworkSection
    slurm: SlurmSection
    dask: DaskSection
    notes: tuple[str, ...] = ()

    @property
    def all_costs(self) -> tuple[str, ...]:
        """Measured costs, then derived ones."""
        return (*self.costs, *self.derived_costs)

    def find(self, path: str) -> Path | None:
        """A file or folder named in the configuration: beside the JSON file, then in the current folder."""
        return find_file(expand(path, {**os.environ, **self.variables}), (self.folder, Path.cwd()))

    def GetModel(self) -> ModelSection:
        """The section ``model``."""
        return self.model

    def GetExploration(self) -> ExplorationSection:
        """The section ``exploration``."""
        return self.exploration

    def GetSampling(self) -> SamplingSection:
        """The section ``sampling``."""
        return self.sampling

    def GetEvaluate(self) -> EvaluateSection:
        """The section ``evaluate``."""
        return self.evaluate

    def GetExtract(self) -> ExtractSection:
        """The section ``extract``."""
        return self.extract

    def GetFramework(self) -> FrameworkSection:
        """The section ``framework``."""
        return self.framework

    def GetSlurm(self) -> SlurmSection:
        """The section ``slurm``."""
        return self.slurm


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a configuration, for editors that complete and check."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **File.model_json_schema()}


def load(path: str | Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check a configuration.

    Args:
        path: the JSON file.
        environ: what ``$NAME`` in the file stands for.
    Raises:
        ConfigError: all faults of the file, each with its place.
    """
    source = Path(path)
    folder = source.absolute().parent
    known = _variables(folder, environ)
    tree = read_tree(source, {**environ, **known})
    faults = Faults(tree.data, tree.faults)
    file = read_file(tree.data, faults)
    if file is not None:
        check(file, faults, lambda name: find_file(name, (folder, Path.cwd())))
    if faults.found or file is None:
        raise ConfigError(str(source), faults.found)
    explorations = [_explore(file, i, entry, folder, faults) for i, entry in enumerate(explore_entries(file))]
    declared = _declared_space(file, faults)
    if faults.found or declared is None:
        raise ConfigError(str(source), faults.found)
    found = tuple(exploration for exploration in explorations if exploration is not None)
    config = _config(file, source, tree.text, known, found, declared)
    return replace(config, notes=(*_unset(tree.data, {**environ, **known}, config), *_doubts(file)))


def _unset(data: Object, variables: Mapping[str, str], config: Config) -> Iterator[str]:
    """A note on each ``$NAME`` of the file that stands for nothing; knobs are filled in where a script is called."""
    own = {name for p in config.declared_space.parameters for name in (p.name, p.map)} | {INDEX}
    for place, name in dict.fromkeys(unset(data, variables, own)):
        yield f"{place}: the variable {name} is not set, and stays as it is written"


def _doubts(file: File) -> Iterator[str]:
    """A note on each key of Slurm that looks misspelt."""
    places = {"slurm": file.slurm, "evaluate.slurm": file.evaluate.slurm, "extract.slurm": file.extract.slurm}
    for place, section in places.items():
        yield from (f"{place}.{doubt}" for doubt in (section.doubts if section is not None else ()))


def _variables(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """What a configuration and its scripts may refer to besides the environment."""
    package = Path(deffe.__file__).resolve().parent
    checkout = package.parents[1]
    home = checkout if (checkout / "framework" / "run_deffe.py").is_file() else package
    return {
        "DEFFE_DIR": environ.get("DEFFE_DIR") or str(home),
        "DEFFE_CONFIG_DIR": str(folder),
        "DEFFE_EXP_DIR": str(Path.cwd()),
    }


def _config(
    file: File,
    source: Path,
    text: str,
    variables: Mapping[str, str],
    explorations: tuple[Exploration, ...],
    declared: DesignSpace,
) -> Config:
    measured = tuple(cost.name for cost in file.costs if not cost.expression)
    folder = source.absolute().parent
    names = [*declared.names, *(cost.name for cost in file.costs)]
    return Config(
        source=source,
        folder=folder,
        text=text,
        digest=_digest(file),
        costs=measured,
        derived_costs={cost.name: Expression(cost.expression, names) for cost in file.costs if cost.expression},
        units={cost.name: cost.unit for cost in file.costs if cost.unit},
        objectives=objectives_of(file),
        explorations=explorations,
        declared_space=declared,
        python_path=_python_path(file.python_path, (folder, Path.cwd())),
        variables=variables,
        model=file.model,
        exploration=file.exploration,
        sampling=file.sampling,
        evaluate=file.evaluate,
        extract=file.extract,
        framework=file.framework,
        slurm=file.slurm,
        dask=file.dask,
    )


def _digest(file: File) -> str:
    kept = file.model_dump(mode="json", exclude=_NOT_IDENTITY, exclude_defaults=True)
    return hashlib.blake2b(
        json.dumps({name: part for name, part in kept.items() if part}, sort_keys=True).encode(), digest_size=16
    ).hexdigest()


def objectives_of(file: File) -> tuple[Objective, ...]:
    """The objectives of a file; all costs, to be made small, where it names none."""
    given = file.objectives or file.sampling.cost_objective
    if given:
        return tuple(Objective(objective.cost, objective.goal) for objective in given)
    return tuple(Objective(cost.name, "min") for cost in file.costs)


def _python_path(names: Iterable[str], folders: Iterable[Path]) -> tuple[Path, ...]:
    """Each folder beside the JSON file and in the current folder, as far as they are there."""
    found = [find_file(name, (folder,)) for name in names for folder in folders]
    return tuple(dict.fromkeys(path for path in found if path is not None and path.is_dir()))


def _explore(file: File, index: int, entry: ExploreEntry, folder: Path, faults: Faults) -> Exploration | None:
    """Make one exploration; None when its faults do not allow it."""
    path: Keys = (*EXPLORE, index) if file.exploration.explore else ("knobs",)
    space = _space(file, [Group.parse(text) for text in entry.groups], path, faults)
    if space is None:
        return None
    return Exploration(
        name=exploration_name(entry, index),
        groups=entry.groups,
        space=space,
        valid_costs=entry.valid_costs,
        pre_evaluated_data=find_file(entry.pre_evaluated_data, (folder, Path.cwd())),
        only_preloaded=entry.only_preloaded,
        tables={field: getattr(entry, field) for field in ExploreEntry.model_fields if field.endswith("_table")},
        stop=entry.stop,
    )


def _space(file: File, groups: Sequence[Group], path: Keys, faults: Faults) -> DesignSpace | None:
    entries = entries_of(file)
    before = len(faults.found)
    parameters = make_parameters(select(entries, groups), faults)
    names = {parameter.name for parameter in parameters}
    if len(faults.found) > before:
        return None
    if not names:
        faults.add(
            (*path, "groups"), "no knob belongs to these groups", "knobs without groups are in every exploration"
        )
        return None
    every = [entry.name for entry in entries]
    _check_derived(file, set(every) - names, faults)
    constraints = [Constraint.parse(text, every) for text in file.constraints]
    try:
        space = DesignSpace(
            tuple(parameters),
            tuple(c for c in constraints if c.names <= names),
            derived=tuple(feature for feature in _features(file, every) if feature.expression.names <= names),
        )
        _ = space.size  # an empty space is a fault of the configuration
        _check_features(file, space, faults)
        return space
    except SpaceError as error:
        faults.add(path, error.message, error.hint)
        return None


def _features(file: File, names: Sequence[str]) -> list[DerivedFeature]:
    return [DerivedFeature(feature.name, Expression(feature.expression, names), feature.scale)
            for feature in file.features]  # fmt: skip


def _check_features(file: File, space: DesignSpace, faults: Faults) -> None:
    """Every declared feature must be a finite number at every point."""
    before = len(faults.found)
    places = {feature.name: ("features", i) for i, feature in enumerate(file.features)}
    for feature in space.derived:
        try:
            derived_column(feature, space)
        except SpaceError as error:
            faults.add(places[feature.name], error.message, error.hint)
    try:
        if len(faults.found) == before:
            _ = space.feature_map
    except SpaceError as error:
        faults.add(("features",), error.message, error.hint)


def _check_derived(file: File, absent: set[str], faults: Faults) -> None:
    """A derived cost must be computable in every exploration."""
    names = {entry.name for entry in entries_of(file)} | {cost.name for cost in file.costs}
    for i, cost in enumerate(file.costs):
        lacking = sorted(Expression(cost.expression, names).names & absent) if cost.expression else []
        if lacking:
            what = f"it needs the knob {lacking[0]!r}, which not every exploration takes"
            faults.add(("costs", i, "expression"), what, "add the knob's group to exploration.explore")


def _declared_space(file: File, faults: Faults) -> DesignSpace | None:
    """All knobs with all their values, without conditions: what a table of results may refer to."""
    parameters = make_parameters(select(entries_of(file), [Group(ALL)]), faults)
    if not parameters:
        return None
    return DesignSpace(tuple(replace(parameter, when=None) for parameter in parameters))
