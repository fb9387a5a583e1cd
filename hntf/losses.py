"""The losses of a model with several levels, under the name that users know: value and gradient in one call.

`hntf.costs` holds them, with what methods need that update their factors in turn.
"""

from hntf.costs import (
    CrossEntropy,
    Energy,
    LabelL2,
    LabelLoss,
    LayerCentric,
    Loss,
    Penalised,
    Reconstruction,
    RunningLabels,
    Supervised,
)

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
