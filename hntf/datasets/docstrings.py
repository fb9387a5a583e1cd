"""Real text with a known hierarchy that requires no download: the docstrings of NumPy, SciPy and scikit-learn."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

PACKAGES = ("numpy", "scipy", "sklearn")
SHORTEST = 300
NOT_DOCUMENTED = frozenset({"conftest", "setup", "tests", "testing", "f2py", "distutils", "matlib"})


class Docstrings(NamedTuple):
    """Documents with two levels of labels, in lists of the same length.

    Attributes
    ----------
    names : list of str
        The qualified names of the functions and classes.
    texts : list of str
        Their docstrings.
    packages, submodules : list of str
        The package and the submodule of each document, which are the two levels of true topics.
    """

    names: list[str]
    texts: list[str]
    packages: list[str]
    submodules: list[str]


def load_docstrings() -> Docstrings:
    """Return the docstrings of the public functions and classes of NumPy, SciPy and scikit-learn, about 2,500 documents.

    Only docstrings of more than 300 characters in public submodules are included; an object that is imported into several
    submodules is included once, in the first one. The package and the submodule of a document are its two true levels. The result
    depends on the installed versions.

    Returns
    -------
    Docstrings
        The documents and their labels.

    Examples
    --------
    >>> from hntf.datasets import load_docstrings
    >>> sorted(set(load_docstrings().packages))
    ['numpy', 'scipy', 'sklearn']
    """
    seen: set[str] = set()
    documents = []
    for package in PACKAGES:
        for module in _public_submodules(package):
            for name, text in _public_docstrings(module, package):
                if text not in seen:
                    seen.add(text)
                    documents.append((f"{module.__name__}.{name}", text, package, module.__name__))
    names, texts, packages, submodules = map(list, zip(*documents, strict=True))
    return Docstrings(names, texts, packages, submodules)


def _public_submodules(package: str) -> Iterator[ModuleType]:
    with warnings.catch_warnings():
        # Deprecated submodules and names warn on import; their documents are included all the same.
        warnings.simplefilter("ignore")
        root = importlib.import_module(package)
        for found in pkgutil.iter_modules(root.__path__):
            if found.name.startswith("_") or found.name in NOT_DOCUMENTED:
                continue
            try:
                yield importlib.import_module(f"{package}.{found.name}")
            except ImportError:
                # A submodule whose optional dependency is not installed is skipped.
                continue
        yield root


def _public_docstrings(module: ModuleType, package: str) -> Iterator[tuple[str, str]]:
    listed = getattr(module, "__all__", None)
    # For a module without `__all__`, only what it defines itself is included, not what it imports.
    origin = package if listed else module.__name__
    for name in sorted(listed or [name for name in vars(module) if not name.startswith("_")]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                member = getattr(module, name, None)
            except ImportError:
                # An experimental estimator that requires a special import is skipped.
                continue
        home = getattr(member, "__module__", None) or origin
        if not callable(member) or inspect.ismodule(member) or not home.startswith(origin):
            continue
        text = inspect.getdoc(member) or ""
        if len(text) > SHORTEST:
            yield name, text
