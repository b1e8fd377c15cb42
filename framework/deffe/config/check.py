"""What a schema cannot see: whether the names and files that a configuration refers to are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deffe.config.groups import ALL, Entry, Group, check_names, entries_of
from deffe.config.read import UNNAMED
from deffe.config.schema import ExploreEntry, File, StopSection, TransferSource
from deffe.config.text import Faults, Keys, variables_in
from deffe.errors import nearest
from deffe.expressions import Expression
from deffe.space import Constraint
from deffe.values import key

EXPLORE = ("exploration", "explore")


def check(file: File, faults: Faults, find: Callable[[str], Path | None]) -> None:
    """Note every fault of a configuration that needs more than one key to be seen."""
    _Checker(file, faults, find, entries_of(file)).check()


def explore_entries(file: File) -> Sequence[ExploreEntry]:
    """The explorations; one of all groups when none is listed."""
    return file.exploration.explore or (ExploreEntry(groups=(ALL,)),)


def exploration_name(entry: ExploreEntry, index: int) -> str:
    """The name of an exploration, or its number."""
    return entry.name or f"explore_{index}"


@dataclass(frozen=True)
class _Checker:
    file: File
    faults: Faults
    find: Callable[[str], Path | None]
    entries: Sequence[Entry]

    def check(self) -> None:
        check_names(self.entries, self.faults)
        self._knobs()
        self._constraints()
        self._features()
        self._costs()
        self._derived()
        self._uses_of_costs()
        self._explorations()
        self._files()
        if self.file.model.transfer is not None:
            self._transfer(self.file.model.transfer.sources)

    def _given(self, *keys: str) -> bool:
        return any(self.faults.data.get(key) for key in keys)

    def _names(self) -> list[str]:
        return sorted({entry.name for entry in self.entries})

    def _cost_names(self) -> list[str]:
        return [cost.name for cost in self.file.costs if cost.name != UNNAMED]

    def _knobs(self) -> None:
        if not self._given("knobs", "scenarios"):
            self.faults.add(("knobs",), "there are no knobs", 'give at least one: {"name": "size", "values": "1,2-4"}')
        for entry in self.entries:
            others = [name for name in self._names() if name != entry.name]
            if entry.knob.when:
                self._read((*entry.path, "when"), entry.knob.when, others)
            same = [other for other in self.entries if other.name == entry.name]
            values = {key(value) for other in same for value in other.knob.values}
            if entry.knob.base is not None and key(entry.knob.base) not in values:
                self.faults.add((*entry.path, "base"), f"{entry.knob.base!r} is not one of its values")

    def _read(self, path: Keys, text: str, names: Iterable[str]) -> None:
        try:
            Expression(text, list(names))
        except ValueError as error:
            self.faults.add(path, str(error))

    def _constraints(self) -> None:
        for i, text in enumerate(self.file.constraints):
            try:
                Constraint.parse(text, self._names())
            except ValueError as error:
                self.faults.add(("constraints", i), str(error))

    def _features(self) -> None:
        taken = {name: "knob" for entry in self.entries for name in (entry.name, entry.knob.map) if name}
        taken |= dict.fromkeys(self._cost_names(), "cost")
        for i, feature in enumerate(self.file.features):
            for name in (feature.name, feature.name.lower()):
                if name in taken:
                    what = f"the feature {feature.name!r} is named like the {taken[name]} {name!r}"
                    self.faults.add(("features", i), what, "rename one")
                    break
            taken[feature.name] = "feature"
            self._read(("features", i), feature.expression, self._names())

    def _costs(self) -> None:
        if not self._given("costs"):
            self.faults.add(("costs",), "there are no costs", 'name at least one: ["cycles"]')
        elif self.file.costs and all(cost.expression for cost in self.file.costs):
            self.faults.add(("costs",), "all costs are derived", "at least one must be measured, without an expression")
        knobs = {name.lower(): name for entry in self.entries for name in (entry.name, entry.knob.map) if name}
        names = [cost.name for cost in self.file.costs]
        for i, name in enumerate(names):
            if name in names[:i] and name != UNNAMED:
                self.faults.add(("costs", i), f"the cost {name!r} is listed twice", "case does not tell costs apart")
            if name in knobs:
                self.faults.add(("costs", i), f"the cost {name!r} is named like the knob {knobs[name]!r}", "rename one")

    def _derived(self) -> None:
        known = [*self._names(), *(cost.name for cost in self.file.costs if not cost.expression)]
        for i, cost in enumerate(self.file.costs):
            if cost.expression:
                self._read(("costs", i, "expression"), cost.expression, known)
                known.append(cost.name)

    def _uses_of_costs(self) -> None:
        file = self.file
        for section, objectives in (((), file.objectives), (("sampling",), file.sampling.cost_objective)):
            path: Keys = (*section, "cost_objective" if section else "objectives")
            used: list[str] = []
            for i, objective in enumerate(objectives):
                self._known_costs((*path, i), (objective.cost,))
                if objective.cost in used:
                    self.faults.add(
                        (*path, i), f"the cost {objective.cost!r} is an objective twice", "keep one of them"
                    )
                used.append(objective.cost)
        self._known_costs(("model", "exclude_costs"), file.model.exclude_costs)
        self._stop(("exploration", "stop"), file.exploration.stop)
        for i, entry in enumerate(file.exploration.explore or ()):
            self._known_costs((*EXPLORE, i, "valid_costs"), entry.valid_costs)
            self._stop((*EXPLORE, i, "stop"), entry.stop)

    def _stop(self, path: Keys, stop: StopSection) -> None:
        """Objectives that rules name must be there, and a target must not be given twice."""
        given = self.file.objectives or self.file.sampling.cost_objective
        known = [objective.cost for objective in given] or self._cost_names()
        for cost in stop.objectives:
            if cost not in known:
                self.faults.add((*path, "objectives"), f"{cost!r} is no objective", nearest(cost, known))
        target = self.file.exploration.target_error
        if len(path) == 2 and None not in (target, stop.target_error) and target != stop.target_error:
            what = f"{stop.target_error:g} here, and {target:g} in exploration.target_error"
            self.faults.add((*path, "target_error"), what, "give one of them")

    def _known_costs(self, path: Keys, costs: Iterable[str]) -> None:
        for cost in costs:
            if cost not in self._cost_names():
                self.faults.add(path, f"unknown cost {cost!r}", nearest(cost, self._cost_names()))

    def _explorations(self) -> None:
        known = sorted({group for entry in self.entries for group in entry.groups})
        names: list[str] = []
        for i, entry in enumerate(explore_entries(self.file)):
            name = exploration_name(entry, i)
            if name in names:
                self.faults.add((*EXPLORE, i), f"the name {name!r} is used twice", "give explorations different names")
            names.append(name)
            if entry.only_preloaded and not entry.pre_evaluated_data:
                what = "only_preloaded needs a table of known results"
                self.faults.add((*EXPLORE, i, "only_preloaded"), what, "name it as pre_evaluated_data")
            for text in entry.groups:
                self._group((*EXPLORE, i, "groups"), text, known)

    def _group(self, path: Keys, text: str, known: Sequence[str]) -> None:
        try:
            group = Group.parse(text)
        except ValueError as error:
            self.faults.add(path, f"in {text!r}: {error}", "values that replace others are separated by ';'")
            return
        if self.entries and group.name not in known:
            self.faults.add(path, f"unknown group {group.name!r}", nearest(group.name, known))

    def _files(self) -> None:
        """Files that are named must be there; names that are defaults need not."""
        file = self.file
        named: list[tuple[Keys, str]] = [(("sampling", "points"), file.sampling.points)]
        for path, section, script in (
            ("evaluate", file.evaluate, file.evaluate.sample_evaluate_script),
            ("extract", file.extract, file.extract.sample_extract_script),
        ):
            if f"sample_{path}_script" in section.model_fields_set:
                named.append(((path, f"sample_{path}_script"), script))
            named += [((path, "source_scripts", i), name) for i, name in enumerate(section.source_scripts)]
        named += [(("slurm", "source_scripts", i), name) for i, name in enumerate(file.slurm.source_scripts)]
        for i, entry in enumerate(file.exploration.explore or ()):
            named.append(((*EXPLORE, i, "pre_evaluated_data"), entry.pre_evaluated_data))
        for keys, name in named:
            self._file(keys, name)

    def _transfer(self, sources: Sequence[TransferSource]) -> None:
        path: Keys = ("model", "transfer", "from")
        if not self.faults.data["model"]["transfer"].get("from"):
            self.faults.add(path, "there is nothing to learn from", 'list tables or models: [{"table": "known.csv"}]')
        for i, source in enumerate(sources):
            self._file((*path, i, "table"), source.table)
            self._file((*path, i, "checkpoint"), source.checkpoint, folder=True)
            self._known_costs((*path, i, "costs"), source.costs)
            for there, here in source.map.items():
                if here not in self._names():
                    self.faults.add((*path, i, "map", there), f"unknown knob {here!r}", nearest(here, self._names()))

    def _file(self, path: Keys, name: str, *, folder: bool = False) -> None:
        found = self.find(name)
        if not name or (found is not None and (folder or not found.is_dir())):
            return
        if found is not None:
            self.faults.add(path, f"{name!r} is a directory", "name a file")
            return
        guess = nearest(Path(name).name, self._beside(name)).split(" known:")[0]
        looked = "looked beside the JSON file, then in the current folder"
        if variables_in(name):
            looked = f"the variable {variables_in(name)[0]} is not set"
        self.faults.add(path, f"there is no file {name!r}", guess if guess.startswith("did") else looked)

    def _beside(self, name: str) -> list[str]:
        """Names of the files in the folder where a file was expected."""
        folder = self.find(str(Path(name).parent))
        try:
            return sorted(file.name for file in folder.iterdir()) if folder else []
        except OSError:
            return []
