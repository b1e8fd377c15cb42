"""Central composite design: the corners, the axes and the centre of the space."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pydoe

from deffe.api import Features, Field, Framework, Options

from ._finite import CodedSampler

Face = Literal["ccf", "cci", "ccc"]
Alpha = Literal["orthogonal", "rotatable"]


class CentralCompositeOptions(Options):
    face: Face = Field(
        default="ccf",
        description="faced (axial points and corners at the extremes), inscribed or circumscribed "
        "(axial points at the extremes, corners inside: a knob has no values beyond its range)",
    )
    alpha: Alpha = Field(default="orthogonal", description="distance of the axial points from the centre (cci, ccc)")


def central_composite(knobs: int, face: Face, alpha: Alpha) -> Features:
    """Two-level corners, two axial points a knob, and the centre.

    Returns:
        (2**knobs + 2 * knobs + 2, knobs) in [-1, 1]; the axial points are at -1 and +1.
    Source: Box, Wilson, J. Royal Statistical Society B 13(1), 1951, doi:10.1111/j.2517-6161.1951.tb00067.x.
    """
    design = np.asarray(pydoe.ccdesign(knobs, center=(1, 1), alpha=alpha, face=face), dtype=np.float64)
    return design / max(1.0, float(np.abs(design).max())) if face == "ccc" else np.clip(design, -1.0, 1.0)


class CentralComposite(CodedSampler):
    """Corners, axial points and centre, for a quadratic model."""

    def __init__(self, framework: Framework) -> None:
        super().__init__(framework)
        self._options = framework.options(CentralCompositeOptions)

    def coded(self, knobs: int) -> Features:
        return central_composite(knobs, self._options.face, self._options.alpha)

    def least_runs(self, knobs: int) -> int:
        return int(2**knobs) + 2 * knobs + 1


def GetObject(framework: Framework) -> CentralComposite:
    return CentralComposite(framework)
