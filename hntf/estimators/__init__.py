"""Estimators with the scikit-learn API, one file per method.

`base` holds what all estimators have in common: the checks of inputs, the parameters of a fit and the attributes of the fitted
model. `supervised` adds labels; `neural` trains a `Hierarchy`, on all samples or on batches. Helpers: `inputs` (data as users
give them), `starts` (initial factors), `architecture` (ranks and modes), `training` (losses and weights of the levels), `results`
(casts, named columns, TensorLy objects).
"""

from hntf.estimators.deep_nmf import DeepNMF
from hntf.estimators.deep_semi_nmf import DeepSemiNMF
from hntf.estimators.hierarchical_ncpd import HierarchicalNCPD
from hntf.estimators.hierarchical_nmf import HierarchicalNMF
from hntf.estimators.multi_hntf import MultiHNTF
from hntf.estimators.multilayer_ntf import MultilayerNTF
from hntf.estimators.multilayer_sparse_coding import MultilayerSparseCoding
from hntf.estimators.ncpd import NCPD
from hntf.estimators.neural_ncpd import NeuralNCPD
from hntf.estimators.neural_nmf import NeuralNMF
from hntf.estimators.neural_ntf import NeuralNTF
from hntf.estimators.nmf import NMF
from hntf.estimators.ntd import NTD
from hntf.estimators.ssnmf import SSNMF
from hntf.estimators.unfolded_nmf import UnfoldedNMF

__all__ = [
    "NCPD",
    "NMF",
    "NTD",
    "SSNMF",
    "DeepNMF",
    "DeepSemiNMF",
    "HierarchicalNCPD",
    "HierarchicalNMF",
    "MultiHNTF",
    "MultilayerNTF",
    "MultilayerSparseCoding",
    "NeuralNCPD",
    "NeuralNMF",
    "NeuralNTF",
    "UnfoldedNMF",
]
