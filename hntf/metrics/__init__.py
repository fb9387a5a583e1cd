"""Scores of decompositions and of topics: formula, source and an example in each docstring.

`matching`: congruence and the factor match score; `core_consistency`; `errors`: relative error, explained variance, deviance
of counts; `coherence`: NPMI, C_v, UMass, and diversity; `trees`: agreement of a hierarchy with labels, similarity of two;
`residuals`: errors and leverage of samples and other entries;
`sparsity`.
"""

from hntf.metrics.coherence import coherence, diversity
from hntf.metrics.core_consistency import core_consistency
from hntf.metrics.errors import explained_variance, poisson_deviance, relative_error
from hntf.metrics.matching import congruence, factor_match_score
from hntf.metrics.residuals import leverage, residuals
from hntf.metrics.sparsity import sparsity
from hntf.metrics.trees import hierarchical_f_score, level_agreement, purity, tree_similarity

__all__ = [
    "coherence",
    "congruence",
    "core_consistency",
    "diversity",
    "explained_variance",
    "factor_match_score",
    "hierarchical_f_score",
    "level_agreement",
    "leverage",
    "poisson_deviance",
    "purity",
    "relative_error",
    "residuals",
    "sparsity",
    "tree_similarity",
]
