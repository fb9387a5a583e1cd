"""Losses of a hierarchy: value and gradient with respect to all factors in one call.

`base` is what every loss shares; `squared_error` the error of one level in Gram form; `levels` the losses that sum it over
levels. A loss knows nothing of optimizers.
"""

from hntf.losses.base import Loss
from hntf.losses.levels import Energy, Reconstruction

__all__ = ["Energy", "Loss", "Reconstruction"]
