"""The original's checkpoint, and the design space that it was learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "data" / "deffe_checkpoint"


def original_checkpoint() -> Path:
    """Its folder; the test is skipped where that, or what reads it, is not there."""
    if not FOLDER.is_dir():
        pytest.skip("the original's checkpoint is not at hand")
    pytest.importorskip("h5py")
    return FOLDER


def original_knobs(objects: str) -> list[dict[str, Any]]:
    """Its knobs, the numbers of objects as given."""
    ways, sizes = "1, 2, 4, 8", "1, 2, 4, 8, 16, 32, 64"
    knobs = [{"name": f"{cache}_ways", "values": ways} for cache in ("l1d", "l1i", "l2")]
    knobs += [{"name": f"{cache}_size", "values": sizes} for cache in ("l1d", "l1i")]
    knobs += [{"name": "l2_size", "values": f"{sizes}, 128, 256"}, {"name": "cacheline", "values": "16, 32, 64, 128"}]
    return [*knobs, {"name": "kmeans_objects", "map": "options", "values": objects}]
