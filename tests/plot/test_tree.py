from itertools import pairwise

import numpy as np
import pytest

import hntf
from hntf import plot
from hntf.datasets import make_hierarchical_blocks
from hntf.models.stack import dense_hierarchy
from hntf.trees import topic_tree


def test_a_box_and_a_label_for_every_topic(tmp_path):
    model = dense_hierarchy([np.eye(4, 3), np.array([[1.0, 0.0], [0.2, 0.7], [0.9, 0.1]])])
    codes = [np.ones((5, 3)), np.ones((5, 2))]
    tree = topic_tree(model, [S.sum(0)[None] for S in codes], {1: ["a", "b", "c", "d"]}, None, n_words=2)
    ax = plot.tree(tree)
    assert len(ax.patches) == len(ax.texts) == 5
    coarse = [label.get_text() for label in ax.texts if label.get_position()[0] < 1]
    assert [text.split("  ")[1] for text in coarse] == ["a c", "b c"]
    path = tmp_path / "tree.png"
    ax.figure.savefig(path)
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("draw", [plot.tree, plot.flow])
@pytest.mark.parametrize("given", [False, True])
def test_long_names_stay_in_their_boxes(draw, given):
    from matplotlib.figure import Figure

    X = make_hierarchical_blocks(random_state=0).X
    model = hntf.NeuralNMF((9, 4, 2), random_state=0).fit(X)
    tree = model.tree([f"a rather long name of feature {i}" for i in range(X.shape[1])])
    ax = draw(tree, n_words=9, ax=Figure(figsize=(9, 5)).subplots() if given else None)
    ax.figure.canvas.draw()
    columns = sorted({text.get_position()[0] for text in ax.texts})
    labels = {
        x: sorted((t.get_window_extent() for t in ax.texts if t.get_position()[0] == x), key=lambda box: box.y0)
        for x in columns
    }
    for boxes in labels.values():
        assert all(lower.y1 <= upper.y0 + 1 for lower, upper in pairwise(boxes))
    for left, right in pairwise(columns):
        assert max(box.x1 for box in labels[left]) <= min(box.x0 for box in labels[right])
