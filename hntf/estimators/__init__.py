"""Estimators in the manner of scikit-learn, one file a method or family, over one shared fit.

`base` holds what all of them share: the public edge, `transform`, components and the topic tree.
"""

from hntf.estimators.neural_ncpd import NeuralNCPD
from hntf.estimators.neural_nmf import NeuralNMF
from hntf.estimators.neural_ntf import NeuralNTF

__all__ = ["NeuralNCPD", "NeuralNMF", "NeuralNTF"]
