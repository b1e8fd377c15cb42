"""The command line's options, one record each; parser, help and documentation are made from them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from deffe.errors import UsageError


@dataclass(frozen=True)
class Flag:
    """One option.

    Args:
        name: without dashes; ``-name`` and ``--name`` are both understood.
        help: what it does, with its default.
        kind: how its value is read; None for a switch.
        many: takes several values.
        metavar: what its value is called in the help.
        optional: its value may be left out, and is empty then.
        repeated: it may be given several times, and what is given each time is kept apart.
        aliases: other names of it.
    """

    name: str
    help: str
    kind: Callable[[str], Any] | None = None
    many: bool = False
    metavar: str = ""
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    optional: bool = False
    repeated: bool = False

    @property
    def dest(self) -> str:
        """The key its value is found under."""
        return self.name.replace("-", "_")


WHICH = "RUN is its directory or configuration (that of -run-directory, else of -config)"
GROUPS: dict[str, tuple[Flag, ...]] = {
    "what to do": (
        Flag("config", "the configuration (config.json)", str, metavar="FILE"),
        Flag("validate", "check the configuration and its plugins, run nothing"),
        Flag("schema", "print the JSON Schema of configurations"),
        Flag("no-run", "write what would be run for the first step to RUN_DIR/no_run, run nothing"),
        Flag(
            "inference-only",
            "evaluate nothing: predict by -icp, or learn from the run directory or -pre-evaluated-data and predict",
        ),
        Flag(
            "status", f"tell what a run has done, does, and has left to do; {WHICH}", str, False, "RUN", optional=True
        ),
        Flag("tail", f"tell each point as it ends, until the run does; {WHICH}", str, False, "RUN", optional=True),
        Flag(
            "effects", f"tell what drives each cost, and write tables of it; {WHICH}", str, False, "RUN", optional=True
        ),
        Flag(
            "predict",
            "predict a point, its other knobs as in the best measured one; given again, further points; the run is "
            "that of -run-directory, else of -config",
            str,
            many=True,
            metavar="KNOB=VALUE",
            repeated=True,
        ),
        Flag(
            "compare",
            "what several runs of one design space came to, side by side; a RUN is a run directory, a configuration or "
            "a table, LABEL=RUN groups runs",
            str,
            many=True,
            metavar="RUN",
        ),
        Flag(
            "export",
            "write all results of a run to -output, as a table or an Optuna study",
            str,
            choices=("csv", "parquet", "optuna"),
        ),
        Flag(
            "report",
            f"write a page, pictures and a workbook to -output; {WHICH}",
            str,
            False,
            "RUN",
            optional=True,
        ),
        Flag(
            "serve",
            f"show the page of a run as it goes on; {WHICH}",
            str,
            False,
            "RUN",
            optional=True,
        ),
        Flag("port", "port of -serve (a free one)", int, metavar="N"),
        Flag("cancel", "end the Slurm jobs that a run has left in the queue; the run can be gone on with"),
        Flag("version", "print the version"),
    ),
    "known results": (
        Flag("pre-evaluated-data", "table of known results, used instead of pre_evaluated_data", str, metavar="CSV"),
        Flag("only-preloaded-data-exploration", "explore the rows of the table of known results, run no script"),
        Flag(
            "input",
            "points to predict with -inference-only; else a table, only whose rows are explored",
            str,
            metavar="CSV",
        ),
        Flag(
            "output",
            "predictions of -inference-only (predictions.csv), results of -export (deffe_results with its ending), "
            "folder of the tables of -effects (the current one), table of -predict (none), "
            "folder of -compare (the current one), folder of -report (RUN_DIR_report)",
            str,
            metavar="FILE",
        ),
        Flag("full-exploration", "take every point in one step"),
        Flag("emulate-preload-feed", "accepted; rows of the table always pass through the loop like evaluated ones"),
        Flag("hold-evaluated-data", "accepted; a point is never evaluated twice"),
    ),
    "steps and samples": (
        Flag("sampling-method", "how points are chosen (random)", str, metavar="NAME"),
        Flag("init-batch-samples", "N: the first step takes 3 N points and later ones 2 N (20)", int, metavar="N"),
        Flag("fixed-samples", "N: the first step takes -init-batch-samples points and later ones N", int, metavar="N"),
        Flag("custom-samples", "totals reached after each step", int, many=True, metavar="N"),
        Flag("step-start", "first step (0)", int, metavar="N"),
        Flag("step-end", "the step to end before; -1 for no end (-1)", int, metavar="N"),
        Flag("step-increment", "blocks of points taken by one step (1)", int, metavar="N"),
        Flag("max-samples", "points of the whole run at most (1000000)", int, metavar="N"),
        Flag("max-evaluations", "points evaluated at most; those looked up are free", int, metavar="N"),
        Flag("max-hours", "start no point after so many hours, over all starts of the run", float, metavar="H"),
        Flag("max-start-hours", "start no point after so many hours of this start", float, metavar="H"),
        Flag("max-core-hours", "start no point once the points have taken so many core hours", float, metavar="H"),
        Flag("patience", "stop when so many steps have improved the best too little", int, metavar="STEPS"),
        Flag("min-gain", "stop when no point is expected to improve the best by more", float, metavar="PERCENT"),
        Flag("validate-module", "ask sampling.validate_module about each point", aliases=("validate-samples",)),
        Flag("seed", "seed of every random draw (0)", int, metavar="N"),
    ),
    "evaluation": (
        Flag("run-directory", "where the run is kept (framework.run_directory, explore)", str, metavar="DIR"),
        Flag("workers", "points evaluated at the same time (one a core)", int, metavar="N"),
        Flag("batch-size", "points of a step where nothing else says so, batch of networks", int, metavar="N"),
        Flag("evaluate-batch-size", "points evaluated at the same time, if -workers is not given", int, metavar="N"),
        Flag("extract-batch-size", "accepted; points are extracted as they finish", int, metavar="N"),
        Flag("mlmodel-batch-size", "batch of networks, over -batch-size", int, metavar="N"),
        Flag("evaluate-out-flow", "accepted; each result is passed on as it is known", int, metavar="N"),
        Flag("keep", "run directories to keep (all)", str, choices=("all", "failed", "none")),
        Flag(
            "max-failed", "stop when more points have failed; by default when the first 20 all fail", int, metavar="N"
        ),
        Flag("retry-failed", "evaluate the failed and timed-out points of the run directory again"),
        Flag(
            "executor",
            "where points are evaluated (framework.executor, local)",
            str,
            choices=("local", "slurm", "dask"),
        ),
        Flag("no-slurm", "run on this machine, whatever the configuration says of Slurm"),
        Flag("pipeline", "start the next points as slots fall free, and learn meanwhile (framework.pipeline)"),
        Flag("disable-threading", "one point at a time"),
    ),
    "learning": (
        Flag("no-train", "do not learn"),
        Flag("no-inference", "do not predict the points that were not evaluated"),
        Flag(
            "target-error",
            "stop evaluating at this error of unseen points, and predict the rest",
            float,
            metavar="PERCENT",
        ),
        Flag("predict-limit", "points of the rest to predict at most (100000)", int, metavar="N"),
        Flag("predict-space", "predict every point of the space, however many: the tables keep to -predict-limit"),
        Flag(
            "train-test-split",
            "share of the points to train on, the rest being a test set (1.0)",
            float,
            metavar="SHARE",
        ),
        Flag(
            "validation-split",
            "share of the training points that networks choose their weights by (0.2)",
            float,
            metavar="SHARE",
        ),
        Flag("epochs", "epochs of networks", int, metavar="N"),
        Flag("loss", "loss of networks", str, metavar="NAME"),
        Flag("load-train-test", "take the split into training and test points from step0-train-indices.npy and so on"),
        Flag("plot-loss", "draw losses and errors into loss.png"),
        Flag("plot-model", "draw the layers of a network into model-COST.png of the run directory"),
        Flag("bounds-no-check", "accepted; features lie in 0..1 by construction"),
    ),
    "checkpoints": (
        Flag("icp", "checkpoints, one a cost: to predict with, or for the model to start from", str, True, "PATH"),
        Flag("no-checkpoints", "keep no checkpoints and no indices of the points that were learned from"),
        Flag("trust-checkpoint", "load checkpoints in formats that can run code: only what you trust as a program"),
        Flag("model-extract-dir", "measure every checkpoint of this folder on the known results", str, metavar="DIR"),
        Flag("model-stats-output", "table of those measurements (evaluate-model-output.csv)", str, metavar="CSV"),
        Flag("import-checkpoint", "note columns and ranges of a Keras file of the original", str, metavar="HDF5"),
        Flag("columns", "its knobs in the order of its inputs (those that vary, by name)", str, True, "KNOB"),
        Flag("ranges", "what its inputs 0 and 1 stand for (the range of each knob)", str, True, "KNOB=LO..HI"),
    ),
    "messages": (Flag("debug", "say more, and show tracebacks"),),
}


class Help(argparse.HelpFormatter):
    """Shows an option once, with one dash."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        value = "" if action.nargs == 0 else " " + self._format_args(action, str(action.metavar or action.dest.upper()))
        return action.option_strings[0] + value


class Parser(argparse.ArgumentParser):
    """Takes names of options whole, and reports a wrong argument like any other fault."""

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        return []  # ``allow_abbrev`` sees to whole names for two dashes alone

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.prog} -h lists all options")


def all_flags() -> list[Flag]:
    """Every option, in the order of the help."""
    return [flag for group in GROUPS.values() for flag in group]


def make_parser(version: str) -> argparse.ArgumentParser:
    """The parser of the command line; options that are not given are absent from its result."""
    parser = Parser(
        prog="run_deffe",
        usage="run_deffe [-config FILE] [options]",
        formatter_class=Help,
        description="Explore a design space: few simulations, honest predictions, nothing lost.",
        epilog="Running the same command again goes on where it stopped. Every option may be written -name or --name. "
        "Tables of results are combined, computed with and drawn by: run_deffe tables -h",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        add_help=False,
    )
    parser.add_argument("-h", "-help", "--help", action="help", help="show this help")
    for title, flags in GROUPS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            _add(group, flag, version)
    return parser


def _add(group: Any, flag: Flag, version: str) -> None:
    names = [f"{dashes}{name}" for name in (flag.name, *flag.aliases) for dashes in ("-", "--")]
    if flag.name == "version":
        group.add_argument(*names, action="version", version=f"deffe {version}", help=flag.help)
    elif flag.kind is None:
        group.add_argument(*names, dest=flag.dest, action="store_true", help=flag.help)
    else:
        group.add_argument(
            *names,
            dest=flag.dest,
            type=flag.kind,
            help=flag.help,
            metavar="|".join(flag.choices) or flag.metavar,
            choices=flag.choices or None,
            nargs="+" if flag.many else "?" if flag.optional else None,
            **({"const": ""} if flag.optional else {}),
            **({"action": "append"} if flag.repeated else {}),
        )
