"""The options of ``run_deffe tables``; steps and pictures keep the order in which they are given."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deffe.errors import UsageError, nearest
from deffe.flags import Flag, Help, Parser
from deffe.table_tools.fronts import DEVIATION
from deffe.table_tools.joining import KEEPS
from deffe.table_tools.run_folders import RESULTS
from deffe.table_tools.series import STATISTICS

READ, STEPS, PICTURES = "what is read", "steps, in the order given", "pictures of the table as it then stands"
COSTS = "COST[::min|max]"
GROUPS: dict[str, tuple[Flag, ...]] = {
    READ: (
        Flag("input", "tables, as those named first", str, True, "FILE", aliases=("files",)),
        Flag("dirname", f"folder of points: their param.json and {RESULTS} become a table", str, metavar="DIR"),
        Flag("results", f"the name of the files with results in them ({RESULTS})", str, metavar="NAME"),
        Flag("identify-failed", "put the rows of failed points into this table, and go on with the others", str,
             metavar="FILE"),
    ),
    STEPS: (
        Flag("combine", "one table of all: rows below one another"),
        Flag("common-columns", "the same with the columns alone that all tables have"),
        Flag("merge", "one table of all: rows that are alike in these columns side by side", str, True, "COLUMN"),
        Flag("stitch", "one table of all: first rows side by side, second rows, and so on"),
        Flag("map", "other names: a::b of a column, column::a::b of its values", str, True, "a::b"),
        Flag("source", "add a column with the file that a row comes from", str, metavar="NAME"),
        Flag("arith", "add or replace a column", str, metavar='"c = a + b"'),
        Flag("condition", "keep the rows where it holds", str, metavar='"a <= 5 && b == c"'),
        Flag("stats", 'add a statistic: of columns, or "c = a min per g" of groups', str, metavar='"c = a min b"'),
        Flag("normalize", 'to 0..1; "a / max", "a / (b == 1) per g"', str, metavar='"a"', aliases=("normalise",)),
        Flag("sequencing", 'number the rows (sequence); "n per g": those of each group', str, metavar="NAME",
             optional=True),
        Flag("just-sufficient", "of the rows that are good enough, keep the cheapest", str,
             metavar='"CONDITION with min a"'),
        Flag("keep-pareto", "keep the Pareto front of -objectives"),
        Flag("keep-non-pareto", "keep the rows that are not on the front"),
        Flag("add-deviation", f"add how far each row is from the front, in percent ({DEVIATION})", str,
             metavar="NAME", optional=True),
        Flag("sort", "order the rows; COLUMN::max for the largest first", str, True, "COLUMN"),
        Flag("unique", "keep the first of rows that are alike in these columns", str, True, "COLUMN"),
        Flag("columns", "keep these columns, in this order", str, True, "COLUMN"),
    ),
    PICTURES: (
        Flag("group-plot", "bars of -y over -x, one for each value of -group", str, metavar="PICTURE"),
        Flag("multi-plot", "lines of -y over -x: a panel for each -y, a line for each -group", str, metavar="PICTURE"),
        Flag("plot-scatter", "points of -y over -x", str, metavar="PICTURE"),
        Flag("plot3d", "points of -z over -x and -y", str, metavar="PICTURE"),
        Flag("pareto", "the front of -objectives among all points", str, metavar="PICTURE"),
        Flag("non-pareto", "the points that are not on the front", str, metavar="PICTURE"),
        Flag("pareto-deviation", "all points, coloured by how far they are from the front", str, metavar="PICTURE"),
    ),
    "what a picture shows": (
        Flag("x", "column (the first objective)", str, metavar="COLUMN"),
        Flag("y", "columns (the second objective)", str, True, "COLUMN"),
        Flag("z", "column of -plot3d", str, metavar="COLUMN"),
        Flag("group", "column whose values get a colour each", str, metavar="COLUMN"),
        Flag("objectives", "what is best low, or high with ::max (-x and -y, low)", str, True, COSTS),
        Flag("statistic", "what stands for several rows at one place (mean)", str, choices=STATISTICS),
        Flag("annotate", "columns written beside the points of a front, or of a scatter", str, True, "COLUMN"),
        Flag("unit", "units for the axes", str, True, "COLUMN=UNIT"),
        Flag("config", "configuration, for its units", str, metavar="FILE"),
    ),
    "how it looks": (
        Flag("title", "heading", str, metavar="TEXT"),
        Flag("xlabel", "text of the x axis (-x and its unit)", str, metavar="TEXT"),
        Flag("ylabel", "text of the y axis", str, metavar="TEXT"),
        Flag("zlabel", "text of the z axis or colour bar", str, metavar="TEXT"),
        Flag("logx", "logarithmic x axis"),
        Flag("logy", "logarithmic y axis"),
        Flag("xlim", "ends of the x axis", float, True, "LOW HIGH"),
        Flag("ylim", "ends of the y axis", float, True, "LOW HIGH"),
        Flag("figsize", "width and height in inches (8 5)", float, True, "W H"),
        Flag("dpi", "dots an inch of PNG (150)", int, metavar="N"),
        Flag("font-size", "size of the texts in points (10)", float, metavar="N"),
        Flag("legend", "where the legend is (right; inside for fronts)", str, choices=("right", "inside", "none")),
        Flag("colors", "colours of the groups, by name or #rrggbb", str, True, "COLOUR"),
        Flag("markers", "markers of the groups, such as o s ^", str, True, "MARKER"),
        Flag("marker-size", "size of markers in points (6)", float, metavar="N"),
        Flag("line-width", "width of lines in points (1.5)", float, metavar="N"),
        Flag("rotate", "degrees by which the texts of the x axis are turned (0)", float, metavar="N"),
        Flag("no-grid", "no lines of a grid"),
    ),
    "the rest": (
        Flag("output", "the table: .csv, .xlsx or .parquet; without one, or a picture, its first rows are shown", str,
             metavar="FILE"),
        Flag("merge-keep", "rows of -merge: with partners in all, all of the first table, or all (both)", str,
             choices=KEEPS),
        Flag("overwrite", "replace tables and other files that are there"),
        Flag("debug", "show tracebacks"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A command line that was read.

    Args:
        inputs: the tables, in order.
        steps: name and value of each step and picture, in order.
        options: all other options that are given, by name without dashes.
    """

    inputs: tuple[str, ...]
    steps: tuple[tuple[str, Any], ...]
    options: dict[str, Any]


class _Step(argparse.Action):
    """Appends an option to the steps."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        steps = [*getattr(namespace, "steps", ()), (self.dest, [] if values is None else values)]
        namespace.steps = steps


def make_parser() -> argparse.ArgumentParser:
    """The parser of the options behind ``run_deffe tables``."""
    parser = Parser(
        prog="run_deffe tables",
        usage="run_deffe tables [FILE ...] [steps and pictures] [-output FILE]",
        formatter_class=Help,
        description="Combine, compute, select and draw tables of results.",
        epilog="Steps and pictures are done in the order in which they are given; steps before -combine, -merge or "
        "-stitch are done on each table.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        add_help=False,
    )
    parser.add_argument("-h", "-help", "--help", action="help", help="show this help")
    parser.add_argument("inputs", nargs="*", metavar="FILE", help=".csv, .xlsx (FILE.xlsx#SHEET) or .parquet")
    for title, flags in GROUPS.items():
        group = parser.add_argument_group(title)
        for flag in flags:
            _add(group, flag, ordered=title in (STEPS, PICTURES))
    return parser


def _add(group: Any, flag: Flag, *, ordered: bool) -> None:
    names = [dash + name for name in (flag.name, *flag.aliases) for dash in ("-", "--")]
    if flag.kind is None:
        how = {"action": _Step, "nargs": 0} if ordered else {"action": "store_true"}
        group.add_argument(*names, dest=flag.name, help=flag.help.replace("%", "%%"), **how)
        return
    group.add_argument(
        *names,
        dest=flag.name,
        type=flag.kind,
        help=flag.help.replace("%", "%%"),
        metavar="|".join(flag.choices) or flag.metavar,
        choices=flag.choices or None,
        nargs="+" if flag.many else "?" if flag.optional else None,
        **({"const": ""} if flag.optional else {}),
        **({"action": _Step} if ordered else {}),
    )


def read_call(words: Sequence[str]) -> Call:
    """Read the words behind ``run_deffe tables``; UsageError for what is no option."""
    found, unknown = make_parser().parse_known_intermixed_args(list(words))
    if unknown:
        known = [f"-{name}" for flags in GROUPS.values() for flag in flags for name in (flag.name, *flag.aliases)]
        hint = nearest(unknown[0], known).split(" known:")[0].removeprefix("known:") if unknown[0][:1] == "-" else ""
        close = f"{hint.strip()}; " if hint.startswith("did") else ""
        raise UsageError(f"unknown argument {unknown[0]!r}", f"{close}run_deffe tables -h lists all options")
    options = vars(found)
    inputs = (*options.pop("inputs", ()), *options.pop("input", ()))
    return Call(tuple(inputs), tuple(options.pop("steps", ())), options)
