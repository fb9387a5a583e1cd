"""Loads models from the files that `model.save(path)` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hntf.estimators.stored import STORED_FORMAT, estimator_of
from hntf.storage import REFUSED, unpacked
from hntf.topics.stored import topic_model_of


def load(path: str | Path) -> Any:
    """Return the fitted model that `model.save(path)` stored.

    The file is read as data: nothing in it is executed, and one that is damaged, or was made to deceive, is refused.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Estimator or TopicModel
        The fitted model, with NumPy arrays. Saved without its training codes, it has `codes_` of shape `(0, k_l)`; everything else
        works as before.

    Raises
    ------
    ValueError
        If the file does not hold a whole model, or was written by a later version in a format that this one does not know.

    Examples
    --------
    >>> import hntf, numpy as np, tempfile, pathlib
    >>> X = np.random.default_rng(0).random((20, 6))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> model = hntf.NeuralNMF((3, 2), random_state=0).fit(X)
    >>> model.save(path)
    >>> loaded = hntf.load(path)
    >>> bool((loaded.transform(X) == model.transform(X)).all()), loaded.codes_[0].shape
    (True, (0, 3))
    """
    path = Path(path).expanduser()
    content = path.read_bytes()
    try:
        # Models of version 0.1 have no digest.
        state = unpacked(content, STORED_FORMAT, signed=False)
        model = topic_model_of(state) if state["class"] == "TopicModel" else estimator_of(state)
    except REFUSED as error:
        raise ValueError(f"path must be a file that model.save wrote, got {path}: {error}") from error
    return model
