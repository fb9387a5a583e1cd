"""Estimators in the manner of scikit-learn, one file a method or family, over one shared fit.

`base` holds what all of them share: the public edge, `transform`, components and the topic tree.
"""

from hntf.estimators.neural_nmf import NeuralNMF

__all__ = ["NeuralNMF"]
