"""The design space: all valid combinations of parameter values, never held in memory."""

from __future__ import annotations

from deffe.space.derived import DerivedFeature
from deffe.space.design_space import DesignSpace
from deffe.space.features import FeatureMap
from deffe.space.parameters import Constraint, Parameter

__all__ = ["Constraint", "DerivedFeature", "DesignSpace", "FeatureMap", "Parameter"]
