"""The names of the entries of the modes that a tree shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hntf.validation import mode_index


def named_features(
    feature_names: Any, mode: int | None, shape: Sequence[int], seen: Sequence[Any]
) -> dict[int, list[str]]:
    """Return the names of the entries of the modes that a tree shows, as a dictionary by mode.

    Parameters
    ----------
    feature_names : sequence of str, or of such sequences, or None
        The names that the user passed.
    mode : int or None
        The mode to show; by default all modes but that of the samples.
    shape : sequence of int
        The shape of the data, samples first.
    seen : list of sequences of str or None
        The names of the entries of every mode seen in `fit`.

    Raises
    ------
    TypeError, ValueError
        If a mode is out of range or the names do not match the data.
    """
    order = len(shape)
    if mode is not None:
        shown, given = [mode_index(mode, order)], [feature_names]
    elif order == 2:
        shown, given = [1], [feature_names]
    else:
        shown, given = list(range(1, order)), checked_names(feature_names, order - 1)
    names = {}
    for i, of_mode in zip(shown, given, strict=True):
        if of_mode is None:
            of_mode = _numbers(i, order, shape[i]) if seen[i] is None else seen[i]  # noqa: PLW2901
        names[i] = [str(name) for name in of_mode]
        if len(names[i]) != shape[i]:
            raise ValueError(
                f"feature_names must hold {shape[i]} names for the entries of mode {i}, got {len(names[i])}"
            )
    return names


def checked_names(feature_names: Any, n_modes: int) -> list[Any]:
    """Return the names of the entries of the modes from 1, one sequence or None each."""
    if n_modes == 1 and feature_names is not None and len(feature_names) != 1:
        return [feature_names]
    given = [None] * n_modes if feature_names is None else list(feature_names)
    if len(given) != n_modes or any(isinstance(names, str) for names in given):
        raise ValueError(
            f"feature_names must hold {n_modes} sequences of names, one for every mode from 1 (None for numbers)"
        )
    return given


def _numbers(mode: int, order: int, count: int) -> list[str]:
    prefix = {0: "sample", 1: "x" if order == 2 else "mode1:"}.get(mode, f"mode{mode}:")
    return [f"{prefix}{i}" for i in range(count)]
