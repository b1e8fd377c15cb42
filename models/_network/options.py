"""What a user asks of a network: options, and the layers they mean."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from deffe.api import Field

from .._learning.options import LearnerOptions
from .layout import Layer, Layout
from .loss import LOSS_ALIASES, LossName

STEPS = 3000
"""Steps of a training where nothing else is asked for."""


def _chosen(value: object) -> object:
    """None for the -1, 0 and empty text by which older configurations leave a choice open."""
    return None if value in ("", "-1", -1, "0", 0, "None") else value


def _loss(value: object) -> object:
    return LOSS_ALIASES.get(str(value), value) if value else "custom_mean_abs_exp_loss"


Count = Annotated[int | None, BeforeValidator(_chosen)]


class NetworkOptions(LearnerOptions):
    """Options of every network."""

    epochs: Count = Field(
        default=None, ge=1, le=1_000_000, description=f"epochs; by default 50 to 500, for some {STEPS} steps"
    )
    batch_size: Count = Field(
        default=None, ge=1, description="rows of a step; by default 16 to 256, depending on the rows"
    )
    loss: Annotated[LossName, BeforeValidator(_loss)] = Field(
        default="custom_mean_abs_exp_loss", description="what is made small; log, exp, abs and mse for short"
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=1, description="of Adam; falls to 0 along half a cosine")
    patience: int | None = Field(
        default=None,
        ge=0,
        description="epochs without a better validation loss to stop after; by default half of all; 0 for never",
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of outputs dropped in training")
    convs: int = Field(default=2, ge=0, le=2, multiple_of=2, description="convolutions of the Keras layout: 2 or 0")
    nodes: int = Field(default=256, ge=1, le=100_000, description="nodes of its wide dense layers")
    last_layer_nodes: int = Field(default=32, ge=1, le=100_000, description="nodes of its last hidden layer")
    cost_scaling_factor: float = Field(
        default=1.0, gt=0, description="what costs are multiplied by for the loss; predictions are divided by it"
    )
    freeze_layers: int = Field(
        default=-1,
        description="layers kept as they are in a warm start, counted as Keras does: 5 are both convolutions",
    )
    tl_freeze_layers: int = Field(default=-1, description="the same, by its name in older configurations")
    tl_samples: bool = Field(default=False, description="start each step from the weights of the step before")
    plot_loss: bool = Field(default=False, description="draw the losses of each cost over the epochs")
    plot_model: bool = Field(default=False, description="draw the layers")

    @property
    def objective(self) -> LossName:
        """The loss; where only costs themselves are asked for, their mean relative error."""
        plain = self.real_objective or self.transform == "none"
        return "custom_mean_abs_loss" if plain and "loss" not in self.model_fields_set else self.loss

    @property
    def log(self) -> bool:
        """Whether logarithms are learned, which the loss decides."""
        return self.objective in ("custom_mean_abs_log_loss", "custom_mean_abs_exp_loss")


def keras_layout(inputs: int, options: NetworkOptions) -> Layout:
    """The original's network for Keras; convolutions that the inputs are too few for are left out.

    Its output is linear, where that of the original cut at 0 and so could not learn costs below 1.
    """
    wide = Layer(options.nodes, dropout=options.dropout)
    widths = (32, 64)[: max(0, min(options.convs, (inputs - 1) // 2))]
    hidden = [*(Layer(units, 3, dropout=options.dropout) for units in widths), wide] if options.convs else [wide] * 3
    return Layout(inputs, (*hidden, Layer(options.last_layer_nodes, activation="relu"), Layer(1, activation="linear")))


def frozen_layers(layout: Layout, count: int) -> int:
    """How many of the layers with weights are among the first ``count`` layers as Keras counts them.

    These are the input, a reshaping before the convolutions and one behind, and a dropout behind each layer but the
    last two.
    """
    convolutions = [layer.width > 0 for layer in layout.layers]
    place, frozen = 2 if convolutions[0] else 1, 0
    for index, convolution in enumerate(convolutions):
        if index and convolutions[index - 1] and not convolution:
            place += 1
        frozen += place < count
        place += 2 if index < len(convolutions) - 2 else 1
    return min(frozen, len(convolutions) - 1)
