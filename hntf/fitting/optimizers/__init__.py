"""Minimise a smooth function of a flat vector `x ≥ 0`, one method a file, under one signature.

Each takes `(objective, start, *, max_iter, tol, learning_rate, callback)` and returns a `Minimum`. The objective returns an
`Evaluation`; nothing here knows of losses, hierarchies or data.
"""

from collections.abc import Callable

from hntf.fitting.optimizers.adam import AdamStep, adam
from hntf.fitting.optimizers.projected_gradient import projected_gradient
from hntf.fitting.optimizers.projected_lbfgs import projected_lbfgs
from hntf.fitting.optimizers.sgd import SGDStep, sgd
from hntf.fitting.stopping import Minimum

OPTIMIZERS: dict[str, Callable[..., Minimum]] = {
    "lbfgs": projected_lbfgs,
    "projected_gradient": projected_gradient,
    "sgd": sgd,
    "adam": adam,
}

STEPS: dict[str, type[AdamStep] | type[SGDStep]] = {"adam": AdamStep, "sgd": SGDStep}
"""The methods that can be trained on batches."""

__all__ = ["OPTIMIZERS", "STEPS"]
