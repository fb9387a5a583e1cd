"""Layers of nonnegative sparse coding with dictionaries of any sign, unit columns, and penalties that can be trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from itertools import pairwise
from typing import Any

import numpy as np

from hntf.algebra import without_dead_columns
from hntf.arrays import Array, backend_of, from_numpy, to_numpy
from hntf.data import Data
from hntf.layers import LayerTape
from hntf.models.base import Trainable
from hntf.models.stack import Gradients, dense_hierarchy
from hntf.validation import check_real_array, check_same_home


class SparseCoding(Trainable):
    r"""Layers `S_l = argmin_{S ≥ 0} ½‖S_{l−1} − S D_lᵀ‖² + λ_{1,l}ΣS + ½λ_{2,l}‖S‖²`, `S_0 = X`, with `D_l` of any sign.

    The trained factors are nonnegative, as the optimizers require: a dictionary is `D_l = (P_l − N_l) / ‖·‖`, with the norms
    column by column, and the penalties of all levels are the last factor, `(L, 2)`.

    Parameters
    ----------
    pairs : list of pairs of arrays, `(k_{l−1}, k_l)`
        The pairs `(P_l, N_l)`.
    penalties : array, `(L, 2)`
        The penalties `λ_{1,l}` and `λ_{2,l}`.
    train_penalties : bool
        Whether the penalties are trained as well, or fixed.

    References
    ----------
    Sun, Nasrabadi, Tran (2018), *Supervised deep sparse coding networks for image classification*, IEEE Trans. Image Process.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> D = np.array([[1.0], [-1.0]])
    >>> model = hntf.hierarchies.SparseCoding([(np.maximum(D, 0), np.maximum(-D, 0))], np.zeros((1, 2)))
    >>> round(hntf.losses.Energy().value_and_grad(model, np.array([[3.0, 1.0]]))[0], 6)
    8.0
    """

    def __init__(self, pairs: Sequence[tuple[Array, Array]], penalties: Array, *, train_penalties: bool = True) -> None:
        self.pairs = [tuple(check_real_array(U, "each of pairs", orders=(2,)) for U in pair) for pair in pairs]
        self.penalties = check_real_array(penalties, "penalties", orders=(2,), nonnegative=True)
        self.train_penalties = train_penalties
        if tuple(self.penalties.shape) != (len(self.pairs), 2):
            raise ValueError(f"penalties must have shape ({len(self.pairs)}, 2), got {tuple(self.penalties.shape)}")
        for (below, _), (above, _) in pairwise(self.pairs):
            if len(above) != below.shape[1]:
                raise ValueError(f"pairs must fit on each other, got shapes {below.shape} and {above.shape}")
        for P, N in self.pairs:
            check_same_home({"P": P, "N": N})
        self.hierarchy = dense_hierarchy([P for P, _ in self.pairs])
        self._set_layers()

    def _set_layers(self) -> None:
        """Compute the dictionaries, with unit columns, and update the layers with them and the penalties."""
        self.dictionaries, self._norms = [], []
        for P, N in self.pairs:
            U = P - N
            norms = backend_of(U).sqrt((U * U).sum(0))
            norms = norms + (norms == 0)
            self.dictionaries.append(U / norms)
            self._norms.append(norms)
        sizes = to_numpy(self.penalties).tolist()
        layers = self.hierarchy.with_factors(self.dictionaries).layers
        self.hierarchy = self.hierarchy.with_layers(
            [layer.with_penalties(l1, l2) for layer, (l1, l2) in zip(layers, sizes, strict=True)]
        )

    @property
    def factors(self) -> list[Array]:
        factors = [U for pair in self.pairs for U in pair]
        return [*factors, self.penalties] if self.train_penalties else factors

    def with_factors(self, factors: Sequence[Array]) -> SparseCoding:
        count = 2 * len(self.pairs)
        pairs = list(zip(factors[:count:2], factors[1:count:2], strict=True))
        return self._with(pairs, factors[-1] if self.train_penalties else self.penalties)

    def _with(self, pairs: Sequence[Any], penalties: Array) -> SparseCoding:
        model = copy(self)
        model.pairs, model.penalties = list(pairs), penalties
        model._set_layers()
        return model

    def revived(self) -> SparseCoding:
        # A dictionary's column is dead where its two parts are equal; the penalties are no columns of a dictionary.
        live = [without_dead_columns(abs(D)) for D in self.dictionaries]
        dead = [(D * D).sum(0) == 0 for D in self.dictionaries]
        pairs = [(P + A * off, N) for (P, N), A, off in zip(self.pairs, live, dead, strict=True)]
        return self._with(pairs, self.penalties) if any(bool(off.any()) for off in dead) else self

    def mapped(self, function: Callable[[Array], Array]) -> SparseCoding:
        return self._with([tuple(map(function, pair)) for pair in self.pairs], function(self.penalties))

    def in_units(self, c: float) -> SparseCoding:
        return self._with(self.pairs, self.penalties * from_numpy(np.array([c, 1.0]), self.penalties))

    @property
    def parameters(self) -> list[Array]:
        return self.dictionaries

    def encode(self, X: Data, level: int) -> Array:
        return self.hierarchy.encode(X, level)

    def encode_levels(self, X: Data) -> list[Array]:
        return self.codes(self.solve(X))

    def decode(self, S: Array, level: int) -> Array:
        return self.hierarchy.decode(S, level)

    def squared_residuals(self, X: Data, codes: Mapping[int, Array]) -> list[float]:
        return self.hierarchy.squared_residuals(X, codes)

    def profiles(self, level: int, code: Array) -> list[Array]:
        return self.hierarchy.profiles(level, code)

    def memberships(self, level: int) -> Array:
        return self.hierarchy.memberships(level)

    @property
    def n_levels(self) -> int:
        return len(self.pairs)

    def check_input(self, X: Data) -> None:
        self.hierarchy.check_input(X)

    def solve(self, X: Data, start: Sequence[LayerTape] | None = None) -> list[LayerTape]:
        return self.hierarchy.solve(X, start)

    def codes(self, tape: Sequence[LayerTape]) -> list[Array]:
        return self.hierarchy.codes(tape)

    def no_gradients(self, tape: Sequence[LayerTape]) -> Gradients:
        return self.hierarchy.no_gradients(tape)

    def squared_errors(self, tape: Sequence[LayerTape], weights: Sequence[float]) -> tuple[float, Gradients]:
        return self.hierarchy.squared_errors(tape, weights)

    def pullback(self, tape: Sequence[LayerTape], gradients: Any) -> list[Array]:
        of_penalties: list[tuple[float, float]] = []
        _, d_dictionaries = self.hierarchy.adjoint_and_factor_gradients(tape, gradients, of_penalties)
        dfactors = []
        for D, norms, dD in zip(self.dictionaries, self._norms, d_dictionaries, strict=True):
            dU = (dD - D * (D * dD).sum(0)) / norms
            dfactors.extend([dU, -dU])
        if self.train_penalties:
            dfactors.append(0 * self.penalties + from_numpy(np.array(of_penalties[::-1]), self.penalties))
        return dfactors
