"""What a fit tells while it runs: the history it keeps, and a progress bar."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from tqdm.auto import tqdm


class History:
    """Collects loss and relative projected gradient of every iteration; shows a progress bar where `verbose`."""

    def __init__(self, max_iter: int, *, verbose: bool, title: str) -> None:
        self.loss: list[float] = []
        self.projected_gradient: list[float] = []
        self._bar: Any = tqdm(total=max_iter, desc=title, unit="it", disable=not verbose)

    def __call__(self, n_iter: int, loss: float, projected_gradient: float) -> None:
        """Take note of an iteration."""
        self.loss.append(loss)
        self.projected_gradient.append(projected_gradient)
        self._bar.set_postfix(loss=f"{loss:.6g}", gradient=f"{projected_gradient:.1e}", refresh=False)
        self._bar.update(n_iter - self._bar.n)

    def sweep(self, n_iter: int, loss: float) -> None:
        """Take note of a sweep of an alternating method, which has no gradient."""
        self.loss.append(loss)
        self._bar.set_postfix(loss=f"{loss:.6g}", refresh=False)
        self._bar.update(n_iter - self._bar.n)

    def close(self) -> dict[str, np.ndarray]:
        """End the bar and return the history."""
        self._bar.close()
        return {"loss": np.array(self.loss), "projected_gradient": np.array(self.projected_gradient)}


def warn_of_iterations(converged: bool, n_iter: int, tol: float) -> None:
    """Warn the caller of an estimator's `fit` where an alternating method ran into `max_iter`."""
    if not converged:
        warnings.warn(
            f"the fit stopped after {n_iter} sweeps, the last of which still lowered the error by more than tol={tol:g}. "
            "Raise max_iter or tol",
            ConvergenceWarning,
            stacklevel=3,
        )
