"""Hierarchical nonnegative matrix and tensor factorization, trained end to end through exact NNLS layers.

Names are imported when they are first used, so that `import hntf` loads neither torch nor Numba nor matplotlib. Their
declarations for type checkers are in `__init__.pyi`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = (
    "data",
    "datasets",
    "estimators",
    "fitting",
    "hierarchies",
    "layers",
    "losses",
    "maps",
    "metrics",
    "models",
    "plot",
    "topics",
    "torch",
)
_HOMES = {
    "DeepNMF": "hntf.estimators",
    "DeepSemiNMF": "hntf.estimators",
    "GradcheckReport": "hntf.gradient_check",
    "Hierarchy": "hntf.models",
    "HoldOut": "hntf.data",
    "RankSelection": "hntf.selection",
    "NNLSInfo": "hntf.least_squares",
    "NeuralNCPD": "hntf.estimators",
    "NeuralNMF": "hntf.estimators",
    "NeuralNTF": "hntf.estimators",
    "Progress": "hntf.fitting.report",
    "Topic": "hntf.trees",
    "HierarchicalNCPD": "hntf.estimators",
    "HierarchicalNMF": "hntf.estimators",
    "MultiHNTF": "hntf.estimators",
    "MultilayerNTF": "hntf.estimators",
    "MultilayerSparseCoding": "hntf.estimators",
    "UnfoldedNMF": "hntf.estimators",
    "NCPD": "hntf.estimators",
    "NMF": "hntf.estimators",
    "NTD": "hntf.estimators",
    "SSNMF": "hntf.estimators",
    "TopicForest": "hntf.trees",
    "TopicTree": "hntf.trees",
    "as_data": "hntf.data",
    "gradcheck": "hntf.gradient_check",
    "load": "hntf.loading",
    "nnls": "hntf.least_squares",
    "nnls_gram": "hntf.least_squares",
    "select_ranks": "hntf.selection",
    "Stability": "hntf.selection",
    "compare": "hntf.selection",
    "stability": "hntf.selection",
}

__all__ = ["__version__", *_HOMES, *_MODULES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"hntf.{name}")
    raise AttributeError(f"module 'hntf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
