"""The costs that fits minimise.

`base` defines what a loss requires of a model, and how the parts of a sum over samples are combined. `levels` sums squared errors
over the levels of a model. `squared` and `kullback_leibler` compare data with `S Aᵀ`; each provides its value and, for methods
that update factors in turn, the normal equations or the split gradient (`multiplicative`). `labels` are the costs of labels that
codes predict (`targets` holds the labels, `softmax` the cross-entropy), and `label_terms` the same as a second matrix.
`penalties` are those on the sizes of codes and factors and on volumes; `total` is the sum of the costs of data and labels. Costs
depend neither on models nor on optimizers.
"""

from hntf.costs.base import Loss
from hntf.costs.labels import CrossEntropy, LabelL2, LabelLoss, RunningLabels
from hntf.costs.levels import Energy, LayerCentric, Reconstruction
from hntf.costs.penalties import Penalised
from hntf.costs.total import Supervised

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
