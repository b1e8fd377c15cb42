"""Notes what a checkpoint of the original does not tell: the order of its inputs and their ranges."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deffe.checkpoint import Inputs, read_foreign, write_side_file
from deffe.config import Config
from deffe.errors import UsageError, nearest
from deffe.prepare.settings import Settings
from deffe.prepare.transfer import restored


def import_checkpoint(config: Config, settings: Settings, flags: Mapping[str, Any], say: Callable[[str], None]) -> int:
    """Write ``FILE.json`` beside the file of ``-import-checkpoint``, once the network is found to take these inputs.

    The inputs are those of ``-columns``, or the knobs of the configuration that vary; ranges are those of the
    configuration, but for those of ``-ranges``.
    """
    path = Path(flags["import_checkpoint"])
    if not path.is_file():
        raise UsageError(f"-import-checkpoint: there is no file {path}", "the Keras HDF5 file of a network")
    columns = [name for word in flags.get("columns") or () for name in word.split(",") if name]
    repeated = [name for name in columns if columns.count(name) > 1]
    if repeated:
        raise UsageError(f"-columns: {repeated[0]!r} stands there twice", "each input has a knob of its own")
    space = config.explorations[0].space
    ranges = _ranges(flags.get("ranges") or ())
    inputs = Inputs.of(space, columns, ranges)
    unused = [name for name in ranges if name not in inputs.ranges]
    if unused:
        raise UsageError(f"-ranges: {unused[0]!r} is no input of the network", nearest(unused[0], list(inputs.ranges)))
    restored(config, settings, read_foreign(path, space, inputs))
    try:
        note = write_side_file(path, inputs)
    except OSError as error:
        hint = "copy the checkpoint to a folder where you may write"
        raise UsageError(f"the note beside {path} cannot be written: {error.strerror or error}", hint) from error
    say(f"{note} written: {inputs.text}")
    return 0


def _ranges(words: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The ranges of ``KNOB=LO..HI``."""
    found = {}
    for word in (part for given in words for part in given.split(",") if part):
        name, equals, span = word.partition("=")
        low, dots, high = span.partition("..")
        try:
            ends = float(low), float(high)
        except ValueError:
            ends = math.nan, math.nan
        if not (name and equals and dots and math.isfinite(ends[0]) and math.isfinite(ends[1]) and ends[0] < ends[1]):
            raise UsageError(f"-ranges: got {word!r}", "KNOB=LO..HI with LO below HI, such as l1d_size=1..64")
        found[name] = ends
    return found
