import numpy as np

from hntf.datasets import load_docstrings, make_hierarchical_blocks


def test_hierarchical_blocks_are_those_of_the_paper():
    X, classes, groups, supergroups = make_hierarchical_blocks(noise=0.0)
    assert X.shape == (90, 87)
    assert set(np.unique(X)) == {0.0, 1.0, 2.0, 4.0}
    np.testing.assert_array_equal(np.bincount(classes), (10, 10, 5, 7, 5, 20, 10, 9, 14))
    assert len(set(zip(groups, classes, strict=True))) == 9
    assert len(set(zip(supergroups, groups, strict=True))) == 4
    # The first sample: its own block of ten features, its group's other five, the rest of its supergroup, nothing else.
    np.testing.assert_array_equal(X[0], np.repeat([4.0, 2.0, 1.0, 0.0], [10, 5, 22, 50]))
    noisy = make_hierarchical_blocks(random_state=0).X - X
    assert noisy.min() >= 0
    assert 0.14 < noisy.max() <= 0.15
    np.testing.assert_array_equal(
        make_hierarchical_blocks(random_state=0).X, make_hierarchical_blocks(random_state=0).X
    )


def test_docstrings_are_distinct_documents_with_two_levels():
    names, texts, packages, submodules = load_docstrings()
    assert len(names) == len(texts) == len(packages) == len(submodules) > 1500
    assert len(set(texts)) == len(texts)
    assert min(map(len, texts)) > 300
    assert all(m == p or m.startswith(p + ".") for p, m in zip(packages, submodules, strict=True))
    assert len(set(submodules)) > 30
