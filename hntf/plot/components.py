"""Plot of the components of a level along every mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hntf.arrays import to_numpy
from hntf.plot.axes import HEAT, SMALL, AxesGrid, color, hierarchy_of, labels_of, name_ticks, new_axes, new_grid, plain
from hntf.validation import check_choice, level_index

KINDS = ("line", "bar", "image")

MOST_BARS = 30
"""Number of entries up to which a mode with names is drawn as bars."""


def components(
    model: Any,
    level: int = 0,
    *,
    kinds: Mapping[int, str] | None = None,
    shapes: Mapping[int, tuple[int, int]] | None = None,
    names: Mapping[int, Any] | None = None,
    values: Mapping[int, Any] | None = None,
) -> AxesGrid:
    """Draw the components of a level, one row each, with a column for every mode of the data but that of the samples.

    Parameters
    ----------
    model : Estimator
        A fitted estimator.
    level : int
        The level.
    kinds : dict of int to {"line", "bar", "image"}, optional
        How the modes are drawn: lines where the order of entries means something (wavelengths, times), bars where it does not,
        images where the entries are pixels. By default bars for at most 30 entries with names, else lines.
    shapes : dict of int to (int, int), optional
        The heights and widths of images.
    names : dict of int to sequence of str, optional
        The names of entries; by default those that the data brought along.
    values : dict of int to sequence of float, optional
        Positions of entries along lines, for example wavelengths.

    Returns
    -------
    AxesGrid
        Rows of matplotlib Axes; the figure is `grid.figure`.

    Examples
    --------
    >>> import hntf
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> model = hntf.NeuralNMF((4, 2), random_state=0).fit(make_hierarchical_blocks(random_state=0).X)
    >>> grid = hntf.plot.components(model, level=1)
    >>> len(grid), len(grid[0])
    (2, 1)
    """
    model = hierarchy_of(model)
    profiles = model.components_[level_index(level, model.n_levels_)]
    by_mode = profiles[1:] if isinstance(profiles, list) else [profiles]
    kinds, shapes = dict(kinds or {}), dict(shapes or {})
    k = len(by_mode[0])
    grid = new_grid(k, len(by_mode), 4.2 * len(by_mode) + 0.6, max(2.2, 1.25 * k + 0.6))
    for mode, profile in enumerate(by_mode, start=1):
        P = to_numpy(profile)
        title, known = labels_of(model, mode, P.shape[1])
        labels = known if names is None or mode not in names else [str(name) for name in names[mode]]
        default = "image" if mode in shapes else "bar" if labels and P.shape[1] <= MOST_BARS else "line"
        kind = kinds.get(mode, default)
        check_choice(kind, "each of kinds", KINDS)
        for j in range(k):
            ax = grid[j][mode - 1]
            if kind == "image":
                if mode not in shapes:
                    raise ValueError(f"shapes must hold the height and width of the images of mode {mode}")
                ax.imshow(P[j].reshape(shapes[mode]), cmap=HEAT)
                ax.set_axis_off()
            elif kind == "bar":
                ax.bar(range(P.shape[1]), P[j], color=color(j))
                ax.set_xticks([])
                if j == k - 1:
                    name_ticks(ax.xaxis, labels, rotation=90)
            else:
                x = range(P.shape[1]) if values is None or mode not in values else values[mode]
                ax.plot(x, P[j], color=color(j))
                ax.fill_between(x, P[j], color=color(j), alpha=0.2, lw=0)
                if j == k - 1 and (values is None or mode not in values):
                    name_ticks(ax.xaxis, labels, at_most=10)
                ax.margins(x=0)
            if kind != "image":
                ax.set_ylim(min(0.0, float(P.min())), float(P.max()) * 1.05 or 1.0)
                ax.set_yticks([])
                ax.spines[["top", "right", "left"]].set_visible(False)
                if j < k - 1:
                    ax.tick_params(labelbottom=False)
            if mode == 1:
                _say_index(ax, j)
            if j == 0:
                ax.set_title(title, fontsize=10)
    return grid


def _say_index(ax: Any, index: int) -> None:
    ax.text(
        -0.03, 0.5, str(index), transform=ax.transAxes, ha="right", va="center", fontweight="bold", color=color(index)
    )


def _heat_map(ax: Any, values: np.ndarray, label: str) -> None:
    """Draw numbers from 0 to 1 as colours, with a bar that says what they are."""
    picture = ax.imshow(values, aspect="auto", cmap=HEAT, interpolation="nearest", vmin=0, vmax=1)
    ax.figure.colorbar(picture, ax=ax, label=label)


def codes(model: Any, level: int = 0, *, groups: Any = None, names: Any = None, ax: Any = None) -> Any:
    """Draw the codes of the training samples as a heat map: which samples hold which components.

    Parameters
    ----------
    model : Estimator
        A fitted estimator with its codes.
    level : int
        The level.
    groups : sequence of length n, optional
        A group of every sample; samples are sorted by it, and the groups are named. By default they are sorted by their largest
        component.
    names : sequence of str, optional
        The names of the samples; by default those that the data brought along.
    ax : matplotlib Axes, optional
        The axes to draw on.

    Returns
    -------
    matplotlib Axes
    """
    model = hierarchy_of(model)
    S = np.asarray(to_numpy(model.codes_[level_index(level, model.n_levels_)]), dtype=float)
    if not len(S):
        raise ValueError("model must have its codes: it was saved without them (codes=True keeps them)")
    largest = S.max(axis=0)
    shown = S / np.where(largest > 0, largest, 1.0)
    title, known = labels_of(model, 0, len(S))
    labels = known if names is None else [str(name) for name in names]
    first = np.argmax(shown, axis=1) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    order = np.lexsort((-shown.max(axis=1), np.argmax(shown, axis=1), first))
    if ax is None:
        ax = new_axes(0.5 * S.shape[1] + 3.0, 5.2)
    _heat_map(ax, shown[order], "code, relative to its largest")
    ax.set(xlabel="component", ylabel=title)
    ax.set_xticks(range(S.shape[1]))
    if groups is None:
        ax.set_yticks([])  # samples are sorted: their numbers would not be those of the rows
        name_ticks(ax.yaxis, None if labels is None else [labels[i] for i in order])
        return ax
    kinds, starts = np.unique(first[order], return_index=True)
    ends = np.append(starts[1:], len(S))
    ax.set_yticks(
        (starts + ends - 1) / 2, [plain(str(name)) for name in np.unique(np.asarray(groups))[kinds]], fontsize=SMALL
    )
    for start in starts[1:]:
        ax.axhline(start - 0.5, color="white", lw=1)
    return ax


def memberships(model: Any, level: int = 1, *, mode: int | None = None, ax: Any = None) -> Any:
    """Draw how the components of the level below gather into those of a level: the fraction of each that goes to each.

    Parameters
    ----------
    model : Estimator
        A fitted hierarchy.
    level : int
        The upper level, from 1.
    mode : int, optional
        The mode, where every mode gathers for itself; by default 1.
    ax : matplotlib Axes, optional
        The axes to draw on.

    Returns
    -------
    matplotlib Axes
    """
    model = hierarchy_of(model)
    level = level_index(level, model.n_levels_)
    if level == 0:
        raise ValueError("level must be from 1: the finest level gathers nothing")
    gathers = model.memberships_[level]
    of_modes = isinstance(gathers, list)
    tree = model.tree(mode=(1 if mode is None else mode) if of_modes else None, n_words=1)
    k = len(tree.levels[level])
    parts = np.zeros((len(tree.levels[level - 1]), k))
    for topic in tree.levels[level - 1]:
        for parent, part in topic.parents:
            parts[topic.index, parent] = part
    if ax is None:
        ax = new_axes(0.6 * k + 2.6, 0.36 * len(parts) + 1.4)
    _heat_map(ax, parts, "fraction of its mass")
    for i, row in enumerate(parts):
        for j, part in enumerate(row):
            if part >= 0.05:
                ax.text(
                    j,
                    i,
                    f"{part:.0%}",
                    ha="center",
                    va="center",
                    fontsize=SMALL,
                    color="black" if part > 0.6 else "white",
                )
    ax.set(xlabel=f"component of level {level}", ylabel=f"component of level {level - 1}")
    ax.set_xticks(range(k))
    ax.set_yticks(range(len(parts)))
    return ax
