"""What governs a run: the configuration's settings with the command line's on top."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deffe.config import Config
from deffe.errors import ConfigError, Fault, UsageError
from deffe.metrics import DEFAULT_LOSS
from deffe.options import Options, OptionsT, split_arguments
from deffe.prepare.schedule import DEFAULT_INIT, Schedule

MODEL_FLAGS = ("epochs", "batch_size", "loss", "plot_model")
"""Command-line flags that are options of whichever model is in use."""
STOP_FLAGS = {
    "evaluations": "max_evaluations",
    "hours": "max_hours",
    "start_hours": "max_start_hours",
    "core_hours": "max_core_hours",
    "target_error": "target_error",
    "patience": "patience",
    "predicted_gain": "min_gain",
}
"""Keys of ``exploration.stop`` and the flags that replace them."""
VALIDATION_SHARE = 0.2
UNSET = ("init_batch_samples", "fixed_samples", "batch_size", "evaluate_batch_size", "mlmodel_batch_size", "epochs")
"""Flags for which older scripts write -1 to say: not given."""


class LoopArguments(Options):
    """Those options of the ``arguments`` strings of older configurations that the loop acts on."""

    method: str | None = None
    custom_samples: tuple[int, ...] | None = None
    fixed_samples: int | None = None


class LearningArguments(Options):
    """The options among a model's arguments that the loop acts on, and not the model."""

    train_test_split: float | None = None
    validation_split: float | None = None
    load_train_test: bool = False
    plot_loss: bool = False
    icp: tuple[str, ...] = ()


class SharedArguments(Options):
    """The options among a model's arguments that both the model and the loop act on."""

    tl_samples: bool = False
    loss: str = ""


@dataclass(frozen=True)
class Settings:
    """How a run is run, apart from what is explored.

    Args:
        folder: the run directory.
        target_error: percent; evaluation stops when the model's worst error is at most this; None for never.
        predict_limit: points of the remaining space that are predicted and written at most.
        predict_space: predict all of it, whatever its size, and keep the best.
        train_share: share of the points that is learned from, the rest is a test set.
        validation_share: share of those learned from that weights are chosen by.
        saved_split: take both from the files that an earlier run wrote.
        warm_start: each step goes on from what the step before has learned.
        checkpoints: keep what was learned at each step.
        icp: checkpoints to predict with or to start from, one a cost.
        trust: load checkpoints in formats that could run code.
        loss: what checkpoints are measured by.
        plot_loss: draw losses and errors.
        max_failed: trials that may fail before the run stops; None for no limit.
        keep: run directories kept: ``all``, ``failed`` or ``none``.
        executor, extract_on: where points are evaluated and extracted: ``local``, ``slurm`` or ``dask``.
        private: nobody else may look into the run directory, when it is made.
        retry_failed: evaluate failed and timed-out points of an earlier run again.
        pipeline: steps overlap, so that no slot waits for the slowest point of a step.
        model_flags: options of the model given on the command line.
        stop_flags: rules of ``exploration.stop`` given on the command line, by their keys.
    """

    folder: Path
    schedule: Schedule
    seed: int
    workers: int
    target_error: float | None
    predict_limit: int
    train_share: float
    train: bool
    infer: bool
    only_preloaded: bool
    full_exploration: bool
    validate_points: bool
    dry_run: bool
    max_failed: int | None
    keep: str
    executor: str = "local"
    extract_on: str = "local"
    private: bool = True
    retry_failed: bool = False
    pipeline: bool = False
    predict_space: bool = False
    validation_share: float = VALIDATION_SHARE
    saved_split: bool = False
    warm_start: bool = False
    checkpoints: bool = True
    icp: tuple[str, ...] = ()
    trust: bool = False
    loss: str = DEFAULT_LOSS
    plot_loss: bool = False
    model_arguments: Sequence[str] = ()
    model_flags: Mapping[str, object] = field(default_factory=dict)
    stop_flags: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config, flags: Mapping[str, Any]) -> Settings:
        """Merge the flags given (those not given are absent or None) over the configuration.

        Raises:
            UsageError: a value that makes no sense.
        """
        flags = {name: value for name, value in flags.items() if not (value == -1 and name in UNSET)}
        settings = cls(
            folder=Path(_first(flags.get("run_directory"), config.framework.run_directory)).absolute(),
            schedule=_schedule(config, flags),
            seed=int(_first(flags.get("seed"), config.framework.seed, 0)),
            workers=_workers(config, flags),
            target_error=_first(
                flags.get("target_error"), config.exploration.target_error, config.exploration.stop.target_error
            ),
            predict_limit=int(_first(flags.get("predict_limit"), config.exploration.predict_limit)),
            predict_space=bool(flags.get("predict_space") or config.exploration.predict_space),
            train=not flags.get("no_train"),
            pipeline=bool(flags.get("pipeline") or config.framework.pipeline),
            infer=not flags.get("no_inference"),
            only_preloaded=bool(flags.get("only_preloaded_data_exploration") or flags.get("input")),
            full_exploration=bool(flags.get("full_exploration")),
            validate_points=bool(flags.get("validate_module")),
            dry_run=bool(flags.get("no_run")),
            max_failed=_first(flags.get("max_failed"), config.evaluate.max_failed),
            keep=_first(flags.get("keep"), config.evaluate.keep),
            executor=_executor(config, flags),
            extract_on=_extract_on(config, flags),
            private=config.framework.private,
            retry_failed=bool(flags.get("retry_failed")),
            model_flags=_model_flags(flags),
            stop_flags={key: flags[flag] for key, flag in STOP_FLAGS.items() if flags.get(flag) is not None},
            **_learning(config, flags),
        )
        settings._check()
        return settings

    def _check(self) -> None:
        target = self.target_error
        rules = {
            "seed": (self.seed, self.seed >= 0, "0 or more"),
            "predict-limit": (self.predict_limit, self.predict_limit >= 0, "0 or more"),
            **{
                f"{STOP_FLAGS[key].replace('_', '-')}": (found, found > 0, "above 0")
                for key, found in self.stop_flags.items()
            },
            "target-error": (target, target is None or target > 0, "a percentage above 0"),
            "max-failed": (self.max_failed, self.max_failed is None or self.max_failed >= 0, "0 or more"),
        }
        for name, (found, fine, allowed) in rules.items():
            if not fine:
                raise UsageError(f"-{name}: got {found}", f"allowed: {allowed}")


def _learning(config: Config, flags: Mapping[str, Any]) -> dict[str, Any]:
    """What governs learning, by the names of ``Settings``."""
    learning, model_arguments = _read(config, "model.ml_arguments", config.model.all_arguments, LearningArguments)
    shared, _ = _read(config, "model.ml_arguments", model_arguments, SharedArguments)
    options = config.model.options

    def share(name: str, default: float) -> object:
        return _first(flags.get(name), getattr(learning, name), options.get(name), default)

    return {
        "train_share": _share("-train-test-split", share("train_test_split", 1.0)),
        "validation_share": _share("-validation-split", share("validation_split", VALIDATION_SHARE), 0.0),
        "saved_split": bool(flags.get("load_train_test") or learning.load_train_test),
        "warm_start": bool(shared.tl_samples or options.get("tl_samples")),
        "checkpoints": not flags.get("no_checkpoints"),
        "icp": tuple(flags.get("icp") or learning.icp),
        "trust": bool(flags.get("trust_checkpoint")),
        "loss": str(_first(flags.get("loss"), options.get("loss"), shared.loss, DEFAULT_LOSS)),
        "plot_loss": bool(flags.get("plot_loss") or learning.plot_loss),
        "model_arguments": model_arguments,
    }


def _model_flags(flags: Mapping[str, Any]) -> dict[str, object]:
    given = {name: flags[name] for name in MODEL_FLAGS if flags.get(name) not in (None, [], "")}
    return {**given, "batch_size": flags["mlmodel_batch_size"]} if flags.get("mlmodel_batch_size") else given


def _first(*values: Any) -> Any:
    """The first value that is given."""
    return next((value for value in values if value not in (None, "")), None)


def _share(name: str, value: object, least: float | None = None) -> float:
    """A share above 0 and at most 1; with ``least``, from there to below 1."""
    try:
        share = float(str(value))
    except ValueError:
        share = -1.0
    if least is None and not 0 < share <= 1:
        raise UsageError(f"{name}: got {value}", "allowed: a share above 0, at most 1")
    if least is not None and not least <= share < 1:
        raise UsageError(f"{name}: got {value}", f"allowed: a share of at least {least:g}, below 1")
    return share


def _read(config: Config, place: str, text: Any, model: type[OptionsT]) -> tuple[OptionsT, list[str]]:
    """Read the loop's own options from an argument string; the words of the others are the plugin's."""
    try:
        taken, others = split_arguments(text, model)
        return model.model_validate(taken), others
    except ValueError as error:
        raise ConfigError(str(config.source), [Fault(place, str(error))]) from error


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _workers(config: Config, flags: Mapping[str, Any]) -> int:
    if flags.get("disable_threading"):
        return 1
    asked = _first(
        flags.get("workers"), flags.get("evaluate_batch_size"), config.evaluate.workers, config.evaluate.batch_size
    )
    # the original's -batch-size is a number of points as well; it is not taken to ask for thousands of processes
    most = max(1, cores() // config.evaluate.cpus)
    workers = int(_first(asked, min(int(flags.get("batch_size") or most), most)))
    if workers < 1:
        raise UsageError(f"-workers: got {workers}", "allowed: 1 or more")
    return workers


def _executor(config: Config, flags: Mapping[str, Any]) -> str:
    """Where points are evaluated: the command line, then ``evaluate.slurm``, then ``framework.executor``."""
    asked, without = flags.get("executor"), flags.get("no_slurm")
    if without and asked == "slurm":
        raise UsageError("-no-slurm and -executor slurm contradict each other", "give one of them")
    if asked is None and config.evaluate.slurm is not None and not without:
        return "slurm"
    found = str(asked or config.framework.executor or "local")
    return "local" if without and found == "slurm" else found


def _extract_on(config: Config, flags: Mapping[str, Any]) -> str:
    wanted = config.extract.slurm is not None and not flags.get("no_slurm") and flags.get("executor") != "local"
    return "slurm" if wanted else "local"


def _schedule(config: Config, flags: Mapping[str, Any]) -> Schedule:
    sampling = config.sampling
    older, _ = _read(config, "sampling.arguments", sampling.arguments, LoopArguments)
    custom = tuple(flags.get("custom_samples") or ())
    if not custom and not _first(flags.get("init_batch_samples"), flags.get("fixed_samples")):
        custom = tuple(sampling.custom_samples or older.custom_samples or ())
    batch_size = flags.get("batch_size")
    given = {
        "init": _first(flags.get("init_batch_samples"), sampling.init_batch_samples, batch_size, DEFAULT_INIT),
        "fixed": _first(flags.get("fixed_samples"), sampling.fixed_samples, older.fixed_samples),
        "start": _first(flags.get("step_start"), sampling.step_start, 0),
        "end": _first(flags.get("step_end"), sampling.step_end, -1),
        "increment": _first(flags.get("step_increment"), sampling.step_increment, 1),
        "limit": _first(flags.get("max_samples"), sampling.max_samples, 1_000_000),
    }
    return Schedule(custom=custom, **given)
