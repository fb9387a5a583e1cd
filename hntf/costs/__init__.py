"""What a fit minimises, each cost written once.

`base` says what a cost asks of a model and how a sum over parts of the samples comes together; `levels` sums squared errors over
the levels of a model; `squared` and `kullback_leibler` measure data against `S Aᵀ`, each with the value, the normal equations or
the split gradient that updates in turn need (`multiplicative`); `labels` are the costs of labels that codes predict, which
`targets` holds, with `softmax` for the cross-entropy, and `label_terms` the same as matrices; `penalties` are sizes of codes and
factors and volumes; `total` is the sum of data and labels. A cost knows neither models nor optimizers.
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
