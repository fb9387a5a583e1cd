"""Metrics against formulas written out, and against scikit-learn and TensorLy where they have them."""

import itertools
import warnings

import numpy as np
import pandas
import pytest
import scipy.sparse
import sparse
import tensorly
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import NMF as ScikitLearnNMF
from sklearn.exceptions import NotFittedError

import hntf
from hntf.metrics.matching import matched
from hntf.topics import TopicModel
from tests.problems import seeds


@given(seed=seeds, k=st.integers(1, 4), order=st.integers(2, 4), weighted=st.booleans())
def test_the_factor_match_score_is_the_best_over_all_permutations(seed, k, order, weighted):
    rng = np.random.default_rng(seed)
    F, G = ([rng.standard_normal((5, k)) for _ in range(order)] for _ in range(2))

    def norms(factors):
        return np.prod([np.linalg.norm(U, axis=0) for U in factors], axis=0)

    def similarity(p):
        cosines = np.prod([(U * V[:, p]).sum(0) for U, V in zip(F, G, strict=True)], axis=0)
        a, b = norms(F), norms(G)[p]
        return cosines / (a * b) * ((1 - abs(a - b) / np.maximum(a, b)) if weighted else 1.0)

    best = max(map(list, itertools.permutations(range(k))), key=lambda p: similarity(p).mean())
    expected = similarity(best)
    score, order_found = hntf.metrics.factor_match_score(F, G, weighted=weighted, return_permutation=True)
    np.testing.assert_allclose(score, expected.mean())
    assert order_found.tolist() == best


def test_a_match_does_not_depend_on_order_scale_and_container(rng):
    factors = [rng.random((d, 3)) for d in (4, 5, 6)]
    others = [U[:, [2, 0, 1]] * [1, 2, 3] for U in factors]
    tensor = tensorly.cp_tensor.CPTensor((np.ones(3), others))
    for container in (tensor, (np.ones(3), others), (np.ones(3), tuple(others)), (None, others), tuple(others)):
        np.testing.assert_allclose(hntf.metrics.factor_match_score(factors, container), 1.0)
    fewer = [U[:, :2] for U in factors]
    np.testing.assert_allclose(hntf.metrics.factor_match_score(factors, fewer), 2 / 3)
    np.testing.assert_allclose(hntf.metrics.factor_match_score(fewer, factors), 2 / 3)
    assert matched(factors, fewer)[0].tolist() == [0, 1, -1]
    assert hntf.metrics.factor_match_score(factors, [0 * U for U in factors]) == 0.0
    with pytest.raises(ValueError, match="same dimensions"):
        hntf.metrics.factor_match_score(factors, factors[::-1])
    with pytest.raises(ValueError, match="same number of columns"):
        hntf.metrics.factor_match_score([factors[0], fewer[1]], factors[:2])
    with pytest.raises(TypeError, match="first"):
        hntf.metrics.factor_match_score(3, factors)


def test_congruence(rng):
    U, V = rng.random((6, 2)), rng.random((6, 3))
    expected = [[u @ v / np.linalg.norm(u) / np.linalg.norm(v) for v in V.T] for u in U.T]
    np.testing.assert_allclose(hntf.metrics.congruence(U, V), expected)


@given(seed=seeds, k=st.integers(1, 3))
def test_core_consistency_is_that_of_the_least_squares_core(seed, k):
    rng = np.random.default_rng(seed)
    factors = [rng.random((d, k)) for d in (4, 5, 6)]
    X = tensorly.cp_to_tensor((None, factors)) + 0.1 * rng.standard_normal((4, 5, 6))
    sizes = np.prod([np.linalg.norm(U, axis=0) for U in factors], axis=0)
    units = [U / np.linalg.norm(U, axis=0) * sizes ** (1 / 3) for U in factors]
    core = np.linalg.lstsq(tensorly.tenalg.kronecker(units), X.ravel(), rcond=None)[0].reshape(k, k, k)
    ideal = np.zeros((k, k, k))
    ideal[(np.arange(k),) * 3] = 1.0
    expected = 100 * (1 - ((core - ideal) ** 2).sum() / k)
    np.testing.assert_allclose(hntf.metrics.core_consistency(factors, X), expected, rtol=1e-6)
    np.testing.assert_allclose(hntf.metrics.core_consistency(factors, sparse.COO.from_numpy(X)), expected, rtol=1e-6)


def test_core_consistency_does_not_look_at_hidden_entries(rng):
    factors = [rng.random((d, 2)) for d in (4, 5, 6)]
    X = tensorly.cp_to_tensor((None, factors))
    X[rng.random(X.shape) < 0.2] = np.nan
    np.testing.assert_allclose(hntf.metrics.core_consistency(factors, X, mask="nan"), 100.0)


@given(seed=seeds)
def test_errors(seed):
    rng = np.random.default_rng(seed)
    S, A = rng.random((6, 3)), rng.random((5, 3))
    X = S @ A.T + 0.2 * rng.standard_normal((6, 5))
    observed = rng.random(X.shape) < 0.8
    observed[0, 0] = True
    residual = np.where(observed, X - S @ A.T, 0)
    size = np.linalg.norm(np.where(observed, X, 0))
    error = hntf.metrics.relative_error([S, A], X, mask=observed)
    np.testing.assert_allclose(error, np.linalg.norm(residual) / size)
    explained = hntf.metrics.explained_variance([S, A], X, mask=observed)
    for r in range(3):
        without = np.where(observed, X - np.delete(S, r, 1) @ np.delete(A, r, 1).T, 0)
        expected = (np.linalg.norm(without) ** 2 - np.linalg.norm(residual) ** 2) / size**2
        np.testing.assert_allclose(explained[r], expected, atol=1e-12)
    np.testing.assert_allclose(
        hntf.metrics.relative_error([S, A], scipy.sparse.csr_array(X)), np.linalg.norm(X - S @ A.T) / np.linalg.norm(X)
    )
    with pytest.raises(ValueError, match="shape of the model"):
        hntf.metrics.relative_error([S, A], X[:, 1:])


@given(seed=seeds)
def test_the_deviance_of_counts_is_that_of_scikit_learn(seed):
    from sklearn.metrics import mean_poisson_deviance

    rng = np.random.default_rng(seed)
    X, means = rng.poisson(1.0, (6, 5)), rng.random((6, 5)) + 0.1
    mask = rng.random(X.shape) < 0.7
    mask[0, 0] = True
    np.testing.assert_allclose(hntf.metrics.poisson_deviance(X, means), mean_poisson_deviance(X.ravel(), means.ravel()))
    np.testing.assert_allclose(
        hntf.metrics.poisson_deviance(X, means, mask=mask), mean_poisson_deviance(X[mask], means[mask])
    )
    assert hntf.metrics.poisson_deviance(X + 1, 0 * means) == np.inf


@given(seed=seeds, measure=st.sampled_from(["npmi", "umass", "c_v"]))
def test_coherence_is_its_formula(seed, measure):
    rng = np.random.default_rng(seed)
    X = (rng.random((30, 12)) < 0.4) * rng.random((30, 12))
    H = rng.random((3, 12))
    n, occurs = len(X), X > 0
    expected = []
    for topic in H:
        words = np.argsort(-topic)[:4]
        single = {w: occurs[:, w].sum() for w in words}
        joint = {(a, b): (occurs[:, a] & occurs[:, b]).sum() for a in words for b in words}
        if measure == "umass":
            pairs = itertools.combinations(words, 2)
            expected.append(np.mean([np.log((joint[a, b] + 1) / max(single[a], 1)) for a, b in pairs]))
            continue

        def npmi(a, b, joint=joint, single=single):
            p = joint[a, b] / n + 1e-12
            return np.log(p * n * n / max(single[a], 1e-12) / max(single[b], 1e-12)) / -np.log(min(p, 1 - 1e-12))

        if measure == "npmi":
            expected.append(np.mean([npmi(a, b) for a, b in itertools.combinations(words, 2)]))
        else:
            vectors = np.array([[npmi(a, b) for b in words] for a in words])
            whole = vectors.sum(0)
            expected.append(np.mean(vectors @ whole / np.linalg.norm(vectors, axis=1) / np.linalg.norm(whole)))
    for given_X in (X, scipy.sparse.csr_matrix(X)):
        found = hntf.metrics.coherence(H, given_X, measure=measure, n_words=4, per_topic=True)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(hntf.metrics.coherence(H, X, measure=measure, n_words=4), np.mean(expected), rtol=1e-6)


def test_topics_of_a_fit_are_more_coherent_than_random_words(rng):
    X = (rng.random((200, 40)) < 0.05) * 1.0
    for topic in range(4):
        X[topic * 50 : topic * 50 + 50, topic * 10 : topic * 10 + 10] += rng.random((50, 10)) < 0.5
    model = hntf.NMF(4, random_state=0).fit(X)
    assert hntf.metrics.coherence(model, X) > 0.2 + hntf.metrics.coherence(rng.random((4, 40)), X)
    assert hntf.metrics.diversity(model, n_words=10) > 0.9
    assert hntf.metrics.diversity(np.ones((2, 5)), n_words=5) == 0.5


def test_sparsity_is_hoyers(rng):
    x = rng.random((7, 4))
    expected = (2 - x.sum(1) / np.linalg.norm(x, axis=1)) / (2 - 1)
    np.testing.assert_allclose(hntf.metrics.sparsity(x, axis=1), expected)
    assert hntf.metrics.sparsity(np.zeros(3)) == 1.0
    assert hntf.metrics.sparsity(1e-200 * np.ones(9)) == pytest.approx(0.0)


@given(seed=seeds, levels=st.integers(1, 3))
def test_the_similarity_of_trees_is_a_correlation_over_pairs(seed, levels):
    rng = np.random.default_rng(seed)
    trees = [[rng.integers(0, 3, 9) for _ in range(levels)] for _ in range(2)]

    def together(tree):
        return [sum(c[i] == c[j] for c in tree) for i, j in itertools.combinations(range(9), 2)]

    a, b = map(together, trees)
    if np.std(a) > 0 and np.std(b) > 0:
        np.testing.assert_allclose(hntf.metrics.tree_similarity(*trees), np.corrcoef(a, b)[0, 1], atol=1e-12)


def test_a_hierarchy_agrees_with_its_labels():
    X, classes, groups, supergroups = hntf.datasets.make_hierarchical_blocks(random_state=0)
    model = hntf.NeuralNMF((9, 4, 2), random_state=0).fit(X)
    table = hntf.metrics.level_agreement(model, [classes, groups, supergroups])
    of = {(row["level"], row["labels"]): row["nmi"] for row in table}
    assert min(of[0, 0], of[1, 1]) > 0.95
    assert of[0, 0] > of[2, 0]
    assert hntf.metrics.purity(classes, model.codes_[0]) > 0.95
    assert hntf.metrics.tree_similarity(model, [classes, groups, supergroups]) > 0.8


def test_the_hierarchical_f_score_leaves_out_what_is_unknown():
    known = [["a", "b", None], [1, 1, 2]]
    predicted = [["a", "c", "a"], [1, 2, -1]]
    # Common: a, 1; known: 2 + 3; predicted where something is known: 2 + 2.
    assert hntf.metrics.hierarchical_f_score(known, predicted) == pytest.approx(2 * 2 / (5 + 4))
    assert hntf.metrics.hierarchical_f_score([[1, -1, -1]], [[1, 2, 3]]) == 1.0
    with pytest.raises(ValueError, match="levels"):
        hntf.metrics.hierarchical_f_score(known, predicted[:1])


def test_core_consistency_does_not_depend_on_the_order_of_modes():
    rng = np.random.default_rng(0)
    factors = [rng.random((5, 2)) * [1.0, 30.0], rng.random((6, 2)), rng.random((7, 2))]
    X = tensorly.cp_to_tensor((None, factors)) + 2 * rng.random((5, 6, 7))
    expected = hntf.metrics.core_consistency(factors, X)
    for order in ((1, 0, 2), (2, 1, 0)):
        found = hntf.metrics.core_consistency([factors[i] for i in order], X.transpose(order))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_tucker_model_has_no_components(rng):
    X = rng.random((6, 5, 4))
    model = hntf.NTD((2, 2, 2), random_state=0, max_iter=5)
    with pytest.warns(UserWarning, match="max_iter"):
        model.fit(X)
    for metric in (hntf.metrics.relative_error, hntf.metrics.core_consistency, hntf.metrics.explained_variance):
        with pytest.raises(TypeError, match="model must be a CP"):
            metric(model, X)


def test_words_that_never_occur_and_empty_topics():
    H = np.array([[1, 0.9, 0, 0], [0, 0, 1, 0.9], [1, 0, 0, 0], [0, 0, 0, 0]])
    X = np.array([[1, 1, 0, 0]] * 3 + [[0, 1, 0, 0]])
    scores = hntf.metrics.coherence(H, X, n_words=2, per_topic=True)
    assert scores[1] == -1.0
    assert np.isnan(scores[2:]).all()
    np.testing.assert_allclose(hntf.metrics.coherence(H, X, n_words=2), scores[:2].mean())
    # A word that never occurs is like none, not even another one.
    assert hntf.metrics.coherence(H, X, n_words=2, measure="c_v", per_topic=True)[1] == 0.0
    half_known = np.array([[1.0, 0.0, 0.9, 0.0]])
    np.testing.assert_allclose(hntf.metrics.coherence(half_known, X, n_words=2, measure="c_v"), 0.5)
    with pytest.raises(ValueError, match="documents"):
        hntf.metrics.coherence(H, X[:0])


def test_unknown_labels_are_left_out():
    assert hntf.metrics.purity([0, 0, 1, -1], [3, 3, 4, 3]) == 1.0
    table = hntf.metrics.level_agreement([[0, 0, 1, 0]], [["a", "a", "b", None]])
    assert table["nmi"] == [pytest.approx(1.0)]
    with pytest.raises(ValueError, match="labels"):
        hntf.metrics.purity([-1, -1], [0, 1])
    with pytest.raises(ValueError, match="labels"):
        hntf.metrics.level_agreement([[0, 1]], [])
    with pytest.raises(ValueError, match="two samples"):
        hntf.metrics.tree_similarity([[0]], [[0]])


def test_tiny_factors_have_their_congruence():
    np.testing.assert_allclose(hntf.metrics.congruence(1e-200 * np.eye(2), np.eye(2)), np.eye(2))


def test_the_deviance_looks_at_what_the_mask_observes():
    X, means = np.array([[1.0, np.nan]]), np.array([[2.0, 1.0]])
    assert np.isfinite(hntf.metrics.poisson_deviance(X, means, mask=~np.isnan(X)))
    with pytest.raises(ValueError, match=r"X must hold finite numbers of at least 0.*got -2"):
        hntf.metrics.poisson_deviance(-means, means)
    with pytest.raises(ValueError, match=r"X must hold finite numbers of at least 0.*got nan"):
        hntf.metrics.poisson_deviance(X, means)
    with pytest.raises(ValueError, match="mask"):
        hntf.metrics.poisson_deviance(means, means, mask=np.ones((3, 3), bool))


def test_residuals_and_leverages_of_every_mode(rng):
    X = rng.random((6, 5, 4))
    model = hntf.NCPD(2, random_state=0, max_iter=20, tol=1e-3).fit(X)
    fitted = model.inverse_transform(model.transform(X))
    _, factors = model.cp_tensor(0)
    for mode in range(3):
        others = tuple(i for i in range(3) if i != mode)
        expected = np.sqrt(((X - fitted) ** 2).sum(axis=others) / (X**2).sum(axis=others))
        np.testing.assert_allclose(hntf.metrics.residuals(model, X, mode=mode), expected)
        U = factors[mode]
        np.testing.assert_allclose(hntf.metrics.leverage(model, mode=mode), np.diag(U @ np.linalg.pinv(U)), atol=1e-12)


def test_leverages_of_dependent_components_sum_to_their_rank(rng):
    model = hntf.NMF(2, random_state=0).fit(rng.random((6, 1)) * np.ones((1, 5)))
    np.testing.assert_allclose(hntf.metrics.leverage(model).sum(), np.linalg.matrix_rank(model.codes_[0], 1e-8))


@pytest.mark.parametrize("missing", [None, np.nan, pandas.NA, -1])
def test_labels_are_unknown_in_every_way_they_can_be(missing):
    labels = pandas.Series([0, 0, 1, missing], dtype=object)
    assert hntf.metrics.purity(labels, [3, 3, 4, 3]) == 1.0
    assert hntf.metrics.purity(pandas.array([0, 0, 1, None], dtype="Int64"), [3, 3, 4, 3]) == 1.0
    with pytest.raises(ValueError, match="same samples"):
        hntf.metrics.purity([0, 1], [0, 1, 2])


def test_masks_of_residuals_are_those_of_a_fit(rng):
    X = rng.random((6, 6))
    model = hntf.NMF(2, random_state=0).fit(X)
    hidden = np.array([False, False, False, True, True, True])
    X[hidden] = np.nan
    for mask in (~hidden, "nan", ("nan", ~hidden)):
        with pytest.warns(UserWarning, match="no observed entry"):
            found = hntf.metrics.residuals(model, X, mask=mask)
        np.testing.assert_array_equal(found[hidden], 0)
        assert (found[~hidden] > 0).all()


def test_no_model_but_zero_fits_zeros():
    zeros = np.zeros((3, 2))
    assert hntf.metrics.relative_error([np.ones((3, 1)), np.ones((2, 1))], zeros) == np.inf
    assert hntf.metrics.relative_error([np.zeros((3, 1)), np.ones((2, 1))], zeros) == 0


@given(seed=seeds, order=st.integers(2, 4), exponent=st.integers(-220, 220))
def test_metrics_do_not_depend_on_units(seed, order, exponent):
    rng = np.random.default_rng(seed)
    factors = [rng.random((5, 2)) for _ in range(order)]
    X = tensorly.cp_to_tensor((None, factors)) * (1 + 0.1 * rng.random((5,) * order))
    scale = 10.0**exponent
    # The units of the data, and those of two modes, which make up for each other.
    of_data = [factors[0] * scale, *factors[1:]], X * scale
    of_modes = [factors[0] * scale, factors[1] / scale, *factors[2:]], X
    of_order_three = [hntf.metrics.core_consistency] * (order > 2)
    for metric in (hntf.metrics.relative_error, hntf.metrics.explained_variance, *of_order_three):
        expected = metric(factors, X)
        for changed in (of_data, of_modes):
            np.testing.assert_allclose(metric(*changed), expected, rtol=1e-9, atol=1e-9)
    assert hntf.metrics.factor_match_score(factors, of_modes[0], weighted=True) == pytest.approx(1)
    # With several components, another one of that size may be nearer.
    one, larger = ([U[:, :1] for U in of_mode] for of_mode in (factors, of_data[0]))
    weighted = hntf.metrics.factor_match_score(one, larger, weighted=True)
    assert weighted == pytest.approx(min(scale, 1 / scale), rel=1e-9, abs=1e-300)


@given(seed=seeds, exponent=st.integers(-220, 220), is_sparse=st.booleans(), mode=st.integers(0, 1))
def test_residuals_do_not_depend_on_units(seed, exponent, is_sparse, mode):
    X = np.random.default_rng(seed).random((6, 5))
    model = hntf.NMF(2, random_state=0, max_iter=5)
    kind = scipy.sparse.csr_array if is_sparse else np.asarray
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # five sweeps do not converge
        found = [hntf.metrics.residuals(model.fit(kind(X * s)), kind(X * s), mode=mode) for s in (1, 10.0**exponent)]
    np.testing.assert_allclose(*found, rtol=1e-6)


METRICS_OF_A_FIT = {
    "residuals": hntf.metrics.residuals,
    "leverage": lambda model, X: hntf.metrics.leverage(model),
    "relative_error": hntf.metrics.relative_error,
    "explained_variance": hntf.metrics.explained_variance,
    "core_consistency": hntf.metrics.core_consistency,
    "factor_match_score": lambda model, X: hntf.metrics.factor_match_score(model, model),
    "level_agreement": lambda model, X: hntf.metrics.level_agreement(model, [[0] * len(X)]),
    "tree_similarity": lambda model, X: hntf.metrics.tree_similarity(model, model),
    "coherence": hntf.metrics.coherence,
    "diversity": lambda model, X: hntf.metrics.diversity(model),
}


@pytest.mark.parametrize("metric", METRICS_OF_A_FIT.values(), ids=METRICS_OF_A_FIT.keys())
def test_a_model_that_is_not_fitted_is_told_to_be(metric, rng):
    with pytest.raises(NotFittedError):
        metric(hntf.NMF(2), rng.random((4, 3)))


def test_levels_modes_and_axes_out_of_range_are_named(rng):
    model = hntf.NMF(2, random_state=0).fit(rng.random((6, 5)))
    with pytest.raises(ValueError, match="mode must be from -2 to 1"):
        hntf.metrics.leverage(model, mode=5)
    with pytest.raises(ValueError, match="level must be an integer from -1 to 0"):
        hntf.metrics.leverage(model, level=3)
    with pytest.raises(ValueError, match="axis must be from -1 to 0"):
        hntf.metrics.sparsity([1.0, 2.0], axis=1)
    with pytest.raises(TypeError, match="model must be a fitted estimator"):
        hntf.metrics.leverage([np.eye(2)])


def test_unknown_classes_and_clusters_of_any_kind():
    labels = pandas.array(["a", None, "b"], dtype="string")
    assert hntf.metrics.hierarchical_f_score([labels], [["a", "b", "b"]]) == 1
    assert hntf.metrics.hierarchical_f_score([["a", "b", "b"]], [labels]) == pytest.approx(2 * 2 / (3 + 2))
    assert hntf.metrics.purity(["a", 3, "b"], ["a", 3, 3]) == pytest.approx(2 / 3)
    for score in (hntf.metrics.purity, lambda y, c: hntf.metrics.tree_similarity([y], [c])):
        with pytest.raises(ValueError, match="clusters must hold one for every sample"):
            score(["a", "b", "b"], ["a", None, "b"])


def test_the_deviance_takes_masks_as_fits_do(rng):
    X, expected = rng.poisson(2.0, (5, 4)).astype(float), rng.random((5, 4)) + 0.5
    observed = rng.random((5, 4)) < 0.7
    reference = hntf.metrics.poisson_deviance(X[observed], expected[observed])
    hidden = np.where(observed, X, np.nan)
    for mask in (observed, "nan", ("nan", np.ones((5, 1), bool))):
        assert hntf.metrics.poisson_deviance(hidden, expected, mask=mask) == pytest.approx(reference)
    sparse_counts = hntf.metrics.poisson_deviance(scipy.sparse.csr_array(X), expected)
    assert sparse_counts == pytest.approx(hntf.metrics.poisson_deviance(X, expected))


def test_a_topic_model_stands_for_its_hierarchy():
    documents = ["cat dog pet", "stock market bank", "dog pet cat", "bank market stock"] * 5
    model = TopicModel((3, 2), random_state=0)
    with pytest.raises(NotFittedError):
        hntf.metrics.leverage(model)
    X = model.fit(documents).weights_of_words(documents)
    assert hntf.metrics.relative_error(model, X) == pytest.approx(model.hierarchy_.reconstruction_err_[0], rel=1e-6)
    assert len(hntf.metrics.residuals(model, X)) == len(hntf.metrics.leverage(model)) == len(documents)
    assert hntf.metrics.coherence(model, X, n_words=3) > 0


@pytest.mark.parametrize("name", ["components", "X"])
def test_coherence_of_what_is_not_known_is_refused(name):
    given = {"components": np.eye(3), "X": np.eye(3)}
    given[name] = np.where(np.eye(3) > 0, np.nan, 0.0)
    with pytest.raises(ValueError, match=f"{name} contains NaN"):
        hntf.metrics.coherence(**given)


def test_nothing_of_zero_data_is_explained():
    S, A = np.ones((3, 2)), np.ones((4, 2))
    A[:, 1] = 0.0
    np.testing.assert_array_equal(hntf.metrics.explained_variance([S, A], np.zeros((3, 4))), [-np.inf, 0.0])
    np.testing.assert_array_equal(hntf.metrics.explained_variance([S[:, :1], A[:, :1]], np.zeros((3, 4))), [-np.inf])


def test_core_consistency_of_factors_far_from_the_data(rng):
    factors = [rng.random((5, 2)) for _ in range(3)]
    X = np.einsum("ar,br,cr->abc", *factors)
    assert hntf.metrics.core_consistency([1e100 * U for U in factors], X) == pytest.approx(0.0)
    with pytest.raises(ValueError, match="model must have factors whose products are finite"):
        hntf.metrics.core_consistency([1e200 * U for U in factors], X)


def test_codes_of_one_level_are_not_taken_for_levels(rng):
    codes = rng.random((9, 9))
    for score in (lambda S: hntf.metrics.tree_similarity(S, S), lambda S: hntf.metrics.level_agreement(S, [[0] * 9])):
        with pytest.raises(TypeError, match="must be a sequence with the codes of every level, got one array"):
            score(codes)
    assert hntf.metrics.tree_similarity([codes], [codes]) == pytest.approx(1)


def test_what_says_nothing_is_refused(rng):
    with pytest.raises(ValueError, match="X must be a tensor of order 3 or more, got order 2"):
        hntf.metrics.core_consistency([rng.random((5, 2)), rng.random((4, 2))], rng.random((5, 4)))
    for labels in ([], [[None, -1]]):
        with pytest.raises(ValueError, match="labels must hold known classes"):
            hntf.metrics.hierarchical_f_score(labels, [[0, 1]] * len(labels))


@pytest.mark.parametrize(("X", "expected", "name"), [([[np.inf]], [[1.0]], "X"), ([[1.0]], [[np.inf]], "expected")])
def test_infinite_counts_are_named(X, expected, name):
    with pytest.raises(ValueError, match=f"{name} must hold finite numbers"):
        hntf.metrics.poisson_deviance(X, expected)


def test_coherence_of_sparse_components():
    components = np.array([[1.0, 0.9, 0.0]])
    X = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]])
    assert hntf.metrics.coherence(scipy.sparse.csr_array(components), X) == hntf.metrics.coherence(components, X)


def test_samples_without_a_cluster_are_named():
    for missing in (np.nan, None):
        with pytest.raises(ValueError, match="clusters must hold one for every sample"):
            hntf.metrics.purity([0, 0, 1], [missing, 1, 2])


FACTORS = [np.random.default_rng(0).random((d, 3)) for d in (6, 5)]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda m: m.factor_match_score((np.ones(5), FACTORS), FACTORS),
            ValueError,
            "weights of first must have shape",
        ),
        (
            lambda m: m.factor_match_score((np.array([1, np.nan, 1]), FACTORS), FACTORS),
            ValueError,
            "weights of first contains NaN",
        ),
        (lambda m: m.factor_match_score([U[:, :0] for U in FACTORS], FACTORS), ValueError, "at least one component"),
        (lambda m: m.purity([0, 1], np.zeros((2, 0))), ValueError, "codes must have at least one component"),
        (lambda m: m.purity([0, 1], np.full((2, 2), np.nan)), ValueError, "codes contains NaN"),
        (lambda m: m.level_agreement([[0, 1]], None), TypeError, "labels must be a sequence"),
        (lambda m: m.hierarchical_f_score(3, 4), TypeError, "labels must be a sequence"),
        (lambda m: m.hierarchical_f_score([[1]], "x"), TypeError, "predicted must be a sequence"),
        (lambda m: m.coherence(np.eye(3), np.ones(5)), ValueError, "X must"),
        (lambda m: m.coherence(np.eye(3), "x"), TypeError, "X must"),
        (lambda m: m.coherence(np.eye(3), -np.ones((4, 3))), ValueError, "X contains entries down to -1"),
    ],
)
def test_what_no_metric_takes_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call(hntf.metrics)


def test_samples_whose_code_is_zero_are_a_cluster_of_their_own():
    codes = np.array([[2.0, 1.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    assert hntf.metrics.purity(["a", "b", "c", "b"], codes) == 1.0
    assert hntf.metrics.purity(["a", "b", "c", "b"], scipy.sparse.csr_array(codes)) == 1.0


def test_a_fitted_model_of_another_library_is_named():
    X = np.random.default_rng(0).random((12, 6))
    foreign = ScikitLearnNMF(2, max_iter=5, tol=0.5).fit(X)
    with pytest.raises(TypeError, match=r"must be a fitted estimator of hntf, got sklearn.decomposition\._nmf\.NMF"):
        hntf.metrics.relative_error(foreign, X)
