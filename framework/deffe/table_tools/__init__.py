"""Tables and pictures of results: ``run_deffe tables``."""

from __future__ import annotations

from deffe.table_tools.command import run_tables

__all__ = ["run_tables"]
