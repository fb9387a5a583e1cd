"""Components and edges that come back score higher than those that do not, and comparisons show what they say."""

import numpy as np
import pandas
import pytest
import scipy.sparse
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import roc_auc_score

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from hntf.topics import TopicModel

X, CLASSES, GROUPS, _ = make_hierarchical_blocks(random_state=0)


def planted_counts(seed, n_topics=6):
    """Documents of planted topics, and the topics."""
    rng = np.random.default_rng(seed)
    topics = rng.dirichlet(np.full(120, 0.05), n_topics)
    shares = rng.dirichlet(np.full(n_topics, 0.2), 200)
    return np.array([rng.multinomial(60, p) for p in shares @ topics]).astype(float), topics


@pytest.mark.slow
@pytest.mark.parametrize(("n_components", "area"), [(7, 0.95), (8, 0.85), (10, 0.75)])
def test_spurious_components_score_below_true_ones(n_components, area):
    """Components that resemble no topic of six come back worse; blends of two topics, of which there are more with more components,
    come back nearly as well as topics. Halves of a topic, in between, do not count."""
    scores, true = [], []
    for seed in range(4):
        counts, topics = planted_counts(seed)
        model = hntf.NMF(n_components, random_state=seed).fit(counts)
        found = hntf.stability(model, counts, n_fits=8, random_state=seed)
        similarity = hntf.metrics.congruence(model.components_[0].T, topics.T).max(axis=1)
        told_apart = (similarity > 0.9) | (similarity < 0.7)
        scores.extend(found.components[0][told_apart])
        true.extend(similarity[told_apart] > 0.9)
    assert 0 < sum(true) < len(true)
    assert roc_auc_score(true, scores) >= area


@pytest.mark.slow
@pytest.mark.parametrize("resample", ["bootstrap", "starts", "halves", "entries"])
def test_planted_components_come_back(resample):
    model = hntf.NeuralNMF((9, 4), random_state=0, max_iter=100)
    found = hntf.stability(model, X, n_fits=4, resample=resample, random_state=0)
    assert [len(scores) for scores in found.components] == [9, 4]
    assert found.components[0].min() > 0.6
    assert found.components[0].mean() > 0.85
    edges = [found.edges[0][i, parent] for i, parent in enumerate(found.parents[0])]
    assert np.mean(edges) > 0.8
    table = found.table
    assert len(table) == 13
    assert table["parent"][-1] is None
    assert str(table) == str(found)
    assert len(found.plot().patches) == 13


def test_a_tensor_and_edges_that_every_mode_votes_for():
    tensor = make_hierarchical_tensor(random_state=0, noise=0.1).X
    for model in (hntf.NCPD(4, random_state=0), hntf.HierarchicalNCPD((4, 2), n_init=1, random_state=0)):
        found = hntf.stability(model, tensor, n_fits=2, random_state=0)
        assert found.components[0].min() > 0.5


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, pandas.DataFrame])
def test_kinds_of_data_with_labels(kind):
    found = hntf.stability(hntf.SSNMF(9, random_state=0), kind(X), CLASSES, n_fits=2, random_state=0)
    assert found.components[0].mean() > 0.7


def test_a_mask_goes_with_the_samples():
    observed = np.random.default_rng(0).random(X.shape) < 0.9
    found = hntf.stability(hntf.NMF(9, random_state=0), X, mask=observed, n_fits=2, random_state=0)
    assert found.components[0].mean() > 0.8
    again = hntf.stability(hntf.NMF(9, random_state=0), X, mask=hntf.HoldOut(0.1), n_fits=2, random_state=0)
    assert again.components[0].mean() > 0.8


@pytest.mark.parametrize("resample", ["bootstrap", "starts", "halves", "entries"])
def test_weights_go_with_the_samples(resample):
    spoilt = np.arange(len(X)) % 9 == 0
    data, weights = np.where(spoilt[:, None], 1e3 * X[:, ::-1], X), 1.0 * ~spoilt[:, None]
    given = {"n_fits": 2, "resample": resample, "random_state": 0}
    with pytest.warns(UserWarning, match="no observed entry in 10 of its samples"):
        found = hntf.stability(hntf.NMF(9, random_state=0).fit(data, weights=weights), data, weights=weights, **given)
    assert found.components[0].mean() > 0.7


def test_a_comparison_with_weights():
    weights = np.random.default_rng(0).random(X.shape)
    found = hntf.compare([hntf.NMF(4)], X, weights=weights, fraction=0.1)
    model = hntf.NMF(4, random_state=0)
    np.testing.assert_allclose(found["error"], model.fit(X, weights=weights).reconstruction_err_)
    held_out = hntf.HoldOut(0.1)
    model.fit(X, weights=weights, mask=held_out)
    expected = model.reconstruction_error(X, weights=weights, mask=~held_out)
    np.testing.assert_allclose(found["held-out error"], expected)


def test_intervals_hold_the_weights():
    model = hntf.NMF(9, random_state=0).fit(X)
    found = hntf.stability(model, X, n_fits=5, intervals=True, random_state=0)
    low, high = found.intervals[0]
    assert low.shape == (9, X.shape[1])
    assert (low <= high).all()
    weights = model.components_[0] / np.linalg.norm(model.components_[0], axis=1, keepdims=True)
    assert ((weights >= low - 0.05) & (weights <= high + 0.05)).mean() > 0.8


@pytest.mark.parametrize("resample", ["bootstrap", "starts"])
def test_intervals_of_a_tensor_are_listed_by_mode(resample):
    tensor = make_hierarchical_tensor(random_state=0, noise=0.1).X
    model = hntf.NCPD(4, random_state=0).fit(tensor)
    (bounds,) = hntf.stability(model, tensor, n_fits=3, resample=resample, intervals=True, random_state=0).intervals
    assert len(bounds) == 3
    # The samples are others in every bootstrap.
    assert (bounds[0] is None) == (resample == "bootstrap")
    for (low, high), profile in zip(bounds[1:], model.components_[0][1:], strict=True):
        assert low.shape == profile.shape
        weights = profile / np.linalg.norm(profile, axis=1, keepdims=True)
        assert ((weights >= low - 0.05) & (weights <= high + 0.05)).mean() > 0.7


@pytest.mark.slow
def test_processes_find_the_same():
    one, two = (
        hntf.stability(hntf.NMF(9, random_state=0), X, n_fits=3, random_state=0, n_jobs=jobs) for jobs in (1, 2)
    )
    np.testing.assert_allclose(one.components[0], two.components[0], rtol=1e-4)


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match="n_fits"):
        hntf.stability(hntf.NMF(2), X, n_fits=1)
    with pytest.raises(ValueError, match="resample"):
        hntf.stability(hntf.NMF(2), X, resample="jackknife")
    with pytest.raises(TypeError, match="X must be"):
        hntf.stability(hntf.NMF(2), object())
    with pytest.raises(TypeError, match="hierarchy_ and the counts of words"):
        hntf.stability(TopicModel(3), ["one text", "another text"])
    model = hntf.SSNMF(2, random_state=0).fit(np.ones((12, 5)), np.arange(12) % 2)
    with pytest.raises(ValueError, match="X must hold the 12 samples"):
        hntf.stability(model, np.ones((9, 5)), np.arange(9) % 2, resample="starts", n_fits=2)
    with pytest.raises(ValueError, match="y must have one label"):
        hntf.stability(model, np.ones((12, 5)), np.arange(6) % 2, resample="halves", n_fits=2)
    with pytest.raises(ValueError, match="each of the 12 samples"):
        hntf.compare([hntf.NMF(2)], [np.ones((6, 5)), np.ones((6, 5))], np.arange(9))
    with pytest.raises(TypeError, match="model"):
        hntf.stability(hntf.NMF, X)


def test_a_comparison_has_a_row_for_every_level():
    models = [hntf.NMF(9), hntf.NMF(4), hntf.NeuralNMF((9, 4), max_iter=50)]
    found = hntf.compare(models, X, CLASSES, n_seeds=2, fraction=0.1)
    assert found["model"] == ["NMF 1", "NMF 2", "NeuralNMF", "NeuralNMF"]
    assert found["components"] == [9, 4, 9, 4]
    assert found["nmi with y"][0] > 0.95
    assert all(0.8 * e < h < 1.2 * e + 0.02 for e, h in zip(found["error"], found["held-out error"], strict=True))
    assert {"error ±", "match of seeds", "seconds"} <= set(found.columns)
    assert found["match of seeds"][0] > 0.7
    names = [text.get_text() for text in found.plot().get_legend().get_texts()]
    assert sorted(names) == ["NMF 1", "NMF 2", "NeuralNMF", "held out"]
    frame = found.to_pandas()
    assert len(frame) == 4


def test_a_comparison_names_what_is_wrong():
    with pytest.raises(ValueError, match="models"):
        hntf.compare([], X)
    with pytest.raises(TypeError, match="models"):
        hntf.compare([3], X)
    with pytest.raises(TypeError, match="models"):
        hntf.compare(hntf.NMF(2), X)
    with pytest.raises(TypeError, match="the class NMF in place of an object of it for 'NMF'"):
        hntf.compare([hntf.NMF], X)


def test_unknown_classes_do_not_count_in_a_comparison():
    y = np.where(np.arange(len(CLASSES)) % 2, CLASSES, -1)
    assert hntf.compare([hntf.NMF(9)], X, y)["nmi with y"][0] > 0.95


def test_units_do_not_matter_for_stability():
    found = hntf.stability(hntf.NMF(9, random_state=0), 1e-200 * X, n_fits=2, resample="starts", random_state=0)
    assert found.components[0].mean() > 0.8


@pytest.mark.parametrize("kind", ["bsr", "coo", "csc", "dia", "dok", "lil"])
@pytest.mark.parametrize("resample", ["bootstrap", "halves"])
def test_samples_are_drawn_from_every_sparse_format(kind, resample):
    found = hntf.stability(
        hntf.NMF(9, random_state=0, max_iter=5), scipy.sparse.csr_array(X).asformat(kind), n_fits=2, resample=resample
    )
    assert found.components[0].shape == (9,)


def test_one_sample_has_no_halves():
    with pytest.raises(ValueError, match="two samples"):
        hntf.stability(hntf.NMF(1), np.ones((1, 5)), resample="halves")


def test_a_comparison_names_the_model_that_fails():
    with pytest.warns(FitFailedWarning, match="'bad' is left out.*ValueError: .*n_components"):
        found = hntf.compare({"bad": hntf.NMF(-4), "good": hntf.NMF(2)}, X, n_seeds=2)
    assert found["model"] == ["good"]
    with pytest.warns(FitFailedWarning), pytest.raises(ValueError, match="n_components") as failed:
        hntf.compare({"bad": hntf.NMF(-4), "worse": hntf.NMF(-5)}, X)
    assert "'bad'" in failed.value.__notes__[0]
    with pytest.raises(TypeError, match=r"PCA\(n_components=2\) of sklearn for 'PCA'"):
        hntf.compare([PCA(2)], X)


@pytest.mark.parametrize(
    ("fraction", "words"), [(0.95, "at most 0.5"), (1e-4, "at least 10 of the"), ("a", "fraction")]
)
def test_a_comparison_hides_neither_most_nor_nothing(fraction, words):
    with pytest.raises((TypeError, ValueError), match=words):
        hntf.compare([hntf.NMF(2)], X[:20], fraction=fraction)


@pytest.mark.parametrize(
    ("y", "words"), [([-1] * len(X), "known classes"), ([0, 1], "samples"), (np.eye(len(X)), "samples")]
)
def test_a_comparison_needs_classes_of_the_samples(y, words):
    with pytest.raises(ValueError, match=f"y must hold.*{words}"):
        hntf.compare([hntf.NMF(2)], X, y)


class Blocks:
    """Blocks of samples that can be read again."""

    def __init__(self, *blocks):
        self.blocks = blocks

    def __iter__(self):
        return iter(self.blocks)


@pytest.mark.slow
@pytest.mark.parametrize("resample", ["bootstrap", "starts", "halves", "entries"])
def test_samples_in_parts_have_the_stability_of_samples_in_memory(resample, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    model, given = hntf.NMF(9, random_state=0).fit(X), {"n_fits": 2, "resample": resample, "random_state": 0}
    expected = hntf.stability(model, X, **given)
    for parts in (path, Blocks(X[:30], X[30:]), *([] if resample == "entries" else [hntf.data.as_data(X)])):
        found = hntf.stability(model, parts, **given)
        np.testing.assert_allclose(found.components[0], expected.components[0], atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("resample", ["bootstrap", "starts", "halves", "entries"])
def test_a_sparse_tensor_has_the_stability_of_the_dense_one(resample):
    tensor = make_hierarchical_tensor(random_state=0, noise=0.1).X
    entries = (np.array(np.nonzero(tensor)), tensor[tensor != 0], tensor.shape)
    model, given = hntf.NCPD(4, random_state=0).fit(tensor), {"n_fits": 2, "resample": resample, "random_state": 0}
    found, expected = (hntf.stability(model, data, **given) for data in (entries, tensor))
    np.testing.assert_allclose(found.components[0], expected.components[0], atol=0.1)


def test_nested_lists_are_arrays():
    model, given = hntf.NMF(9, random_state=0).fit(X), {"n_fits": 2, "random_state": 0}
    found, expected = (hntf.stability(model, data, **given) for data in (X.tolist(), X))
    np.testing.assert_array_equal(found.components[0], expected.components[0])


def test_weights_of_samples_in_parts_go_with_how_often_they_are_drawn():
    spoilt = np.arange(len(X)) % 9 == 0
    data, weights = np.where(spoilt[:, None], 1e3 * X[:, ::-1], X), 1.0 * ~spoilt
    model = hntf.NMF(9, random_state=0).fit(X)
    found = hntf.stability(model, Blocks(data[:30], data[30:]), weights=weights, n_fits=2, random_state=0)
    assert found.components[0].mean() > 0.7


def test_sparse_weights_of_samples_in_parts():
    model, given = hntf.NMF(9, random_state=0).fit(X), {"n_fits": 2, "random_state": 0}
    weights = scipy.sparse.csr_array(np.random.default_rng(0).random(X.shape))
    blocks = [scipy.sparse.csr_array(X[:30]), scipy.sparse.csr_array(X[30:])]
    assert hntf.stability(model, blocks, weights=weights, **given).components[0].mean() > 0.8
    with pytest.raises(ValueError, match="weights must have a row for each of 90 samples"):
        hntf.stability(model, blocks, weights=np.ones((1, X.shape[1])), **given)


def test_data_objects_whose_entries_cannot_be_hidden_are_refused():
    with pytest.raises(TypeError, match="not a data object"):
        hntf.stability(hntf.NMF(2), hntf.as_data(X), resample="entries")
    with pytest.raises(TypeError, match="but for a data object"):
        hntf.select_ranks(hntf.as_data(X), [2, 3], hntf.NMF)


def test_labels_of_samples_in_parts_are_refused_where_samples_are_drawn():
    model = hntf.SSNMF(9, random_state=0).fit(X, CLASSES)
    with pytest.raises(TypeError, match="X must be an array for resample='halves' with labels, got Blocks"):
        hntf.stability(model, Blocks(X), CLASSES, resample="halves", n_fits=2)


@pytest.mark.parametrize("init", ["nndsvd", "nndsvda", [np.ones((30, 2))]])
def test_starts_that_are_all_the_same_are_no_test_of_starts(rng, init):
    X = rng.random((40, 30))
    with pytest.raises(ValueError, match="model must start at random for resample='starts'"):
        hntf.stability(hntf.NMF(2, init=init), X, n_fits=3, resample="starts")
    with pytest.raises(ValueError, match="model must start at random for criterion 'stability'"):
        hntf.select_ranks(X, [1, 2], hntf.NMF(init=init), criterion="stability")


def test_a_model_that_was_fitted_with_labels_needs_them_again(rng):
    X, y = rng.random((20, 8)), np.arange(20) % 2
    model = hntf.SSNMF(2, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="y must be given for a model that was fitted with labels"):
        hntf.stability(model, X, n_fits=2)
    assert hntf.stability(model, X, y, n_fits=2, random_state=0).n_fits == 2


class TestOneComponentLess:
    def test_the_spurious_component_is_given_up(self):
        """A blend of two topics comes back from other samples, but not where a component must be given up."""
        rng = np.random.default_rng(3)
        profiles = rng.dirichlet(np.full(60, 0.1), 4)
        X = np.array([rng.multinomial(80, p) for p in rng.dirichlet(np.full(4, 0.3), 150) @ profiles], float)
        model = hntf.NMF(5, random_state=0).fit(X)
        spurious = hntf.metrics.congruence(model.components_[0].T, profiles.T).max(axis=1).argmin()
        found = hntf.stability(model, X, n_fits=6, resample="fewer", random_state=0)
        assert found.components[0].argmin() == spurious
        assert found.components[0][spurious] < 0.5 * np.delete(found.components[0], spurious).min()

    def test_only_the_finest_level_has_fewer(self, rng):
        X = rng.random((40, 30))
        model = hntf.NeuralNMF((4, 2), max_iter=20, random_state=0).fit(X)
        found = hntf.stability(model, X, n_fits=4, resample="fewer", random_state=0)
        assert [len(scores) for scores in found.components] == [4, 2]
        # In every fit one of the reference has no partner, and no edge.
        assert found.components[0].sum() <= 3.0
        assert found.edges[0].sum() <= 3.0 + 1e-12

    @pytest.mark.parametrize(
        ("model", "shape", "options", "words"),
        [
            (hntf.NMF(1), (12, 9), {}, "got 1"),
            (hntf.NeuralNMF((3, 3)), (12, 9), {}, r"got \(3, 3\)"),
            (hntf.NTD((2, 2, 2)), (6, 5, 4), {}, "a component at its finest level to spare"),
            (hntf.NMF(3), (12, 9), {"intervals": True}, "intervals must be False for resample='fewer'"),
        ],
    )
    def test_what_has_none_to_spare_is_named(self, rng, model, shape, options, words):
        with pytest.raises(ValueError, match=words):
            hntf.stability(model.set_params(max_iter=3), rng.random(shape), n_fits=2, resample="fewer", **options)
