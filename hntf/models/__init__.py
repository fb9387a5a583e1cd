"""Models of samples at several levels, one kind per file: what a method computes, and what a fitted estimator stores.

`base` defines the interface of all models (`Model`: codes of samples, reconstruction from codes, components, memberships, errors)
and that of models that are trained by gradients (`Trainable`). `stack` is a stack of NNLS layers on the data (`Hierarchy`),
`sparse_coding` a stack with dictionaries of any sign and trained penalties, `unrolled` multiplicative updates as layers. `cp`
holds CP decompositions at every level: with a stack of layers on every mode (`component_stacks`), or with components gathered by
nonnegative matrices (`gathered`). Models without gradients: a `product` of factors, factors `pooled` between levels (with
`pooling`), one `tucker` decomposition, and `separate` models for the levels.
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
