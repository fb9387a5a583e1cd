"""What all hierarchical estimators share: the public edge, codes of new samples, components and the topic tree."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from hntf.arrays import Array, as_float64, cast_like, from_numpy, host_view, is_torch, to_numpy
from hntf.data import Data, as_data
from hntf.hierarchy import Hierarchy
from hntf.layers import LayerTape
from hntf.losses.squared_error import relative_errors
from hntf.topics import TopicTree, topic_tree
from hntf.validation import check_number, check_real_array, check_same_home

MODERATE = (1e-50, 1e50)
"""Largest entries of `X` whose fourth powers stay far from overflow and underflow; others are scaled for the fit."""

LARGEST_EXPONENT = 1000
"""Of the power of two that scales: more would overflow for subnormal data."""


class Input(NamedTuple):
    """What a user gave, checked.

    Attributes
    ----------
    data : Data
        A tensor in CPU memory is worked on through a NumPy view: its small products are several times faster there.
    prototype : array
        An empty array in the backend and dtype of the results.
    scale : float
        The power of two by which extreme data were multiplied.
    """

    data: Data
    prototype: Any
    scale: float


def _check_matrix(data: Data) -> None:
    if len(data.shape) != 2:
        raise ValueError(f"X must have order 2, got order {len(data.shape)} with shape {data.shape}")


def _on_host(x: Any) -> Any:
    """Return a NumPy view of a tensor in CPU memory, and anything else as it is."""
    if not is_torch(x):
        return x
    if str(x.dtype) == "torch.bfloat16":  # NumPy has no such type
        x = x.float()
    host = host_view(x)
    return x if host is None else host


def _if_array(x: Any) -> Any:
    return None if isinstance(x, str) else x


class HierarchicalEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of the hierarchical estimators for matrices; a subclass fits `factors_` and calls `_keep`."""

    factors_: list[Array]

    def _validated(self, X: Any, *, mask: Any = None, weights: Any = None, reset: bool = False) -> Input:
        """Return the checked `X` as data to work on."""
        if isinstance(X, Data):
            return self._validated_data(as_data(X, mask=mask, weights=weights), reset=reset)
        array = X
        if scipy.sparse.issparse(X):
            array = X.tocsr()
        elif not is_torch(X):
            array = check_real_array(X, "X", entries=False)
        check_same_home(
            {"X": np.empty(0) if scipy.sparse.issparse(X) else array, "mask": _if_array(mask), "weights": weights}
        )
        prototype = array[:0]
        array, mask, weights = (_on_host(x) for x in (array, mask, weights))
        as_checked = as_data(array, mask=mask, weights=weights, nonnegative=True)
        _check_matrix(as_checked)
        validate_data(self, X, reset=reset, skip_check_array=True)
        _, largest = as_checked.extent()
        if largest == 0.0 or MODERATE[0] < largest < MODERATE[1]:
            return Input(as_checked, prototype, 1.0)
        scale = float(np.ldexp(1.0, min(-int(np.frexp(largest)[1]), LARGEST_EXPONENT)))
        wide = array.astype(np.float64) if scipy.sparse.issparse(array) else as_float64(array)
        return Input(as_data(wide * scale, mask=mask, weights=weights), prototype, scale)

    def _validated_data(self, data: Data, *, reset: bool) -> Input:
        """Return a data object as the input that it is, once it is known to be a nonnegative matrix of the right width."""
        _check_matrix(data)
        smallest, _ = data.extent()
        if smallest < 0:
            raise ValueError(f"Negative values in data: X contains entries down to {smallest:g}")
        # What scikit-learn asks of X here is its shape.
        validate_data(self, np.broadcast_to(0.0, data.shape), reset=reset, skip_check_array=True)
        return Input(data, data.prototype, 1.0)

    def _keep(self, hierarchy: Hierarchy, tape: Sequence[LayerTape], given: Input) -> None:
        """Set the fitted attributes from the hierarchy and its forward pass on the training data."""
        prototype = given.prototype
        self._hierarchy = hierarchy
        self.factors_ = [cast_like(A, prototype) for A in hierarchy.factors]
        self.codes_ = [cast_like(level.S / given.scale, prototype) for level in tape]
        product, components = None, []
        for A in hierarchy.factors:
            product = A if product is None else product @ A
            components.append(cast_like(product.T, prototype))
        self.components_ = components
        self.reconstruction_err_ = np.array(relative_errors(hierarchy, tape))

    @property
    def _n_features_out(self) -> int:
        return self.components_[-1].shape[0]

    def _level(self, level: Any) -> int:
        """Return `level` as an index from 0 to the number of levels less one."""
        levels = len(self.components_)
        if not isinstance(level, numbers.Integral) or not -levels <= int(level) < levels:
            raise ValueError(f"level must be an integer from {-levels} to {levels - 1}, got {level!r}")
        return int(level) % levels

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Array:
        """Fit to `X` and return the codes of its samples at the last level, `(n, k_L)`."""
        return self.fit(X, y, **fit_params).codes_[-1]

    def transform(self, X: Any, level: int = -1) -> Array:
        """Return the codes of samples at a level, from the features alone.

        Parameters
        ----------
        X : array, tensor or sparse matrix, `(n, m)`
            Nonnegative, of the features that were fitted.
        level : int
            From 0, the finest; -1 is the last.

        Returns
        -------
        array, `(n, k_l)`
            In the backend and floating dtype of `X`.
        """
        check_is_fitted(self, "factors_")
        level = self._level(level)
        given = self._validated(X)
        hierarchy = self._hierarchy_like(given.data)
        tape = Hierarchy(hierarchy.layers[: level + 1]).solve(given.data)
        return cast_like(tape[level].S / given.scale, given.prototype)

    def _hierarchy_like(self, data: Data) -> Hierarchy:
        """Return the fitted hierarchy in the backend of the data: a model fitted on one serves the other."""
        if is_torch(data.prototype) == is_torch(self._hierarchy.factors[0]):
            return self._hierarchy
        return self._hierarchy.with_factors([from_numpy(to_numpy(A), data.prototype) for A in self._hierarchy.factors])

    def inverse_transform(self, S: Array, level: int = -1) -> Array:
        """Return the data that codes of a level stand for, `S` times the level's components: `(n, m)`."""
        check_is_fitted(self, "factors_")
        components = self.components_[self._level(level)]
        S = check_real_array(S, "S", orders=(2,))
        if S.shape[1] != components.shape[0]:
            raise ValueError(f"S must have shape (n, {components.shape[0]}) at level {level}, got {tuple(S.shape)}")
        product = as_float64(S) @ from_numpy(to_numpy(as_float64(components)), S)
        return cast_like(product, S)

    def tree(self, feature_names: Sequence[str] | None = None, *, n_words: int = 8) -> TopicTree:
        """Return the tree of topics and supertopics with their words and shares.

        Parameters
        ----------
        feature_names : sequence of str, `m` of them, optional
            By default the names that `fit` saw, or `x0`, `x1`, ….
        n_words : int
            Most words a topic shows.

        Returns
        -------
        TopicTree
            Printing it draws the tree.
        """
        check_is_fitted(self, "factors_")
        check_number(n_words, "n_words", low=1, integer=True)
        m = self.components_[0].shape[1]
        if feature_names is None:
            feature_names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(m)])
        if len(feature_names) != m:
            raise ValueError(f"feature_names must hold {m} names, one a feature; got {len(feature_names)}")
        factors, codes, components = (
            [to_numpy(x) for x in part] for part in (self.factors_, self.codes_, self.components_)
        )
        return topic_tree(factors, codes, components, feature_names, n_words)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        return tags
