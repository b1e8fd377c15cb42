"""Explorers: when evaluation stops, and which points come next. A module here without a leading underscore is one."""

from __future__ import annotations

OLD_NAMES: dict[str, str] = {"_exploration": "predict_all"}
"""Names in older configurations."""
