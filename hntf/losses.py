"""The losses of models with several levels, as users import them: each returns its value and gradients in one call.

They are implemented in `hntf.costs`, together with the costs of methods that update their factors in turn.
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
