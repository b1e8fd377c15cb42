"""A checkpoint in use: the model that wrote it predicts again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deffe.checkpoint.record import Checkpoint
from deffe.errors import CheckpointError, DeffeError, FeatureError
from deffe.plugins import KINDS, find_module
from deffe.records import Features, Prediction
from deffe.sources import Columns


class CheckpointModel:
    """A checkpoint, ready to predict its cost; see ``sources.Learned`` for its attributes.

    Args:
        find: finds a user's file by name.
        trust: load formats that could run code, and the file of a user's model.
        own: the file of the configuration's own model, which may be loaded anyway.
    Raises:
        CheckpointError, PluginError: its model is not at hand, or cannot restore it.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        find: Callable[[str], Path | None],
        python_path: tuple[Path, ...] = (),
        trust: bool = False,
        own: str = "",
    ) -> None:
        about = checkpoint.about
        self.checkpoint, self.path, self.facts = checkpoint, checkpoint.path, checkpoint.facts
        self.model, self.cost, self.features = about.model, about.cost, about.features
        self.inputs, self.fallback = about.features.inputs, checkpoint.fallback
        name = about.file or about.model
        if Path(name).name != name or (about.file and not trust and Path(own).name != about.file):
            what = f"the checkpoint {self.path} is of the model {name!r}, a Python file that this run does not use"
            raise CheckpointError(what, "-trust-checkpoint runs that file, if you trust it")
        module, _, _ = find_module(KINDS["model"], name, find, python_path)
        restore = getattr(module, "Restore", None)
        if not callable(restore):
            raise CheckpointError(f"model {name!r} restores no checkpoints, such as {self.path}", "it has no Restore")
        self.restored = self._ask("Restore", lambda: restore(self.path, self.facts, trust))

    def Predict(self, columns: Columns) -> Prediction:
        """(n, 1) predictions; ``columns`` as for ``FeatureMap.features``."""
        return self.of_features(self.features.features(columns))

    def of_features(self, features: Features) -> Prediction:
        """(n, 1) predictions from (n, d) features of this checkpoint's own map."""
        prediction = self._ask("Predict", lambda: self.restored.Predict(features))
        if not isinstance(prediction, Prediction) or prediction.mean.shape != (len(features), 1):
            raise CheckpointError(f"{self.path}: model {self.model!r} gave no Prediction of shape ({len(features)}, 1)")
        return prediction

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except FeatureError:
            raise
        except DeffeError as error:
            named = error.message.startswith(str(self.path))
            raise CheckpointError(error.message if named else f"{self.path}: {error.message}", error.hint) from error
        except Exception as error:  # a damaged file may fail in any library in any way
            text = f"{self.path}: model {self.model!r} failed in {what}: {type(error).__name__}: {error}"
            raise CheckpointError(text) from error
