"""Estimators in the manner of scikit-learn, one file a method or family, over shared fits.

`base` holds what all of them share: the public edge and the parameters of a fit; `supervised` the labels; `coded` codes of
samples and their inverse. The families over it: `stack` (a stack of layers), `neural` (one that is trained), `network` (another
trained model), `decoded` (codes found from the data at every level); beside it `cp_levels` (a CP decomposition at every level).
`architecture` checks ranks and modes; `label_terms` holds labels as a second matrix; `results` hands out TensorLy objects;
`slices` codes samples by the slices of a core.
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
