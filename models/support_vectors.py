"""Support vectors: a smooth surface held up by few points; close on costs without cliffs."""

from __future__ import annotations

from functools import partial

from deffe.api import Field, Framework

from ._learning.learner import TableLearner, restore
from ._learning.options import LearnerOptions
from ._learning.way import Way
from ._smooth.support_vectors import SupportVectors


class SupportVectorOptions(LearnerOptions):
    """Options of the support vectors; of several penalties and widths the best is chosen by cross-validation."""

    penalties: tuple[float, ...] = Field(
        default=(10.0, 100.0), min_length=1, description="penalties of points outside the tolerance"
    )
    widths: tuple[float, ...] = Field(
        default=(0.03, 0.1, 0.3),
        min_length=1,
        description="factors of the squared distance, in units of 1 / (features * their variance)",
    )
    tolerance: float = Field(
        default=0.01, ge=0, description="error that costs nothing, in standard deviations of the target"
    )


def GetObject(framework: Framework) -> TableLearner:
    options = framework.options(SupportVectorOptions)
    make = partial(SupportVectors, options.penalties, options.widths, options.tolerance)
    return TableLearner(framework, [Way("support_vectors", make)], options)


Restore = restore
