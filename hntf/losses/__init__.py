"""Losses of a model with several levels: value and gradient with respect to all factors in one call.

`base` is what every loss shares; `levels` the losses that sum the reconstruction error over levels; `labels` what the codes of the
samples say of their labels, which `targets` holds; `total` the sum of the two. A loss knows nothing of optimizers.
"""

from hntf.losses.base import Loss
from hntf.losses.labels import LabelL2
from hntf.losses.levels import Energy, Reconstruction
from hntf.losses.total import Supervised

__all__ = ["Energy", "LabelL2", "Loss", "Reconstruction", "Supervised"]
