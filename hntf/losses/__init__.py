"""Losses of a model with several levels: value and gradient with respect to all factors in one call.

`base` is what every loss shares; `levels` the losses that sum the reconstruction error over levels; `labels` what the codes of the
samples say of their labels, which `targets` holds, with `softmax` for the cross-entropy; `total` the sum of the two;
`penalties` what is added for the sizes of codes and factors. A loss knows nothing of optimizers.
"""

from hntf.losses.base import Loss
from hntf.losses.labels import CrossEntropy, LabelL2, LabelLoss, RunningLabels
from hntf.losses.levels import Energy, LayerCentric, Reconstruction
from hntf.losses.penalties import Penalised
from hntf.losses.total import Supervised

__all__ = [
    "CrossEntropy",
    "Energy",
    "LabelL2",
    "LabelLoss",
    "LayerCentric",
    "Loss",
    "Penalised",
    "Reconstruction",
    "RunningLabels",
    "Supervised",
]
