"""The options that all models share, and those of older configurations that they accept."""

from __future__ import annotations

from typing import Any, Literal

from deffe.api import Field, Framework, Options

NO_EFFECT = "of older configurations; no effect here"


class LearnerOptions(Options):
    """Options of every model that learns from a table of features at once."""

    folds: int = Field(default=5, ge=2, le=100, description="parts of the cross-validation that measures the error")
    transform: Literal["auto", "log", "none"] = Field(
        default="auto", description="learn the logarithm of a cost, or the cost itself; auto: whichever predicts better"
    )
    real_objective: bool = Field(default=False, description="of older configurations: the same as transform none")
    train_test_split: float = Field(
        default=1.0, gt=0, le=1, description="share of points learned from; kept by the loop"
    )
    icp: tuple[str, ...] = Field(default=(), description="checkpoints to start from; kept by the loop")

    epochs: Any = Field(default=None, description=NO_EFFECT)
    batch_size: Any = Field(default=None, description=NO_EFFECT)
    loss: Any = Field(default=None, description=NO_EFFECT)
    validation_split: Any = Field(default=None, description=NO_EFFECT)
    load_train_test: Any = Field(default=None, description=NO_EFFECT)
    cost_scaling_factor: Any = Field(default=None, description=NO_EFFECT)
    freeze_layers: Any = Field(default=None, description=NO_EFFECT)
    tl_freeze_layers: Any = Field(default=None, description=NO_EFFECT)
    tl_samples: Any = Field(default=None, description=NO_EFFECT)
    convs: Any = Field(default=None, description=NO_EFFECT)
    nodes: Any = Field(default=None, description=NO_EFFECT)
    last_layer_nodes: Any = Field(default=None, description=NO_EFFECT)
    plot_model: Any = Field(default=None, description=NO_EFFECT)
    plot_loss: Any = Field(default=None, description=NO_EFFECT)
    no_run: Any = Field(default=None, description=NO_EFFECT)
    evaluate_only: Any = Field(default=None, description=NO_EFFECT)

    @property
    def log(self) -> bool | None:
        """Whether logarithms are learned; None to choose."""
        if self.real_objective or self.transform == "none":
            return False
        return True if self.transform == "log" else None

    def without_effect(self) -> list[str]:
        """Names of the options that were set and change nothing."""
        fields = type(self).model_fields
        return sorted(name for name in self.model_fields_set if fields[name].description == NO_EFFECT)


def announce(framework: Framework, model: str, options: LearnerOptions) -> None:
    """Tell the user, once, what of their options this model does not do."""
    idle = options.without_effect()
    if idle:
        framework.log.info("%s: no effect: %s", model, ", ".join(f"-{name.replace('_', '-')}" for name in idle))
