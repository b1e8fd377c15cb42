"""Configurations: one JSON file, checked as a whole."""

from __future__ import annotations

from deffe.config.configuration import Config, Exploration, Objective, json_schema, load
from deffe.config.schema import Section

__all__ = ["Config", "Exploration", "Objective", "Section", "json_schema", "load"]
