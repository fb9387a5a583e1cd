"""What a fit tells while it runs: the history it keeps, and a progress bar."""

from __future__ import annotations

from typing import Any

import numpy as np
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

    def close(self) -> dict[str, np.ndarray]:
        """End the bar and return the history."""
        self._bar.close()
        return {"loss": np.array(self.loss), "projected_gradient": np.array(self.projected_gradient)}
