"""Checkpoints as folders: written whole or not at all, and read only when they are as they were written."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import deffe
from deffe.checkpoint.record import About, Checkpoint
from deffe.errors import CheckpointError, DeffeError, counted
from deffe.records import Ids

FORMAT = 1
MANIFEST = "checkpoint.json"
POINTS = "points.npy"
VALIDATION = "validation.npy"
KIND = "deffe checkpoint"
LIBRARIES = (
    *("numpy", "scipy", "pandas", "sklearn", "skops", "xgboost", "catboost", "lightgbm", "h5py", "safetensors"),
    *("torch", "gpytorch", "botorch", "keras", "tensorflow", "jax"),
)
"""Libraries whose versions are noted where they were in use."""


def write(
    parent: Path,
    about: About,
    points: Ids,
    save: Callable[[Path], Mapping[str, Any]],
    validation: Ids | None = None,
) -> Path:
    """Write a checkpoint; it is there as a whole or not at all.

    Args:
        parent: the folder of checkpoints; made if it is not there. One of the same name is replaced.
        points: identities of the points that were learned from.
        save: writes the model's files into an empty folder and returns facts for JSON.
        validation: those of the points that only chose the weights; None where that is not known.
    Returns:
        the checkpoint's folder.
    Raises:
        OSError: it cannot be written. Besides, whatever ``save`` raises.
        CheckpointError: the facts are no JSON.
    """
    folder, temporary = parent / about.name, parent / f".{about.name}.tmp"
    parent.mkdir(parents=True, exist_ok=True)
    _remove(temporary)
    try:
        temporary.mkdir()
        facts = dict(save(temporary) or {})
        np.save(temporary / POINTS, np.sort(points))
        if validation is not None:
            np.save(temporary / VALIDATION, np.sort(validation))
        files = {str(path.relative_to(temporary)): mark(path) for path in _files(temporary)}
        manifest = {
            "kind": KIND,
            "format": FORMAT,
            "deffe": deffe.__version__,
            "python": ".".join(map(str, sys.version_info[:3])),
            "libraries": _libraries(),
            **about.to_json(),
            "facts": facts,
            "files": files,
        }
        (temporary / MANIFEST).write_text(_json(manifest, about), encoding="utf-8")
        _put_in_place(temporary, folder)
    finally:
        _remove(temporary)
    return folder


def _put_in_place(temporary: Path, folder: Path) -> None:
    former = folder.with_name(f".{folder.name}.old")
    _remove(former)
    if folder.exists():
        folder.rename(former)
    temporary.rename(folder)
    _remove(former)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def mark(path: Path) -> dict[str, Any]:
    """What tells whether a file was changed."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"size": path.stat().st_size, "blake2b": digest.hexdigest()}


def _libraries() -> dict[str, str]:
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in LIBRARIES}
    return {name: str(version) for name, version in found.items() if version}


def _json(manifest: Mapping[str, Any], about: About) -> str:
    try:
        return json.dumps(manifest, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"model {about.model!r}: what Save returned is no JSON: {error}") from error


def read_folder(folder: Path) -> Checkpoint:
    data = _manifest(folder)
    if data.get("kind") != KIND:
        raise CheckpointError(f"{folder}: {MANIFEST} is not that of a checkpoint", "name a folder of checkpoints/")
    if not isinstance(data.get("format"), int) or data["format"] > FORMAT:
        found = f"format {data.get('format')}, written by deffe {data.get('deffe')}"
        raise CheckpointError(f"the checkpoint {folder} has {found}", "a newer version of deffe reads it")
    try:
        known = {name: data[name] for name in About.__dataclass_fields__}
        about, facts, files = About.from_json(known), dict(data["facts"]), dict(data["files"])
        _verify(folder, files)
        points, validation = (
            np.load(folder / name, allow_pickle=False) if name in files else None for name in (POINTS, VALIDATION)
        )
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OSError, DeffeError) as error:
        raise CheckpointError(f"the checkpoint {folder} is damaged: {type(error).__name__}: {error}") from error
    return Checkpoint(folder, about, facts, points, validation)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        inside = sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
        hint = (
            f"it holds {counted(len(inside), 'checkpoint')}: name one, such as {folder / inside[-1]}" if inside else ""
        )
        raise CheckpointError(
            f"{folder} is not a checkpoint: it has no {MANIFEST}", hint or "name a folder of checkpoints/"
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder}: {MANIFEST} is cut short or damaged: {error}", "restore a copy") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{folder}: {MANIFEST} is not that of a checkpoint", "name a folder of checkpoints/")
    return data


def _verify(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    for name, written in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise CheckpointError(f"the checkpoint {folder} names the file {name!r}, which is outside of it")
        if not path.is_file() or path.stat().st_size < written["size"]:
            state = "cut short" if path.is_file() else "missing"
            raise CheckpointError(f"the checkpoint {folder} is not whole: {name} is {state}", "restore a copy")
        if mark(path) != dict(written):
            raise CheckpointError(
                f"the checkpoint {folder} is damaged: {name} is not as it was written", "restore a copy"
            )
