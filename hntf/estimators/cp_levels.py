"""What the estimators with a CP decomposition at every level share: their fitted attributes, and codes of new samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted
from tensorly.cp_tensor import CPTensor

from hntf.arrays import Array, as_float64, cast_like, in_backend_of, to_numpy
from hntf.data.protocol import cp_dense
from hntf.estimators.base import Estimator, Input, checked_code, level_index
from hntf.estimators.results import cp_result
from hntf.fitting.restarts import SweepSettings
from hntf.fitting.scaling import unit_components
from hntf.hierarchies.cp_model import CPTape
from hntf.least_squares.solver import solve


class CPLevel(NamedTuple):
    """The model of one level.

    Attributes
    ----------
    factors : list of arrays, `(d_i, r)`
        The level approximates the data by `[[Û_1, …, Û_N]]`.
    rank : int
        The number `k_l` of components.
    gather : array, `(r, k_l)`, or None
        `Û_1 = Q gatherᵀ` for the codes `Q` of the samples; None where they are `Û_1` itself.
    """

    factors: list[Array]
    rank: int
    gather: Array | None


class CPLevelsEstimator(Estimator):
    """Base of the estimators whose model is a `CPTensor` at every level; a subclass fits and calls `_keep_levels`."""

    factors_: list[Any]

    def _cp_settings(self) -> SweepSettings:
        """Return the parameters of the NCPD of the base, checked."""
        self._check_iterations()
        return SweepSettings("anls", self.max_iter, self.tol, self.n_init, bool(self.verbose))

    def _keep_model(self, model: Any, given: Input) -> list[Array]:
        """Set the fitted attributes from a model; return the codes of the training samples at every level."""
        tape = model.solve(given.data)
        self.reconstruction_err_ = np.array(model.relative_errors(tape))
        # The scale of extreme data is in the base's factor of the samples, and in all that follows from it.
        model = model.with_base([model.base[0] / given.scale, *model.base[1:]])
        factors, inner = model.expand(None)
        tape = CPTape(given.data, factors, model.level_ranks, inner)
        modes = range(len(model.base))
        prototype = given.prototype
        self.factors_ = [[cast_like(A, prototype) for A in model.factors_of(mode)] for mode in modes]
        self.codes_ = [[cast_like(R, prototype) for R in model.memberships(tape, mode)] for mode in modes]
        self.components_ = [[cast_like(U.T, prototype) for U in model.components(mode)] for mode in modes]
        self._keep_levels(
            [
                CPLevel(factors, samples.shape[1], model.sample_gather(tape, level))
                for level, (factors, samples) in enumerate(zip(tape.levels, model.codes(tape), strict=True))
            ],
            given,
        )
        return model.codes(tape)

    def _keep_levels(self, levels: list[CPLevel], given: Input) -> None:
        """Keep the model of every level, in the units of the data."""
        self._levels = levels
        self._prototype = given.prototype

    @property
    def _n_features_out(self) -> int:
        return self._levels[-1].rank

    def cp_tensor(self, level: int = -1, *, normalize: bool = False) -> CPTensor:
        """Return the model of a level.

        Parameters
        ----------
        level : int
            From 0, the base; -1 is the last.
        normalize : bool
            Whether the columns of the factors have unit norm and the weights carry the size of the components.

        Returns
        -------
        CPTensor
            Of TensorLy, in the backend and floating dtype of the training data.
        """
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self._levels))
        return cp_result(self._levels[level].factors, self._prototype, normalize=normalize)

    def transform(self, X: Any, level: int = -1, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the codes of samples at a level, from the features alone.

        Parameters
        ----------
        X : array or tensor, `(n, d_2, …, d_N)`
            Nonnegative, of the features that were fitted.
        level : int
            From 0, the base; -1 is the last.
        mask, weights
            As in `fit`.

        Returns
        -------
        array, `(n, k_l)`
            The weight of every component of the level in a sample: the solution of a nonnegative least-squares problem with the
            factors of the other modes fixed. In the backend and floating dtype of `X`.
        """
        check_is_fitted(self, "factors_")
        given = self._validated(X, mask=mask, weights=weights)
        factors, gather = self._level_like(level, given.data.prototype)
        G, C = given.data.gram(factors), given.data.mttkrp(factors, 0)
        if gather is not None:
            G, C = gather.T @ G @ gather, C @ gather
        return cast_like(solve(G, C).S / given.scale, given.prototype)

    def inverse_transform(self, S: Array, level: int = -1) -> Array:
        """Return the data that codes of a level stand for, `(n, d_2, …, d_N)`."""
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self._levels))
        S = checked_code(S, self._levels[level].rank, level)
        factors, gather = self._level_like(level, S)
        code = as_float64(S) if gather is None else as_float64(S) @ gather.T
        return cast_like(cp_dense(code, factors), S)

    def _level_like(self, level: Any, reference: Any) -> tuple[list[Array], Array | None]:
        """Return the factors and the gather of a level, in the backend of `reference`."""
        model = self._levels[level_index(level, len(self._levels))]
        factors = in_backend_of(model.factors, reference)
        return factors, None if model.gather is None else in_backend_of([model.gather], reference)[0]


def by_size(factors: Sequence[Array]) -> list[Array]:
    """Return a CP decomposition with its components in the order of their size, the largest first."""
    units, sizes = unit_components(factors)
    # A component with a zero column is nothing, whatever its other columns.
    alive = reduce(mul, [(unit * unit).sum(0) > 0 for unit in units])
    order = np.argsort(-to_numpy(sizes * alive), kind="stable")
    return [U[:, order.tolist()] for U in factors]
