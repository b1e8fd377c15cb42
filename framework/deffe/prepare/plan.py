"""Everything an exploration needs, found and checked before its first point is evaluated."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from deffe.api import Framework
from deffe.config import Config, Exploration, Section
from deffe.errors import ConfigError, DeffeError, Fault, PluginError
from deffe.options import split_arguments
from deffe.plugins import KINDS, Plugin, find_module, load, load_all
from deffe.prepare.settings import LoopArguments, Settings
from deffe.prepare.transfer import sources_of
from deffe.space import Constraint, DesignSpace
from deffe.space.derived_costs import DerivedCosts
from deffe.tables import Results, read_results


@dataclass(frozen=True)
class Plan:
    """One exploration, ready to run.

    Args:
        space: what is explored: the design space, or the rows of a table of known results.
        known: results that are looked up instead of evaluated, or None.
        learned: names of the costs that the model learns.
        evaluator, extractor: None when nothing is evaluated.
        model: None when nothing is learned.
    """

    exploration: Exploration
    space: DesignSpace
    known: Results | None
    learned: tuple[str, ...]
    sampler: Plugin
    explorer: Plugin
    evaluator: Plugin | None
    extractor: Plugin | None
    model: Plugin | None

    @property
    def name(self) -> str:
        return self.exploration.name


def make_plans(config: Config, settings: Settings, flags: Mapping[str, Any], log: logging.Logger) -> list[Plan]:
    """Plan every exploration of a configuration.

    Raises:
        ConfigError: the faults of all of them.
    """
    for note in config.notes:
        log.warning("%s: %s", config.source, note)
    plans: list[Plan] = []
    faults: list[Fault] = []
    for exploration in config.explorations:
        try:
            plans.append(_Planner(config, exploration, settings, flags, log).plan())
        except ConfigError as error:
            faults.extend(fault for fault in error.faults if fault not in faults)
        except DeffeError as error:
            fault = Fault(exploration.name, error.message, error.hint)
            faults.append(fault)
    if faults:
        raise ConfigError(str(config.source), faults)
    return plans


def known_table(exploration: Exploration, flags: Mapping[str, Any]) -> Path | None:
    """The file of the table of known results of an exploration, if one is named."""
    given = flags.get("pre_evaluated_data") or (not flags.get("inference_only") and flags.get("input"))
    return Path(given) if given else exploration.pre_evaluated_data


@dataclass(frozen=True)
class _Planner:
    config: Config
    exploration: Exploration
    settings: Settings
    flags: Mapping[str, Any]
    log: logging.Logger

    def plan(self) -> Plan:
        full = self._validated(self.exploration.space)
        known = None if self._inference and self.settings.icp else self._known_results(full)
        inference = self._inference or bool(self.flags.get("model_extract_dir"))
        only_known = not inference and (self.settings.only_preloaded or self.exploration.only_preloaded)
        if only_known and known is None:
            raise ConfigError(
                str(self.config.source),
                [
                    Fault(
                        f"{self.exploration.name}.pre_evaluated_data",
                        "only known results are to be explored, but no table of them is named",
                        "set pre_evaluated_data, or give -pre-evaluated-data FILE",
                    )
                ],
            )
        space = full.listed(known.levels) if only_known and known is not None else full
        plugins = self._plugins(space, only_known, evaluates=not only_known and not inference)
        return Plan(
            exploration=self.exploration,
            space=space,
            known=known,
            learned=self._learned(),
            sampler=plugins["sampling"],
            explorer=plugins["exploration"],
            evaluator=plugins.get("evaluate"),
            extractor=plugins.get("extract"),
            model=plugins.get("model"),
        )

    @property
    def _inference(self) -> bool:
        return bool(self.flags.get("inference_only"))

    def _learned(self) -> tuple[str, ...]:
        valid = self.exploration.valid_costs or self.config.all_costs
        exact = DerivedCosts(self.config.costs, self.config.derived_costs).exact
        return tuple(cost for cost in valid if cost not in (*self.config.model.exclude_costs, *exact))

    def _known_results(self, space: DesignSpace) -> Results | None:
        path = known_table(self.exploration, self.flags)
        if path is None:
            return None
        results = read_results(path, space, self.config.costs, declared=self.config.declared_space)
        for note in results.notes:
            self.log.info("%s: %s", path.name, note)
        return results

    def _validated(self, space: DesignSpace) -> DesignSpace:
        name = self.config.sampling.validate_module
        if not self.settings.validate_points:
            return space
        if not name:
            self.log.warning("-validate-module: sampling.validate_module is not set, so no point is filtered")
            return space
        module, _, _ = find_module(KINDS["sampler"], name, self.config.find, self.config.python_path)
        get_object = getattr(module, "GetObject", None)
        validate = getattr(get_object(), "Validate", None) if callable(get_object) else None
        if not callable(validate):
            raise PluginError(
                f"sampling.validate_module {name!r} has no GetObject().Validate", "Validate({name: value}) -> bool"
            )
        constraint = Constraint.of_predicate(validate, name, space.names)
        return replace(space, constraints=(*space.constraints, constraint))

    def _plugins(self, space: DesignSpace, only_known: bool, evaluates: bool) -> dict[str, Plugin]:
        config, frame = self.config, partial(self._framework, space)
        wanted = {
            "sampling": partial(load, "sampler", *self._sampler(frame, only_known)),
            "exploration": partial(load, "explorer", self._explorer(), frame("exploration", config.exploration)),
        }
        if evaluates:
            evaluate = replace(frame("evaluate", config.evaluate), overrides={"keep": self.settings.keep})
            wanted["evaluate"] = partial(load, "evaluator", config.evaluate.pyscript, evaluate)
            wanted["extract"] = partial(load, "extractor", config.extract.pyscript, frame("extract", config.extract))
        by_checkpoint = (self._inference and self.settings.icp) or self.flags.get("model_extract_dir")
        if self.settings.train and not self.settings.dry_run and not by_checkpoint:
            wanted["model"] = partial(self._load_model, frame("model", config.model))
        return load_all(str(config.source), wanted)

    def _load_model(self, frame: Framework) -> Plugin:
        costs, settings = self._learned(), self.settings
        full = replace(
            frame,
            costs=costs,
            overrides=settings.model_flags,
            arguments=settings.model_arguments,
            sources=sources_of(self.config, settings, frame.space, costs, self.log),
        )
        return load("model", self._model(), full)

    def _framework(self, space: DesignSpace, place: str, section: Section) -> Framework:
        return Framework(
            space=space,
            costs=self.config.costs,
            folder=self.settings.folder,
            log=self.log,
            config=self.config,
            exploration=self.exploration,
            section=section,
            place=place,
            name=place,
            seed=self.settings.seed,
            workers=self.settings.workers,
            dry_run=self.settings.dry_run,
            arguments=section.arguments,
        )

    def _sampler(self, frame: Any, only_known: bool) -> tuple[str, Framework]:
        section = self.config.sampling
        taken, others = split_arguments(section.arguments, LoopArguments)
        named = section.pyscript if section.pyscript not in ("", "_sampling.py", "_sampling") else ""
        method = self.flags.get("sampling_method") or named or section.method or taken.get("method")
        if not method:
            method = "in_order" if only_known else "random"
        return str(method), replace(frame("sampling", section), arguments=others)

    def _explorer(self) -> str:
        return self.config.sampling.optimize_sample_sequence_module or self.config.exploration.pyscript

    def _model(self) -> str:
        section = self.config.model
        if section.ml_model_script:
            return section.ml_model_script
        return section.ml_model_type or section.pyscript
