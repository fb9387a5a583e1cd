"""What the matrix methods share whose levels are all measured on the data: a code of any level is decoded down to them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import Array, as_float64, cast_like, from_numpy, identity_like, is_torch, to_numpy
from hntf.data import Data
from hntf.estimators.base import Estimator, Input, checked_code, level_index, sparsity
from hntf.hierarchies.cp_model import cp_relative_error


class DecodedEstimator(Estimator):
    """Base of the estimators that find the code of a level from the data themselves; a subclass calls `_keep_levels` in `fit`."""

    @abstractmethod
    def _code(self, data: Data, factors: Sequence[Array]) -> tuple[Array, Array]:
        """Return the code of the last of these levels that gives the data best, and what it stands for at the first."""

    @abstractmethod
    def _data_of(self, S: Array, factors: Sequence[Array]) -> Array:
        """Return the data that codes of the last of these levels stand for."""

    def _keep_levels(self, factors: Sequence[Array], given: Input) -> None:
        """Set the fitted attributes of the model."""
        self._factors = list(factors)
        prototype = given.prototype
        self.factors_ = [cast_like(A, prototype) for A in factors]
        self.codes_, self.components_ = [], []
        errors = []
        for level in range(1, len(factors) + 1):
            S, first = self._code(given.data, factors[:level])
            errors.append(cp_relative_error(given.data, [first, factors[0]]))
            self.codes_.append(cast_like(S / given.scale, prototype))
            units = identity_like(S.shape[1], S)
            self.components_.append(cast_like(self._data_of(units, factors[:level]), prototype))
        self.reconstruction_err_ = np.array(errors)

    @property
    def sparsity_(self) -> dict[str, np.ndarray]:
        """The share of zeros in the codes of every level and in every factor: `"codes"` and `"factors"`."""
        return sparsity(self.codes_, self.factors_)

    @property
    def _n_features_out(self) -> int:
        return self.factors_[-1].shape[1]

    def _factors_like(self, reference: Any, level: int) -> list[Array]:
        """Return the factors up to a level in the backend of `reference`."""
        factors = self._factors[: level + 1]
        if is_torch(reference) == is_torch(factors[0]):
            return factors
        return [from_numpy(to_numpy(A), reference) for A in factors]

    def transform(self, X: Any, level: int = -1, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the codes of samples at a level, `(n, k_l)`, from the features alone; `mask` and `weights` as in `fit`."""
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self.factors_))
        given = self._validated(X, mask=mask, weights=weights)
        S, _ = self._code(given.data, self._factors_like(given.data.prototype, level))
        return cast_like(S / given.scale, given.prototype)

    def inverse_transform(self, S: Array, level: int = -1) -> Array:
        """Return the data that codes of a level stand for, `(n, m)`."""
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self.factors_))
        S = checked_code(S, self.factors_[level].shape[1], level)
        return cast_like(self._data_of(as_float64(S), self._factors_like(S, level)), S)

    def _check_order(self, order: int) -> None:
        if order != 2:
            raise ValueError(f"X must have order 2, got order {order}")
