"""Data sets that need no download: generators of the reference problems, and real text that is installed with us."""

from hntf.datasets.docstrings import load_docstrings
from hntf.datasets.synthetic import make_hierarchical_blocks, make_hierarchical_tensor

__all__ = ["load_docstrings", "make_hierarchical_blocks", "make_hierarchical_tensor"]
