"""CSV tables: known results in, tables of a run out."""

from __future__ import annotations

from deffe.tables.asked import Asked, AskedPoints
from deffe.tables.csv_out import (
    PredictionWriter,
    TablePaths,
    TableWriter,
    is_prediction_header,
    table_paths,
    write_min_max,
    write_rows,
    write_tables,
)
from deffe.tables.recommended import Designs, write_recommended
from deffe.tables.replacing import check_replaceable
from deffe.tables.results import Results, read_results

__all__ = [
    "Asked",
    "AskedPoints",
    "Designs",
    "PredictionWriter",
    "Results",
    "TablePaths",
    "TableWriter",
    "check_replaceable",
    "is_prediction_header",
    "read_results",
    "table_paths",
    "write_min_max",
    "write_recommended",
    "write_rows",
    "write_tables",
]
