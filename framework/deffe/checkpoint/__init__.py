"""Checkpoints: what was learned of one cost, with all that is needed to use it years later."""

from __future__ import annotations

from pathlib import Path

from deffe.checkpoint.folder import MANIFEST, read_folder, write
from deffe.checkpoint.foreign import Inputs, read_foreign, side_file, write_side_file
from deffe.checkpoint.record import About, Checkpoint, parse_name
from deffe.checkpoint.restored import CheckpointModel
from deffe.errors import CheckpointError
from deffe.space import DesignSpace

__all__ = [
    "MANIFEST",
    "About",
    "Checkpoint",
    "CheckpointModel",
    "Inputs",
    "parse_name",
    "read",
    "read_foreign",
    "side_file",
    "write",
    "write_side_file",
]


def read(path: Path, space: DesignSpace | None = None) -> Checkpoint:
    """Read a checkpoint and verify that all of it is there and as it was written.

    Args:
        path: its folder; or a Keras HDF5 file of the original.
        space: where knobs and ranges of such a file come from, if no side file tells them.
    Raises:
        CheckpointError: it is not there, cut short, damaged, of another kind, or of a newer format.
    """
    path = path.parent if path.name == MANIFEST else path
    if path.is_dir():
        return read_folder(path)
    if not path.exists():
        raise CheckpointError(f"the checkpoint {path} does not exist", "name a folder of checkpoints/, or an HDF5 file")
    return read_foreign(path, space)
