"""Models: what learns the costs. A module here without a leading underscore is one model."""

from __future__ import annotations

OLD_NAMES: dict[str, tuple[str, dict[str, object]]] = {
    "_ml_model": ("auto", {}),
    "sklearn": ("sklearn_rf", {}),
    "xgboost": ("xgboost_trees", {}),
    "catboost": ("catboost_trees", {}),
}
"""A model's name in older configurations, with the model and the options it stands for."""

FOREIGN = {".hdf5": "original_cnn", ".h5": "original_cnn"}
"""Endings of checkpoint files of other systems, each with the model that restores them."""
