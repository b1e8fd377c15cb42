"""The tables of recorded results that models learn, as design spaces with the features a designer declares."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "framework"))
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from deffe.api import DesignSpace, Framework, Source  # noqa: E402
from deffe.plugins import Plugin, load  # noqa: E402
from deffe.testing import make_framework, with_options  # noqa: E402

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

STATES = {"status": "ok", "Valid": True}
"""Columns that tell whether a row's point could be built, and what they hold where it could."""
RISCV_SCALES = dict.fromkeys(("kmeans_objects", "matmul_size"), "log2")
HAS_SETS = tuple(f"{cache}_size * 1024 >= {cache}_ways * cacheline" for cache in ("l1d", "l1i", "l2"))


def _sets(cache: str) -> str:
    return f"{cache}_sets = {cache}_size * 1024 / ({cache}_ways * cacheline)"


def _kmeans_features() -> tuple[str, ...]:
    """Sets of each cache, and the working set (36 bytes an object) over the capacity, also near 1 alone."""
    declared = [_sets("l1i")]
    for cache in ("l1d", "l2"):
        over = f"kmeans_objects * 36 / ({cache}_size * 1024)"
        declared += [
            _sets(cache),
            f"{cache}_working_set = {over}",
            f"{cache}_fit = min(max(log2({over}), -2), 2)",
        ]
    return tuple(declared)


def _matmul_features() -> tuple[str, ...]:
    """What decides whether a column of a matrix stays in a cache until it is walked again.

    Rows of n floats lie 4 n bytes apart. The elements of a column lie on ``lines`` lines, which fall into ``reach``
    sets; pressure is the lines over the places that these sets have.
    """
    n, declared = "matmul_size", []
    lines = f"min({n}, ceil(4 * {n} * {n} / cacheline))"
    for cache in ("l1d", "l2"):
        size, way = f"({cache}_size * 1024)", f"({cache}_size * 1024 / {cache}_ways)"
        reach = f"min({way} / gcd({way}, 4 * {n}), {way} / cacheline, {n})"
        pressure = f"{lines} / ({reach} * {cache}_ways)"
        matrix = f"4 * {n} * {n} / {size}"
        declared += [
            _sets(cache),
            f"{cache}_reach = {reach}",
            f"{cache}_pressure = {pressure}",
            f"{cache}_thrashes = min(max(log2({pressure}), -1.5), 1.5)",
            f"{cache}_matrix = {matrix}",
            f"{cache}_matrix_fits = min(max(log2({matrix}), -1.5), 1.5)",
            f"{cache}_column = {lines} * cacheline / {size}",
            f"{cache}_all_fits = min(max(log2((4 * {n} * {n} + 8 * {n}) / {size}), -1), 1)",
        ]
    return tuple(declared)


@dataclass(frozen=True)
class Table:
    """A CSV file whose first columns are knobs.

    Args:
        path: below the folder of data.
        knobs: the number of these columns.
        scales: of knobs; the others have the one that deffe chooses.
        features: declared, as in a configuration.
    """

    name: str
    path: str
    knobs: int
    scales: Mapping[str, str]
    constraints: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        return DATA / self.path


TABLES = {
    table.name: table
    for table in (
        Table("kmeans", "riscv_gem5/kmeans.csv", 8, RISCV_SCALES, HAS_SETS, _kmeans_features()),
        Table("matmul", "riscv_gem5/matmul.csv", 8, RISCV_SCALES, HAS_SETS, _matmul_features()),
        Table("archexplorer", "dse/archexplorer_gem5/archexplorer_gem5.csv", 22, {}),
        Table("convolution_A100", "dse/kerneltuner_convolution/A100.csv.gz", 7, {}),
        Table("convolution_A4000", "dse/kerneltuner_convolution/A4000.csv.gz", 7, {}),
        Table("spector_mm", "dse/spector/mm.csv", 9, {}),
        Table("spector_fir", "dse/spector/fir.csv", 8, {}),
        Table("matmul_exhaustive", "riscv_gem5/matmul_exhaustive.csv", 7, {}, HAS_SETS),
        Table("blackscholes", "dse/hypermapper_blackscholes/blackscholes_exhaustive.csv.gz", 4, {}),
    )
}


@dataclass(frozen=True)
class Rows:
    """The rows of a table as points of its design space.

    Args:
        frame: knobs and costs; failed points are left out.
        config: the configuration of deffe that declares the space.
        levels: (n, p).
        features: (n, d), the declared ones last.
        declared: how many those are.
    """

    frame: pd.DataFrame
    config: Mapping[str, Any]
    space: DesignSpace
    levels: NDArray[np.int32]
    features: Matrix
    declared: int

    @property
    def knobs(self) -> Matrix:
        """(n, d) features without the declared ones."""
        return self.features[:, : self.features.shape[1] - self.declared]

    def cost(self, name: str) -> Vector:
        return self.frame[name].to_numpy(dtype=np.float64)


@lru_cache
def rows_of(name: str) -> Rows:
    """Read a table and make its design space, of the values that occur in it."""
    table = TABLES[name]
    frame = pd.read_csv(table.file)
    for column, good in STATES.items():
        if column in frame:
            frame = frame[frame[column] == good].reset_index(drop=True)
    names = list(frame.columns[: table.knobs])
    knobs = [
        {"name": knob, "values": np.unique(frame[knob]).tolist(), "scale": table.scales.get(knob)} for knob in names
    ]
    config = {"knobs": knobs, "constraints": list(table.constraints), "features": list(table.features)}
    space = _framework(config, "unknown", 0).space
    levels = space.encode(frame)
    return Rows(frame, config, space, levels, space.features(levels), len(space.derived_columns))


def rows_of_config(config: Mapping[str, Any], rows: int) -> Rows:
    """Points drawn from a declared space, without costs."""
    space = _framework(config, "cost", 0).space
    levels = space.sample(rows, np.random.default_rng(0))
    return Rows(space.frame(levels), config, space, levels, space.features(levels), len(space.derived_columns))


def _framework(config: Mapping[str, Any], cost: str, seed: int) -> Framework:
    with tempfile.TemporaryDirectory(prefix="deffe_benchmark_") as folder:
        return make_framework(Path(folder), "model", config={"constraints": [], **config, "costs": [cost]}, seed=seed)


def model(name: str, rows: Rows, cost: str, seed: int, sources: tuple[Source, ...] = (), **options: object) -> Plugin:
    """A model of deffe for one cost of a table, as a run would load it."""
    framework = replace(_framework(rows.config, cost, seed), name=name, sources=sources)
    plugin = load("model", name, with_options(framework, **options))
    plugin.call("Initialize")
    return plugin
