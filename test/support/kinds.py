"""The kinds of plugins in tests."""

from __future__ import annotations

PLACES = {
    "sampler": "sampling",
    "evaluator": "evaluate",
    "extractor": "extract",
    "model": "model",
    "explorer": "exploration",
}
"""The section of a configuration that names a plugin of each kind."""
