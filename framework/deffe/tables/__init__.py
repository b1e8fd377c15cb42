"""CSV tables: known results in, tables of a run out."""

from __future__ import annotations

from deffe.tables.asked import Asked, AskedPoints
from deffe.tables.csv_out import (
    PredictionWriter,
    TablePaths,
    TableWriter,
    table_paths,
    write_min_max,
    write_rows,
    write_tables,
)
from deffe.tables.results import Results, read_results

__all__ = [
    "Asked",
    "AskedPoints",
    "PredictionWriter",
    "Results",
    "TablePaths",
    "TableWriter",
    "read_results",
    "table_paths",
    "write_min_max",
    "write_rows",
    "write_tables",
]
