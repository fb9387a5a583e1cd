"""The criteria by name, and which data, models and candidates each of them is made for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hntf.selection.bi_cross_validation import SPLITS
from hntf.selection.candidates import Candidates, takes_signs
from hntf.selection.folds import PREDICTIONS
from hntf.selection.from_fits import FROM_FITS
from hntf.selection.resampling import check_starts
from hntf.validation import check_choice

CRITERIA = (*PREDICTIONS, *FROM_FITS)

AUTO = ("held-out", "bic", "bai-ng", "elbow")

OF_TUCKER = ("held-out", "stability")
"""Those that do not count the parameters of a matrix or CP model."""


def as_criteria(criterion: Any, candidates: Candidates) -> list[str]:
    """Return the names of the criteria, the deciding one first; raise `TypeError` or `ValueError` for others."""
    if isinstance(criterion, str) and criterion == "auto":
        return [name for name in AUTO if name in OF_TUCKER] if candidates.are_of_tucker else list(AUTO)
    if not isinstance(criterion, str | Sequence):
        raise TypeError(
            f"criterion must be 'auto', a name or a list of names, the deciding one first; got {criterion!r}"
        )
    names = [criterion] if isinstance(criterion, str) else list(criterion)
    for name in names:
        check_choice(name, "criterion", ("auto", *CRITERIA))
    if not names or "auto" in names:
        raise ValueError(f"criterion must be 'auto' or names of criteria, got {criterion!r}")
    return list(dict.fromkeys(names))


def check_fit_together(names: Sequence[str], candidates: Candidates, shape: tuple[int, ...]) -> None:
    """Raise `ValueError` if a model or a criterion is not made for the data or the candidates."""
    model = candidates.model
    if getattr(model, "_matrices_only", False) and len(shape) != 2:
        raise ValueError(f"model must take data of order {len(shape)}, got {model!r}")
    if "bi-cross-validation" in names and len(shape) > 2:
        raise ValueError(f"criterion must be another than 'bi-cross-validation' for a tensor of order {len(shape)}")
    if "bi-cross-validation" in names and min(shape) < SPLITS:
        raise ValueError(f"X must have {SPLITS} samples and features for 'bi-cross-validation', got shape {shape}")
    if "core-consistency" in names and len(shape) < 3:
        raise ValueError("criterion must be another than 'core-consistency' for a matrix")
    if "stability" in names and model is not None and not isinstance(model, type):
        check_starts(model, "criterion 'stability'")
    if "thinning" in names and takes_signs(model):
        raise ValueError(f"criterion must be another than 'thinning' for a model of any sign, got {model!r}")
    of_cp = [name for name in names if name not in (*OF_TUCKER, "bi-cross-validation")]
    if of_cp and candidates.are_of_tucker:
        raise ValueError(f"criterion must be 'held-out' or 'stability' for Tucker models, got {of_cp[0]!r}")


def check_elbow(candidates: Candidates, shape: tuple[int, ...], largest_rank: int) -> None:
    """Raise `ValueError` if there are too few numbers of components of the finest level for an elbow."""
    fewest, finest = FROM_FITS["elbow"].fewest, candidates.finest
    if finest is not None and len(finest) < fewest:
        raise ValueError(
            f"candidates must name at least {fewest} numbers of components of the finest level for the elbow, got {finest}"
        )
    if finest is None and largest_rank < fewest:
        raise ValueError(f"X must have rank {fewest} at least for the elbow, got shape {shape}")
