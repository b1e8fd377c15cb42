"""A run, from the configuration to the summary."""

from __future__ import annotations

from deffe.run.main import run

__all__ = ["run"]
