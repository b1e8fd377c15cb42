"""Full factorial: every combination of the values, in index order."""

from __future__ import annotations

from deffe.api import Framework

from .in_order import InOrder


class FullFactorial(InOrder):
    """Every valid combination of the values, the first parameter changing fastest; none is held in memory."""

    def __init__(self, framework: Framework) -> None:
        super().__init__(framework)
        self._framework = framework

    def Initialize(self) -> None:
        """Say how long the design is."""
        space, log = self._framework.space, self._framework.log
        left_out = space.product_size - space.size
        about = "" if space.size_is_exact else "about "
        log.info("full_factorial: %s%s runs; %s combinations are invalid", about, f"{space.size:,}", f"{left_out:,}")


def GetObject(framework: Framework) -> FullFactorial:
    return FullFactorial(framework)
