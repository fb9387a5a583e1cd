"""Models of several levels: what a loss asks of one, one kind a file.

`base` states what losses and fits may ask: solve, the error of every level, codes of the samples, the chain rule. `stack` is a
stack of NNLS layers on the data (`Hierarchy`), with `squared_error` the error of one of its levels in Gram form. The other
models are CP decompositions at every level, `cp_model`: with a stack of layers on every mode's factor (`component_stacks`), or
with the components gathered by nonnegative matrices (`gathered`). Networks with other layers: `unfolded`, multiplicative updates
of a code; `sparse_coding`, a stack with dictionaries of any sign and trained penalties; `pooled`, nonlinear pooling between levels.
"""

from hntf.hierarchies.base import Model
from hntf.hierarchies.component_stacks import ComponentStacks
from hntf.hierarchies.gathered import GatheredComponents
from hntf.hierarchies.sparse_coding import SparseCoding
from hntf.hierarchies.stack import Hierarchy
from hntf.hierarchies.unfolded import Unfolded

__all__ = ["ComponentStacks", "GatheredComponents", "Hierarchy", "Model", "SparseCoding", "Unfolded"]
