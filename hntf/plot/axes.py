"""What all plots share: axes that show themselves in a notebook, colours that colour-blind people tell apart, names of entries."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.axes import texts_of

COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""The palette of Okabe and Ito (2008)."""

MARKERS = "osD^vP"

HEAT = "cividis"
"""The colours of heat maps: uniform to the eye, and the same for colour-blind people."""


SMALL = 8
"""The size of letters inside a picture, in points."""

LETTER, LINE = 0.07, 0.15
"""The mean width of such a letter and the height of a line, in inches."""


def color(index: int) -> str:
    """Return the colour of a component, a level or a model."""
    return COLORS[index % len(COLORS)]


def marker(index: int) -> str:
    """Return the marker of a model: another one where colours repeat."""
    return MARKERS[index // len(COLORS) % len(MARKERS)]


class AxesGrid(list[list[Any]]):
    """Rows of axes of one figure, which shows itself in a notebook."""

    @property
    def figure(self) -> Any:
        """The figure."""
        return self[0][0].figure

    def _repr_png_(self) -> bytes:
        return _png(self.figure)


def new_axes(width: float, height: float) -> Any:
    """Return the axes of a new figure, of a size in inches; raise `ImportError` if matplotlib is not installed."""
    return new_grid(1, 1, width, height)[0][0]


def new_grid(n_rows: int, n_columns: int, width: float, height: float) -> AxesGrid:
    """Return rows of axes of a new figure; raise `ImportError` if matplotlib is not installed."""
    try:
        from matplotlib.axes import Axes
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install hntf[plots]") from error

    class ShownAxes(Axes):
        """Axes whose figure is shown where a notebook shows them."""

        def _repr_png_(self) -> bytes:
            return _png(self.figure)

    # A figure outside pyplot does not have to be closed and does not select a matplotlib backend.
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = AxesGrid()
    for row in range(n_rows):
        cells = range(row * n_columns + 1, (row + 1) * n_columns + 1)
        grid.append([figure.add_subplot(n_rows, n_columns, cell, axes_class=ShownAxes) for cell in cells])
    return grid


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def labels_of(model: Any, mode: int, count: int) -> tuple[str, list[str] | None]:
    """Return the name of a mode of a fitted estimator, and the names of its entries if they are known."""
    axis = model.axes_[mode]
    fallback = "sample" if mode == 0 else "feature" if len(model.feature_shape_) == 1 else f"mode {mode}"
    labels = axis.labels if axis.labels is not None and len(axis.labels) == count else None
    return axis.name or fallback, None if labels is None else texts_of(labels)


def plain(text: str) -> str:
    """Return a text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")


def axes_and_size(ax: Any, width: float, height: float) -> tuple[Any, float, float]:
    """Return axes with their width and height in inches: those given, or those of a new figure of this size."""
    if ax is None:
        return new_axes(width, height), width, height
    box = ax.get_window_extent()
    return ax, box.width / ax.figure.dpi, box.height / ax.figure.dpi


def in_lines(text: str, width: float, height: float) -> str:
    """Return a text as lines in `SMALL` letters that fit into a box of a size in inches, cut where it is longer."""
    columns, lines = max(4, int(width / LETTER)), max(1, int(height / LINE))
    return plain("\n".join(textwrap.wrap(text, columns, max_lines=lines, placeholder=" …")))


def hierarchy_of(model: Any) -> Any:
    """Return the fitted estimator of a topic model, and any other as it is."""
    return getattr(model, "hierarchy_", model)


def name_ticks(axis: Any, names: Sequence[str] | None, *, at_most: int = 40, rotation: float = 0.0) -> None:
    """Write the names of entries at the ticks of an axis, evenly thinned out where there are many."""
    if names is None:
        return
    step = int(np.ceil(len(names) / at_most))
    places = range(0, len(names), step)
    axis.set_ticks(list(places), [plain(names[i]) for i in places], rotation=rotation, fontsize=SMALL)
