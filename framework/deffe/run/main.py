"""One call of ``run_deffe``, from the configuration to the summary."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deffe.answer.explored import Explored
from deffe.answer.last_act import Report, tables_of
from deffe.answer.spread import Spread
from deffe.answer.sweep import sweeping
from deffe.config import Config, load
from deffe.config.text import parse
from deffe.errors import DeffeError, JobsCancelledError, TrialLimitError, UsageError
from deffe.learn.plots import figure_maker, plot_losses
from deffe.operate.place import note_origin, note_target
from deffe.outlook.counting import told
from deffe.outlook.stopping import never
from deffe.prepare.executors import Executors, opened
from deffe.prepare.plan import Plan, make_plans
from deffe.prepare.settings import Settings
from deffe.run.loop import StepLoop
from deffe.run.pipeline import PipelineLoop
from deffe.run.progress import default_stream, for_stream
from deffe.run.recorded import Recorded, recorded
from deffe.store import Store
from deffe.tables import TablePaths

Say = Callable[[str], None]
FAILED = 1
PLOT = "loss.png"
LOSS = "loss of the model"


def run(path: str, flags: Mapping[str, Any], log: logging.Logger, say: Say) -> int:
    """Check, explore and report; the exit code.

    Args:
        path: the configuration file.
        flags: the options given on the command line.
        say: where results go.
    Raises:
        DeffeError: with the message for the user and the exit code.
    """
    config = load(path)
    settings = Settings.of(config, flags)
    if flags.get("import_checkpoint"):
        from deffe.learn.importing import import_checkpoint

        return import_checkpoint(config, settings, flags, say)
    if flags.get("cancel"):
        from deffe.run.cancel import cancel

        return cancel(config, settings, say)
    if settings.dry_run:
        settings = replace(settings, folder=settings.folder / "no_run")
    if "effects" in flags or "predict" in flags:
        return _looked_back(config, settings, flags, log, say)
    return _planned(config, settings, flags, log, say)


def _planned(config: Config, settings: Settings, flags: Mapping[str, Any], log: logging.Logger, say: Say) -> int:
    """What needs the plugins of the configuration, checked together."""
    plans = make_plans(config, settings, flags, log)
    for plan in plans:
        for line in never(config, settings, plan):
            log.warning("%s: %s", plan.name, line)
    if flags.get("validate"):
        say(_valid(config, plans))
        return 0
    if flags.get("inference_only"):
        from deffe.queries.inference import infer

        return infer(config, settings, plans, flags, log, say)
    if flags.get("model_extract_dir"):
        from deffe.learn.statistics import measure_checkpoints

        return measure_checkpoints(config, settings, plans, flags, log, say)
    if settings.plot_loss:
        figure_maker()
    if settings.dry_run and settings.folder.exists():
        _remove(settings.folder)  # a rehearsal leaves nothing that a real run depends on
    return _explore(config, settings, plans, log, say)


def _looked_back(config: Config, settings: Settings, flags: Mapping[str, Any], log: logging.Logger, say: Say) -> int:
    """What is asked of a run later; nothing of it is changed."""
    from deffe.queries.effects import effects
    from deffe.queries.what_if import what_if

    plans = make_plans(config, settings, {**flags, "inference_only": True}, log)
    if "predict" in flags:
        return what_if(config, settings, plans, flags, log, say)
    return effects(config, settings, plans, flags, log, say)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        what = f"what an earlier -no-run wrote to {folder} cannot be removed: {error.strerror or error}"
        raise UsageError(what, "remove it, or choose another run directory") from error


def _valid(config: Config, plans: list[Plan]) -> str:
    sizes = ", ".join(f"{plan.name} {plan.space.size:,} points" for plan in plans)
    return f"{config.source}: valid; {sizes}"


def _explore(config: Config, settings: Settings, plans: list[Plan], log: logging.Logger, say: Say) -> int:
    store = _opened(config, settings, plans, log)
    with (
        closing(store),
        opened(config, settings, store, log) as executors,
        recorded(for_stream(default_stream(), log), store, executors.evaluate.under_way, settings, plans) as progress,
    ):
        note_origin(store, config.source, **_told(settings, plans))
        for index, plan in enumerate(plans):
            note_target(store, index, told(plan))
        run = _Run(config, settings, store, executors, progress, log, say)
        for index, (plan, paths) in enumerate(zip(plans, tables_of(plans), strict=True)):
            run.explore(index, plan, paths)
    return 0


def _opened(config: Config, settings: Settings, plans: list[Plan], log: logging.Logger) -> Store:
    return Store.create_or_resume(
        settings.folder,
        spaces=[plan.exploration.space for plan in plans],
        names=[plan.name for plan in plans],
        costs=config.all_costs,
        config_text=config.text,
        digest=config.digest,
        log=log,
        parse=lambda text: parse(text, ""),
        private=settings.private,
    )


@dataclass(frozen=True)
class _Run:
    """What the explorations of a run share."""

    config: Config
    settings: Settings
    store: Store
    executors: Executors
    progress: Recorded
    log: logging.Logger
    say: Say

    def explore(self, index: int, plan: Plan, paths: TablePaths) -> None:
        """Explore, and report."""
        kind = PipelineLoop if self.settings.pipeline and not self.settings.dry_run else StepLoop
        loop = kind(self.config, self.settings, plan, index, self.store, self.executors, self.progress, self.log)
        with _begun():
            try:
                explored = loop.run()
                self.progress.why = explored.stopped
            except BaseException as error:
                self._broken_off(loop, error, index, paths)
                raise
            if self.settings.dry_run:
                self.say(f"{plan.name}: what would be run is in {self.settings.folder}")
            else:
                self._report(explored, index, paths)

    def _broken_off(self, loop: StepLoop, error: BaseException, index: int, paths: TablePaths) -> None:
        """Interrupted or failed: the tables show what is known so far, nothing is predicted."""
        if isinstance(error, (TrialLimitError, JobsCancelledError)):
            self.executors.end_jobs(self.log)
        if self.settings.dry_run:
            return
        loop.result.stopped = error.message if isinstance(error, DeffeError) else "interrupted"
        with contextlib.suppress(DeffeError):
            self.say(Report(self.config, self.settings, loop.result, index, self.store).write(paths).text())

    def _report(self, explored: Explored, index: int, paths: TablePaths) -> None:
        settings = self.settings
        spread = Spread(self.executors.evaluate, self.log) if settings.executor == "dask" else None
        with sweeping(settings, self.executors, self.log) as sweeper:
            summary = Report(self.config, settings, explored, index, self.store, spread, sweeper).write(paths)
        if settings.plot_loss:
            summary.written += _plot(explored, index, self.log)
        self.say(summary.text())


def _told(settings: Settings, plans: list[Plan]) -> dict[str, Any]:
    """What tells this run from others of the same configuration."""
    parts = {
        "sampler": [plan.sampler.name for plan in plans],
        "explorer": [plan.explorer.name for plan in plans],
        "model": [plan.model.name if plan.model else "" for plan in plans],
    }
    return {"seed": settings.seed, **parts}


def _plot(explored: Explored, index: int, log: logging.Logger) -> list[Path]:
    """Draw the losses of an exploration; a plot that fails is not worth failing the run."""
    path = Path.cwd() / (f"{explored.plan.name}-{PLOT}" if index else PLOT)
    try:
        return [plot_losses(path, explored.losses, LOSS)] if explored.losses else []
    except DeffeError as error:
        log.warning("%s", error)
        return []


@contextlib.contextmanager
def _begun() -> Iterator[None]:
    """Nothing is wrong with the call any more: the run has begun, and failed."""
    try:
        yield
    except UsageError as error:
        error.exit_code = FAILED
        raise
