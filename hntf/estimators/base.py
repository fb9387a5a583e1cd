"""Base class of all estimators: checks of the inputs, the fitted model, and the methods and attributes derived from it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import (
    Array,
    as_float64,
    cast_like,
    identity_like,
    in_backend_of,
    to_numpy,
)
from hntf.axes import Axis, axes_of, check_labels, texts_of
from hntf.costs.levels import FLOOR
from hntf.costs.targets import Labels
from hntf.data.masks import ALL_HIDDEN
from hntf.estimators.checks import check_shape, in_order_of_fit, with_checkpoint
from hntf.estimators.inputs import Input, as_input
from hntf.estimators.of_part import (
    Fitted,
    encoded,
    fitted_code,
    proportions_of,
    squared_residual_of,
    squared_residuals_of,
    squared_residuals_of_encoded,
)
from hntf.estimators.results import arrays_in, cast_nested, in_container
from hntf.estimators.stored import STORED_FORMAT, state_of
from hntf.fitting.interruption import interruptible
from hntf.fitting.loop import Solution
from hntf.fitting.report import Callback
from hntf.models import Model
from hntf.storage import is_array, write
from hntf.trees import TopicForest, TopicTree, checked_names, named_features, topic_tree
from hntf.validation import check_choice, check_number, check_real_array, level_index, mode_index, warn_user


class Estimator(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of all estimators: it checks the data, stores the model that a subclass's `_fit` finds, and derives the rest from it.

    Attributes
    ----------
    model_ : Model
        The fitted model; the other attributes follow from it and the codes of the samples.
    codes_ : list of arrays, `(n, k_l)`
        The codes of the training samples at each level.
    axes_ : list of Axis
        The name of each mode and the names of its entries, where the data brought names along (pandas, polars, xarray).
    """

    model_: Model
    codes_: list[Array]
    axes_: list[Axis]
    max_iter: int
    tol: float
    n_init: int
    verbose: bool | int
    callback: Callback | None
    solver = "anls"
    learning_rate: float | None = None
    output_level: int | str = -1

    _takes_signs = False
    """Whether data may have negative entries."""

    _takes_checkpoints = False
    """Whether the state of a fit can be saved."""

    _matrices_only = False
    _for_tensors = ""
    """For a method that takes matrices only, the name of the estimator to use for tensors."""

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        mask: Any = None,
        weights: Any = None,
        checkpoint: str | Path | None = None,
        every: int = 10,
    ) -> Self:
        """Fit all levels to the data.

        Parameters
        ----------
        X : array, tensor or scipy.sparse matrix, `(n, m)` or `(n, d_2, …, d_N)`
            Samples along mode 0. Must be nonnegative, except for the methods that take data of any sign. A sparse matrix is never
            made dense; a torch tensor is fitted on its device.
        y : Ignored
            Not used, present for API consistency by convention.
        mask : bool array, "nan", or a tuple of these, optional
            True where an entry is observed; `"nan"` masks the entries that are NaN. What is masked is never looked at. A mask has
            the shape of `X`, `(n,)` for each sample, or an axis of length 1 where it is the same for a whole mode; for a
            sparse `X` also a sparse matrix, or `"stored"` for its stored entries.
        weights : array, optional
            Nonnegative weights of the entries in the cost, of a shape as for `mask`; for a sparse `X` also a sparse matrix.
        checkpoint : str or Path, optional
            A file in which the state of the fit is kept, so that the same call goes on from there after it was cut off. Methods
            that keep no such state say so.
        every : int
            Number of iterations after which the checkpoint is written.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If a parameter or `X` is not as described; the message names it.
        """
        given = self._validated(X, mask=mask, weights=weights, reset=True, together=True)
        with interruptible():
            self._fit(with_checkpoint(self, given, None, checkpoint, every), None)
        return self

    @abstractmethod
    def _fit(self, given: Input, labels: Labels | None) -> None:
        """Check the parameters, fit to checked data and labels, and call `_keep`."""

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit to `X` and return the codes of its samples; takes the arguments of `fit` and returns what `transform` returns."""
        data_params = {name: value for name, value in fit_params.items() if name in ("mask", "weights")}
        return self.fit(X, y, **fit_params).transform(X, **data_params)

    # Results of a fit.

    def _keep(self, model: Model, given: Input, solution: Solution, codes: Any = None) -> None:
        """Store the fitted model, the codes of the samples and the course of the fit.

        `codes` are the codes of all levels that the fit found, or of a single level as a function of a part, where they differ
        from those that the model computes from the data.
        """
        if not callable(codes):
            given.parts.forget()
        fitted = Fitted(model, codes)
        squared, norm_squared = given.parts.total(squared_residuals_of, fitted), given.parts.norm_squared
        self.reconstruction_err_ = np.sqrt(squared / norm_squared) if norm_squared else 0.0 * squared
        self.codes_ = [
            given.parts.rows(
                fitted_code, fitted, level, given.scale, given.prototype, columns=k, at_once=callable(codes)
            )
            for level, k in enumerate(model.code_sizes)
        ]
        given.parts.forget()
        self.__dict__.pop("_code_sums", None)  # those of a loaded model
        self.model_ = model.in_units(1.0 / given.scale)
        # As in scikit-learn, a fit whose start cannot be improved counts one iteration.
        self.n_iter_ = max(1, solution.n_iter)
        self.history_ = solution.history
        solution.warn_unless_converged(self.tol)
        self._warn_of_undetermined(given, model)

    def _keep_ratios(self, errors: Sequence[float] | None) -> None:
        """Store the ratio of each level's error to that of the best single level of its rank, if these errors are known."""
        self.__dict__.pop("level_ratios_", None)
        if errors is not None:
            # A level that is fitted exactly, by the measure of the weights, costs nothing.
            self.level_ratios_ = np.maximum(self.reconstruction_err_, FLOOR) / np.maximum(errors, FLOOR)

    @property
    def n_levels_(self) -> int:
        """The number of levels."""
        check_is_fitted(self, "model_")
        return self.model_.n_levels

    @property
    def factors_(self) -> list[Any]:
        """The factors of the model; see the class for their order and shapes."""
        check_is_fitted(self, "model_")
        return cast_nested(list(self.model_.parameters), self.codes_[0])

    @property
    def components_(self) -> list[Any]:
        """The components of each level in data space: `(k_l, m)` for a matrix, one `(k_l, d_i)` per mode for a tensor."""
        check_is_fitted(self, "model_")
        if len(self.feature_shape_) > 1:
            codes = [self._code(level) for level in range(self.n_levels_)]
            return cast_nested([self.model_.profiles(level, S) for level, S in enumerate(codes)], self.codes_[0])
        reference = arrays_in(list(self.model_.parameters))[0]
        sizes = enumerate(self.model_.code_sizes)
        return cast_nested(
            [self.model_.decode(identity_like(k, reference), level) for level, k in sizes], self.codes_[0]
        )

    @property
    def memberships_(self) -> list[Any]:
        """The gathering matrix of each level, from the components of the level below, `(k_{l−1}, k_l)`; the identity at level 0."""
        check_is_fitted(self, "model_")
        return cast_nested([self.model_.memberships(level) for level in range(self.n_levels_)], self.codes_[0])

    @property
    def sparsity_(self) -> dict[str, np.ndarray]:
        """The fraction of zeros in the codes of each level (`"codes"`) and in each factor (`"factors"`)."""
        parts = {"factors": arrays_in(self.factors_), "codes": self.codes_}
        return {name: np.array([float(np.mean(to_numpy(x) == 0)) for x in part]) for name, part in parts.items()}

    def _code(self, level: int) -> Array:
        """Return the codes of the training samples at a level, in float64, in the backend and on the device of the model."""
        S = as_float64(self.codes_[level])
        return in_backend_of([S], arrays_in(list(self.model_.parameters))[0])[0]

    def _level_and_code(self, level: Any) -> tuple[int, Array]:
        check_is_fitted(self, "model_")
        level = level_index(level, self.n_levels_)
        return level, self._code(level)

    def _code_sum(self, level: int) -> Array:
        """Return the sums of the training codes of a level over the samples, `(1, k_l)`."""
        # Of codes that are there, summed where they are, which may be in parts.
        stored = getattr(self, "_code_sums", None)
        total = (as_float64(self.codes_[level]).sum(0) if stored is None else stored[level])[None]
        return in_backend_of([total], arrays_in(list(self.model_.parameters))[0])[0]

    def save(self, path: str | Path, *, codes: bool = False) -> None:
        """Store the fitted model in a file, for `hntf.load`.

        The file is a safetensors file with JSON in its metadata, which other programs can read; nothing in it can be executed.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced as a whole.
        codes : bool
            Whether the codes of the training samples are stored. Without them a loaded model has `codes_` of no samples; CP and
            Tucker decompositions have a factor of the training samples, which is always stored.

        Raises
        ------
        FileNotFoundError, ValueError
            If `path` is not a file in a folder that exists.
        """
        check_is_fitted(self, "model_")
        if type(self).__module__.partition(".")[0] != "hntf":
            raise TypeError(f"save knows the estimators of hntf, got {type(self).__name__}; use pickle for your own")
        write(path, state_of(self, codes=codes), STORED_FORMAT)

    # Codes of samples, and reconstruction from codes.

    def transform(self, X: Any, level: int | str | None = None, *, mask: Any = None, weights: Any = None) -> Any:
        """Return the codes of samples at a level, computed from their features alone.

        Parameters
        ----------
        X : array, tensor or sparse matrix, `(n, …)`
            As in `fit`, with the same features.
        level : int or "all", optional
            Index of the level: 0 is the finest, -1 the last; `"all"` concatenates the codes of all levels. By default
            `output_level`.
        mask, weights
            As in `fit`.

        Returns
        -------
        array, `(n, k_l)`
            In the backend and floating dtype of `X`, or in the container chosen with `set_output`.
        """
        check_is_fitted(self, "model_")
        level = self._checked_level(level)
        given = self._validated(X, mask=mask, weights=weights)
        ranks = self.model_.code_sizes
        columns = sum(ranks) if isinstance(level, str) else ranks[level]
        arguments = (self._model_for(given), level, given.scale, given.prototype)
        codes = given.parts.rows(encoded, *arguments, columns=columns)
        return in_container(codes, X, self.get_feature_names_out(level=level), self)

    def proportions(self, X: Any, level: int | str | None = None, *, mask: Any = None, weights: Any = None) -> Any:
        """Return the part of each sample's model that every component of a level carries.

        A code says how often a component occurs; a component that is large itself carries more of the sample. These are the
        codes times the sums of the components, divided by their sum over the components.

        Parameters
        ----------
        X, mask, weights
            As in `transform`.
        level : int or "all", optional
            By default `output_level`; `"all"` puts the levels side by side.

        Returns
        -------
        array, `(n, k_l)`
            The rows of a level sum to 1, or to 0 where the code is zero. In the backend of `X`.
        """
        check_is_fitted(self, "model_")
        chosen = self._checked_level(level)
        given = self._validated(X, mask=mask, weights=weights)
        levels = range(self.n_levels_) if chosen == "all" else [chosen]
        k = sum(self.model_.code_sizes[each] for each in levels)
        return given.parts.rows(proportions_of, self._model_for(given), levels, given.prototype, columns=k)

    def _model_for(self, given: Input) -> Model:
        return self.model_.to(given.parts.prototype).in_units(given.scale)

    def _checked_level(self, level: Any) -> Any:
        """Return a level, by default `output_level`, as an index from 0 or `"all"`."""
        name, level = ("output_level", self.output_level) if level is None else ("level", level)
        return level if isinstance(level, str) and level == "all" else level_index(level, self.n_levels_, name=name)

    def inverse_transform(self, S: Array, level: int | str | None = None) -> Array:
        """Reconstruct samples from their codes at a level.

        Parameters
        ----------
        S : array, `(n, k_l)`
            Codes of samples.
        level : int or "all", optional
            As in `transform`. With `"all"` the codes of the finest level are used, whose reconstruction is closest to the data.

        Returns
        -------
        array, `(n, …)`
            The reconstruction in the shape of the data, in the backend and floating dtype of `S`.
        """
        check_is_fitted(self, "model_")
        given = self._checked_level(level)
        S = check_real_array(S, "S", orders=(2,))
        ranks = [code.shape[1] for code in self.codes_]
        k = sum(ranks) if given == "all" else ranks[given]
        if S.shape[1] != k:
            raise ValueError(f"S must have shape (n, {k}) at level {given}, got {tuple(S.shape)}")
        index = 0 if given == "all" else given
        return cast_like(self.model_.to(S).decode(as_float64(S)[:, : ranks[index]], index), S)

    def fill(self, X: Array, level: int | None = None, *, mask: Any = "nan", weights: Any = None) -> Array:
        """Return samples with their hidden entries replaced by their reconstruction from those that are observed.

        Parameters
        ----------
        X : array or tensor, `(n, …)`
            Samples with the features of the fit.
        level : int, optional
            The level whose reconstruction is used, by default that of `output_level`, or the finest for `"all"`.
        mask, weights
            As in `fit`; entries with weight 0 are filled as well.

        Returns
        -------
        array, `(n, …)`
            In the backend and floating dtype of `X`.

        Examples
        --------
        >>> import numpy as np, hntf
        >>> X = np.outer([1.0, 2.0, 3.0], [2.0, 1.0, 4.0])
        >>> X[0, 1] = np.nan
        >>> hntf.NMF(1, random_state=0).fit(X, mask="nan").fill(X).round(3)
        array([[ 2.,  1.,  4.],
               [ 4.,  2.,  8.],
               [ 6.,  3., 12.]])
        """
        check_is_fitted(self, "model_")
        index = self._level_of_reconstruction(level)
        given = self._validated(X, mask=mask, weights=weights)
        if not given.is_dense:
            raise TypeError(
                f"X must be a dense array or tensor to be filled, got {type(X).__name__}; "
                "use inverse_transform(transform(X, mask=mask))"
            )
        observed = given.data.observed
        if observed is None:
            return X
        model = self._model_for(given)
        S, filled = model.encode(given.data, index), as_float64(given.arrays[0]) * 1.0
        for rows in given.data.blocks_of_samples():
            hidden, block = ~observed[rows], filled[rows]
            block[hidden] = (model.decode(S[rows], index) / given.scale)[hidden]
        return cast_like(filled, given.prototype)

    def reconstruction_error(
        self,
        X: Any,
        codes: Array | None = None,
        *,
        level: int | None = None,
        mask: Any = None,
        weights: Any = None,
    ) -> float:
        """Return the relative error `‖X − X̂‖ / ‖X‖` of a level over the observed entries.

        The codes are not computed from these entries, so that the error of entries that were held out from a fit is one call:
        `model.fit(X, mask=~held_out).reconstruction_error(X, mask=held_out)`.

        Parameters
        ----------
        X : array, tensor or sparse matrix, `(n, …)`
            Samples with the features of the fit.
        codes : array, `(n, k_l)`, optional
            Their codes at the level, by default those of the fit, `codes_`; of other samples for example
            `transform(X, mask=~held_out)`.
        level : int, optional
            By default that of `output_level`, or the finest for `"all"`.
        mask, weights
            As in `fit`: the entries over which the error is taken.
        """
        check_is_fitted(self, "model_")
        index = self._level_of_reconstruction(level)
        given = self._validated(X, mask=mask, weights=weights, together=True, encodes=False)
        S = self.codes_[index] if codes is None else given.parts.checked_rows(codes, "codes")
        shape = (given.parts.n_here, self.codes_[index].shape[1])
        if tuple(S.shape) != shape:
            raise ValueError(
                f"codes must have shape {shape} for these samples at level {index}, got {tuple(S.shape)}; pass "
                "codes=model.transform(...) for samples that were not fitted"
            )
        error = given.parts.total_with(S, squared_residual_of, self._model_for(given), index, given.scale)
        size = given.parts.norm_squared
        return (error / size) ** 0.5 if size else 0.0

    def _level_of_reconstruction(self, level: Any) -> int:
        """Return the index of a level, by default `output_level`, from whose codes samples are reconstructed."""
        chosen = self._checked_level(level)
        return 0 if chosen == "all" else chosen

    def get_feature_names_out(self, input_features: Any = None, *, level: int | str | None = None) -> np.ndarray:
        """Return the names of the columns that `transform` returns at a level, by default at `output_level`.

        A name is the class name in lower case and the index of the component, with the index of the level in between for all
        levels but the last: `neuralnmf0` and `neuralnmf_level0_0`.
        """
        check_is_fitted(self, "model_")
        chosen = self._checked_level(level)
        prefix = type(self).__name__.lower()
        names: list[str] = []
        for i in range(self.n_levels_) if chosen == "all" else [chosen]:
            of_level = prefix if i == self.n_levels_ - 1 else f"{prefix}_level{i}_"
            names.extend(f"{of_level}{j}" for j in range(self.codes_[i].shape[1]))
        return np.array(names, dtype=object)

    def score(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None) -> float:
        """Return the negative relative reconstruction error of samples at the output level: larger is better."""
        return -self._error(X, mask=mask, weights=weights)

    def _error(self, X: Any, *, mask: Any, weights: Any) -> float:
        check_is_fitted(self, "model_")
        level = self._checked_level(None)
        given = self._validated(X, mask=mask, weights=weights, together=True)
        model = self._model_for(given)
        squared = given.parts.total(squared_residuals_of_encoded, model)[-1 if level == "all" else level]
        norm_squared = given.parts.norm_squared
        return float((squared / norm_squared) ** 0.5) if norm_squared else 0.0

    def to_pandas(self, level: int | None = None, *, mode: int = 0) -> Any:
        """Return the codes, or the components along another mode, as a pandas DataFrame with the names that the data brought along.

        Parameters
        ----------
        level : int, optional
            By default that of `output_level`, or the finest for `"all"`.
        mode : int
            The mode whose entries are the rows: 0 for the codes of the samples, from 1 for the components, `(d_mode, k_l)`.
        """
        import pandas

        check_is_fitted(self, "model_")
        index = self._level_of_reconstruction(level)
        order = len(self.feature_shape_) + 1
        mode = mode_index(mode, order)
        components = self.components_[index] if order > 2 else [self.codes_[index].T, self.components_[index]]
        values = components[mode].T
        axis = self.axes_[mode] if len(values) else Axis()
        rows: Any = None
        if axis.labels is not None and len(axis.labels) and isinstance(axis.labels[0], tuple):
            rows = pandas.MultiIndex.from_tuples(axis.labels.tolist())
        elif axis.labels is not None:
            rows = pandas.Index(axis.labels, name=axis.name)
        return pandas.DataFrame(to_numpy(values), rows, self.get_feature_names_out(level=index))

    def tree(
        self,
        feature_names: Any = None,
        *,
        mode: int | str | None = None,
        n_words: int = 8,
        sample_names: Sequence[Any] | None = None,
    ) -> TopicTree | TopicForest:
        """Return the tree of topics and supertopics with their words and weights, and the samples in which they are largest.

        Each topic is placed under the supertopic that receives most of its weight; the tree keeps the others, too.

        Parameters
        ----------
        feature_names : sequence of str, optional
            For a matrix, the names of its features; by default those seen in `fit`, or `x0`, `x1`, …. For a tensor, the names of
            the entries of `mode`; without `mode`, or for all, a sequence with one list of names, or None, for each mode from 1.
        mode : int or "all", optional
            For a tensor, the mode whose tree is shown and whose entries are the words. Required where every mode has its own
            gathering matrices; with `"all"`, the trees of all modes from 1. By default, the words are the entries of all modes
            but that of the samples.
        n_words : int
            Maximum number of words per topic and mode.
        sample_names : sequence, optional
            The names of the samples of the fit; by default those seen in `fit`, or `sample0`, `sample1`, ….

        Returns
        -------
        TopicTree or, with `mode="all"`, TopicForest
            Printing it draws the tree; `to_html(path)` makes an interactive page of it.

        Raises
        ------
        TypeError, ValueError
            If names do not match the data, or `mode` is out of range or is missing where it is required.
        """
        check_is_fitted(self, "model_")
        check_number(n_words, "n_words", low=1, integer=True)
        shape = (len(self.codes_[0]), *self.feature_shape_)
        if isinstance(mode, str):
            check_choice(mode, "mode", ("all",))
            given = checked_names(feature_names, len(shape) - 1)
            return TopicForest({i: self._tree(given[i - 1], i, n_words, sample_names) for i in range(1, len(shape))})
        return self._tree(feature_names, mode, n_words, sample_names)

    def _tree(self, feature_names: Any, mode: int | None, n_words: int, sample_names: Any) -> TopicTree:
        shape = (len(self.codes_[0]), *self.feature_shape_)
        seen = [None if axis.labels is None else texts_of(axis.labels) for axis in self.axes_]
        names = named_features(feature_names, mode, shape, seen)
        if sample_names is None:
            sample_names = seen[0]
        elif len(sample_names) != shape[0]:
            raise ValueError(
                f"sample_names must hold {shape[0]} names, one a sample of the fit, got {len(sample_names)}"
            )
        levels = range(self.n_levels_)
        here = shape[0] > 0 and is_array(self.codes_[0])
        if sample_names is not None and not here and shape[0] > 0 and self.axes_[0].labels is None:
            raise ValueError("sample_names must be None: the codes are not in memory, so the tree shows no samples")
        codes = [self._code(level) for level in levels] if here else None
        sums = [self._code_sum(level) for level in levels]
        tree = topic_tree(self.model_, sums, names, mode, n_words, codes=codes, sample_names=sample_names)
        tree.modes = {i: self.axes_[i].name or f"mode {i}" for i in names}
        tree.errors = to_numpy(self.reconstruction_err_).tolist()
        return tree

    # Checks.

    def _check_order(self, order: int) -> None:
        """Raise `ValueError` if the method does not take data of this order."""
        if self._matrices_only and order != 2:
            instead = f"; {self._for_tensors} takes tensors" if self._for_tensors else ""
            raise ValueError(f"X must have order 2, got order {order}{instead}")

    def _validated(
        self,
        X: Any,
        *,
        mask: Any = None,
        weights: Any = None,
        reset: bool = False,
        together: bool = False,
        encodes: bool = True,
    ) -> Input:
        """Return the checked `X` as data; in `fit` (`reset`) store its features, otherwise compare with the stored ones.

        With `together` the samples of all processes of a group belong together; `encodes` says that codes are computed from them.
        """
        X, mask, weights = in_order_of_fit(self, X, mask, weights, reset=reset)
        given = as_input(X, mask, weights, nonnegative=not self._takes_signs, together=together)
        n_unobserved = given.parts.facts.n_unobserved
        if n_unobserved == given.shape[0]:
            raise ValueError(ALL_HIDDEN)
        if n_unobserved and encodes:
            warn_user(f"X has no observed entry in {n_unobserved} of its samples: their codes are 0")
        if encodes and not reset:
            self._warn_of_undetermined(given, self.model_)
        check_shape(self, given.described(X), given.shape, reset=reset)
        axes = given.parts.axes or axes_of(X, given.shape)
        if reset:
            self.axes_ = axes
        else:
            check_labels(axes, self.axes_)
        return given.in_moderate_units()

    def _warn_of_undetermined(self, given: Input, model: Model) -> None:
        """Warn if a sample has fewer observed entries than components, and no penalty chooses among the codes that fit them."""
        fewest, k = given.parts.facts.fewest_observed, model.code_sizes[0]
        if fewest < min(k, math.prod(given.shape[1:])) and not getattr(self, "code_l2", 0.0):
            warn_user(
                f"X has samples with {fewest:.0f} observed entries and codes of {k}, which these do not determine: what is not "
                "observed may be anything, and rounding decides; take fewer components, or a penalty code_l2 where there is one"
            )

    def _check_levels(self, n_levels: int) -> None:
        """Check the parameters that refer to levels against the number of levels."""
        if self.output_level != "all":
            level_index(self.output_level, n_levels, name="output_level")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = not self._takes_signs
        tags.input_tags.sparse = True
        return tags
