"""Calls a Python function once a point, in worker processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from deffe.api import Batch, Evaluator, Executor, Field, Framework, Options, Outcome, State, Value
from deffe.errors import ConfigError, Fault
from deffe.executors import CallEnd
from deffe.executors.worker import explain

from ._functions import PointCall, find_function

PLACE = "evaluate.options.function"
WITHOUT_EFFECT = frozenset({"memory_mib", "retry_delay_s"})
"""Keys of the section evaluate for jobs, not for calls."""


class FunctionOptions(Options):
    """Options of the evaluator function."""

    function: str = Field(
        description="module:function or file.py:function; called with the values of a point as keyword arguments, "
        "or with one dict if its only parameter is named point; returns {cost: number}, the numbers in the order of "
        "costs, or one number"
    )


class Function:
    """Evaluates a point by calling a function; an exception fails that point alone."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._section = framework.config.GetEvaluate()
        self._options = framework.options(FunctionOptions)

    def Initialize(self) -> None:
        """Import the function, and check that points have what it asks for.

        Raises:
            ConfigError: no such function, or parameters that are no knobs.
        """
        framework, space = self._framework, self._framework.space
        for key in sorted(WITHOUT_EFFECT & self._section.model_fields_set):
            if getattr(self._section, key):
                framework.log.warning("evaluate.%s has no effect on Python functions, only on scripts", key)
        try:
            reference = find_function(
                self._options.function, framework.find, framework.config.folder, framework.config.python_path
            )
            self._call = PointCall(reference, framework.costs)
        except (Exception, SystemExit) as error:  # a user's module may fail in any way on import
            fault = Fault(PLACE, str(error) if isinstance(error, ValueError) else explain(error))
            raise ConfigError(str(framework.config.source), [fault]) from error
        conditional = [parameter.name for parameter in space.parameters if parameter.when is not None]
        faults = self._call.faults(space.names, conditional)
        if faults:
            name = self._options.function
            raise ConfigError(str(framework.config.source), [Fault(PLACE, f"{name}: {fault}") for fault in faults])

    def Run(self, batch: Batch, executor: Executor) -> Iterator[Outcome]:
        """Call every point, and again at most ``retries`` times those that failed; yields one outcome a point."""
        rows: list[int] = list(range(len(batch)))
        if self._framework.dry_run:
            self._framework.log.info("%s would be called for %d points", self._options.function, len(rows))
            yield from (self._outcome(row, State.WAITING, "", None, np.nan) for row in rows)
            return
        for attempt in range(self._section.retries + 1):
            again: list[int] = []
            for end in self._calls(executor, batch, rows):
                if end.error and attempt < self._section.retries:
                    again.append(rows[end.index])
                    continue
                state = State.TIMED_OUT if end.timed_out else State.FAILED if end.error else State.DONE
                yield self._outcome(rows[end.index], state, end.error, end.value, end.seconds)
            rows = again

    def _calls(self, executor: Executor, batch: Batch, rows: Iterable[int]) -> Iterator[CallEnd]:
        points: Iterator[dict[str, Value]] = (self._framework.space.trial_values(batch.levels[row]) for row in rows)
        log = self._framework.folder / self._section.output_log
        return executor.call(self._call, points, timeout_s=self._section.timeout_s, log=log)

    def _outcome(self, row: int, state: State, reason: str, costs: tuple[float, ...] | None, seconds: float) -> Outcome:
        none = (np.nan,) * len(self._framework.costs)
        return Outcome(
            rows=np.array([row]),
            states=np.array([state], dtype=np.int8),
            costs=np.array([none if costs is None else costs], dtype=np.float64),
            reasons=(reason,) if reason else (),
            seconds=np.array([seconds]),
        )


def GetObject(framework: Framework) -> Evaluator:
    return Function(framework)
