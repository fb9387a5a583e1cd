"""Minimisation of a smooth function of a flat vector `x ≥ 0`: one descent per file, with a common base class.

The objective returns an `Evaluation`; the optimizers do not depend on losses, models or data.
"""

from hntf.fitting.optimizers.adam import Adam, AdamStep
from hntf.fitting.optimizers.base import Optimizer
from hntf.fitting.optimizers.projected_gradient import ProjectedGradient
from hntf.fitting.optimizers.projected_lbfgs import ProjectedLBFGS
from hntf.fitting.optimizers.sgd import SGD, SGDStep

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "lbfgs": ProjectedLBFGS,
    "projected_gradient": ProjectedGradient,
    "sgd": SGD,
    "adam": Adam,
}

STEPS: dict[str, type[AdamStep] | type[SGDStep]] = {"adam": AdamStep, "sgd": SGDStep}
"""The methods that can train on batches."""

__all__ = ["OPTIMIZERS", "STEPS", "Optimizer"]
