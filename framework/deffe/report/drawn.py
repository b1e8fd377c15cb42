"""All charts of a run, in the order of the page."""

from __future__ import annotations

from dataclasses import dataclass

from deffe.report.catalogue import Catalogue, Link
from deffe.report.charts import Chart
from deffe.report.content import Part
from deffe.report.effects import effects, responses
from deffe.report.fronts import best_so_far, pareto_front
from deffe.report.learning import judged, learning_curve
from deffe.report.parallel import parallel
from deffe.report.progress import progress, spending


@dataclass(frozen=True)
class Drawn:
    """The charts of an exploration, and the points that they point at."""

    part: Part
    charts: tuple[Chart, ...]
    catalogue: Catalogue


def draw(part: Part, link: Link) -> Drawn:
    """The charts of an exploration; ``link`` tells where the page finds the folders of points."""
    catalogue = Catalogue(part, link)
    charts = (
        pareto_front(part, catalogue),
        best_so_far(part, catalogue),
        learning_curve(part),
        judged(part, catalogue),
        parallel(part),
        effects(part),
        *responses(part),
        progress(part),
        spending(part),
    )
    return Drawn(part, charts, catalogue)
