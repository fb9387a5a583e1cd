"""What the estimators that fit a stack of layers on the data share: the fit, codes of new samples and their inverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import Array, as_float64, cast_like, from_numpy, is_torch, to_numpy
from hntf.estimators.base import Estimator, Input, checked_code, level_index, sparsity
from hntf.hierarchies import Hierarchy


class StackEstimator(Estimator):
    """Base of the estimators whose model is a `Hierarchy`; a subclass fits and calls `_keep_hierarchy`."""

    def _keep_hierarchy(self, hierarchy: Hierarchy, given: Input, codes: Sequence[Array] | None = None) -> list[Array]:
        """Set the fitted attributes from a hierarchy, and codes if not its own; return the codes, in the units of the data."""
        tape = hierarchy.solve(given.data)
        if codes is not None:
            tape = [record._replace(S=S) for record, S in zip(tape, codes, strict=True)]
        self._hierarchy = hierarchy
        self.factors_ = [cast_like(A, given.prototype) for A in hierarchy.factors]
        codes = [level.S / given.scale for level in tape]
        self.codes_ = [cast_like(S, given.prototype) for S in codes]
        self.reconstruction_err_ = np.array(hierarchy.relative_errors(tape))
        return codes

    @property
    def sparsity_(self) -> dict[str, np.ndarray]:
        """The share of zeros in the codes of every level and in every factor: `"codes"` and `"factors"`."""
        return sparsity(self.codes_, self.factors_)

    @property
    def _n_features_out(self) -> int:
        return self.codes_[-1].shape[1]

    def transform(self, X: Any, level: int = -1, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the codes of samples at a level, from the features alone.

        Parameters
        ----------
        X : array, tensor or sparse matrix, `(n, …)`
            Nonnegative, of the features that were fitted.
        level : int
            From 0, the finest; -1 is the last.
        mask, weights
            As in `fit`.

        Returns
        -------
        array, `(n, k_l)`
            In the backend and floating dtype of `X`.
        """
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self.codes_))
        given = self._validated(X, mask=mask, weights=weights)
        hierarchy = self._hierarchy_like(given.data.prototype)
        if any(layer.l1 for layer in hierarchy.layers):
            self._check_moderate(given, "with penalties")
        tape = Hierarchy(hierarchy.layers[: level + 1]).solve(given.data)
        return cast_like(tape[level].S / given.scale, given.prototype)

    def _hierarchy_like(self, reference: Any) -> Hierarchy:
        """Return the fitted hierarchy in the backend of `reference`: a model fitted on one serves the other."""
        if is_torch(reference) == is_torch(self._hierarchy.factors[0]):
            return self._hierarchy
        return self._hierarchy.with_factors([from_numpy(to_numpy(A), reference) for A in self._hierarchy.factors])

    def inverse_transform(self, S: Array, level: int = -1) -> Array:
        """Return the data that codes of a level stand for, in the shape of the data."""
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self.codes_))
        S = checked_code(S, self.codes_[level].shape[1], level)
        hierarchy = self._hierarchy_like(S)
        return cast_like(hierarchy.decode_to_data(as_float64(S), level + 1, self.feature_shape_), S)
