"""What the estimators share whose model is a stack of layers on the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.arrays import Array, cast_like, in_backend_of
from hntf.estimators.base import Input
from hntf.estimators.coded import CodedEstimator
from hntf.hierarchies import Hierarchy


class StackEstimator(CodedEstimator):
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

    def _encode(self, given: Input, level: int) -> Array:
        hierarchy = self._hierarchy_like(given.data.prototype)
        if any(layer.l1 for layer in hierarchy.layers):
            self._check_moderate(given, "with penalties")
        return Hierarchy(hierarchy.layers[: level + 1]).solve(given.data)[level].S

    def _decode(self, S: Array, level: int) -> Array:
        return self._hierarchy_like(S).decode_to_data(S, level + 1, self.feature_shape_)

    def _hierarchy_like(self, reference: Any) -> Hierarchy:
        """Return the fitted hierarchy in the backend of `reference`: a model fitted on one serves the other."""
        return self._hierarchy.with_factors(in_backend_of(self._hierarchy.factors, reference))
