"""Models: what learns the costs. A module here without a leading underscore is one model."""

from __future__ import annotations

OLD_NAMES: dict[str, tuple[str, dict[str, object]]] = {
    "_ml_model": ("gaussian_process", {}),
    "sklearn": ("sklearn_rf", {}),
    "keras_cnn": ("gaussian_process", {"stands_in_for": "keras_cnn"}),
    "torch_cnn": ("gaussian_process", {"stands_in_for": "torch_cnn"}),
}
"""A model's name in older configurations, with the model and the options it stands for."""
