"""Checkpoints of the original: Keras files, with a note beside them of what they do not tell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deffe.checkpoint.folder import FORMAT, KIND, mark
from deffe.checkpoint.record import About, Checkpoint, parse_name
from deffe.errors import CheckpointError
from deffe.plugins import foreign_models
from deffe.space import DesignSpace, FeatureMap, Parameter


@dataclass(frozen=True)
class Inputs:
    """What an HDF5 file of the original does not tell: its knobs, in order, and their ranges.

    Args:
        ranges: {knob: (value at 0, value at 1)}, in the order of the network's inputs.
        told: where this comes from, for the log.
    """

    ranges: Mapping[str, tuple[float, float]]
    told: str = ""

    @classmethod
    def of(
        cls,
        space: DesignSpace,
        columns: Sequence[str] = (),
        ranges: Mapping[str, tuple[float, float]] | None = None,
    ) -> Inputs:
        """Those of a configuration: knobs that vary, by name, from their smallest to their largest value.

        Args:
            columns: the knobs in order, if they are others or in another order.
            ranges: ranges of some of them, where they are others.
        Raises:
            CheckpointError: a knob without a known range, or with values that are no numbers.
        """
        given, own = dict(ranges or {}), {p.name: p for p in space.parameters}
        by_map = {p.map: p.name for p in space.parameters}
        wanted = columns or [p.name for p in space.parameters if len(p) > 1 or p.name in given]
        names = [name if name in own or name in given else by_map.get(name, name) for name in wanted]
        told = "the given columns" if columns else "the knobs that vary, in alphabetical order"
        return cls({name: given.get(name) or _range(name, own) for name in names}, told)

    @property
    def text(self) -> str:
        """One line."""
        return ", ".join(f"{name} {low:g}..{high:g}" for name, (low, high) in self.ranges.items())


def _range(name: str, own: Mapping[str, Parameter]) -> tuple[float, float]:
    if name not in own:
        hint = f"-ranges {name}=LO..HI; knobs: {', '.join(own)}"
        raise CheckpointError(f"no range is known of the column {name!r}", hint)
    if not own[name].is_numeric:
        raise CheckpointError(f"the knob {name!r} has values that are no numbers", f"-ranges {name}=LO..HI")
    return float(own[name].numbers.min()), float(own[name].numbers.max())


def side_file(path: Path) -> Path:
    """Where the inputs of a file of the original are noted: ``kmeans.hdf5.json``."""
    return path.with_name(f"{path.name}.json")


def write_side_file(path: Path, inputs: Inputs) -> Path:
    """Note the inputs of a file beside it; the note's path. OSError where it cannot be written."""
    note = {
        "kind": f"{KIND} inputs",
        "format": FORMAT,
        "file": {"name": path.name, **mark(path)},
        "inputs": [{"knob": name, "low": low, "high": high} for name, (low, high) in inputs.ranges.items()],
    }
    side_file(path).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
    return side_file(path)


def _read_side_file(path: Path) -> Inputs | None:
    note = side_file(path)
    if not note.is_file():
        return None
    try:
        data = json.loads(note.read_text(encoding="utf-8"))
        ranges = {str(entry["knob"]): (float(entry["low"]), float(entry["high"])) for entry in data["inputs"]}
        same = data["file"]["blake2b"] == mark(path)["blake2b"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{note} cannot be read: {error}", "write it anew: -import-checkpoint") from error
    if not same:
        raise CheckpointError(
            f"{note} was written for another file than {path.name}", "write it anew: -import-checkpoint"
        )
    return Inputs(ranges, note.name)


def read_foreign(path: Path, space: DesignSpace | None, inputs: Inputs | None = None) -> Checkpoint:
    """A checkpoint of another system: a file that a model of ours can restore.

    Args:
        inputs: if given, these count, and not those of the side file or the space.
    Raises:
        CheckpointError: no model reads such files, or nothing tells its inputs.
    """
    models = foreign_models()
    if path.suffix.lower() not in models:
        endings = ", ".join(sorted(models)) or "none"
        raise CheckpointError(
            f"{path} is not a checkpoint", f"a folder of checkpoints/, or a file ending in: {endings}"
        )
    inputs = inputs or _read_side_file(path) or (Inputs.of(space) if space is not None else None)
    if inputs is None:
        raise CheckpointError(f"nothing tells the columns of {path}", "note them beside it: -import-checkpoint")
    named = parse_name(path.name)
    described = {"parameters": [{"name": k, "values": [(lo + hi) / 2]} for k, (lo, hi) in inputs.ranges.items()]}
    about = About(
        model=models[path.suffix.lower()],
        cost="",
        features=FeatureMap.linear(inputs.ranges),
        space=described,
        **named,
    )
    return Checkpoint(path, about, {"inputs": inputs.told})
