"""The learners by name: where each is found, so that a blend or a checkpoint can name it without importing the rest."""

from __future__ import annotations

import importlib
from typing import Any

from deffe.api import DeffeError

PLACES: dict[str, tuple[str, str]] = {
    "catboost": ("_trees.catboost", "CatBoost"),
    "extra_trees": ("_trees.forest", "Forest"),
    "gaussian_process": ("gaussian_process", "GaussianProcess"),
    "gradient_boosting": ("_trees.gradient", "GradientBoosting"),
    "hist_boosting": ("_trees.boosting", "HistGradientBoosting"),
    "keras_cnn": ("keras_cnn", "KerasRegressor"),
    "lasso": ("_smooth.linear", "Lasso"),
    "random_forest": ("_trees.forest", "Forest"),
    "related_processes": ("multi_output", "RelatedProcesses"),
    "support_vectors": ("_smooth.support_vectors", "SupportVectors"),
    "torch_cnn": ("torch_cnn", "TorchRegressor"),
    "xgboost": ("_trees.boosting", "XGBoost"),
}
"""A learner's name to its module among the models and its class there."""


def regressor_class(name: str) -> Any:
    """The class of a learner.

    Raises:
        DeffeError: there is none of this name.
    """
    if name not in PLACES:
        known = ", ".join(sorted(PLACES))
        raise DeffeError(f"no learner is named {name!r}", f"known: {known}; was it written by a newer version?")
    module, kind = PLACES[name]
    return getattr(importlib.import_module(f"deffe.models.{module}"), kind)
