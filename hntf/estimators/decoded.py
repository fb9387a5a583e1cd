"""What the matrix methods share whose levels are all measured on the data: a code of any level is decoded down to them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.arrays import Array, cast_like, identity_like, in_backend_of
from hntf.data import Data
from hntf.estimators.base import Input
from hntf.estimators.coded import CodedEstimator
from hntf.hierarchies.cp_model import cp_relative_error


class DecodedEstimator(CodedEstimator):
    """Base of the estimators that find the code of a level from the data themselves; a subclass calls `_keep_levels` in `fit`."""

    _matrices_only = True

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

    def _factors_like(self, reference: Any, level: int) -> list[Array]:
        """Return the factors up to a level in the backend of `reference`."""
        return in_backend_of(self._factors[: level + 1], reference)

    def _encode(self, given: Input, level: int) -> Array:
        return self._code(given.data, self._factors_like(given.data.prototype, level))[0]

    def _decode(self, S: Array, level: int) -> Array:
        return self._data_of(S, self._factors_like(S, level))
