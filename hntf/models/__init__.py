"""Models of samples at several levels, one kind a file: what a method finds, and what a fitted estimator keeps.

`base` says what every model answers (`Model`: codes of samples and data of codes, components, memberships, errors) and what a
model that is trained by gradients answers besides (`Trainable`). `stack` is a stack of NNLS layers on the data (`Hierarchy`),
`sparse_coding` one with dictionaries of any sign and trained penalties, `unrolled` multiplicative updates as layers. `cp` holds CP
decompositions at every level: with a stack of layers on every mode (`component_stacks`), or with components gathered by
nonnegative matrices (`gathered`). Without gradients: `product` of factors, `pooled` between levels (`pooling` says how), one
`tucker` decomposition, `separate` models level by level.
"""

from hntf.models.base import Model, Trainable
from hntf.models.component_stacks import ComponentStacks
from hntf.models.gathered import GatheredComponents
from hntf.models.pooled import Pooled
from hntf.models.product import Product
from hntf.models.separate import SeparateLevels
from hntf.models.sparse_coding import SparseCoding
from hntf.models.stack import Hierarchy
from hntf.models.tucker import Tucker
from hntf.models.unrolled import Unrolled

__all__ = [
    "ComponentStacks",
    "GatheredComponents",
    "Hierarchy",
    "Model",
    "Pooled",
    "Product",
    "SeparateLevels",
    "SparseCoding",
    "Trainable",
    "Tucker",
    "Unrolled",
]
