"""What drives each cost: shares of its variance, response curves and interactions, by a model over the valid points."""

from deffe.understand.effects import understand
from deffe.understand.found import CostEffects, Curve, Effects, Interaction, KnobEffect, Surface
from deffe.understand.importance import Unseen

__all__ = ["CostEffects", "Curve", "Effects", "Interaction", "KnobEffect", "Surface", "Unseen", "understand"]
