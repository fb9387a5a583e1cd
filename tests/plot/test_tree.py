import numpy as np

from hntf import plot
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
