"""What the estimators share whose samples have a code at every level: codes of new samples, and their inverse."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import Array, as_float64, cast_like, to_numpy
from hntf.estimators.base import Estimator, Input, checked_code, level_index


class CodedEstimator(Estimator):
    """Base of the estimators with codes `(n, k_l)`; a subclass says how samples are coded, and what a code stands for."""

    factors_: list[Array]
    codes_: list[Array]

    @abstractmethod
    def _encode(self, given: Input, level: int) -> Array:
        """Return the codes of samples at a level, in the units of the data as they are given."""

    @abstractmethod
    def _decode(self, S: Array, level: int) -> Array:
        """Return the data that codes of a level, float64, stand for."""

    @property
    def sparsity_(self) -> dict[str, np.ndarray]:
        """The share of zeros in the codes of every level and in every factor: `"codes"` and `"factors"`."""
        parts = {"codes": self.codes_, "factors": self.factors_}
        return {name: np.array([float(np.mean(to_numpy(x) == 0)) for x in part]) for name, part in parts.items()}

    @property
    def _n_features_out(self) -> int:
        return self.codes_[-1].shape[1]

    def transform(self, X: Any, level: int = -1, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the codes of samples at a level, from the features alone.

        Parameters
        ----------
        X : array, tensor or sparse matrix, `(n, …)`
            As in `fit`, of the features that were fitted.
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
        return cast_like(self._encode(given, level) / given.scale, given.prototype)

    def inverse_transform(self, S: Array, level: int = -1) -> Array:
        """Return the data that codes of a level stand for, in the shape of the data."""
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self.codes_))
        S = checked_code(S, self.codes_[level].shape[1], level)
        return cast_like(self._decode(as_float64(S), level), S)
