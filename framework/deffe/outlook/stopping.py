"""When an exploration is enough: rules that hold for every explorer, in steps and in pipeline mode."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.config import Config, Exploration, Objective
from deffe.config.schema import StopSection
from deffe.learn.learner import Learner
from deffe.metrics import to_minimise
from deffe.outlook.by_model import Outlook
from deffe.outlook.counting import counting
from deffe.outlook.merit import improvement
from deffe.outlook.spent import Meter, Spent, cores_of
from deffe.prepare.executors import Executors
from deffe.prepare.plan import Plan
from deffe.prepare.settings import Settings
from deffe.records import Batch, Costs, ModelReport, State
from deffe.space.derived_costs import DerivedCosts
from deffe.store import ExplorationHistory, Store

LEAST_POINTS = 20
"""Points that an error is measured on before it can end an exploration."""
DEFAULT_IMPROVEMENT = 1.0
HOURS = tuple(field.name for field in fields(Spent))
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Rules:
    """The rules of one exploration; what is None never ends it.

    Args:
        evaluations: points evaluated at most.
        run: hours of the run, all its explorations together.
        own: hours of this exploration alone.
        target_error: percent.
        patience, improvement: steps, and the percent that they must bring.
        predicted_gain: percent.
        objectives: what the last three of these look at.
    """

    evaluations: int | None
    run: StopSection
    own: StopSection
    target_error: float | None
    patience: int | None
    improvement: float
    predicted_gain: float | None
    objectives: tuple[Objective, ...]

    @classmethod
    def of(cls, config: Config, settings: Settings, exploration: Exploration) -> Rules:
        """The command line's over those of the exploration's entry, and these over the common ones."""
        flags, own, common = settings.stop_flags, exploration.stop, config.exploration.stop

        def first(name: str) -> Any:
            values = (flags.get(name), getattr(own, name), getattr(common, name))
            return next((value for value in values if value is not None), None)

        target = first("target_error")
        hours = {name: flags.get(name, getattr(common, name)) for name in HOURS}
        named = own.objectives or common.objectives
        return cls(
            evaluations=first("evaluations"),
            run=StopSection.model_construct(**{**StopSection().model_dump(), **hours}),
            own=own,
            target_error=config.exploration.target_error if target is None else target,
            patience=first("patience"),
            improvement=_or(first("improvement"), DEFAULT_IMPROVEMENT),
            predicted_gain=first("predicted_gain"),
            objectives=tuple(o for o in config.objectives if not named or o.cost in named),
        )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


# the rules, each a reason to stop or an empty text


def over_budget(limits: StopSection, spent: Spent, who: str) -> str:
    """Which of the hours of ``limits`` ``who`` has used up."""
    said = {
        "hours": "hours of wall time over all starts",
        "start_hours": "hours of wall time since this start",
        "core_hours": "core hours",
    }
    for name in HOURS:
        limit, used = getattr(limits, name), getattr(spent, name)
        if limit is not None and used >= limit:
            return f"{who} has taken {used:.3g} {said[name]}, and {limit:g} are allowed ({name})"
    return ""


def reached(report: ModelReport | None, target_error: float | None) -> str:
    """Whether the worst cost's error, in percent, on enough points that the model had not seen, is at the target."""
    if report is None or target_error is None or not report.costs:
        return ""
    if min(cost.points for cost in report.costs) < LEAST_POINTS:
        return ""  # an error of a handful of points says little, and may be small by luck
    if any(not math.isfinite(cost.mape) for cost in report.costs):
        return ""
    worst = max(report.costs, key=lambda cost: cost.mape)
    if worst.mape > target_error:
        return ""
    return (
        f"the error of the model, {worst.mape:.3g} % for {worst.cost} ({worst.method}), "
        f"has reached the target of {target_error:g} %"
    )


def not_judged(report: ModelReport | None, target_error: float | None) -> list[str]:
    """Costs that have no percentage error, so that the target error cannot be judged."""
    if report is None or target_error is None:
        return []
    return [cost.cost for cost in report.costs if not math.isfinite(cost.mape) and cost.points >= LEAST_POINTS]


def no_improvement(
    steps: NDArray[np.int64], open_: NDArray[np.bool_], costs: Costs, patience: int, least: float
) -> str:
    """Whether the last ``patience`` finished steps have brought less than ``least`` % of the best or the hypervolume.

    Args:
        steps: (n,) the step of each point.
        open_: (n,) points that have not ended.
        costs: (n, k) to be minimised; NaN for points that are not done.
    """
    finished = np.setdiff1d(steps, steps[open_])
    if len(finished) <= patience:
        return ""
    done = np.isfinite(costs).all(axis=1)
    late = finished[-patience:]
    after = done & np.isin(steps, finished)
    before = after & ~np.isin(steps, late)
    if not before.any():
        return ""
    gained = improvement(costs[before], costs[after])
    if gained >= least:
        return ""
    what = "the best" if costs.shape[1] == 1 else "the hypervolume of the Pareto front"
    span = "the last step has" if patience == 1 else f"the last {patience} steps have"
    return f"{span} improved {what} by {gained:.2g} %, less than {least:g} % (patience)"


class Stopper:
    """Applies the rules of one exploration. Only the loop's thread calls it, but for ``judge``."""

    def __init__(
        self,
        config: Config,
        settings: Settings,
        plan: Plan,
        index: int,
        store: Store,
        executors: Executors,
        log: logging.Logger,
    ) -> None:
        self.rules = Rules.of(config, settings, plan.exploration)
        self._config, self._settings, self._plan, self._index = config, settings, plan, index
        self._store, self._executors, self._log = store, executors, log
        names = [exploration.name for exploration in config.explorations]
        local = settings.executor == "local"
        self.meter = Meter(store, index, names, executors, cores_of(config, settings), local)
        self._counting, self._told = counting(plan), False
        executors.evaluate.take_more()

    def budget(self) -> str:
        """Why no further point may be started: hours that are used up. Nothing is started from then on."""
        why = over_budget(self.rules.run, self.meter.run(), "the run")
        why = why or over_budget(self.rules.own, self.meter.own(), self._plan.name)
        if why and not self._settings.dry_run:
            self._executors.evaluate.take_no_more()
            return why
        return ""

    @property
    def holding(self) -> bool:
        """Whether points are left waiting because a budget is used up."""
        return not self._executors.evaluate.taking

    def room(self) -> int | None:
        """Points that may still be proposed for evaluation; None for any number."""
        if self.rules.evaluations is None:
            return None
        known = len(self._store.known(self._index))
        free = self._store.tally(self._index, "source").get("pre_evaluated", 0) if self._free else 0
        return max(0, self.rules.evaluations - known + free)

    def full(self) -> str:
        """Why no further point may be proposed: the evaluations are used up."""
        if self.room() != 0:
            return ""
        return f"the evaluations allowed, {self.rules.evaluations:,}, are done (evaluations)"

    def trim(self, batch: Batch) -> Batch:
        """The first points of a proposal, as far as the budget of evaluations goes."""
        room = self.room()
        if room is None:
            return batch
        known = self._plan.known
        free = known.find(batch.ids)[1] if self._free and known is not None else np.zeros(len(batch), dtype=bool)
        return batch.take(np.cumsum(~free) <= room)

    @property
    def _free(self) -> bool:
        """Points that are looked up cost nothing, unless looking up stands for evaluating."""
        return self._plan.evaluator is not None

    def history(self) -> ExplorationHistory | None:
        """What the rules that look at results need of the store; None where there is no such rule."""
        rules = self.rules
        return None if rules.patience is None and rules.predicted_gain is None else self._store.history(self._index)

    def judge(
        self, history: ExplorationHistory | None, report: ModelReport | None, learner: Learner | None, step: int
    ) -> str:
        """Why what is known is enough, by the rules that look at results; may be called from another thread."""
        rules = self.rules
        unknown = not_judged(report, rules.target_error)
        if unknown and not self._told:
            self._told = True
            text = "the target error cannot be judged: %s has no percentage error, as where a cost is 0; %s"
            self._log.warning(text, ", ".join(unknown), "leave such costs out by model.exclude_costs")
        why = reached(report, rules.target_error)
        if why or history is None:
            return why
        columns = [self._config.all_costs.index(objective.cost) for objective in rules.objectives]
        if rules.patience is not None:
            costs = to_minimise(history.costs[:, columns], [objective.goal for objective in rules.objectives])
            costs[~self._counting.of(history.levels)] = np.nan
            open_ = history.states < State.DONE
            why = no_improvement(history.steps, open_, costs, rules.patience, rules.improvement)
        if not why and rules.predicted_gain is not None and learner is not None and report is not None:
            why = self._little_to_gain(history, learner, step)
        return why

    def _little_to_gain(self, history: ExplorationHistory, learner: Learner, step: int) -> str:
        rng = np.random.default_rng([self._settings.seed, self._index, step])
        outlook = Outlook.of_sample(
            self._plan.space, self._config, self.rules.objectives, history, learner, rng, self._counting
        )
        gain = outlook.gain()
        least = self.rules.predicted_gain
        if gain is None or least is None or gain >= least:
            return ""
        what = "the best" if len(self.rules.objectives) == 1 else "the hypervolume"
        return (
            f"the most promising point that was not evaluated is expected to improve {what} by {gain:.2g} %, "
            f"less than {least:g} % (predicted_gain)"
        )


def never(config: Config, settings: Settings, plan: Plan) -> list[str]:
    """A line for each rule of an exploration that can never hold, and why."""
    rules, lines = Rules.of(config, settings, plan.exploration), []
    learns = plan.model is not None and bool(plan.learned)
    why = "nothing is learned" + ("" if settings.train else " (-no-train)")
    if rules.target_error is not None and not learns:
        lines.append(f"target_error can never be reached: {why}")
    if rules.predicted_gain is not None:
        predicted = (*plan.learned, *DerivedCosts(config.costs, config.derived_costs).exact)
        absent = [objective.cost for objective in rules.objectives if objective.cost not in predicted]
        why = why if not learns else f"the model does not learn {', '.join(absent)}" if absent else ""
        lines += [f"predicted_gain can never hold: {why}"] if why else []
    most = _steps(plan, settings)
    if rules.patience is not None and most is not None and rules.patience >= most:
        lines.append(f"patience can never hold: it is of {rules.patience} steps, and there are {most} at most")
    if rules.patience is None and (plan.exploration.stop.improvement or config.exploration.stop.improvement):
        lines.append("improvement has no effect: it says how much the steps of patience must bring, and there is none")
    if plan.evaluator is None and (rules.run.core_hours or rules.own.core_hours):
        lines.append("core_hours can never be used up: only known results are explored")
    return lines


def _steps(plan: Plan, settings: Settings) -> int | None:
    """The steps that an exploration has at most; None where there are too many to count."""
    if settings.full_exploration:
        return 1
    counted = sum(1 for _ in islice(settings.schedule.steps(plan.space.size), MOST_COUNTED))
    return counted if counted < MOST_COUNTED else None
