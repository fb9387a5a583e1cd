"""Axes to draw on."""

from __future__ import annotations

from typing import Any


def new_axes(width: float, height: float) -> Any:
    """Return the axes of a new figure, of a size in inches; raise `ImportError` if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install hntf[plots]") from error
    # A figure outside pyplot does not have to be closed and does not select a matplotlib backend.
    return Figure(figsize=(width, height), layout="tight").add_subplot()
