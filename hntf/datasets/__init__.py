"""Data sets that require no download: generators of reference problems, and real text from installed packages."""

from hntf.datasets.docstrings import load_docstrings
from hntf.datasets.synthetic import make_hierarchical_blocks, make_hierarchical_tensor

__all__ = ["load_docstrings", "make_hierarchical_blocks", "make_hierarchical_tensor"]
