"""Linear maps `M: S ↦ X̂` from a code to data, one per file.

A map provides the Gram matrix `G = M*M` and the adjoint `C = M*(X)` for a nonnegative least-squares problem, their pullback to
the factors, and its own application with pullback. It does not depend on solvers or losses.
"""

from hntf.maps.base import LinearMap
from hntf.maps.dense import Dense
from hntf.maps.khatri_rao import KhatriRao
from hntf.maps.mode_product import ModeProduct

__all__ = ["Dense", "KhatriRao", "LinearMap", "ModeProduct"]
