"""Linear maps `M: S ↦ X̂` from a code to data, one a file.

A map supplies the Gram matrix `G = M*M` and the adjoint `C = M*(X)` that a nonnegative least-squares problem needs, their
pullback to the factors, and its own application with pullback. It knows nothing of solvers or losses.
"""

from hntf.maps.base import LinearMap
from hntf.maps.dense import Dense
from hntf.maps.khatri_rao import KhatriRao
from hntf.maps.mode_product import ModeProduct

__all__ = ["Dense", "KhatriRao", "LinearMap", "ModeProduct"]
