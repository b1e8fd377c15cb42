"""Named arrays in one file of numpy's own format, read back without running code."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deffe.errors import CheckpointError

Array = NDArray[Any]


def damaged(path: Path, found: str) -> CheckpointError:
    """The error of a file of a learner that is not what it should be."""
    return CheckpointError(
        f"{path}: {found}", "it is cut short or of another kind: take the checkpoint's original files"
    )


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays of numbers, compressed."""
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(path, **named)


def read_arrays(path: Path, kinds: Mapping[str, tuple[type[Any], int]]) -> dict[str, Array]:
    """The arrays that ``write_arrays`` wrote.

    Args:
        kinds: of each array that is expected, its kind of number and its number of dimensions.
    Raises:
        CheckpointError: no such file, another kind of file, an array missing or not as expected, a number not finite.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in kinds}
    except (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError) as error:
        raise damaged(path, f"not the arrays {', '.join(kinds)} ({error})") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise damaged(path, f"a damaged archive ({error})") from None
    for name, (kind, dimensions) in kinds.items():
        array = arrays[name]
        if not np.issubdtype(array.dtype, kind) or array.ndim != dimensions:
            raise damaged(path, f"{name} has type {array.dtype} and {array.ndim} dimensions")
        if not np.all(np.isfinite(array)):
            raise damaged(path, f"{name} has a number that is not finite")
    return arrays
