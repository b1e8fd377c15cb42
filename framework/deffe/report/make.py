"""``run_deffe -report``: from a run directory to the page and the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from deffe.errors import counted
from deffe.report.catalogue import beside
from deffe.report.charts import Chart, slug
from deffe.report.drawn import Drawn, draw
from deffe.report.folder import BOOK, MARK, PAGE, check_folder, explained, write
from deffe.report.gather import gather
from deffe.report.libraries import need
from deffe.report.page import page, shown
from deffe.tables.columns import unique_names
from deffe.words import short

FORMS = ("png", "pdf")
NEEDED = ("plotly", "matplotlib", "xlsxwriter")


def make_report(folder: Path, output: str, say: Callable[[str], None]) -> int:
    """Write the report of a run; the exit code.

    Args:
        folder: the run directory.
        output: the folder to write; empty for one beside the run directory, ``RUN_DIR_report``.
    Raises:
        UsageError: a library is not there, or a file cannot be written or is something else.
        StoreError: the run directory cannot be read.
    """
    for name in NEEDED:
        need(name, "-report")
    folder = folder.absolute()
    target = Path(output).absolute() if output else folder.with_name(f"{folder.name}_report")
    run = gather(folder)
    drawn = [draw(part, beside(target)) for part in run.parts]
    pictures = named_pictures(drawn)
    check_folder(target, [PAGE, BOOK, *(f"{name}.{form}" for name, _, _ in pictures for form in FORMS)])
    with explained(target):
        target.mkdir(parents=True, exist_ok=True)
    from plotly.offline import get_plotlyjs

    from deffe.report.pictures import rendered
    from deffe.report.workbook import workbook

    text = page(shown(run, drawn), get_plotlyjs(), MARK)
    for name, title, chart in pictures:
        for form, content in rendered(chart, title, MARK):
            write(target / f"{name}.{form}", content)
    write(target / BOOK, workbook(run, drawn, MARK))
    write(target / PAGE, text.encode("utf-8", "xmlcharrefreplace"))
    others = f"with {counted(len(pictures), 'picture')} as PNG and PDF and {BOOK} beside it"
    say(f"{short(target / PAGE)}: the report of {short(folder)}, {others}")
    return 0


def named_pictures(drawn: Sequence[Drawn]) -> list[tuple[str, str, Chart]]:
    """Name of the files without their ending, title, and chart, of every chart that shows something."""
    several = len(drawn) > 1
    found = [(one, chart) for one in drawn for chart in one.charts if chart.panels]
    names = unique_names(f"{slug(one.part.name)}-{chart.key}" if several else chart.key for one, chart in found)
    titles = [f"{one.part.name}: {chart.title}" if several else chart.title for one, chart in found]
    return [(name, title, chart) for name, title, (_, chart) in zip(names, titles, found, strict=True)]
