"""The tree of a fitted hierarchy: soft parents, words that tell topics apart, samples, names, and every form it takes."""

import csv
import io
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from hntf.models.stack import dense_hierarchy
from hntf.trees import topic_tree
from tests.problems import few, seeds


@pytest.fixture(scope="module")
def fitted():
    X = make_hierarchical_blocks(random_state=0).X
    return hntf.NeuralNMF((9, 4, 2), random_state=0).fit(X), X


@few
@given(seed=seeds, ranks=st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_parents_are_the_masses_of_a_plain_computation(seed, ranks):
    rng = np.random.default_rng(seed)
    ranks = sorted(ranks, reverse=True)
    factors = [rng.random((d, k)) * (rng.random((d, k)) < 0.7) for d, k in zip([7, *ranks], ranks, strict=False)]
    codes = [rng.random((5, k)) for k in ranks]
    tree = topic_tree(
        dense_hierarchy(factors), [S.sum(0)[None] for S in codes], {1: list("abcdefg")}, None, 3, codes=codes
    )
    for level, topics in enumerate(tree.levels):
        assert [topic.index for topic in topics] == list(range(ranks[level]))
        if level + 1 == len(ranks):
            assert all(not topic.parents for topic in topics)
            continue
        masses = factors[level + 1] * codes[level + 1].sum(0)
        for topic, row in zip(topics, masses, strict=True):
            parts = dict(topic.parents)
            np.testing.assert_allclose(
                [parts.get(i, 0.0) for i in range(len(row))], row / (row.sum() or 1.0), atol=1e-12
            )
            if row.sum():
                assert topic in tree.levels[level + 1][topic.parents[0][0]].children


def test_words_that_tell_topics_apart():
    # "the" is the heaviest word of both, and tells nothing.
    A = np.array([[5.0, 5.0], [3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    S = np.ones((4, 2))
    tree = topic_tree(dense_hierarchy([A]), [S.sum(0)[None]], {1: ["the", "cat", "dog", "and"]}, None, 2, codes=[S])
    topics = tree.levels[0]
    assert [topic.words for topic in topics] == [["the", "cat"], ["the", "dog"]]
    assert [topic.telling[1][0][0] for topic in topics] == ["cat", "dog"]
    assert topics[0].weights[1][0] == ("the", pytest.approx(5 / 9))


def test_samples_of_topics_are_soft_and_weighed_by_mass(fitted):
    model, X = fitted
    tree = model.tree(sample_names=[f"s{i}" for i in range(len(X))])
    for level, topics in enumerate(tree.levels):
        amounts = model.codes_[level] * model.components_[level].sum(1)
        parts = amounts / amounts.sum(1, keepdims=True)
        np.testing.assert_allclose(model.proportions(X, level=level), parts, atol=1e-9)
        for topic in topics:
            name, part = topic.samples[0]
            assert name == f"s{np.argmax(amounts[:, topic.index])}"
            assert part == pytest.approx(parts[int(name[1:]), topic.index])


def test_a_catch_all_is_said():
    A = np.array([[1.0, 0.0], [0.0, 1.0]])
    S = np.array([[9.0, 1.0]])
    tree = topic_tree(dense_hierarchy([A]), [S], {1: ["a", "b"]}, None, 2)
    assert len(tree.notes) == 1
    assert "90%" in tree.notes[0]
    assert tree.notes[0] in str(tree)
    assert not topic_tree(dense_hierarchy([A]), [np.ones((1, 2))], {1: ["a", "b"]}, None, 2).notes


def test_a_divided_topic_shows_where_the_rest_goes():
    factors = [np.eye(3), np.array([[1.0, 0.0], [0.6, 0.4], [0.0, 1.0]])]
    tree = topic_tree(dense_hierarchy(factors), [np.ones((1, 3)), np.ones((1, 2))], {1: ["a", "b", "c"]}, None, 1)
    assert "(60% here, 40% in c)" in str(tree)
    assert str(tree).count("here") == 1


def test_names_of_users_are_shown(fitted):
    tree = fitted[0].tree()
    tree.rename({(3, 0): "the left", (1, 4): "a <part>"})
    assert "the left" in str(tree)
    assert "a &lt;part&gt;" in tree._repr_html_()
    assert tree.to_networkx().nodes[3, 0]["label"] == "the left"
    with pytest.raises(ValueError, match="level, index"):
        tree.rename({(4, 0): "none"})


def test_stability_is_shown(fitted):
    model, X = fitted
    found = hntf.stability(model, X, n_fits=3, random_state=0)
    tree = model.tree().add_stability(found)
    assert [topic.stability for topic in tree.levels[1]] == pytest.approx(list(found.components[1]))
    topic = tree.levels[0][4]
    edge = found.edges[0][4, topic.parents[0][0]]
    assert topic.edge_stability == pytest.approx(edge)
    assert all(topic.edge_stability is None for topic in tree.levels[-1])
    assert f"[stability {found.components[0][4]:.2f}, edge {edge:.2f}]" in str(tree)
    assert tree.to_dict()["topics"][4]["edge_stability"] == pytest.approx(edge)
    dots = [line for line in found.plot().lines if line.get_marker() == "o"]
    assert len(dots) == len(found.edges)
    np.testing.assert_allclose(dots[0].get_ydata(), found.edges[0][np.arange(len(found.parents[0])), found.parents[0]])
    assert tree.to_dict()["topics"][4]["stability"] == pytest.approx(found.components[0][4])
    with pytest.raises(ValueError, match="stability of"):
        hntf.NeuralNMF((3,), random_state=0).fit(X).tree().add_stability(found)


def test_every_form_holds_the_same(fitted, tmp_path):
    model, _ = fitted
    tree = model.tree([f"word{i}" for i in range(87)], n_words=3)
    as_dict = json.loads(json.dumps(tree.to_dict()))
    assert len(as_dict["topics"]) == 15
    np.testing.assert_allclose(as_dict["errors"], model.reconstruction_err_)
    rows = list(csv.DictReader(io.StringIO(tree.to_csv())))
    graph = tree.to_networkx()
    assert [float(row["share"]) for row in rows] == [topic["share"] for topic in as_dict["topics"]]
    for topic, row in zip(as_dict["topics"], rows, strict=True):
        key = topic["level"], topic["index"]
        assert {(k[1], d["weight"]) for k, _, d in graph.in_edges(key, data=True)} == set(map(tuple, topic["parents"]))
        assert row["words"].split() == [word for word, _ in topic["words"]["1"]]
    tree.to_csv(tmp_path / "tree.csv")
    tree.to_html(tmp_path / "tree.html")
    assert (tmp_path / "tree.csv").read_text() == tree.to_csv()
    page = (tmp_path / "tree.html").read_text()
    assert page == tree.to_html()
    assert "src=" not in page
    assert "http" not in page


def test_nothing_of_the_data_ends_the_script_of_a_page():
    S = np.ones((1, 1))
    word = "</script><script>alert(1)</script><!--"
    tree = topic_tree(dense_hierarchy([np.ones((1, 1))]), [S], {1: [word]}, None, 1)
    page = tree.to_html(title="<b>")
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL).group(1)
    assert json.loads(data)[0]["topics"][0]["words"]["1"][0][0] == word
    assert page.count("</script>") == 2
    assert "<!--" not in page
    assert "&lt;b&gt;" in page


def test_the_modes_of_a_tensor_side_by_side():
    X = make_hierarchical_tensor(noise=0.1, random_state=0).X[:20, :20, :20]
    model = hntf.NeuralNCPD((4, 2), max_iter=20, random_state=0).fit(X)
    forest = model.tree([None, [f"day{i}" for i in range(20)]], mode="all", n_words=2)
    assert len(forest) == 2
    assert str(forest[2]) == str(model.tree([f"day{i}" for i in range(20)], mode=2, n_words=2))
    assert "mode 1\n" in str(forest)
    assert "day" in str(forest[2]) and "day" not in str(forest[1])  # noqa: PT018
    assert forest.to_html().count('"mode"') == 2
    assert len(forest.to_dict()["trees"]) == 2
    rows = list(csv.DictReader(io.StringIO(forest.to_csv())))
    assert [row["mode"] for row in rows] == ["1"] * 6 + ["2"] * 6
    assert "modes 1, 2" in repr(forest)
    assert "the days" in str(forest.rename({2: {(1, 0): "the days"}})[2])
    assert "the days" not in str(forest[1])
    assert [len(graph) for graph in forest.to_networkx().values()] == [6, 6]
    with pytest.raises(ValueError, match="modes of the forest"):
        forest.rename({0: {}})
    with pytest.raises(ValueError, match="'all'"):
        model.tree()
    with pytest.raises(ValueError, match="sample_names"):
        model.tree(mode=1, sample_names=["a"])
    with pytest.raises(ValueError, match="2 sequences"):
        model.tree(["a", "b", "c"], mode="all")
